"""How each node does: answers, latency, head, disagreements, and a breaker that leaves a failing node alone.

State of one process, kept in memory; what all processes should see is written down by whoever reads `snapshot`.
All times are seconds of a monotonic clock, handed in. Integers for what is shown.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chains.nodes.wire import Block

WINDOW_CALLS = 50
"""Calls that rates and latency are taken over."""
FAILURES_IN_A_ROW = 5
CALLS_FOR_A_RATE = 20
RATE_PER_MILLE = 500
"""The breaker opens at this many failures in a row, or at this rate over at least so many calls."""
PAUSE_SECONDS = 15.0
PAUSE_MOST_SECONDS = 300.0
"""How long it stays open at first, and after it opened again and again."""
ERROR_MOST = 280


class Breaker(StrEnum):
    """Whether a node is asked."""

    CLOSED = "closed"
    OPEN = "open"
    TRIED = "tried"
    """Its pause is over: one call may find out whether it is back."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Health:
    """What is known of a node.

    Attributes:
        calls: Calls in the window.
        errors: How many of them failed.
        latency_ms: The middle one of the answered calls; None before the first.
        failures: In a row, up to now.
        breaker: Whether it is asked.
        pause_seconds: How long the breaker's current or last pause is.
        disagreements: How often its answer was not the one that others shared, since this process started.
        head: The newest block that it showed.
        last_error: The newest failure, without addresses.
    """

    calls: int
    errors: int
    latency_ms: int | None
    failures: int
    breaker: Breaker
    pause_seconds: int
    disagreements: int
    head: Block | None
    last_error: str

    @property
    def error_per_mille(self) -> int:
        """Failed calls of a thousand."""
        return self.errors * 1000 // self.calls if self.calls else 0


class _Record:
    """One node's. Guarded by the book's lock."""

    def __init__(self) -> None:
        self.window: deque[int | None] = deque(maxlen=WINDOW_CALLS)
        self.failures = 0
        self.opened_until: float | None = None
        self.pause = PAUSE_SECONDS
        self.trial_at: float | None = None
        self.disagreements = 0
        self.head: Block | None = None
        self.last_error = ""

    def breaker(self, now: float) -> Breaker:
        if self.opened_until is None:
            return Breaker.CLOSED
        return Breaker.OPEN if now < self.opened_until else Breaker.TRIED

    def is_failing(self) -> bool:
        errors = sum(entry is None for entry in self.window)
        often = len(self.window) >= CALLS_FOR_A_RATE and errors * 1000 >= RATE_PER_MILLE * len(self.window)
        return self.failures >= FAILURES_IN_A_ROW or often


class HealthBook:
    """Every node's health in this process; safe between threads."""

    def __init__(self) -> None:
        """Start knowing nothing: a node that was never asked may be asked."""
        self._lock = threading.Lock()
        self._records: dict[str, _Record] = {}

    def _of(self, key: str) -> _Record:
        return self._records.setdefault(key, _Record())

    def answered(self, key: str, *, latency_ms: int) -> None:
        """Note a call that was answered as the protocol allows; it closes the breaker."""
        with self._lock:
            record = self._of(key)
            if record.opened_until is not None:
                # The failures that opened it say nothing about the node that came back.
                record.window.clear()
            record.window.append(latency_ms)
            record.failures, record.opened_until, record.trial_at = 0, None, None
            record.pause = PAUSE_SECONDS

    def failed(self, key: str, *, reason: str, now: float) -> None:
        """Note a call that failed; enough of them open the breaker, each time for longer."""
        with self._lock:
            record = self._of(key)
            record.window.append(None)
            record.failures += 1
            record.last_error = reason[:ERROR_MOST]
            state = record.breaker(now)
            if state is Breaker.TRIED:
                record.pause = min(record.pause * 2, PAUSE_MOST_SECONDS)
            if state is Breaker.TRIED or (state is Breaker.CLOSED and record.is_failing()):
                record.opened_until, record.trial_at = now + record.pause, None

    def disagreed(self, key: str) -> None:
        """Note an answer that others contradict."""
        with self._lock:
            self._of(key).disagreements += 1

    def saw_head(self, key: str, head: Block) -> None:
        """Keep the newest head that it showed."""
        with self._lock:
            self._of(key).head = head

    def may_ask(self, key: str, *, now: float) -> bool:
        """Say whether to ask the node; after its pause, only one caller at a time gets a yes."""
        with self._lock:
            record = self._of(key)
            state = record.breaker(now)
            if state is not Breaker.TRIED:
                return state is Breaker.CLOSED
            if record.trial_at is not None and now - record.trial_at < PAUSE_SECONDS:
                return False
            record.trial_at = now
            return True

    def snapshot(self, key: str, *, now: float) -> Health:
        """Return what is known of a node."""
        with self._lock:
            record = self._of(key)
            answered = sorted(entry for entry in record.window if entry is not None)
            return Health(
                calls=len(record.window),
                errors=len(record.window) - len(answered),
                latency_ms=answered[len(answered) // 2] if answered else None,
                failures=record.failures,
                breaker=record.breaker(now),
                pause_seconds=int(record.pause),
                disagreements=record.disagreements,
                head=record.head,
                last_error=record.last_error,
            )
