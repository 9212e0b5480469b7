"""Replay: what a policy would have made of everything that was ever decided, beside the one in force.

Each recorded decision is decided again under both policies, and twice: with the totals as they were (`recorded`), and
with those that the policy itself would have brought about (`counterfactual`): there only what it allows counts.
What was allowed then and now ends as it ended then; what only the policy under test allows counts as signed at once.
"""

from __future__ import annotations

import dataclasses
import heapq
from enum import StrEnum
from typing import TYPE_CHECKING

from core.decision import Decision
from core.engine import conclude, exceeded
from core.engine_pair import EnginePair
from core.quorum import EMPTY
from core.replay_book import ReplayBook, scopes_of, shares_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from core.documents.policy import Policy, Quorum
    from core.engine import Over, Standing, Touched
    from core.facts import FactMap
    from core.limits import Draw
    from core.replay_book import Shares

EXAMPLES_MOST = 10
_TELL_EVERY = 512
_MOST_COMPARED = 65_536


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """A case as one policy reads it. `refusal` says why a signer refuses it whatever the rules say, or is empty."""

    facts: FactMap
    draw: Draw
    refusal: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class End:
    """How a hold ended: after which decision, and when it was signed (None: released)."""

    after: int
    spent: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """One recorded decision; cases come in the order of their numbers.

    `held`: the draw as it was counted, None where it was denied. `end`: None while it is held. `decided`: False for
    what lies before the period and only counts in the totals; it needs no readings.
    """

    number: int
    name: str
    time: int
    held: Draw | None
    end: End | None
    before: Reading | None = None
    after: Reading | None = None
    was: Was | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Was:
    """What was decided at the time."""

    policy: str
    allowed: bool
    grant: str | None
    required: Quorum


class Windows(StrEnum):
    """Whose totals count."""

    RECORDED = "recorded"
    COUNTERFACTUAL = "counterfactual"


class Change(StrEnum):
    """How the outcomes of two policies differ."""

    NEWLY_ALLOWED = "newly_allowed"
    NEWLY_DENIED = "newly_denied"
    OTHER_QUORUM = "other_quorum"
    OTHER_GRANT = "other_grant"


@dataclasses.dataclass(frozen=True)
class Example:
    """One case that comes out differently."""

    change: Change
    name: str
    time: int
    before: Decision
    after: Decision


@dataclasses.dataclass
class Comparison:
    """What differs under one kind of windows."""

    allowed_before: int = 0
    allowed_after: int = 0
    counts: dict[Change, int] = dataclasses.field(default_factory=lambda: dict.fromkeys(Change, 0))
    examples: dict[Change, list[Example]] = dataclasses.field(default_factory=lambda: {c: [] for c in Change})


@dataclasses.dataclass
class ReplayResult:
    """What a replay came to. `not_reproduced`: recorded under the policy before, and decided otherwise today."""

    decisions: int
    not_reproduced: int
    not_reproduced_names: list[str]
    windows: dict[Windows, Comparison]


class _Quorums:
    """Compares quorums once: the same few are met in every case."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[Quorum, Quorum, bool]] = {}

    def same(self, one: Quorum, other: Quorum) -> bool:
        if one is other:
            return True
        place = (id(one), id(other))
        known = self._known.get(place)
        if known is None:
            if len(self._known) >= _MOST_COMPARED:
                self._known.clear()
            # Both are kept with the answer, so that their ids stay theirs.
            known = self._known[place] = (one, other, one == other)
        return known[2]

    def change(self, before: Decision, after: Decision) -> Change | None:
        """Say how two outcomes differ."""
        if before.allowed is not after.allowed:
            return Change.NEWLY_ALLOWED if after.allowed else Change.NEWLY_DENIED
        if not after.allowed:
            return None
        if not self.same(before.required, after.required) or not self._same_parts(before.asked, after.asked):
            return Change.OTHER_QUORUM
        return None if before.grant == after.grant else Change.OTHER_GRANT

    def _same_parts(self, before: tuple[Quorum, ...], after: tuple[Quorum, ...]) -> bool:
        """Whether the same quorums have to be filled each by itself."""
        if len(before) == len(after) and all(self.same(b, a) for b, a in zip(before, after, strict=True)):
            return True
        return frozenset(before) - {EMPTY} == frozenset(after) - {EMPTY}


def _refused(why: str) -> Decision:
    return Decision(allowed=False, required=EMPTY, grant=None, reasons=(why,), results=(), asked=())


def _is_spent_at_once(case: Case) -> bool:
    """Whether a case was signed before the next decision."""
    end = case.end
    return end is not None and end.spent is not None and end.after == case.number


@dataclasses.dataclass(frozen=True, slots=True)
class _Parts:
    """A case under one policy before any window is looked at: what its rules came to, and the limits it touches."""

    standing: Standing
    touched: Touched
    now: int


_Outcomes = tuple[Decision, Decision]
"""One policy's decision with the recorded windows, and with those of its own course."""
_Found = tuple["Over", Decision]
"""The limits that the recorded windows show as exceeded, and the decision."""


class _Replay:
    """A replay under way."""

    def __init__(self, before: Policy, after: Policy, examples: int) -> None:
        self._before_digest = before.digest
        self._pair = EnginePair(before, after, enforce=False)
        self._scopes = scopes_of(before, after)
        self._recorded = ReplayBook(self._scopes)
        # Each policy's own history is the recorded one until it first allows something else, or another amount.
        self._own: list[ReplayBook | None] = [None, None]
        self._books = [self._recorded]
        # What ends, by the decision after which it did.
        self._ends: list[tuple[int, int, int | None]] = []
        self._quorums = _Quorums()
        self._examples = examples
        self.result = ReplayResult(0, 0, [], {windows: Comparison() for windows in Windows})

    def take(self, case: Case) -> None:
        """Bring history up to a case, decide it, and let it count."""
        ends = self._ends
        while ends and ends[0][0] < case.number:
            _, number, spent = heapq.heappop(ends)
            for book in self._books:
                book.end(number, spent=spent)
        shares: Shares = () if case.held is None else shares_of(self._scopes, case.held)
        if case.before is None or case.after is None:
            self._count(case, shares, (case.held is not None,) * 2)
        else:
            self._count(case, shares, self._decide(case, (case.before, case.after)))
        end = case.end
        if case.held is not None and end is not None and not _is_spent_at_once(case):
            heapq.heappush(ends, (end.after, case.number, end.spent))

    def _decide(self, case: Case, readings: tuple[Reading, Reading]) -> tuple[bool, bool]:
        """Decide under both policies and both kinds of windows; return what each allows in its own course."""
        (before, before_own), (after, after_own) = self._outcomes(readings, case.time)
        self.result.decisions += 1
        self._reproduce(case, before)
        change = self._quorums.change(before, after)
        self._compare(Windows.RECORDED, case, change, (before, after))
        if before is not before_own or after is not after_own:
            change = self._quorums.change(before_own, after_own)
        self._compare(Windows.COUNTERFACTUAL, case, change, (before_own, after_own))
        return before_own.allowed, after_own.allowed

    def _outcomes(self, readings: tuple[Reading, Reading], now: int) -> tuple[_Outcomes, _Outcomes]:
        """Return each policy's decision with the recorded windows and with its own; often one and the same."""
        before, after = readings
        pair = self._pair
        one, other = pair.read(before.facts, after.facts)
        touched = pair.before.touched(before.facts, before.draw)
        parts = _Parts(one, touched, now)
        first, found = self._outcome(0, before, parts, None)
        if not (pair.same_limits and before.draw == after.draw and before.facts == after.facts):
            touched = pair.after.touched(after.facts, after.draw)
            found = None
        elif one is not other:
            found = None
        return first, self._outcome(1, after, parts if found else _Parts(other, touched, now), found)[0]

    def _outcome(
        self, place: int, reading: Reading, parts: _Parts, found: _Found | None
    ) -> tuple[_Outcomes, _Found | None]:
        """Return one policy's decisions; the limits alone look at windows, so only they are looked at twice.

        Args:
            place: 0 for the policy before, 1 for the one after.
            reading: The case as this policy reads it.
            parts: The same before any window is looked at.
            found: What the recorded windows make of these very parts, if that is known.

        Returns:
            The decisions, and what was found with the recorded windows.
        """
        if reading.refusal:
            refused = _refused(reading.refusal)
            return (refused, refused), None
        if found is None:
            over = exceeded(parts.touched, reading.facts, self._recorded, now=parts.now)
            found = over, conclude(parts.standing, over)
        over, decided = found
        book = self._own[place]
        if book is None:
            return (decided, decided), found
        own = exceeded(parts.touched, reading.facts, book, now=parts.now)
        return (decided, decided if own == over else conclude(parts.standing, own)), found

    def _reproduce(self, case: Case, again: Decision) -> None:
        was = case.was
        if was is None or was.policy != self._before_digest:
            return
        same = was.allowed is again.allowed and was.grant == again.grant
        if not same or not self._quorums.same(was.required, again.required):
            self.result.not_reproduced += 1
            if len(self.result.not_reproduced_names) < self._examples:
                self.result.not_reproduced_names.append(case.name)

    def _compare(
        self, windows: Windows, case: Case, change: Change | None, decided: tuple[Decision, Decision]
    ) -> None:
        before, after = decided
        comparison = self.result.windows[windows]
        comparison.allowed_before += before.allowed
        comparison.allowed_after += after.allowed
        if change is None:
            return
        comparison.counts[change] += 1
        examples = comparison.examples[change]
        if len(examples) < self._examples:
            examples.append(Example(change, case.name, case.time, before, after))

    def _count(self, case: Case, shares: Shares, allowed: tuple[bool, bool]) -> None:
        """Let a case count: in the recorded course as it was, in each policy's own as that policy allows it."""
        was = None if case.held is None else shares
        before = self._own_shares(case, shares, case.before) if allowed[0] else None
        after = self._own_shares(case, shares, case.after) if allowed[1] else None
        for place, mine in enumerate((before, after)):
            if mine is not was and mine != was and self._own[place] is None:
                own = self._own[place] = self._recorded.branch()
                self._books.append(own)
        self._enter(self._recorded, case, was)
        for book, mine in zip(self._own, (before, after), strict=True):
            if book is not None:
                self._enter(book, case, mine)

    @staticmethod
    def _enter(book: ReplayBook, case: Case, shares: Shares | None) -> None:
        if shares is None:
            return
        if case.held is None:
            # Only the policy under test allowed it: nobody knows when it would have been signed.
            book.spend(shares, case.time)
        elif case.end is not None and case.end.spent is not None and _is_spent_at_once(case):
            book.spend(shares, case.end.spent)
        else:
            book.hold(case.number, shares)

    def _own_shares(self, case: Case, shares: Shares, reading: Reading | None) -> Shares:
        if reading is None or reading.draw is case.held:
            return shares
        return shares_of(self._scopes, reading.draw)


def replay(
    before: Policy,
    after: Policy,
    cases: Iterable[Case],
    *,
    progress: Callable[[int], None] | None = None,
    examples: int = EXAMPLES_MOST,
) -> ReplayResult:
    """Decide history again under two policies.

    Args:
        before: The policy in force.
        after: The policy that would follow it.
        cases: Recorded decisions, the oldest first.
        progress: Told now and then how many cases were taken.
        examples: How many examples of each change are kept.

    Returns:
        Counts and examples of what differs, for both kinds of windows.
    """
    run = _Replay(before, after, examples)
    taken = 0
    for taken, case in enumerate(cases, start=1):
        run.take(case)
        if progress is not None and taken % _TELL_EVERY == 0:
            progress(taken)
    if progress is not None:
        progress(taken)
    return run.result
