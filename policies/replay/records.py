"""Recorded decisions as cases for a replay: streamed from the database in the order in which they were made."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from core.documents.mandate import Mandate
from core.errors import CoreError
from core.replay import Case, End, Reading, Was
from core.reread import Reader
from policies.errors import StoredPolicyError
from policies.explanation import quorum_read
from policies.facts import draw_read, snapshot_read
from policies.models import Decision, Outcome, ReservationState
from policies.selectors import policy_find

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from django.db.models import QuerySet

    from core.documents.policy import Policy, Quorum

_CHUNK = 2_000
_FIELDS = (
    "pk", "intent_digest", "mandate_digest", "policy_digest", "decided_at", "facts", "draw", "mandate", "outcome",
    "grant", "required",
    "hold__state", "hold__time", "hold__ended_after",
)  # fmt: skip
_UNREADABLE_NAMED = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Period:
    """Which decisions are compared: from `since` on, before `until`; None is open. What is earlier still counts."""

    since: dt.datetime | None = None
    until: dt.datetime | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class _Recorded:
    """A record's parts from which it is read again. `digest` names the mandate."""

    name: str
    policy: str
    mandate: str
    digest: str
    reading: Reading


class Records:
    """All cases up to a period's end. What cannot be read is counted and named, never skipped in silence."""

    def __init__(self, before: Policy, after: Policy, period: Period) -> None:
        """Look up which policies decided."""
        self._period = period
        digests = self._rows().order_by().values_list("policy_digest", flat=True).distinct()
        found = {digest: policy_find(digest=digest) for digest in digests}
        known = {digest: policy for digest, policy in found.items() if policy is not None}
        self._readers = (Reader(before, known), Reader(after, known))
        self._quorums: dict[str, Quorum] = {}
        self.total = self._rows().count()
        self.from_snapshot = 0
        self.unreadable = 0
        self.unreadable_names: list[str] = []

    def _rows(self) -> QuerySet[Decision]:
        rows = Decision.objects.order_by("pk")
        return rows if self._period.until is None else rows.filter(decided_at__lt=self._period.until)

    def __iter__(self) -> Iterator[Case]:
        """Yield the cases, the oldest first."""
        for row in self._rows().values_list(*_FIELDS).iterator(chunk_size=_CHUNK):
            try:
                yield self._case(row)
            except (CoreError, StoredPolicyError, ValueError):
                self.unreadable += 1
                if len(self.unreadable_names) < _UNREADABLE_NAMED:
                    self.unreadable_names.append(row[1])

    def _case(self, row: tuple[Any, ...]) -> Case:
        (pk, name, mandate_digest, policy, at, facts_text, draw_text, mandate, outcome, grant, required) = row[:11]
        state, time, ended = row[11:]
        draw = draw_read(text=draw_text)
        allowed = outcome == Outcome.ALLOWED.value
        end = None
        if ended is not None:
            end = End(after=ended, spent=time if state == ReservationState.SPENT.value else None)
        case = Case(number=pk, name=name, time=draw.time, held=draw if allowed else None, end=end)
        if self._period.since is not None and at < self._period.since:
            return case
        facts = snapshot_read(text=facts_text)
        recorded = _Recorded(name, policy, mandate, mandate_digest, Reading(facts, draw))
        before, after = (self._read(reader, recorded) for reader in self._readers)
        was = Was(policy=policy, allowed=allowed, grant=grant or None, required=self._quorum(required))
        return dataclasses.replace(case, before=before, after=after, was=was)

    def _quorum(self, text: str) -> Quorum:
        if text not in self._quorums:
            self._quorums[text] = quorum_read(text=text)
        return self._quorums[text]

    def _read(self, reader: Reader, recorded: _Recorded) -> Reading:
        if reader.is_as_recorded(recorded.policy):
            return recorded.reading
        if not recorded.mandate:
            self.from_snapshot += 1
            return recorded.reading
        mandate = Mandate.from_bytes(recorded.mandate.encode())
        if mandate.digest != recorded.digest:
            msg = f"the mandate of {recorded.name[:16]}… is not the one that was decided"
            raise StoredPolicyError(msg)
        return reader.derive(mandate, recorded.reading.facts, recorded.reading.draw)
