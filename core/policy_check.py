"""What is wrong with a policy, each row named. A policy with a problem is never used, by anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.canonical import MAX_BYTES
from core.conditions import is_web_only
from core.documents.policy import Effect, Limit, Measure, Policy, Property, Quorum, Rule
from core.documents.roster import Profile
from core.errors import CoreError, PolicyError
from core.limits import SEVERAL
from core.policy_conditions import Known, condition_problems
from core.policy_roster import (
    book_problems,
    custody_problems,
    duplicates,
    key_problems,
    people_problems,
    zone_problems,
)
from core.profile import production_problems
from core.quorum import Approver, is_filled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from core.documents.roster import Person

_LEAST_PEOPLE = {"resume": 2, "succession": 2, "ceremony": 2}
"""What one person alone never decides: a ceremony can start a journal anew, without its memory."""
_CONTROLS = ("succession", "cancel", "resume", "ceremony")
_MOST_LOOKED_AT = 64
MOST_DELAY = 366 * 86_400
"""The longest delay, seconds. Lengthening it tightens, so it is in force at once: unbounded, it would be for ever."""


def _able(quorum: Quorum, policy: Policy) -> list[Person]:
    """Return the living members: people with keys who hold a role that is asked for."""
    wanted = {seat.role for seat in quorum.seats}
    return [person for person in policy.people if person.keys and not wanted.isdisjoint(person.roles)]


def _fills(quorum: Quorum, people: Iterable[Person]) -> bool:
    return is_filled(quorum, [Approver(person, 0) for person in people])


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
    if seats >= quorum.sites and not _fills(quorum, _able(quorum, policy)):
        yield f"{at}: the roster cannot fill these seats with people of their own from {quorum.sites} sites"


def _orders(what: str, rows: tuple[Rule, ...] | tuple[Limit, ...]) -> Iterator[str]:
    for line in duplicates(f"{what}: order", (row.order for row in rows)):
        place = int(line.removeprefix(f"{what}: order ").partition(":")[0])
        yield f"{line} ({', '.join(row.id for row in rows if row.order == place)})"


def _rules(kind: str, rules: tuple[Rule, ...], policy: Policy, known: Known) -> Iterator[str]:
    yield from _orders(f"{kind}s", rules)
    for rule in rules:
        at = f"{kind} {rule.id}"
        wrong = condition_problems(at, rule.when, known)
        yield from wrong
        if kind == "guard" and (rule.effect is not Effect.BLOCK or rule.quorum is not None):
            yield f"{at}: a guard blocks and asks nobody"
        if kind == "escalation" and (rule.effect is not Effect.ALLOW or rule.quorum is None):
            yield f"{at}: an escalation names the quorum that it adds"
        if kind == "grant":
            if not wrong and is_web_only(rule.when):
                yield f"{at}: a grant cannot rest on what a server claims"
            if (rule.effect is Effect.ALLOW) != (rule.quorum is not None):
                yield f"{at}: one that allows names its quorum (no seats: no person), one that blocks has none"
        if rule.quorum is not None:
            yield from _quorum(at, rule.quorum, policy, may_be_empty=kind == "grant")


_MOST_SEVERAL = 2
"""A call that names 32 of each counts under 32 x 32 keys of such a limit; of three, a signer would not end."""


def _limits(policy: Policy, known: Known) -> Iterator[str]:
    assets = {asset.id for asset in policy.assets}
    yield from _orders("limits", policy.limits)
    for limit in policy.limits:
        at = f"limit {limit.id}"
        if limit.when is not None:
            yield from condition_problems(at, limit.when, known)
        if limit.most <= 0:
            yield f"{at}: must be greater than 0"
        if (limit.measure is Measure.ASSET) != (limit.asset is not None):
            yield f"{at}: an asset is named exactly where base units are counted"
        if limit.asset is not None and limit.asset not in assets:
            yield f"{at}: unknown asset {limit.asset}"
        if limit.quorum is not None:
            yield from _quorum(at, limit.quorum, policy)
        yield from duplicates(f"{at}: dimension", limit.per)
        if len(SEVERAL.intersection(limit.per)) > _MOST_SEVERAL:
            several = ", ".join(sorted(SEVERAL))
            yield f"{at}: counts by at most {_MOST_SEVERAL} of {several}, since one call can name many of each"


def _property(row: Property, policy: Policy, known: Known) -> Iterator[str]:
    at = f"property {row.id}"
    wrong = condition_problems(at, row.when, known)
    yield from wrong
    if not wrong and is_web_only(row.when):
        yield f"{at}: nothing can be proven about what a server claims"
    if row.demand is None:
        return
    demand = row.demand
    seats = sum(seat.count for seat in demand.seats)
    if demand.sites > demand.approvers or seats > demand.approvers:
        yield f"{at}: {demand.approvers} approvers cannot be of {demand.sites} sites and take {seats} seats"
    if any(seat.stage for seat in demand.seats):
        yield f"{at}: a demand says who, not in which order: its seats have no stages"
    keyed = sum(1 for person in policy.people if person.keys)
    if demand.approvers > keyed:
        yield f"{at}: {demand.approvers} approvers needed, {keyed} on the roster hold a key"
    wanted = Quorum(seats=demand.seats, sites=0)
    if seats and not _fills(wanted, _able(wanted, policy)):
        yield f"{at}: the roster cannot fill these seats with people of their own"


def _properties(policy: Policy, known: Known) -> Iterator[str]:
    yield from duplicates("property", (row.id for row in policy.properties))
    for row in policy.properties:
        yield from _property(row, policy, known)
    yield from duplicates("evidence", (row.kind for row in policy.evidence))


def _controls(policy: Policy) -> Iterator[str]:
    for name in _CONTROLS:
        yield from _quorum(f"quorum {name}", getattr(policy.controls, name), policy)
    for name, least in _LEAST_PEOPLE.items():
        if sum(seat.count for seat in getattr(policy.controls, name).seats) < least:
            yield f"quorum {name}: at least {least} people"
    for name in ("succession_delay", "recovery_delay"):
        if getattr(policy.controls, name) > MOST_DELAY:
            yield f"{name}: longer than {MOST_DELAY // 86_400} days: nothing could be mended in anybody's time"


def _size(policy: Policy) -> Iterator[str]:
    try:
        size = len(policy.to_bytes())
    except (CoreError, RecursionError) as error:
        yield f"the document cannot be written: {error}"
        return
    if size > MAX_BYTES:
        yield f"the document has {size} bytes; at most {MAX_BYTES} are read"


def validate(policy: Policy) -> list[str]:
    """Return all problems of a policy, each row named; none means that it can be used."""
    problems: list[str] = []
    known = Known(policy)
    rules = [*policy.guards, *policy.grants, *policy.escalations]
    problems.extend(duplicates("rule", [*(r.id for r in rules), *(limit.id for limit in policy.limits)]))
    problems.extend(people_problems(policy))
    problems.extend(custody_problems(policy))
    problems.extend(book_problems(policy))
    problems.extend(_rules("guard", policy.guards, policy, known))
    problems.extend(_rules("grant", policy.grants, policy, known))
    problems.extend(_rules("escalation", policy.escalations, policy, known))
    problems.extend(_limits(policy, known))
    problems.extend(_properties(policy, known))
    problems.extend(zone_problems(policy, known.used_zones))
    problems.extend(_controls(policy))
    problems.extend(key_problems(policy))
    problems.extend(_size(policy))
    if policy.profile is Profile.PRODUCTION:
        problems.extend(production_problems(policy))
    return problems


def _quorums(policy: Policy) -> Iterator[tuple[str, Quorum]]:
    for kind, rules in (("grant", policy.grants), ("escalation", policy.escalations)):
        yield from ((f"{kind} {rule.id}", rule.quorum) for rule in rules if rule.quorum is not None)
    yield from ((f"limit {limit.id}", limit.quorum) for limit in policy.limits if limit.quorum is not None)
    yield from ((f"quorum {name}", getattr(policy.controls, name)) for name in _CONTROLS)


def _scarcity(quorum: Quorum, policy: Policy) -> list[str]:
    """Say what a quorum cannot spare: roles of which all are needed, and people without whom it is never filled."""
    said, spare = [], True
    for role in dict.fromkeys(seat.role for seat in quorum.seats):
        needed = sum(seat.count for seat in quorum.seats if seat.role is role)
        living = sum(1 for person in policy.people if role in person.roles and person.keys)
        if living <= needed:
            said.append(f"{needed} {role} needed, {living} on the roster hold a key: nobody is spare")
            spare = False
    able = _able(quorum, policy)
    if spare and len(able) <= _MOST_LOOKED_AT and _fills(quorum, able):
        without = {one.id: [other for other in able if other is not one] for one in able}
        said += [f"cannot be filled without {name}" for name, rest in without.items() if not _fills(quorum, rest)]
    return said


def warnings(policy: Policy) -> list[str]:
    """Return what is not wrong but leaves no room: quorums and keys of which every single one is needed.

    The initiator has no seat, so where initiators could be approvers there is one person less.
    """
    known: dict[Quorum, list[str]] = {}
    lines: list[str] = []
    for at, quorum in _quorums(policy):
        if quorum not in known:
            known[quorum] = _scarcity(quorum, policy)
        lines.extend(f"{at}: {what}" for what in known[quorum])
    for what, keys, threshold in (
        ("witness", policy.witnesses, policy.witness_threshold),
        ("attester", policy.attesters, policy.attester_threshold),
        ("recovery", policy.recovery, policy.recovery_threshold),
    ):
        if keys and threshold == len(keys):
            lines.append(f"{what}: all {threshold} keys are needed: losing one loses all")
    if not policy.recovery:
        lines.append("recovery: no recovery keys: a lost succession quorum cannot be replaced")
    return lines


def check(policy: Policy) -> None:
    """Refuse a policy that has problems.

    Raises:
        PolicyError: With all of them.
    """
    problems = validate(policy)
    if problems:
        raise PolicyError(problems)
