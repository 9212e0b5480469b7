"""What a property demands, held against what is asked: sound for every roster, whoever approves.

Whoever fills all that is asked fills the joined quorum, whose seats take a person each. So the joined quorum's seats
count distinct approvers, and its seats of a role distinct people who hold it. Sites and the order of stages are kept
by each asked quorum alone: two of them may be filled from the same sites, so only the largest number counts, and an
order counts only where one of them has exactly these seats in it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import z3

from core.documents.policy import Quorum
from core.quorum import join
from policies.proof.encoding import counts_of
from policies.proof.terms import both, either

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.documents.policy import Demand
    from core.documents.roster import Role
    from policies.proof.encoding import Encoding


def _order(quorum: Quorum) -> list[dict[Role, int]]:
    """Return the seats of each stage, in the order of the stages, whatever their numbers are."""
    stages: dict[int, dict[Role, int]] = {}
    for seat in quorum.seats:
        seats = stages.setdefault(seat.stage, {})
        seats[seat.role] = seats.get(seat.role, 0) + seat.count
    return [stages[stage] for stage in sorted(stages)]


def _keeps_order(asked: Quorum, wanted: Quorum) -> bool:
    """Whether filling `asked` fills the seats of `wanted` in their order."""
    return len(_order(wanted)) <= 1 or _order(asked) == _order(wanted)


def _keeps_sites(asked: Quorum, wanted: Quorum) -> bool:
    """Whether filling `asked` fills seats of `wanted` from as many sites: it has no seats beside those."""
    counts = counts_of(wanted)
    return wanted.sites <= 1 or (
        asked.sites >= wanted.sites and all(count <= counts.get(role, 0) for role, count in counts_of(asked).items())
    )


def _keeps(asked: Quorum, wanted: Quorum) -> bool:
    return _keeps_order(asked, wanted) and _keeps_sites(asked, wanted)


def is_met(demand: Demand, asked: Sequence[Quorum]) -> bool:
    """Whether whoever fills all these quorums, and their join, has certainly brought what is demanded.

    Args:
        demand: Distinct approvers, distinct sites among all who approve, and seats, in the order of their stages.
        asked: All quorums that a decision asks for.
    """
    joined, seats = counts_of(join(asked)), Quorum(seats=demand.seats, sites=0)
    total = sum(joined.values())
    return (
        total >= demand.approvers
        and max([quorum.sites for quorum in asked] + [min(total, 1)]) >= demand.sites
        and all(joined.get(role, 0) >= count for role, count in counts_of(seats).items())
        and (len(_order(seats)) <= 1 or any(_keeps_order(quorum, seats) for quorum in asked))
    )


def met_term(demand: Demand, encoding: Encoding) -> z3.BoolRef:
    """Return the same as a formula over what a policy asks for."""
    seats = Quorum(seats=demand.seats, sites=0)
    parts = [encoding.seats_at_least(demand.approvers), encoding.sites_at_least(demand.sites)]
    parts += [encoding.at_least(role, count) for role, count in sorted(counts_of(seats).items())]
    if len(_order(seats)) > 1:
        parts.append(encoding.some_asked(partial(_keeps_order, wanted=seats)))
    return both(parts)


def is_weaker(new: Sequence[Quorum], old: Sequence[Quorum]) -> bool:
    """Whether people could fill all of `new` without filling all of `old`, as far as can be told from seats."""
    joined = counts_of(join(new))
    if any(joined.get(role, 0) < count for role, count in counts_of(join(old)).items()):
        return True
    return any(not any(_keeps(other, quorum) for other in new) for quorum in old if _is_particular(quorum))


def _is_particular(quorum: Quorum) -> bool:
    """Whether a quorum asks for more than its seats: an order, or sites."""
    return quorum.sites > 1 or len(_order(quorum)) > 1


def weaker_term(new: Encoding, old: Encoding) -> z3.BoolRef:
    """Return the same as a formula over what two versions ask for."""
    parts = [
        z3.And(old.at_least(role, count), z3.Not(new.at_least(role, count)))
        for role, most in sorted(old.most.items())
        for count in range(1, most + 1)
    ]
    particular: dict[Quorum, list[z3.BoolRef]] = {}
    for asked in old.asked:
        if _is_particular(asked.quorum):
            particular.setdefault(asked.quorum, []).append(asked.when)
    for quorum, whens in particular.items():
        parts.append(z3.And(either(whens), z3.Not(new.some_asked(partial(_keeps, wanted=quorum)))))
    return either(parts)
