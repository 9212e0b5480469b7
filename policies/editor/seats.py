"""The seats of a quorum on a form: rows of role, number and turn, with open rows to fill in."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from core.documents.roster import Role
from policies.editor.book import spelt
from policies.errors import RowValueError

if TYPE_CHECKING:
    from django.http import QueryDict

    from policies.editor.book import Options

ROLES: Options = tuple((str(role), spelt(str(role))) for role in Role)
STAGES: Options = tuple(
    (str(number), f"{word} turn")
    for number, word in enumerate(
        ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
    )
)
MOST_SEATS = 16
_OPEN_ROWS = 2


@dataclasses.dataclass(kw_only=True)
class TypedSeat:
    """What stands in the boxes of a seat."""

    role: str = ""
    count: str = ""
    stage: str = "0"
    error: str = ""


def _whole(text: str, what: str, most: int) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 2 or int(text) > most:  # noqa: PLR2004 - at most 16
        raise RowValueError(f"{what}: a whole number of at most {most} expected, not {text[:20]!r}")
    return int(text)


class Seats:
    """A quorum's rows. `sites`: from how many distinct sites at least."""

    def __init__(self, seats: list[TypedSeat], sites: str, *, prefix: str, title: str) -> None:
        self.seats, self.sites, self.prefix, self.title = seats, sites, prefix, title
        self.errors: list[str] = []
        self.asks_sites = True

    @classmethod
    def shown(cls, value: object, *, prefix: str, title: str) -> Seats:
        """Show a quorum's JSON."""
        quorum: dict[str, Any] = value if isinstance(value, dict) else {}
        listed = quorum.get("seats")
        seats = [
            TypedSeat(
                role=str(seat.get("role", "")), count=str(seat.get("count", "")), stage=str(seat.get("stage", 0))
            )
            for seat in (listed if isinstance(listed, list) else [])
            if isinstance(seat, dict)
        ]
        return cls(seats, str(quorum.get("sites") or ""), prefix=prefix, title=title)

    @classmethod
    def posted(cls, data: QueryDict, *, prefix: str, title: str) -> Seats:
        """Take what was typed."""
        seats = [
            TypedSeat(
                role=data.get(f"{prefix}-{i}-role", ""),
                count=data.get(f"{prefix}-{i}-count", "").strip(),
                stage=data.get(f"{prefix}-{i}-stage", "0"),
            )
            for i in range(MOST_SEATS)
        ]
        filled = [seat for seat in seats if seat.role or seat.count]
        return cls(filled, data.get(f"{prefix}-sites", "").strip(), prefix=prefix, title=title)

    def rows(self) -> list[tuple[str, TypedSeat]]:
        """Return the seats with the beginning of their boxes' names, and open rows behind them."""
        room = min(MOST_SEATS, len(self.seats) + _OPEN_ROWS)
        seats = [*self.seats, *(TypedSeat() for _ in range(room - len(self.seats)))]
        return [(f"{self.prefix}-{i}", seat) for i, seat in enumerate(seats)]

    @property
    def roles(self) -> Options:
        """The roles to choose from."""
        return ROLES

    @property
    def stages(self) -> Options:
        """The turns to choose from."""
        return STAGES

    @property
    def is_empty(self) -> bool:
        """Whether nobody is asked for."""
        return not self.seats

    def value(self) -> dict[str, object]:
        """Read the quorum as the policy's JSON.

        Raises:
            RowValueError: Some seat cannot be read; it says why by itself.
        """
        listed: list[dict[str, object]] = []
        for seat in self.seats:
            try:
                listed.append(_seat(seat))
            except RowValueError as error:
                seat.error = str(error)
                self.errors.append(str(error))
        sites = 0
        try:
            sites = _whole(self.sites, "sites", MOST_SEATS) if self.sites else 0
        except RowValueError as error:
            self.errors.append(str(error))
        if self.errors:
            raise RowValueError(*(f"{self.title}: {error}" for error in self.errors))
        return {"seats": listed, "sites": sites}


def _seat(seat: TypedSeat) -> dict[str, object]:
    if seat.role not in {value for value, _ in ROLES}:
        raise RowValueError(f"unknown role {seat.role[:40]!r}" if seat.role else "choose the role of each seat")
    count = _whole(seat.count, f"how many {spelt(seat.role)}s", MOST_SEATS)
    if not count:
        raise RowValueError(f"{spelt(seat.role)}: at least one person, or leave the row empty")
    return {"role": seat.role, "count": count, "stage": _whole(seat.stage, "turn", len(STAGES) - 1)}
