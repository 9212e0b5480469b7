"""Seats and the people who fill them: one person, one seat, found by bipartite matching; stages in their order.

A seating is valid if every seat has a person of its own who holds its role, if nobody of a later stage approved
before somebody of an earlier one, and if the people are of enough distinct sites. Ties are in order: two approvals
of the same second may stand in either.

Source: Kuhn's augmenting paths. Stages: the earliest moments at which the stages can be filled one after the other
leave the most time to what follows, so a seating without sites exists exactly if it exists with them. Sites: a set
of people that fills some seats can always be extended to one that fills all (transversal matroid), so `n` distinct
sites are possible exactly if `n` seats can be matched to `n` different sites.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from itertools import islice
from typing import TYPE_CHECKING

from core.documents.policy import Quorum, Seat

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence

    from core.documents.roster import Person, Role

EMPTY = Quorum(seats=(), sites=0)
_ROLE_WORDS = {"cro": "CRO", "security_committee": "security committee member"}
_MOST_SPLITS = 4096
"""How many ways to lay the stages in time are tried for the sake of sites; beyond them sites count as missing."""


@dataclasses.dataclass(frozen=True)
class Approver:
    """One approval that may count: whose, and when it was given (Unix seconds, by the signed consent itself).

    Somebody who approved twice may be given twice: either moment may count, but only one seat.
    """

    person: Person
    at: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class OpenSeats:
    """What is still missing. `stage` is the one that is open now; approvals for later ones come too early.

    Attributes:
        stage: The first stage that is not filled; None if only sites are missing, or nothing.
        now: The roles whose seats are open in that stage.
        later: The roles whose seats only open after it.
        sites: How many more distinct sites are needed.
    """

    stage: int | None
    now: tuple[Role, ...]
    later: tuple[Role, ...]
    sites: int

    @property
    def roles(self) -> tuple[Role, ...]:
        """All roles whose seats are open."""
        return (*self.now, *self.later)

    @property
    def size(self) -> int:
        """How much is missing; 0 if the quorum is filled."""
        return len(self.now) + len(self.later) + self.sites

    def words(self) -> str:
        """Say what is missing."""
        parts = [", ".join(self.now)] if self.now else []
        parts += [f"then {', '.join(self.later)}"] if self.later else []
        parts += [f"{self.sites} more sites"] if self.sites else []
        return "; ".join(parts)


def _ranks(quorum: Quorum) -> dict[int, int]:
    """Return the place of each stage that is used; its number means nothing by itself."""
    return {stage: rank for rank, stage in enumerate(sorted({seat.stage for seat in quorum.seats}))}


def join(quorums: Iterable[Quorum]) -> Quorum:
    """Return what to show and to route by: for each role the most that one of these asks for, and the most sites.

    Filling it is not yet filling each part: two officers of one site and a chief of another are two sites together,
    but not two sites of officers. Whoever decides checks what `parts_to_fill` returns.
    """
    stages: dict[Role, list[int]] = {}
    sites = 0
    for quorum in quorums:
        ranks = _ranks(quorum)
        own: dict[Role, list[int]] = {}
        for seat in quorum.seats:
            own.setdefault(seat.role, []).extend([ranks[seat.stage]] * seat.count)
        for role, places in own.items():
            joined = stages.setdefault(role, [])
            # The latest with the latest: a seat filled late suits whoever asked for it early, not the reverse.
            for index, place in enumerate(sorted(places, reverse=True)):
                if index < len(joined):
                    joined[index] = max(joined[index], place)
                else:
                    joined.append(place)
        sites = max(sites, quorum.sites)
    rows = sorted((place, role) for role, places in stages.items() for place in places)
    counted = {row: rows.count(row) for row in rows}
    return Quorum(seats=tuple(Seat(role=r, count=n, stage=s) for (s, r), n in counted.items()), sites=sites)


def parts_to_fill(required: Quorum, asked: Iterable[Quorum]) -> tuple[Quorum, ...]:
    """Return what has to be filled, each by itself, for a decision's quorum to be filled.

    Args:
        required: The joined quorum: so many people in all. Its order is only for showing, since one part's seats
            may stand before another's without anybody having asked for it.
        asked: The parts, in the order of stages that each of them asks for.
    """
    unordered = tuple(dataclasses.replace(seat, stage=0) for seat in required.seats)
    return (dataclasses.replace(required, seats=unordered), *asked)


def _matching(seats: int, eligible: Mapping[Hashable, Collection[int]]) -> dict[int, Hashable]:
    """Return a largest assignment of seat index to candidate; seats placed first stay placed."""
    holder: dict[Hashable, int] = {}

    def place(seat: int, tried: set[Hashable]) -> bool:
        for name, fits in eligible.items():
            if seat in fits and name not in tried:
                tried.add(name)
                if name not in holder or place(holder[name], tried):
                    holder[name] = seat
                    return True
        return False

    for seat in range(seats):
        place(seat, set())
    return {seat: name for name, seat in holder.items()}


class _Seating:
    """One quorum and the approvals for it. `ends` are the moments at which each stage but the last one ends."""

    def __init__(self, quorum: Quorum, approvers: Iterable[Approver]) -> None:
        ranks = _ranks(quorum)
        rows = sorted(((ranks[s.stage], s.role, s.count) for s in quorum.seats), key=lambda row: row[0])
        self.roles: list[Role] = [role for _, role, count in rows for _ in range(count)]
        self.ranks: list[int] = [rank for rank, _, count in rows for _ in range(count)]
        self.stages = sorted(ranks)
        self.people: dict[str, Person] = {}
        self.times: dict[str, list[int]] = {}
        wanted = set(self.roles)
        for one in approvers:
            self.people[one.person.id] = one.person
            self.times.setdefault(one.person.id, []).append(one.at)
        useful = {n for n, person in self.people.items() if not wanted.isdisjoint(person.roles)}
        self.moments = sorted({at for name in useful for at in self.times[name]})

    def _eligible(self, ends: Sequence[int]) -> dict[Hashable, set[int]]:
        """Return each person's seats if stage i ends at `ends[i]`; the stage after them has no end."""
        fits: dict[Hashable, set[int]] = {}
        for name, person in self.people.items():
            seats = set()
            for seat, (role, place) in enumerate(zip(self.roles, self.ranks, strict=True)):
                if role not in person.roles or place > len(ends):
                    continue
                after = ends[place - 1] if place else None
                before = ends[place] if place < len(ends) else None
                if any(
                    (after is None or at >= after) and (before is None or at <= before) for at in self.times[name]
                ):
                    seats.add(seat)
            fits[name] = seats
        return fits

    def _suited(self, name: str) -> set[int]:
        return {seat for seat, role in enumerate(self.roles) if role in self.people[name].roles}

    def matched(self, ends: Sequence[int]) -> dict[int, Hashable]:
        """Return who sits where, as far as the stages up to the one after `ends` can be filled."""
        return _matching(len(self.roles), self._eligible(ends))

    def _fills(self, ends: Sequence[int], upto: int) -> bool:
        taken = self.matched(ends)
        return all(seat in taken for seat, rank in enumerate(self.ranks) if rank < upto)

    def earliest(self) -> list[int]:
        """Return the earliest ends of the stages, one after the other, as far as they can be filled at all."""
        ends: list[int] = []
        while len(ends) < len(self.stages) - 1:
            after = bisect_left(self.moments, ends[-1]) if ends else 0
            candidates = self.moments[after:]
            # More time never fills less, so the first moment that is enough can be searched by halves.
            place = bisect_left(candidates, 1, key=lambda end: int(self._fills([*ends, end], len(ends) + 1)))
            if place == len(candidates):
                break
            ends.append(candidates[place])
        return ends

    def sites(self, ends: Sequence[int]) -> int:
        """Return how many distinct sites can sit, with these ends."""
        return self.sites_of(self._eligible(ends))

    def sites_of(self, eligible: Mapping[Hashable, set[int]]) -> int:
        """Return how many distinct sites can sit, if these people suit these seats."""
        at: dict[Hashable, set[int]] = {}
        for name, seats in eligible.items():
            at.setdefault(self.people[str(name)].site, set()).update(seats)
        return len(_matching(len(self.roles), at))

    def splits(self, earliest: Sequence[int]) -> Iterator[tuple[int, ...]]:
        """Yield all ends not before the earliest ones, in order, the earliest first."""
        if not earliest:
            yield ()
            return
        for head in self.moments[bisect_left(self.moments, earliest[0]) :]:
            rest = [max(head, end) for end in earliest[1:]]
            yield from ((head, *tail) for tail in self.splits(rest))

    def most_sites(self, enough: int) -> int | None:
        """Return the most distinct sites of a whole seating, or None without one; stops at `enough`."""
        starts = self.earliest()
        if any(len(times) > 1 for times in self.times.values()):
            # Whoever approved twice may be needed in a later stage: the earliest ends may then be too early.
            starts = self.moments[:1] * (len(self.stages) - 1)
        if len(starts) < len(self.stages) - 1:
            return None
        # No order of stages can do better than none.
        enough = min(enough, self.sites_of({name: self._suited(name) for name in self.people}))
        best: int | None = None
        for ends in islice(self.splits(starts), _MOST_SPLITS):
            if self._fills(ends, len(self.stages)):
                best = max(best or 0, self.sites(ends))
                if best >= enough:
                    break
        return best


def open_seats(quorum: Quorum, approvers: Iterable[Approver]) -> OpenSeats:
    """Say what is still missing.

    Args:
        quorum: What is asked for.
        approvers: The approvals of roster entries that may count (no initiator among them), with their times.

    Returns:
        The stage that is open, the roles whose seats are, and how many more distinct sites are needed.
    """
    seating = _Seating(quorum, approvers)
    sites = seating.most_sites(quorum.sites)
    if sites is not None:
        return OpenSeats(stage=None, now=(), later=(), sites=max(0, quorum.sites - sites))
    ends = seating.earliest()
    taken = seating.matched(ends)
    ranked = list(enumerate(zip(seating.roles, seating.ranks, strict=True)))
    return OpenSeats(
        stage=seating.stages[len(ends)],
        now=tuple(role for seat, (role, rank) in ranked if rank == len(ends) and seat not in taken),
        later=tuple(role for _, (role, rank) in ranked if rank > len(ends)),
        sites=max(0, quorum.sites - seating.sites(ends)),
    )


def is_filled(quorum: Quorum, approvers: Iterable[Approver]) -> bool:
    """Whether every seat is filled by a person of its own, in the order of its stages, from enough distinct sites."""
    return open_seats(quorum, approvers).size == 0


def _role_words(role: Role, count: int) -> str:
    singular = _ROLE_WORDS.get(role, role.replace("_", " "))
    return singular if count == 1 else singular + "s"


def describe(quorum: Quorum) -> str:
    """Say a quorum in words, its stages in their order."""
    if not quorum.seats:
        return "no further person"
    stages = []
    for stage in sorted({seat.stage for seat in quorum.seats}):
        seats = [seat for seat in quorum.seats if seat.stage == stage]
        stages.append(" + ".join(f"{seat.count} {_role_words(seat.role, seat.count)}" for seat in seats))
    words = ", then ".join(stages)
    return words + (f" from at least {quorum.sites} sites" if quorum.sites > 1 else "")
