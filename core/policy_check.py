"""What is wrong with a policy, each row named. A policy with a problem is never used, by anybody."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from core.calldata import CallKind
from core.conditions import OPERATORS, is_web_only
from core.documents.mandate import AskerKind
from core.documents.policy import Condition, ConditionOp, Effect, Measure, Policy, Quorum, Rule
from core.documents.roster import Profile, Role, SignerRole, WalletKind
from core.ed25519 import check_public_key
from core.errors import CoreError, PolicyError
from core.evm import address_of
from core.facts import REGISTRY, FactType
from core.names import ACCOUNT, ADDRESS, ASSET, CHAIN, SELECTOR, SLUG
from core.profile import production_problems
from core.quorum import Approver, is_filled
from core.schema import Choice
from core.webauthn import parse_public_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from core.schema import Codec

_JOINS = {ConditionOp.ALL: (1, 64), ConditionOp.ANY: (1, 64), ConditionOp.NOT: (1, 1)}
_LEAST_PEOPLE = {"resume": 2, "succession": 2, "ceremony": 2}
"""What one person alone never decides: a ceremony can start a journal anew, without its memory."""
_MOST_DIGITS = 78
_FORMS: dict[str, Codec] = {
    "initiator": SLUG,
    "initiator.roles": Choice(Role),
    "initiator.kind": Choice(AskerKind),
    "desk": SLUG,
    "wallet": ACCOUNT,
    "wallet.kind": Choice(WalletKind),
    "chain": CHAIN,
    "asset": ASSET,
    "destination": ADDRESS,
    "destination.entry": SLUG,
    "call.kind": Choice(CallKind),
    "contract": ADDRESS,
    "selector": SELECTOR,
}
"""How the values of text fields are spelt; a guard over another spelling would never match, and look as if it did."""


def _duplicates(what: str, names: Iterable[object]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            shown = name.hex()[:16] if isinstance(name, bytes) else name
            yield f"{what} {shown}: named {count} times"


def _condition(at: str, condition: Condition) -> Iterator[str]:
    if condition.op in _JOINS:
        least, most = _JOINS[condition.op]
        if condition.field is not None or condition.values or not least <= len(condition.parts) <= most:
            yield f"{at}: '{condition.op}' joins {least} to {most} conditions and has no field of its own"
        for part in condition.parts:
            yield from _condition(at, part)
        return
    field = REGISTRY.get(condition.field or "")
    if field is None:
        yield f"{at}: unknown field {condition.field!r}"
        return
    if condition.parts or condition.op not in OPERATORS[field.type]:
        yield f"{at}: {condition.field} does not take '{condition.op}'"
        return
    many = condition.op in (ConditionOp.IN, ConditionOp.HAS)
    if not condition.values or (not many and len(condition.values) != 1):
        yield f"{at}: {condition.field} {condition.op} needs {'at least one value' if many else 'one value'}"
    for value in condition.values:
        if field.type is FactType.NUMBER and not (value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS):
            yield f"{at}: {condition.field} is compared with whole numbers, not {value[:40]!r}"
        if field.type is FactType.FLAG and value not in ("true", "false"):
            yield f"{at}: {condition.field} is true or false"
        yield from _form(at, condition.field or "", value)


def _form(at: str, field: str, value: str) -> Iterator[str]:
    try:
        if field in _FORMS:
            _FORMS[field].read(value, field)
    except CoreError as error:
        yield f"{at}: {error}, not {value[:60]!r}"


def _ed25519(at: str, key: bytes | None) -> Iterator[str]:
    try:
        if key is not None:
            check_public_key(key)
    except CoreError as error:
        yield f"{at}: {error}"


def _quorum(at: str, quorum: Quorum, policy: Policy, *, may_be_empty: bool = False) -> Iterator[str]:
    seats = sum(seat.count for seat in quorum.seats)
    if not seats and not may_be_empty:
        yield f"{at}: an empty quorum"
    if quorum.sites > seats:
        yield f"{at}: asks for {quorum.sites} sites with {seats} seats"
    for seat in quorum.seats:
        holders = sum(1 for p in policy.people if seat.role in p.roles and p.keys)
        if holders < seat.count:
            yield f"{at}: {seat.count} {seat.role} needed, {holders} on the roster hold a key"
    wanted = {seat.role for seat in quorum.seats}
    able = [person for person in policy.people if person.keys and not wanted.isdisjoint(person.roles)]
    if seats >= quorum.sites and not is_filled(quorum, [Approver(person, 0) for person in able]):
        yield f"{at}: the roster cannot fill these seats with people of their own from {quorum.sites} sites"


def _rules(kind: str, rules: tuple[Rule, ...], policy: Policy) -> Iterator[str]:
    yield from _duplicates(f"{kind}s: order", (rule.order for rule in rules))
    for rule in rules:
        at = f"{kind} {rule.id}"
        yield from _condition(at, rule.when)
        if kind == "guard" and (rule.effect is not Effect.BLOCK or rule.quorum is not None):
            yield f"{at}: a guard blocks and asks nobody"
        if kind == "escalation" and (rule.effect is not Effect.ALLOW or rule.quorum is None):
            yield f"{at}: an escalation names the quorum that it adds"
        if kind == "grant":
            if is_web_only(rule.when):
                yield f"{at}: a grant cannot rest on what a server claims"
            if (rule.effect is Effect.ALLOW) != (rule.quorum is not None):
                yield f"{at}: one that allows names its quorum (no seats: no person), one that blocks has none"
        if rule.quorum is not None:
            yield from _quorum(at, rule.quorum, policy, may_be_empty=kind == "grant")


def _limits(policy: Policy) -> Iterator[str]:
    assets = {asset.id for asset in policy.assets}
    yield from _duplicates("limits: order", (limit.order for limit in policy.limits))
    for limit in policy.limits:
        at = f"limit {limit.id}"
        if limit.when is not None:
            yield from _condition(at, limit.when)
        if limit.most == 0:
            yield f"{at}: must be greater than 0"
        if (limit.measure is Measure.ASSET) != (limit.asset is not None):
            yield f"{at}: an asset is named exactly where base units are counted"
        if limit.asset is not None and limit.asset not in assets:
            yield f"{at}: unknown asset {limit.asset}"
        if limit.quorum is not None:
            yield from _quorum(at, limit.quorum, policy)
        yield from _duplicates(f"{at}: dimension", limit.per)


def _roster(policy: Policy) -> Iterator[str]:
    people = policy.people
    yield from _duplicates("person", [*(p.id for p in people), *(c.id for c in policy.clients)])
    keys = [key for person in people for key in person.keys]
    yield from _duplicates("credential", (key.credential_id for key in keys))
    yield from _duplicates("consent key", (key.public_key for key in keys))
    yield from _duplicates("client key", (client.public_key for client in policy.clients))
    known = {person.id for person in people}
    for person in people:
        for key in person.keys:
            try:
                parse_public_key(key.public_key)
            except CoreError as error:
                yield f"person {person.id}: {error}"
            if key.aaguid not in policy.consent.aaguids:
                yield f"person {person.id}: authenticator model {key.aaguid.hex()} is not on the list"
    for client in policy.clients:
        yield from _ed25519(f"client {client.id}", client.public_key)
        yield from (f"client {client.id}: unknown person {name}" for name in client.responsible if name not in known)


def _custody(policy: Policy) -> Iterator[str]:
    signers = {signer.id: signer for signer in policy.signers}
    yield from _duplicates("signer", (signer.id for signer in policy.signers))
    yield from _duplicates("wallet", (wallet.id for wallet in policy.wallets))
    yield from _duplicates("wallet key", (wallet.public_key for wallet in policy.wallets))
    for signer in policy.signers:
        yield from _ed25519(f"signer {signer.id}", signer.public_key)
    for wallet in policy.wallets:
        try:
            if address_of(wallet.public_key) != wallet.address:
                yield f"wallet {wallet.label}: the public key is not this address's"
        except CoreError as error:
            yield f"wallet {wallet.label}: {error}"
        role = SignerRole.PARTY if wallet.kind is WalletKind.MPC else SignerRole.HSM
        for name in wallet.signers:
            if name not in signers or signers[name].role is not role:
                yield f"wallet {wallet.label}: {name} is not a signer of role {role}"
        if wallet.threshold > len(wallet.signers) or (
            role is SignerRole.HSM and (wallet.threshold, len(wallet.signers)) != (1, 1)
        ):
            yield f"wallet {wallet.label}: threshold and signers do not fit its kind"


def _books(policy: Policy) -> Iterator[str]:
    assets = {asset.id for asset in policy.assets}
    yield from _duplicates("asset", (asset.id for asset in policy.assets))
    yield from _duplicates("address", (entry.id for entry in policy.addresses))
    yield from _duplicates("address", ((entry.chain, entry.address) for entry in policy.addresses))
    yield from _duplicates("price", (price.asset for price in policy.prices))
    for entry in policy.addresses:
        if entry.usable_from >= entry.expires:
            yield f"address {entry.id}: expires before it becomes usable"
    for price in policy.prices:
        if price.asset not in assets:
            yield f"price: unknown asset {price.asset}"
        if price.usd_e8 == 0:
            yield f"price of {price.asset}: must be greater than 0"


def _controls(policy: Policy) -> Iterator[str]:
    controls = policy.controls
    for name in ("succession", "cancel", "resume", "ceremony"):
        yield from _quorum(f"quorum {name}", getattr(controls, name), policy)
    for name, least in _LEAST_PEOPLE.items():
        if sum(seat.count for seat in getattr(controls, name).seats) < least:
            yield f"quorum {name}: at least {least} people"
    for what, keys, threshold in (
        ("witness", policy.witnesses, policy.witness_threshold),
        ("attester", policy.attesters, policy.attester_threshold),
        ("recovery", policy.recovery, policy.recovery_threshold),
    ):
        yield from _duplicates(what, (key.id for key in keys))
        yield from _duplicates(f"{what} key", (key.public_key for key in keys))
        for key in keys:
            yield from _ed25519(f"{what} {key.id}", key.public_key)
        if threshold > len(keys) or (keys and not threshold):
            yield f"{what}: threshold {threshold} of {len(keys)}"


def validate(policy: Policy) -> list[str]:
    """Return all problems of a policy, each row named; none means that it can be used."""
    problems: list[str] = []
    rules = [*policy.guards, *policy.grants, *policy.escalations]
    problems.extend(_duplicates("rule", [*(r.id for r in rules), *(limit.id for limit in policy.limits)]))
    problems.extend(_roster(policy))
    problems.extend(_custody(policy))
    problems.extend(_books(policy))
    problems.extend(_rules("guard", policy.guards, policy))
    problems.extend(_rules("grant", policy.grants, policy))
    problems.extend(_rules("escalation", policy.escalations, policy))
    problems.extend(_limits(policy))
    problems.extend(_controls(policy))
    if policy.profile is Profile.PRODUCTION:
        problems.extend(production_problems(policy))
    return problems


def check(policy: Policy) -> None:
    """Refuse a policy that has problems.

    Raises:
        PolicyError: With all of them.
    """
    problems = validate(policy)
    if problems:
        raise PolicyError(problems)
