"""Seats, people and sites, compared with brute force."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from core.documents.policy import Quorum, Seat
from core.documents.roster import Person, Role
from core.quorum import EMPTY, describe, is_filled, join, open_seats
from tests.factories.world import seats
from tests.soak import bounded

ROLES = (Role.RISK_OFFICER, Role.CRO, Role.POLICY_ADMIN)
SITES = ("zurich", "london", "tokyo")


def person(name: str, roles: frozenset[Role], site: str) -> Person:
    return Person(id=name, name=name, roles=tuple(sorted(roles)), desk="d", site=site, keys=())


ROSTERS = st.lists(st.tuples(st.frozensets(st.sampled_from(ROLES)), st.sampled_from(SITES)), max_size=5).map(
    lambda rows: [person(f"p{i}", roles, site) for i, (roles, site) in enumerate(rows)]
)
SEATS = st.lists(st.builds(Seat, role=st.sampled_from(ROLES), count=st.integers(1, 2), stage=st.just(0)), max_size=3)
QUORUMS = st.builds(lambda rows, sites: Quorum(seats=tuple(rows), sites=sites), SEATS, st.integers(0, 3))


def by_brute_force(quorum: Quorum, people: list[Person]) -> bool:
    """Try every way to seat distinct people, and count the sites of those who sit."""
    wanted = [seat.role for seat in quorum.seats for _ in range(seat.count)]
    return any(
        all(role in who.roles for role, who in zip(wanted, seated, strict=True))
        and len({who.site for who in seated}) >= quorum.sites
        for seated in permutations(people, len(wanted))
    )


@bounded(300)
@given(QUORUMS, ROSTERS)
def test_a_quorum_is_filled_exactly_if_some_seating_of_distinct_people_and_sites_exists(
    quorum: Quorum, people: list[Person]
) -> None:
    assert is_filled(quorum, people) == by_brute_force(quorum, people)


@bounded(100)
@given(QUORUMS, ROSTERS)
def test_the_same_people_again_fill_nothing_more(quorum: Quorum, people: list[Person]) -> None:
    assert open_seats(quorum, people + people) == open_seats(quorum, people)


def without_sites(quorum: Quorum) -> Quorum:
    return Quorum(seats=quorum.seats, sites=0)


@bounded(150)
@given(st.lists(QUORUMS, max_size=3), ROSTERS)
def test_who_fills_the_join_fills_the_seats_of_every_part(quorums: list[Quorum], people: list[Person]) -> None:
    if is_filled(join(quorums), people):
        assert all(is_filled(without_sites(quorum), people) for quorum in quorums)


def test_a_join_lets_one_part_lend_another_its_site_so_parts_are_checked_as_well() -> None:
    officers, chief = seats((Role.RISK_OFFICER, 2), sites=2), seats((Role.CRO, 1))
    people = [
        person("a", frozenset({Role.RISK_OFFICER}), "zurich"),
        person("b", frozenset({Role.RISK_OFFICER}), "zurich"),
        person("c", frozenset({Role.CRO}), "london"),
    ]
    assert is_filled(join([officers, chief]), people)
    assert not is_filled(officers, people)


@bounded(100)
@given(st.lists(QUORUMS, min_size=1, max_size=3))
def test_the_join_asks_for_no_more_of_a_role_than_its_greediest_part(quorums: list[Quorum]) -> None:
    joined = {seat.role: seat.count for seat in join(quorums).seats}
    for role in ROLES:
        greediest = max(sum(seat.count for seat in quorum.seats if seat.role is role) for quorum in quorums)
        assert joined.get(role, 0) == greediest


def test_two_seats_of_one_role_written_apart_are_two_people() -> None:
    apart = Quorum(seats=(Seat(role=Role.CRO, count=1, stage=0), Seat(role=Role.CRO, count=1, stage=0)), sites=0)
    one = [person("a", frozenset({Role.CRO}), "zurich")]
    assert not is_filled(apart, one)
    assert join([apart]).seats == (Seat(role=Role.CRO, count=2, stage=0),)


def test_a_person_of_two_roles_takes_the_seat_that_helps() -> None:
    both = person("both", frozenset({Role.CRO, Role.RISK_OFFICER}), "zurich")
    officer = person("officer", frozenset({Role.RISK_OFFICER}), "zurich")
    quorum = seats((Role.RISK_OFFICER, 1), (Role.CRO, 1))
    assert is_filled(quorum, [both, officer])
    assert open_seats(quorum, [both]) == ([Role.CRO], 0)


def test_an_empty_quorum_needs_nobody() -> None:
    assert is_filled(EMPTY, [])
    assert join([]) == EMPTY
    assert describe(EMPTY) == "no further person"


def test_a_quorum_is_said_in_words() -> None:
    words = describe(seats((Role.RISK_OFFICER, 2), (Role.CRO, 1), sites=2))
    assert words == "2 risk officers + 1 CRO from at least 2 sites"
