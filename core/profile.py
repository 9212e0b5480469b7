"""What the production profile refuses, wherever a policy comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.attestation import attestation_problem, root_problem
from core.documents.roster import DEMO_AAGUID, SignerRole, WalletKind
from core.enrolments import KEYS_EACH
from core.names import chain_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.documents.policy import Policy
    from core.documents.roster import Person

DEVELOPMENT_CHAINS = frozenset({1337, 31337})
"""Chain ids that development nodes use by default."""
TEST_AAGUIDS = frozenset(
    {DEMO_AAGUID, b"\0" * 16, bytes.fromhex("01020304050607080102030405060708")},
)
"""The demo's software keys, keys that hide their model, and Chromium's virtual authenticator."""


def witness_problems(policy: Policy) -> Iterator[str]:
    """Yield why nothing would keep a signer from being shown less than there is."""
    if not policy.witness_threshold:
        yield "witnesses: production signs only under leases of witnesses, and this policy names none"
    if not any(signer.role is SignerRole.LOG and signer.public_key for signer in policy.signers):
        yield "signers: production signs only what the log holds, and this policy names no log's key"


def production_problems(policy: Policy) -> Iterator[str]:
    """Yield what the production profile refuses: test and unattested keys, unsafe origins, development chains."""
    origin, rp_id = policy.consent.origin, policy.consent.rp_id
    host = origin.removeprefix("https://").partition(":")[0]
    if not origin.startswith("https://"):
        yield "consent origin: production takes https only"
    if host == "localhost" or host.endswith(".localhost") or host.replace(".", "").isdigit():
        yield "consent origin: production takes no localhost and no bare address"
    if rp_id != host and not host.endswith("." + rp_id):
        yield "consent origin: rp_id does not belong to it"
    yield from (f"authenticator model {a.hex()} is a test key's" for a in policy.consent.aaguids if a in TEST_AAGUIDS)
    yield from witness_problems(policy)
    for wallet in policy.wallets:
        if wallet.kind is WalletKind.SOFTWARE:
            yield f"wallet {wallet.label}: software keys are for the demo profile"
        if chain_number(wallet.chain) in DEVELOPMENT_CHAINS:
            yield f"wallet {wallet.label}: {wallet.chain} is a development chain"
    for person in policy.people:
        yield from _person_problems(person, policy)


def _person_problems(person: Person, policy: Policy) -> Iterator[str]:
    for key in person.keys:
        # A chain has to hold on the day on which somebody vouched for it: makers' certificates run out as well.
        at = policy.header.created if key.enrolment is None else key.enrolment.header.created
        problem = attestation_problem(key) or root_problem(key, policy.consent.attestation_roots, at=at)
        if problem is not None:
            yield f"person {person.id}: a consent key {problem}"
    # In a successor, who lost one of two keys keeps the other for as long as a new one takes (`core.enrolments`).
    if policy.is_genesis and 0 < len(person.keys) < KEYS_EACH:
        yield f"person {person.id}: has one consent key; {KEYS_EACH} are needed: nothing else recovers them"
