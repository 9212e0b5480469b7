"""Seats and the people who fill them: one person, one seat, found by bipartite matching.

Source: Kuhn's augmenting paths. For the sites: a set of people that fills some seats can always be extended to one
that fills all (transversal matroid), so `n` distinct sites are possible exactly if `n` seats can be matched to `n`
different sites.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.documents.policy import Quorum, Seat

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from core.documents.roster import Person, Role

EMPTY = Quorum(seats=(), sites=0)
_ROLE_WORDS = {"cro": "CRO", "security_committee": "security committee member"}


def join(quorums: Iterable[Quorum]) -> Quorum:
    """Return what to show and to route by: for each role the most that one of these asks for, and the most sites.

    Filling it is not yet filling each part: two officers of one site and a chief of another are two sites together,
    but not two sites of officers. Whoever decides checks the parts as well.
    """
    seats: dict[tuple[Role, int], int] = {}
    sites = 0
    for quorum in quorums:
        own: dict[tuple[Role, int], int] = {}
        for seat in quorum.seats:
            own[(seat.role, seat.stage)] = own.get((seat.role, seat.stage), 0) + seat.count
        for place, count in own.items():
            seats[place] = max(seats.get(place, 0), count)
        sites = max(sites, quorum.sites)
    ordered = sorted(seats.items(), key=lambda item: (item[0][1], item[0][0]))
    return Quorum(seats=tuple(Seat(role=r, count=n, stage=s) for (r, s), n in ordered), sites=sites)


def _matching(seats: Sequence[Role], candidates: Mapping[Hashable, frozenset[Role]]) -> dict[int, Hashable]:
    """Return a largest assignment of seat index to candidate."""
    holder: dict[Hashable, int] = {}

    def place(seat: int, tried: set[Hashable]) -> bool:
        for name, roles in candidates.items():
            if seats[seat] in roles and name not in tried:
                tried.add(name)
                if name not in holder or place(holder[name], tried):
                    holder[name] = seat
                    return True
        return False

    for seat in range(len(seats)):
        place(seat, set())
    return {seat: name for name, seat in holder.items()}


def open_seats(quorum: Quorum, approvers: Iterable[Person]) -> tuple[list[Role], int]:
    """Say what is still missing.

    Args:
        quorum: What is asked for.
        approvers: Distinct roster entries of those who approved and may count (no initiator among them).

    Returns:
        The roles whose seats are open, and how many more distinct sites are needed.
    """
    people = {person.id: person for person in approvers}
    seats = [seat.role for seat in quorum.seats for _ in range(seat.count)]
    taken = _matching(seats, {name: frozenset(person.roles) for name, person in people.items()})
    sites: dict[Hashable, frozenset[Role]] = {}
    for person in people.values():
        sites[person.site] = sites.get(person.site, frozenset()) | frozenset(person.roles)
    reached = len(_matching(seats, sites))
    return [seats[i] for i in range(len(seats)) if i not in taken], max(0, quorum.sites - reached)


def is_filled(quorum: Quorum, approvers: Iterable[Person]) -> bool:
    """Whether every seat is filled by a person of its own, from enough distinct sites."""
    seats, sites = open_seats(quorum, approvers)
    return not seats and not sites


def _role_words(role: Role, count: int) -> str:
    singular = _ROLE_WORDS.get(role, role.replace("_", " "))
    return singular if count == 1 else singular + "s"


def describe(quorum: Quorum) -> str:
    """Say a quorum in words."""
    if not quorum.seats:
        return "no further person"
    words = " + ".join(f"{seat.count} {_role_words(seat.role, seat.count)}" for seat in quorum.seats)
    return words + (f" from at least {quorum.sites} sites" if quorum.sites > 1 else "")
