"""Reading ``debug_traceCall``: the frames of geth's ``callTracer``, and balances by ``prestateTracer`` in diff mode.

Hostile contracts decide how many frames there are: they are walked without recursion, and only so many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chains.nodes.wire import WireError, address, data, fields, items, quantity, read_log
from chains.simulation.result import AssetDelta, Frame
from core.names import native_asset

if TYPE_CHECKING:
    from chains.nodes.wire import Log

MOST_FRAMES = 2_000
_SELECTOR_BYTES = 4
_KIND_MOST = 16
_CLEARED: object = "0x" + "00" * 32


def read_frames(answer: object) -> tuple[tuple[Frame, ...], bool]:
    """Read the call tracer's answer.

    Returns:
        The frames, outermost first in the order of execution; and whether there were too many to read all.

    Raises:
        WireError: If it is not what the tracer answers.
    """
    found: list[Frame] = []
    waiting: list[tuple[object, int, tuple[tuple[str, str], ...], bool]] = [(answer, 0, (), False)]
    while waiting:
        value, depth, stack, dead = waiting.pop()
        if len(found) >= MOST_FRAMES:
            return tuple(found), True
        frame = fields(value, "trace")
        kind = str(frame.get("type", ""))[:_KIND_MOST].upper()
        # A creation that failed names nobody.
        target = "" if frame.get("to") is None else address(frame.get("to"), "trace.to")
        raw = data(frame.get("input", "0x"), "trace.input")
        selector = "0x" + raw[:_SELECTOR_BYTES].hex() if len(raw) >= _SELECTOR_BYTES else ""
        failed = dead or frame.get("error") is not None
        here = (target, selector)
        found.append(
            Frame(
                depth=depth,
                kind=kind,
                target=target,
                selector=selector,
                value=quantity(frame.get("value") or "0x0", "trace.value"),
                failed=failed,
                reentered=here in stack,
            )
        )
        inner = items(frame.get("calls") or [], "trace.calls")
        waiting.extend((call, depth + 1, (*stack, here), failed) for call in reversed(inner))
    return tuple(found), False


def read_trace_logs(answer: object) -> list[Log]:
    """Return the logs of all frames that did not revert, those of each contract in their order.

    Raises:
        WireError: If it is not what the tracer answers, or there are too many frames.
    """
    logs: list[Log] = []
    waiting, seen = [answer], 0
    while waiting:
        frame = fields(waiting.pop(), "trace")
        seen += 1
        if seen > MOST_FRAMES:
            msg = "the trace has too many frames to be read"
            raise WireError(msg)
        if frame.get("error") is None:
            logs += [read_log(log) for log in items(frame.get("logs") or [], "trace.logs")]
            waiting.extend(items(frame.get("calls") or [], "trace.calls"))
    return logs


def read_native(chain: str, answer: object) -> tuple[AssetDelta, ...]:
    """Return what each account gains or loses of the native coin, from the state before and after.

    Raises:
        WireError: If it is not what the tracer answers.
    """
    diff = fields(answer, "prestate")
    before, after = fields(diff.get("pre"), "prestate.pre"), fields(diff.get("post"), "prestate.post")
    changes: dict[str, int] = {}
    for name in {*before, *after}:
        old = _balance(before.get(name))
        # Diff mode leaves out of `post` what did not change, and the whole account where it was destroyed.
        new = 0 if name in before and name not in after else _balance(after.get(name), old)
        account = address(name, "prestate.account")
        changes[account] = changes.get(account, 0) + new - old
    return tuple(
        AssetDelta(asset=native_asset(chain), account=account, change=change)
        for account, change in sorted(changes.items())
        if change
    )


def _balance(value: object, otherwise: int = 0) -> int:
    balance = None if value is None else fields(value, "prestate.account").get("balance")
    return otherwise if balance is None else quantity(balance, "prestate.balance")


def read_overrides(answer: object, earlier: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    """Return the state after a traced transaction as overrides for the next one of a sequence.

    Args:
        answer: The prestate tracer's answer in diff mode.
        earlier: The overrides that it ran with.

    Raises:
        WireError: If it is not what the tracer answers.
    """
    diff = fields(answer, "prestate")
    before, after = fields(diff.get("pre"), "prestate.pre"), fields(diff.get("post"), "prestate.post")
    overrides = {name: dict(account) for name, account in earlier.items()}
    for name, value in after.items():
        account = fields(value, "prestate.account")
        taken = overrides.setdefault(name, {})
        taken |= {field: account[field] for field in ("balance", "code") if field in account}
        if isinstance(account.get("nonce"), int):
            taken["nonce"] = hex(int(str(account["nonce"])))
        # A slot that was cleared is in the state before, and missing afterwards.
        old = fields(fields(before.get(name) or {}, "prestate.account").get("storage") or {}, "prestate.storage")
        slots = dict.fromkeys(old, _CLEARED) | fields(account.get("storage") or {}, "prestate.storage")
        if slots:
            taken["stateDiff"] = {**fields(taken.get("stateDiff") or {}, "stateDiff"), **slots}
    return overrides
