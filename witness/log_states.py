"""Replaying every request's life from the log, and holding the states that the table shows against it.

The table is what pages and programs believe; the log is what happened. A state that was edited past the application
shows here, as does a request that was put in or taken out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.auditlog import Break, Finding
from core.canonical import parse
from core.errors import EncodingError
from core.lifecycle import Event, LifecycleError, State, apply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from witness.log_source import StoredStates

_SHOWN = 16


class _Life:
    """One request as the log tells it."""

    def __init__(self) -> None:
        self.state = State.REQUESTED
        self.index: int | None = None

    def step(self, payload: object) -> str:
        """Follow one step; return what is wrong with it, or nothing."""
        try:
            said = parse(payload.encode()) if isinstance(payload, str) else None
        except (EncodingError, UnicodeEncodeError):
            said = None
        if not isinstance(said, dict):
            return "a step that cannot be read"
        try:
            before, after = State(str(said.get("from"))), State(str(said.get("to")))
            event = Event(str(said.get("event")))
            if before is not self.state:
                return f"it goes on from {before.value}, and was {self.state.value} before"
            if apply(before, event) is not after:
                return f"{event.value} does not lead from {before.value} to {after.value}"
        except (ValueError, LifecycleError) as error:
            return str(error)
        self.state = after
        return ""


def states_replay(stored: StoredStates, leaves: int) -> tuple[int, Break | None]:
    """Replay all steps and compare with the table.

    Args:
        stored: Steps and table, of one moment.
        leaves: How many leaves the log has; where a break has no leaf of its own.

    Returns:
        How many requests agree, and the first break: the lowest leaf that tells it.
    """
    lives: dict[str, _Life] = {}
    broken: list[Break] = []
    for index, subject, payload in stored.moves:
        name = str(subject)
        life = lives.setdefault(name, _Life())
        why = life.step(payload)
        if why:
            broken.append(_break(index if type(index) is int else leaves, name, why))
            continue
        life.index = index if type(index) is int else leaves
    shown = {str(name): state for name, state in stored.table}
    broken.extend(_compared(shown, lives, leaves))
    return len(shown), min(broken, key=lambda one: one.index, default=None)


def _compared(shown: dict[str, object], lives: dict[str, _Life], leaves: int) -> Iterable[Break]:
    for name, state in shown.items():
        life = lives.get(name)
        if life is None:
            if state != State.REQUESTED.value:
                yield _break(leaves, name, f"the table shows {state}, and the log tells no step of it")
        elif state != life.state.value:
            place = leaves if life.index is None else life.index
            yield _break(place, name, f"the table shows {state}, the log ends with {life.state.value}")
    for name, life in lives.items():
        if name not in shown:
            place = leaves if life.index is None else life.index
            yield _break(place, name, f"the table does not hold it, the log ends with {life.state.value}")


def _break(index: int, name: str, why: str) -> Break:
    shown = "".join(c if c.isprintable() else " " for c in f"{name[:_SHOWN]}: {why}")
    return Break(index=index, finding=Finding.STATE, detail=f"request {shown[:300]}")
