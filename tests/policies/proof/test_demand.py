"""What a demand takes for certain, held against every way to fill what is asked: whoever approves has brought it."""

from __future__ import annotations

import dataclasses
from itertools import combinations, product
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from core.documents.policy import Demand, Quorum, Seat
from core.documents.roster import Person, Role
from core.quorum import Approver, is_filled, join, parts_to_fill
from policies.proof.demand import is_met, is_weaker
from tests.soak import bounded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

A, B = Role.RISK_OFFICER, Role.CRO
PEOPLE = [
    Person(id=f"{'-'.join(roles)}.{site}.{copy}", name="x", roles=roles, desk="d", site=site, keys=())
    for roles, site, copy in product([(A,), (B,), (A, B)], ["s1", "s2"], [1, 2])
]
SEATS = st.builds(Seat, role=st.sampled_from([A, B]), count=st.integers(1, 2), stage=st.integers(0, 1))
# As `core.policy_check` accepts them: no more sites than seats.
QUORUMS = st.builds(
    lambda seats, sites: Quorum(seats=tuple(seats), sites=min(sites, sum(seat.count for seat in seats))),
    st.lists(SEATS, max_size=2),
    st.integers(0, 2),
)
ASKED = st.lists(QUORUMS, min_size=1, max_size=2)
DEMANDS = st.builds(
    Demand, approvers=st.integers(1, 4), sites=st.integers(0, 2), seats=st.lists(SEATS, max_size=2).map(tuple)
)


def crowds() -> Iterator[list[Approver]]:
    """Every small crowd of the roster, approving all at once or one after the other in either order."""
    for size in range(5):
        for people in combinations(PEOPLE, size):
            yield [Approver(person, 0) for person in people]
            if size in (2, 3):
                yield [Approver(person, at) for at, person in enumerate(people)]
                yield [Approver(person, -at) for at, person in enumerate(people)]


CROWDS = list(crowds())


def fills(asked: Sequence[Quorum], crowd: list[Approver]) -> bool:
    return all(is_filled(part, crowd) for part in parts_to_fill(join(asked), asked))


def brings(demand: Demand, crowd: list[Approver]) -> bool:
    return (
        len(crowd) >= demand.approvers
        and len({one.person.site for one in crowd}) >= demand.sites
        and is_filled(Quorum(seats=demand.seats, sites=0), crowd)
    )


@bounded(60)
@given(ASKED, DEMANDS)
def test_whoever_fills_what_is_asked_has_brought_what_is_met(asked: list[Quorum], demand: Demand) -> None:
    if is_met(demand, asked):
        for crowd in CROWDS:
            assert not fills(asked, crowd) or brings(demand, crowd)


@bounded(60)
@given(ASKED, st.integers(1, 4), st.sampled_from([A, B]), st.integers(1, 3))
def test_approvers_and_seats_of_one_role_are_exact(asked: list[Quorum], count: int, role: Role, seats: int) -> None:
    """What is not met is really possible: somebody fills all that is asked with less."""
    unsited = [
        dataclasses.replace(q, sites=0, seats=tuple(dataclasses.replace(s, stage=0) for s in q.seats)) for q in asked
    ]
    total = sum(seat.count for seat in join(unsited).seats)
    if total > 4:
        return
    plain = Demand(approvers=count, sites=0, seats=())
    crowd_sizes = [len(crowd) for crowd in CROWDS if fills(unsited, crowd)]
    assert is_met(plain, unsited) is (min(crowd_sizes) >= count)
    staffed = Demand(approvers=1, sites=0, seats=(Seat(role=role, count=seats, stage=0),))
    if total:
        always = all(
            is_filled(Quorum(seats=staffed.seats, sites=0), crowd) for crowd in CROWDS if fills(unsited, crowd)
        )
        assert is_met(staffed, unsited) is always


@bounded(80)
@given(ASKED, ASKED)
def test_what_is_not_weaker_is_filled_by_nobody_who_does_not_fill_the_old(
    new: list[Quorum], old: list[Quorum]
) -> None:
    if not is_weaker(new, old):
        for crowd in CROWDS:
            assert not fills(new, crowd) or fills(old, crowd)


def test_the_same_is_never_weaker_than_itself() -> None:
    for asked in ([Quorum(seats=(Seat(role=A, count=2, stage=0), Seat(role=B, count=1, stage=1)), sites=2)],):
        assert not is_weaker(asked, asked)
        assert is_weaker([dataclasses.replace(asked[0], sites=1)], asked)
        one = tuple(dataclasses.replace(seat, stage=0) for seat in asked[0].seats)
        assert is_weaker([dataclasses.replace(asked[0], seats=one)], asked)
