"""Seats, people and sites, compared with brute force."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from core.documents.policy import Quorum, Seat
from core.documents.roster import Person, Role
from core.quorum import EMPTY, Approver, OpenSeats, describe, is_filled, join, open_seats, parts_to_fill
from tests.factories.world import seats
from tests.soak import bounded

ROLES = (Role.RISK_OFFICER, Role.CRO, Role.POLICY_ADMIN)
SITES = ("zurich", "london", "tokyo")


def person(name: str, roles: frozenset[Role], site: str) -> Person:
    return Person(id=name, name=name, roles=tuple(sorted(roles)), desk="d", site=site, keys=())


def approval(name: str, role: Role, site: str, at: int = 0) -> Approver:
    return Approver(person(name, frozenset({role}), site), at)


def approvals(rows: list[tuple[frozenset[Role], str, list[int]]]) -> list[Approver]:
    return [Approver(person(f"p{i}", r, site), at) for i, (r, site, times) in enumerate(rows) for at in times]


TIMES = st.lists(st.integers(0, 4), min_size=1, max_size=2)
ROSTERS = st.lists(st.tuples(st.frozensets(st.sampled_from(ROLES)), st.sampled_from(SITES), TIMES), max_size=5).map(
    approvals
)
STAGES = st.integers(0, 2)
SEATS = st.lists(st.builds(Seat, role=st.sampled_from(ROLES), count=st.integers(1, 2), stage=STAGES), max_size=3)
QUORUMS = st.builds(lambda rows, sites: Quorum(seats=tuple(rows), sites=sites), SEATS, st.integers(0, 3))


def in_order(stages: list[int], times: list[int]) -> bool:
    pairs = list(zip(stages, times, strict=True))
    return all(at <= later for stage, at in pairs for other, later in pairs if stage < other)


def by_brute_force(quorum: Quorum, given: list[Approver]) -> bool:
    """Try every way to seat distinct people at each of their times, in the order of stages; count their sites."""
    wanted = [(seat.role, seat.stage) for seat in quorum.seats for _ in range(seat.count)]
    return any(
        all(role in one.person.roles for (role, _), one in zip(wanted, seated, strict=True))
        and len({one.person.id for one in seated}) == len(seated)
        and in_order([stage for _, stage in wanted], [one.at for one in seated])
        and len({one.person.site for one in seated}) >= quorum.sites
        for seated in permutations(given, len(wanted))
    )


@bounded(400)
@given(QUORUMS, ROSTERS)
def test_a_quorum_is_filled_exactly_if_some_seating_of_distinct_people_times_and_sites_exists(
    quorum: Quorum, given: list[Approver]
) -> None:
    assert is_filled(quorum, given) == by_brute_force(quorum, given)


@bounded(200)
@given(QUORUMS, ROSTERS)
def test_what_is_said_to_be_missing_fills_the_seats(quorum: Quorum, given: list[Approver]) -> None:
    missing = open_seats(quorum, given)
    late = [approval(f"late{place}", role, f"site{place}", 9 + place) for place, role in enumerate(missing.roles)]
    assert not open_seats(quorum, [*given, *late]).roles


@bounded(200)
@given(QUORUMS, ROSTERS, ROSTERS)
def test_more_approvals_never_leave_more_open(quorum: Quorum, given: list[Approver], more: list[Approver]) -> None:
    others = [
        Approver(person(f"q{one.person.id}", frozenset(one.person.roles), one.person.site), one.at) for one in more
    ]
    if is_filled(quorum, given):
        assert is_filled(quorum, [*others, *given])


@bounded(100)
@given(QUORUMS, ROSTERS)
def test_the_same_approvals_again_fill_nothing_more(quorum: Quorum, given: list[Approver]) -> None:
    assert is_filled(quorum, given + given) == is_filled(quorum, given)


def unordered(quorum: Quorum) -> Quorum:
    return Quorum(seats=tuple(Seat(role=s.role, count=s.count, stage=0) for s in quorum.seats), sites=0)


@bounded(150)
@given(st.lists(QUORUMS, max_size=3), ROSTERS)
def test_who_fills_the_join_fills_the_seats_of_every_part(quorums: list[Quorum], given: list[Approver]) -> None:
    if is_filled(join(quorums), given):
        assert all(is_filled(unordered(quorum), given) for quorum in quorums)


def test_a_join_lets_one_part_lend_another_its_site_so_parts_are_checked_as_well() -> None:
    officers, chief = seats((Role.RISK_OFFICER, 2), sites=2), seats((Role.CRO, 1))
    given = [
        approval("a", Role.RISK_OFFICER, "zurich"),
        approval("b", Role.RISK_OFFICER, "zurich"),
        approval("c", Role.CRO, "london"),
    ]
    assert is_filled(join([officers, chief]), given)
    assert not all(is_filled(part, given) for part in parts_to_fill(join([officers, chief]), [officers, chief]))


@bounded(100)
@given(st.lists(QUORUMS, min_size=1, max_size=3))
def test_the_join_asks_for_no_more_of_a_role_than_its_greediest_part(quorums: list[Quorum]) -> None:
    joined = {role: sum(s.count for s in join(quorums).seats if s.role is role) for role in ROLES}
    for role in ROLES:
        greediest = max(sum(seat.count for seat in quorum.seats if seat.role is role) for quorum in quorums)
        assert joined.get(role, 0) == greediest


def test_two_seats_of_one_role_written_apart_are_two_people() -> None:
    apart = Quorum(seats=(Seat(role=Role.CRO, count=1, stage=0), Seat(role=Role.CRO, count=1, stage=0)), sites=0)
    one = [approval("a", Role.CRO, "zurich")]
    assert not is_filled(apart, one)
    assert join([apart]).seats == (Seat(role=Role.CRO, count=2, stage=0),)


def test_a_person_of_two_roles_takes_the_seat_that_helps() -> None:
    both = Approver(person("both", frozenset({Role.CRO, Role.RISK_OFFICER}), "zurich"), 0)
    officer = approval("officer", Role.RISK_OFFICER, "zurich")
    quorum = seats((Role.RISK_OFFICER, 1), (Role.CRO, 1))
    assert is_filled(quorum, [both, officer])
    assert open_seats(quorum, [both]) == OpenSeats(stage=0, now=(Role.CRO,), later=(), sites=0)


STAGED = Quorum(
    seats=(Seat(role=Role.CRO, count=1, stage=5), Seat(role=Role.RISK_OFFICER, count=2, stage=1)), sites=0
)
OFFICERS = [approval("a", Role.RISK_OFFICER, "zurich", 10), approval("b", Role.RISK_OFFICER, "zurich", 20)]


def test_a_later_stage_opens_when_the_earlier_one_is_filled() -> None:
    chief = approval("c", Role.CRO, "zurich", 20)
    early = approval("c", Role.CRO, "zurich", 19)
    assert is_filled(STAGED, [*OFFICERS, chief])
    assert open_seats(STAGED, [*OFFICERS, early]) == OpenSeats(stage=5, now=(Role.CRO,), later=(), sites=0)
    first = OpenSeats(stage=1, now=(Role.RISK_OFFICER,), later=(Role.CRO,), sites=0)
    assert open_seats(STAGED, [OFFICERS[0], chief]) == first
    assert first.words() == "risk_officer; then cro"


def test_who_came_too_early_can_approve_again() -> None:
    twice = [approval("c", Role.CRO, "zurich", at) for at in (5, 30)]
    assert is_filled(STAGED, [*OFFICERS, *twice])


def test_who_approves_again_may_leave_the_earlier_stage_to_somebody_else() -> None:
    both = frozenset({Role.CRO, Role.RISK_OFFICER})
    given = [
        Approver(person("c", both, "zurich"), 1),
        approval("a", Role.RISK_OFFICER, "zurich", 2),
        approval("b", Role.RISK_OFFICER, "zurich", 3),
    ]
    assert not is_filled(STAGED, given)
    assert is_filled(STAGED, [*given, Approver(person("c", both, "zurich"), 4)])


def test_who_completed_a_stage_does_not_slip_into_the_next_one_when_others_follow() -> None:
    both = Approver(person("c", frozenset({Role.CRO, Role.RISK_OFFICER}), "zurich"), 20)
    late = approval("b", Role.RISK_OFFICER, "zurich", 30)
    assert not is_filled(STAGED, [OFFICERS[0], both, late])


def test_a_later_approval_may_bring_an_earlier_stage_its_site() -> None:
    quorum = Quorum(
        seats=(Seat(role=Role.RISK_OFFICER, count=1, stage=0), Seat(role=Role.CRO, count=1, stage=1)), sites=2
    )
    first, second = approval("a", Role.RISK_OFFICER, "zurich", 1), approval("b", Role.RISK_OFFICER, "london", 2)
    assert is_filled(quorum, [first, second, approval("c", Role.CRO, "zurich", 3)])
    assert open_seats(quorum, [first, second, approval("c", Role.CRO, "zurich", 1)]).sites == 1


def test_orders_that_contradict_each_other_are_asked_for_apart() -> None:
    one = Quorum(
        seats=(Seat(role=Role.CRO, count=1, stage=0), Seat(role=Role.RISK_OFFICER, count=1, stage=1)), sites=0
    )
    other = Quorum(seats=(Seat(role=Role.CRO, count=1, stage=0),), sites=0)
    required = join([one, other])
    assert describe(required) == "1 CRO, then 1 risk officer"
    given = [approval("c", Role.CRO, "zurich", 1), approval("a", Role.RISK_OFFICER, "zurich", 2)]
    parts = parts_to_fill(required, [one, other])
    assert all(is_filled(part, given) for part in parts)
    assert [seat.stage for seat in parts[0].seats] == [0, 0]


def test_a_stage_number_means_nothing_by_itself() -> None:
    alone = Quorum(seats=(Seat(role=Role.CRO, count=1, stage=7),), sites=0)
    assert join([alone, seats((Role.CRO, 1))]).seats == (Seat(role=Role.CRO, count=1, stage=0),)


def test_an_empty_quorum_needs_nobody() -> None:
    assert is_filled(EMPTY, [])
    assert join([]) == EMPTY
    assert describe(EMPTY) == "no further person"


def test_a_quorum_is_said_in_words() -> None:
    words = describe(seats((Role.RISK_OFFICER, 2), (Role.CRO, 1), sites=2))
    assert words == "2 risk officers + 1 CRO from at least 2 sites"
    assert describe(STAGED) == "2 risk officers, then 1 CRO"


def test_many_people_are_seated_in_good_time() -> None:
    roles = frozenset(ROLES)
    crowd = [Approver(person(f"p{i}", roles, f"site{i % 2}"), i) for i in range(60)]
    rows = tuple(Seat(role=ROLES[i % 3], count=4, stage=i) for i in range(8))
    assert is_filled(Quorum(seats=rows, sites=2), crowd)


def test_sites_that_nobody_has_are_not_searched_for() -> None:
    crowd = [Approver(person(f"p{i}", frozenset(ROLES), "zurich"), i) for i in range(60)]
    rows = tuple(Seat(role=ROLES[i % 3], count=1, stage=i) for i in range(6))
    assert open_seats(Quorum(seats=rows, sites=2), crowd) == OpenSeats(stage=None, now=(), later=(), sites=1)


def several(name: str, roles: set[Role], site: str, *times: int) -> list[Approver]:
    return [Approver(person(name, frozenset(roles), site), at) for at in times]


RISK, CRO, ADMIN = ROLES


def in_stages(*roles: Role, sites: int = 0) -> Quorum:
    return Quorum(seats=tuple(Seat(role=role, count=1, stage=n) for n, role in enumerate(roles)), sites=sites)


def test_the_earliest_end_of_a_stage_need_not_have_the_most_sites() -> None:
    given = [
        *several("rita", {RISK, CRO}, "zurich", 1),
        *several("ravi", {RISK}, "london", 2),
        *several("clara", {RISK, CRO}, "zurich", 3),
    ]
    assert is_filled(in_stages(RISK, CRO, sites=2), given)


def test_whoever_approved_twice_may_be_needed_later() -> None:
    given = [
        *several("rita", {RISK, CRO}, "zurich", 1, 3),
        *several("ravi", {RISK}, "zurich", 2),
        *several("anna", {ADMIN}, "zurich", 4),
        *several("clara", {CRO}, "zurich", 5),
    ]
    assert is_filled(in_stages(RISK, CRO, ADMIN), given)


def test_stages_may_all_be_filled_in_one_moment() -> None:
    given = [
        *several("rita", {RISK}, "zurich", 1, 5),
        *several("clara", {CRO}, "zurich", 1),
        *several("anna", {ADMIN}, "zurich", 1),
    ]
    assert is_filled(in_stages(RISK, CRO, ADMIN), given)


def test_joined_seats_stand_in_the_latest_stage_that_one_of_them_asks_for() -> None:
    early = Quorum(seats=(Seat(role=RISK, count=1, stage=0),), sites=0)
    late = in_stages(CRO, RISK)
    assert join((early, late)) == in_stages(CRO, RISK)
    both = Quorum(seats=(Seat(role=RISK, count=1, stage=0), Seat(role=RISK, count=1, stage=1)), sites=0)
    assert sorted((s.role, s.stage, s.count) for s in join((late, both)).seats) == [
        (CRO, 0, 1),
        (RISK, 0, 1),
        (RISK, 1, 1),
    ]


def test_missing_sites_and_single_sites_in_words() -> None:
    both = Quorum(seats=(Seat(role=RISK, count=2, stage=0),), sites=2)
    here = [approval("rita", RISK, "zurich"), approval("ravi", RISK, "zurich")]
    assert open_seats(both, here).words() == "1 more sites"
    assert describe(Quorum(seats=both.seats, sites=1)) == "2 risk officers"
