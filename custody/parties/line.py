"""Asking several parties at once, over whatever way leads to signers; a silent one costs its time-out once.

One that answers, but late, is not waited for where enough others have answered: it gets as long again as they took
several times over, and is then left out and spared for a while, as a silent one is.
"""

from __future__ import annotations

import functools
import os
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeVar

from chains.guards import outside_transaction
from custody.answers import VERSION, Refused, result_read
from custody.errors import SignerWaitsError
from custody.parties.group import SILENT, No
from custody.ports import signer_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from custody.ports import SignerPort

REST_SECONDS = 30.0
"""How long a party that let a whole time-out pass is not asked, where enough others are there."""
REST_MOST = 120.0
"""The longest such rest: each is twice as long as the one before, until it answers in time."""
PATIENCE_SECONDS = 3.0
"""How long the rest is waited for at least, once enough have answered."""
PATIENCE = 4
"""The same as so many times what those who answered took: a slow machine is slow for all."""
_SLOW_SECONDS = 0.5
"""A refusal to connect is quick; silence that took longer cost a wait."""
_THREADS = 32
_Asked = TypeVar("_Asked")
_Answered = TypeVar("_Answered")


class _Threads:
    """Threads that are made when they are first needed, and anew in a process that was forked."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def pool(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="parties")
        return self._pool

    def forget(self) -> None:
        self._pool = None


_threads = _Threads()
os.register_at_fork(after_in_child=_threads.forget)
_resting: dict[str, tuple[float, float]] = {}
"""Until when each party rests, and for how long that is."""
_late: set[str] = set()
"""Parties whose answers nobody waits for any more; they are asked nothing else until these are over."""
_paces: dict[str, float] = {}
"""How long each party's last answer took, in seconds."""


def together(question: Callable[[_Asked], _Answered], asked: Iterable[_Asked]) -> list[_Answered]:
    """Ask the same of several at once; the answers in order. The question touches no database.

    Raises:
        Exception: The first that any question raised.
    """
    return list(_threads.pool().map(question, asked))


def rested(names: Iterable[str], *, needed: int) -> tuple[str, ...]:
    """Return who is worth asking: those who lately let a time-out pass only where the others are too few.

    Args:
        names: All of them.
        needed: How many it takes.
    """
    everybody = tuple(names)
    now = time.monotonic()
    awake = tuple(name for name in everybody if _resting.get(name, (0.0, 0.0))[0] <= now)
    return awake if len(awake) >= needed else everybody


def laggards(names: Iterable[str]) -> frozenset[str]:
    """Return who of these was far slower than the quickest of them when they were asked last."""
    paces = {name: _paces.get(name, 0.0) for name in names}
    most = max(PATIENCE_SECONDS, PATIENCE * min(paces.values(), default=0.0))
    return frozenset(name for name, pace in paces.items() if pace > most)


def parties_ask(
    frames: Mapping[str, dict[str, object]], *, enough: int | None = None
) -> tuple[dict[str, dict[str, object]], dict[str, No]]:
    """Ask several parties at once.

    Args:
        frames: What each is asked, by roster id, without the protocol's version.
        enough: How many good answers it takes; nobody else is waited for long then. All are waited for if none.

    Returns:
        The results of those who agreed, and why the others did not; both in the order of the frames.
    """
    outside_transaction("parties asked")
    port = signer_port()

    def one(name: str) -> tuple[dict[str, object] | No, float]:
        began = time.monotonic()
        return _one(port, name, frames[name]), time.monotonic() - began

    answers: dict[str, dict[str, object] | No] = {
        name: No(code="timeout", message="still at what it was asked before") for name in frames if name in _late
    }
    pending = {_threads.pool().submit(one, name): name for name in frames if name not in _late}
    began, deadline = time.monotonic(), None
    while pending:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        done, _ = wait(pending, timeout=left, return_when=FIRST_COMPLETED)
        if not done:
            break
        for future in done:
            name = pending.pop(future)
            answers[name], pace = future.result()
            _note(name, answers[name], pace)
        if enough is not None and sum(not isinstance(answer, No) for answer in answers.values()) >= enough:
            spent = time.monotonic() - began
            deadline = began + spent + max(PATIENCE_SECONDS, PATIENCE * spent) if deadline is None else deadline
    for future, name in pending.items():
        answers[name] = No(code="timeout", message="not waited for: enough others had answered")
        if not future.cancel():
            _late.add(name)
            future.add_done_callback(functools.partial(_over, name))
            _rest(name)
    good = {name: answer for name in frames if not isinstance(answer := answers[name], No)}
    return good, {name: answer for name in frames if isinstance(answer := answers[name], No)}


def _over(name: str, _: object) -> None:
    _late.discard(name)


def _note(name: str, answer: dict[str, object] | No, pace: float) -> None:
    """Remember how long an answer took; whoever let a whole time-out pass rests."""
    _paces[name] = pace
    if isinstance(answer, No) and answer.code in SILENT and pace > _SLOW_SECONDS:
        _rest(name)
    else:
        _resting.pop(name, None)


def _rest(name: str) -> None:
    _, before = _resting.get(name, (0.0, 0.0))
    length = min(REST_MOST, max(REST_SECONDS, 2 * before))
    _resting[name] = time.monotonic() + length, length


def _one(port: SignerPort, name: str, frame: dict[str, object]) -> dict[str, object] | No:
    try:
        result = result_read(port.request(name, {"v": VERSION} | frame))
    except SignerWaitsError as error:
        return No(code=error.code, message=error.message)
    if isinstance(result, Refused):
        return No(code=result.code.value, message=result.message)
    return result
