"""A draft as a page has it open: its text, its document where it can be read, its problems, its lists."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import TYPE_CHECKING

from core.conditions import is_web_only
from core.documents.policy import Condition
from core.errors import CoreError
from core.policy_check import warnings
from core.schema import read_struct
from policies.comparison import policy_comparison
from policies.drafts import draft_read
from policies.editor.body import body_read, body_revision, body_write, ordered, rows_of
from policies.editor.book import book_of
from policies.editor.problems import problem_places, row_name
from policies.errors import DraftTextError
from policies.row_words import row_title, row_words

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from policies.comparison import SectionSides
    from policies.drafts import DraftReading
    from policies.editor.body import Body, Row
    from policies.editor.book import Book
    from policies.editor.problems import Problem
    from policies.editor.sections import Section
    from policies.models import PolicyDraft

_MOST_RAW = 160
_LATER = "no time window uses it"
"""What is mended by the row that comes next: it is listed, and stops nobody from saving."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableRow:
    """A row of a section's table. `place` counts from 1 in the order in which rules are asked."""

    index: int
    place: int
    name: str
    words: str
    web_rule: bool
    problems: tuple[str, ...]
    first: bool
    last: bool


class OpenDraft:
    """A draft, read once for a page."""

    def __init__(self, draft: PolicyDraft, active: Policy | None) -> None:
        self.draft, self.active = draft, active
        self.revision = body_revision(draft.body)
        self.body: Body = {}
        self.unreadable = ""
        try:
            self.body = body_read(draft.body)
        except DraftTextError as error:
            self.unreadable = str(error)

    @cached_property
    def reading(self) -> DraftReading:
        """What the whole document comes to."""
        return draft_read(text=self.draft.body, active=self.active)

    @cached_property
    def problems(self) -> list[Problem]:
        """Every problem with its row."""
        return problem_places(self.body, self.reading.problems)

    @cached_property
    def warnings(self) -> list[str]:
        """What is not wrong and leaves no room; nothing while the draft cannot be read as a policy."""
        return [] if self.reading.policy is None else warnings(self.reading.policy)

    @cached_property
    def book(self) -> Book:
        """The lists to choose from."""
        return book_of(self.body)

    @cached_property
    def comparison(self) -> tuple[SectionSides, ...] | None:
        """The active version and the draft side by side; None where there is nothing to compare."""
        policy = self.reading.policy
        if policy is None or self.active is None:
            return None
        return policy_comparison(before=self.active, after=policy)

    def count(self, section: str) -> int:
        """How many rows a section has."""
        return len(rows_of(self.body, section))

    def problems_of(self, section: str, index: int | None = None) -> tuple[str, ...]:
        """Return the problems of a section, or of one of its rows."""
        return tuple(p.text for p in self.problems if p.section == section and (index is None or p.index == index))

    def table(self, section: Section) -> list[TableRow]:
        """Return a section's rows in order, each in a sentence."""
        line = ordered(self.body, section.key)
        rows = rows_of(self.body, section.key)
        wrong: dict[int, list[str]] = {}
        for problem in self.problems:
            if problem.section == section.key and problem.index is not None:
                wrong.setdefault(problem.index, []).append(problem.text)
        return [
            TableRow(
                index=index,
                place=place + 1,
                name=self._title(section.key, index, rows[index]),
                words=self._words(section.key, index, rows[index]),
                web_rule=_is_web_rule(rows[index]),
                problems=tuple(wrong.get(index, ())),
                first=place == 0,
                last=place == len(line) - 1,
            )
            for place, index in enumerate(line)
        ]

    def _title(self, section: str, index: int, row: Row) -> str:
        policy = self.reading.policy
        return row_name(section, row) if policy is None else row_title(policy, getattr(policy, section)[index])

    def _words(self, section: str, index: int, row: Row) -> str:
        policy = self.reading.policy
        if policy is None:
            return ", ".join(f"{name} {value}" for name, value in row.items() if isinstance(value, str))[:_MOST_RAW]
        return row_words(policy, section, getattr(policy, section)[index])


def _is_web_rule(row: Row) -> bool:
    if row.get("when") is None:
        return False
    try:
        return is_web_only(read_struct(Condition, row["when"], "when"))
    except CoreError:
        return False


def blocking_problems(opened: OpenDraft, body: Body, section: str, index: int | None) -> tuple[list[str], int]:
    """Say what would be wrong with a row if it were saved.

    Args:
        opened: The draft as it is.
        body: The draft as it would be.
        section: Where the row stands.
        index: The row, or None for a part that there is only once.

    Returns:
        What must be mended in the row itself, and how many problems would newly appear elsewhere.

    Raises:
        DraftTextError: The document would be too large or too deep.
    """
    after = draft_read(text=body_write(body), active=opened.active)
    before = set(opened.reading.problems)
    blocking, elsewhere = [], 0
    for problem in problem_places(body, after.problems):
        is_new = problem.text not in before
        own = problem.section == section and problem.index == index
        # Two rows of one name or place: whichever of them is named, this one has brought it about.
        if _LATER in problem.text:
            elsewhere += is_new
        elif own or (is_new and (problem.section == section or "named" in problem.text)):
            blocking.append(problem.text)
        elif is_new:
            elsewhere += 1
    return blocking, elsewhere
