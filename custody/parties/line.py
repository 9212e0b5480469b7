"""Asking several parties at once, over whatever way leads to signers; a silent one costs its time-out once."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
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
_resting: dict[str, float] = {}


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
    awake = tuple(name for name in everybody if _resting.get(name, 0.0) <= now)
    return awake if len(awake) >= needed else everybody


def parties_ask(frames: Mapping[str, dict[str, object]]) -> tuple[dict[str, dict[str, object]], dict[str, No]]:
    """Ask several parties at once.

    Args:
        frames: What each is asked, by roster id, without the protocol's version.

    Returns:
        The results of those who agreed, and why the others did not.
    """
    outside_transaction("parties asked")
    port = signer_port()

    def one(name: str) -> dict[str, object] | No:
        began = time.monotonic()
        answer = _one(port, name, frames[name])
        slow = time.monotonic() - began > _SLOW_SECONDS
        if isinstance(answer, No) and answer.code in SILENT and slow:
            _resting[name] = time.monotonic() + REST_SECONDS
        else:
            _resting.pop(name, None)
        return answer

    answers = dict(zip(frames, together(one, list(frames)), strict=True))
    good = {name: answer for name, answer in answers.items() if not isinstance(answer, No)}
    return good, {name: answer for name, answer in answers.items() if isinstance(answer, No)}


def _one(port: SignerPort, name: str, frame: dict[str, object]) -> dict[str, object] | No:
    try:
        result = result_read(port.request(name, {"v": VERSION} | frame))
    except SignerWaitsError as error:
        return No(code=error.code, message=error.message)
    if isinstance(result, Refused):
        return No(code=result.code.value, message=result.message)
    return result
