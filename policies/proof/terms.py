"""Small pieces of logic: three-valued truth as a pair, and fields over finite domains."""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from typing import TYPE_CHECKING

import z3

from core.schema import UINT256_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TRUE = z3.BoolVal(True)  # noqa: FBT003 - z3's constructor
FALSE = z3.BoolVal(False)  # noqa: FBT003 - z3's constructor


def both(parts: Sequence[z3.BoolRef]) -> z3.BoolRef:
    """Join with and; an empty one holds."""
    return parts[0] if len(parts) == 1 else z3.And(list(parts)) if parts else TRUE


def either(parts: Sequence[z3.BoolRef]) -> z3.BoolRef:
    """Join with or; an empty one does not hold."""
    return parts[0] if len(parts) == 1 else z3.Or(list(parts)) if parts else FALSE


@dataclasses.dataclass(frozen=True)
class Kleene:
    """A truth that may be unknown: neither `yes` nor `no`."""

    yes: z3.BoolRef
    no: z3.BoolRef

    @property
    def may(self) -> z3.BoolRef:
        """Yes or unknown."""
        return z3.Not(self.no)


UNKNOWN = Kleene(FALSE, FALSE)


def negated(part: Kleene) -> Kleene:
    """Turn it round; unknown stays unknown."""
    return Kleene(part.no, part.yes)


def all_of(parts: Sequence[Kleene]) -> Kleene:
    """Join with and (Kleene's strong logic)."""
    return Kleene(both([part.yes for part in parts]), either([part.no for part in parts]))


def any_of(parts: Sequence[Kleene]) -> Kleene:
    """Join with or (Kleene's strong logic)."""
    return Kleene(either([part.yes for part in parts]), both([part.no for part in parts]))


def _bits(count: int) -> int:
    return max(1, (count - 1).bit_length())


class Choice:
    """One of `count` alternatives."""

    def __init__(self, name: str, count: int) -> None:
        """Declare it."""
        self.count = count
        self.term = z3.BitVec(name, _bits(count))
        self._is: dict[int, z3.BoolRef] = {}

    def is_(self, index: int) -> z3.BoolRef:
        """Whether it is this alternative."""
        if index not in self._is:
            self._is[index] = self.term == index
        return self._is[index]

    def at_most(self, index: int) -> z3.BoolRef:
        """Whether it is this alternative or an earlier one."""
        return TRUE if index >= self.count - 1 else z3.ULE(self.term, index)

    @property
    def bounds(self) -> z3.BoolRef:
        """That it is one of the alternatives at all."""
        return TRUE if self.count == 2 ** self.term.size() else z3.ULT(self.term, self.count)

    def read(self, model: z3.ModelRef) -> int:
        """Return which one a model chose."""
        return int(model.eval(self.term, model_completion=True).as_long())


class TextTerm:
    """A text: one of those that are named, or another one (index 0)."""

    def __init__(self, name: str, values: Iterable[str]) -> None:
        """Declare it over all values that anything compares it with."""
        self.values = sorted(set(values))
        self.known = z3.Bool(f"{name} known")
        self.choice = Choice(name, len(self.values) + 1)
        self._index = {value: place for place, value in enumerate(self.values, start=1)}

    def is_one_of(self, values: Iterable[str]) -> Kleene:
        """Compare it."""
        found = either([self.choice.is_(self._index[value]) for value in dict.fromkeys(values)])
        return Kleene(z3.And(self.known, found), z3.And(self.known, z3.Not(found)))

    def equals(self, value: str | None) -> z3.BoolRef:
        """Whether it has this value, knowing that it is known; None or one that nothing names: another one."""
        return self.choice.is_(self._index.get(value or "", 0))

    def names(self, value: str) -> bool:
        """Whether anything compares it with this value."""
        return value in self._index

    def read(self, model: z3.ModelRef) -> str | None:
        """Return the value that a model chose; None for another one."""
        index = self.choice.read(model)
        return self.values[index - 1] if index else None


class NumberTerm:
    """A number of 0 to 2²⁵⁶-1, as the region between two thresholds that it lies in."""

    def __init__(self, name: str, cuts: Iterable[int], *, most: int = UINT256_MAX) -> None:
        """Declare it; each cut is the first number of a region."""
        self.starts = [0, *sorted({cut for cut in cuts if 0 < cut <= most})]
        self.most = most
        self.known = z3.Bool(f"{name} known")
        self.choice = Choice(name, len(self.starts))

    def at_most(self, bound: int) -> z3.BoolRef:
        """Whether it is at most `bound`, knowing that it is known."""
        if bound < 0:
            return FALSE
        return TRUE if bound >= self.most else self.choice.at_most(self.region(bound))

    def is_(self, number: int) -> z3.BoolRef:
        """Whether it is exactly this number, knowing that it is known."""
        return self.choice.is_(self.region(number)) if 0 <= number <= self.most else FALSE

    def region(self, number: int) -> int:
        """Return the region that a number lies in."""
        return bisect_right(self.starts, number) - 1

    def limits(self, region: int) -> tuple[int, int]:
        """Return a region's first and last number."""
        last = self.starts[region + 1] - 1 if region + 1 < len(self.starts) else self.most
        return self.starts[region], last


class FlagTerm:
    """A flag."""

    def __init__(self, name: str) -> None:
        """Declare it."""
        self.known = z3.Bool(f"{name} known")
        self.on = z3.Bool(name)


class SetTerm:
    """A set of texts: whether each of those that are named is in it."""

    def __init__(self, name: str, members: Iterable[str]) -> None:
        """Declare it."""
        self.known = z3.Bool(f"{name} known")
        self.members = {member: z3.Bool(f"{name} has {member}") for member in sorted(set(members))}

    def has(self, values: Iterable[str]) -> Kleene:
        """Whether it holds one of these."""
        found = either([self.members[value] for value in dict.fromkeys(values)])
        return Kleene(z3.And(self.known, found), z3.And(self.known, z3.Not(found)))


Term = TextTerm | NumberTerm | FlagTerm | SetTerm
