"""What is wrong with a policy's lists: people, keys, signers, wallets, assets, contracts, addresses, zones."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from core.abi import argument_types, selector_of
from core.documents.roster import SignerRole, WalletKind
from core.ed25519 import check_public_key
from core.errors import CoreError
from core.evm import address_of
from core.founding import domain_problems
from core.timewindow import UTC
from core.webauthn import parse_public_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from core.documents.policy import Policy
    from core.documents.roster import ContractEntry, Profile, SignerEntry, Wallet

_LEAST_THRESHOLD = 2


def duplicates(what: str, names: Iterable[object]) -> Iterator[str]:
    """Yield a line for each name that is there more than once."""
    for name, count in Counter(names).items():
        if count > 1:
            shown = name.hex()[:16] if isinstance(name, bytes) else name
            yield f"{what} {shown}: named {count} times"


def _ed25519(at: str, key: bytes | None) -> Iterator[str]:
    try:
        if key is not None:
            check_public_key(key)
    except CoreError as error:
        yield f"{at}: {error}"


def people_problems(policy: Policy) -> Iterator[str]:
    """Yield what is wrong with people, their keys, and API clients."""
    people = policy.people
    yield from duplicates("attestation root", policy.consent.attestation_roots)
    yield from duplicates("person", [*(p.id for p in people), *(c.id for c in policy.clients)])
    keys = [key for person in people for key in person.keys]
    yield from duplicates("credential", (key.credential_id for key in keys))
    yield from duplicates("consent key", (key.public_key for key in keys))
    yield from duplicates("client key", (client.public_key for client in policy.clients))
    known = {person.id for person in people}
    for person in people:
        yield from duplicates(f"person {person.id}: role", person.roles)
        for key in person.keys:
            try:
                parse_public_key(key.public_key)
            except CoreError as error:
                yield f"person {person.id}: {error}"
            if policy.is_genesis and key.enrolment is not None:
                yield f"person {person.id}: a key of the first policy is compared at the console, not co-signed"
            if key.aaguid not in policy.consent.aaguids:
                yield f"person {person.id}: authenticator model {key.aaguid.hex()} is not on the list"
    for client in policy.clients:
        yield from _ed25519(f"client {client.id}", client.public_key)
        yield from (f"client {client.id}: unknown person {name}" for name in client.responsible if name not in known)


def custody_problems(policy: Policy) -> Iterator[str]:
    """Yield what is wrong with signers and wallets."""
    yield from duplicates("signer", (signer.id for signer in policy.signers))
    yield from duplicates("wallet", (wallet.id for wallet in policy.wallets))
    yield from duplicates("wallet key", (wallet.public_key for wallet in policy.wallets))
    yield from _clones(policy)
    for signer in policy.signers:
        yield from _ed25519(f"signer {signer.id}", signer.public_key)
    signers = {signer.id: signer for signer in policy.signers}
    roles = {name: signer.role for name, signer in signers.items()}
    for wallet in policy.wallets:
        yield from _wallet(wallet, roles)
        if wallet.kind is WalletKind.MPC:
            yield from _parties(wallet, [signers[name] for name in wallet.signers if name in signers], policy.profile)


def _wallet(wallet: Wallet, roles: dict[str, SignerRole]) -> Iterator[str]:
    try:
        if address_of(wallet.public_key) != wallet.address:
            yield f"wallet {wallet.label}: the public key is not this address's"
    except CoreError as error:
        yield f"wallet {wallet.label}: {error}"
    role = SignerRole.PARTY if wallet.kind is WalletKind.MPC else SignerRole.HSM
    for name in wallet.signers:
        if roles.get(name) is not role:
            yield f"wallet {wallet.label}: {name} is not a signer of role {role}"
    if wallet.threshold > len(wallet.signers) or (
        role is SignerRole.HSM and (wallet.threshold, len(wallet.signers)) != (1, 1)
    ):
        yield f"wallet {wallet.label}: threshold and signers do not fit its kind"


def _clones(policy: Policy) -> Iterator[str]:
    cloned = [wallet for wallet in policy.wallets if wallet.clone is not None]
    yield from duplicates("clone", (wallet.clone for wallet in cloned))
    # Two tokens hold the key: what keeps them from both signing is that every two sets of witnesses share one.
    apart = 2 * policy.witness_threshold <= len(policy.witnesses)
    for wallet in cloned:
        at = f"wallet {wallet.label}: has a clone"
        if wallet.kind is not WalletKind.HSM:
            yield f"{at}, which only an HSM's key has"
        if apart:
            yield f"{at}, so more than half of the witnesses have to lease: {policy.witness_threshold} is not enough"


def _parties(wallet: Wallet, parties: list[SignerEntry], profile: Profile) -> Iterator[str]:
    at = f"wallet {wallet.label}"
    if wallet.threshold < _LEAST_THRESHOLD:
        yield f"{at}: a threshold of {wallet.threshold} leaves the whole key with one party"
    yield from (f"{at}: party {party.id} has no key" for party in parties if party.public_key is None)
    yield from duplicates(f"{at}: party", wallet.signers)
    yield from duplicates(f"{at}: party key", (party.public_key for party in parties if party.public_key is not None))
    yield from (f"{at}: {problem}" for problem in domain_problems(parties, wallet.threshold, profile))


def book_problems(policy: Policy) -> Iterator[str]:
    """Yield what is wrong with assets, prices, whitelisted addresses and contracts."""
    assets = {asset.id for asset in policy.assets}
    yield from duplicates("asset", (asset.id for asset in policy.assets))
    yield from duplicates("address", (entry.id for entry in policy.addresses))
    yield from duplicates("address", ((entry.chain, entry.address) for entry in policy.addresses))
    yield from duplicates("price", (price.asset for price in policy.prices))
    yield from duplicates("contract", ((entry.chain, entry.address) for entry in policy.contracts))
    for entry in policy.addresses:
        if entry.usable_from >= entry.expires:
            yield f"address {entry.id}: expires before it becomes usable"
    for price in policy.prices:
        if price.asset not in assets:
            yield f"price: unknown asset {price.asset}"
        if price.usd_e8 == 0:
            yield f"price of {price.asset}: must be greater than 0"
    for contract in policy.contracts:
        yield from _functions(contract)


def _functions(contract: ContractEntry) -> Iterator[str]:
    at = f"contract {contract.label}"
    yield from duplicates(f"{at}: function", (function.signature for function in contract.functions))
    clashes = Counter(function.selector for function in contract.functions)
    for function in contract.functions:
        if argument_types(function.signature) is None:
            yield f"{at}: {function.signature}: no signature of types that are understood, as uint256 or bytes[]"
        elif selector_of(function.signature) != function.selector:
            right = selector_of(function.signature).hex()
            yield f"{at}: {function.signature}: its selector is 0x{right}, not 0x{function.selector.hex()}"
        if clashes[function.selector] > 1:
            yield f"{at}: {function.signature}: another function has the same selector"


def key_problems(policy: Policy) -> Iterator[str]:
    """Yield what is wrong with the keys of witnesses, attesters and recovery holders, and their thresholds."""
    for what, keys, threshold in (
        ("witness", policy.witnesses, policy.witness_threshold),
        ("attester", policy.attesters, policy.attester_threshold),
        ("recovery", policy.recovery, policy.recovery_threshold),
    ):
        yield from duplicates(what, (key.id for key in keys))
        yield from duplicates(f"{what} key", (key.public_key for key in keys))
        for key in keys:
            yield from _ed25519(f"{what} {key.id}", key.public_key)
        if threshold > len(keys) or (keys and not threshold):
            yield f"{what}: threshold {threshold} of {len(keys)}"
    # An offline key that a server holds as well, under another name, is not offline.
    elsewhere = {key.public_key for key in (*policy.witnesses, *policy.attesters)}
    elsewhere |= {client.public_key for client in policy.clients}
    elsewhere |= {signer.public_key for signer in policy.signers if signer.public_key is not None}
    yield from (
        f"recovery {key.id}: its key has another purpose too"
        for key in policy.recovery
        if key.public_key in elsewhere
    )


def zone_problems(policy: Policy, used: set[str]) -> Iterator[str]:
    """Yield what is wrong with time zones.

    Args:
        policy: The policy.
        used: The zones that its time windows name.
    """
    yield from duplicates("zone", (zone.name for zone in policy.zones))
    for zone in policy.zones:
        since = [offset.since for offset in zone.offsets]
        if zone.name == UTC:
            yield f"zone {zone.name}: is always there and has no offsets"
        elif zone.name not in used:
            yield f"zone {zone.name}: no time window uses it"
        if since != sorted(set(since)):
            yield f"zone {zone.name}: its offsets are not in the order of time, each later than the one before"
        elif since[0] > policy.header.created:
            yield f"zone {zone.name}: its offsets begin after the policy was made"
