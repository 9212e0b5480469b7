"""Three ways to ask one node what calls would do on top of a block, one after the other; each answer read strictly.

Sources: Ethereum execution API (``eth_simulateV1``, ``eth_call``), geth's ``debug_traceCall``.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from chains.errors import NodeAnswerError, NodeError, NodeRefusalError
from chains.nodes import wire
from chains.nodes.wire import WireError, fields, hash32, hexed, items, quantity, read_log
from chains.simulation.effects import allowances_of, deltas_of, revert_reason
from chains.simulation.result import Method, Simulation
from chains.simulation.trace import read_frames, read_native, read_overrides, read_trace_logs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chains.nodes.client import NodeClient
    from chains.nodes.wire import Block, Log
    from chains.simulation.result import Call, Frame

BLOCK_SECONDS = 12
"""Simulated time after the parent block. Anvil's default is 0, which skips what contracts do once a block: the gas
came out 29 % too low (measured)."""
_METHOD_MISSING = -32601
_IMPOSSIBLE = re.compile(r"insufficient|intrinsic gas", re.IGNORECASE)
_MISSING = re.compile(r"not (?:found|supported|available|implemented|enabled)|does not exist", re.IGNORECASE)
_UNSAID = bytes(32)
_REVERTED = 3
"""The code with which nodes answer a call that reverted."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ran:
    """What one call of a bundle did."""

    succeeded: bool
    returned: bytes
    gas_used: int
    logs: list[Log]
    reason: str


def call_of(call: Call) -> dict[str, object]:
    """Write a call as JSON-RPC takes it. No gas price: fees are no part of what is simulated."""
    written: dict[str, object] = {
        "from": call.sender,
        "to": call.to,
        "value": hex(call.value),
        "input": hexed(call.data),
    }
    if call.gas is not None:
        written["gas"] = hex(call.gas)
    return written


def _overrides(parent: Block) -> dict[str, object]:
    return {"number": hex(parent.number + 1), "time": hex(parent.timestamp + BLOCK_SECONDS)}


def _cannot(node: NodeClient, method: Method, error: NodeRefusalError) -> NodeError:
    if error.code == _METHOD_MISSING or _MISSING.search(error.message):
        return NodeError(node.label, f"cannot simulate ({method.value} is missing)")
    return error


def bundle_run(node: NodeClient, parent: Block, calls: Sequence[Call]) -> list[Ran] | str:
    """Run calls in one simulated block by ``eth_simulateV1``.

    Returns:
        What each did; or why the node refuses them all, where that is an outcome: a sender that cannot pay, for
        instance.

    Raises:
        NodeError: If there is no usable answer.
    """
    payload = {
        "blockStateCalls": [{"blockOverrides": _overrides(parent), "calls": [call_of(call) for call in calls]}],
        "traceTransfers": True,
        "validation": False,
    }
    try:
        answer = node.call(Method.SIMULATE.value, payload, hex(parent.number))
    except NodeRefusalError as error:
        if _IMPOSSIBLE.search(error.message):
            return error.message
        raise _cannot(node, Method.SIMULATE, error) from error
    try:
        return _read_bundle(parent, answer, len(calls))
    except WireError as error:
        raise NodeAnswerError(node.label, str(error)) from error


def _read_bundle(parent: Block, answer: object, count: int) -> list[Ran]:
    blocks = items(answer, "simulation")
    block = fields(blocks[0] if len(blocks) == 1 else None, "simulation.block")
    calls = items(block.get("calls"), "simulation.calls")
    if len(calls) != count:
        msg = f"simulation.calls: {count} expected, {len(calls)} found"
        raise WireError(msg)
    # anvil 1.7.1 leaves the simulated block's parent hash zero (measured); where a node says it, it must fit.
    if hash32(block.get("parentHash"), "simulation.parentHash") not in (_UNSAID, parent.hash):
        msg = "simulated on another block than the named one"
        raise WireError(msg)
    return [_read_ran(fields(call, "simulation.call")) for call in calls]


def _read_ran(call: dict[str, object]) -> Ran:
    status = quantity(call.get("status"), "simulation.status")
    if status not in (0, 1):
        msg = "simulation.status: 0 or 1 expected"
        raise WireError(msg)
    returned = wire.data(call.get("returnData") or "0x", "simulation.returnData")
    reason = ""
    if not status:
        error = call.get("error")
        problem = error if isinstance(error, dict) else {}
        raw = wire.data(problem.get("data") or hexed(returned), "simulation.error.data")
        reason = revert_reason(raw, str(problem.get("message", "")))
    return Ran(
        succeeded=status == 1,
        returned=returned,
        gas_used=quantity(call.get("gasUsed"), "simulation.gasUsed"),
        logs=[read_log(log) for log in items(call.get("logs", []), "simulation.logs")] if status else [],
        reason=reason,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Traced:
    """What the tracers say about one call. `cut`: there were too many frames to read them all."""

    frames: tuple[Frame, ...]
    cut: bool
    answer: dict[str, object]
    native: object


def calls_trace(node: NodeClient, parent: Block, calls: Sequence[Call]) -> list[Traced]:
    """Trace calls one after the other by ``debug_traceCall``, each on the state that those before it left.

    Raises:
        NodeError: If there is no usable answer.
    """
    found: list[Traced] = []
    state: dict[str, dict[str, object]] = {}
    for call in calls:
        frames = _trace(node, parent, call, state, {"tracer": "callTracer", "tracerConfig": {"withLog": True}})
        diff = _trace(node, parent, call, state, {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}})
        try:
            read, cut = read_frames(frames)
            state = read_overrides(diff, state)
            answer = fields(frames, "trace")
        except WireError as error:
            raise NodeAnswerError(node.label, str(error)) from error
        found.append(Traced(frames=read, cut=cut, answer=answer, native=diff))
    return found


def _trace(
    node: NodeClient, parent: Block, call: Call, state: dict[str, dict[str, object]], tracer: dict[str, object]
) -> object:
    options = {**tracer, "blockOverrides": _overrides(parent)} | ({"stateOverrides": state} if state else {})
    try:
        return node.call(Method.TRACE.value, call_of(call), hex(parent.number), options)
    except NodeRefusalError as error:
        raise _cannot(node, Method.TRACE, error) from error


def by_trace(node: NodeClient, parent: Block, chain: str, calls: Sequence[Call]) -> list[Simulation]:
    """Simulate by tracing: effects by events and by the native balances before and after.

    Raises:
        NodeError: If there is no usable answer.
    """
    found = []
    for one in calls_trace(node, parent, calls):
        try:
            failed = one.answer.get("error") is not None
            logs = [] if failed else read_trace_logs(one.answer)
            returned = wire.data(one.answer.get("output") or "0x", "trace.output")
            gas_used = quantity(one.answer.get("gasUsed"), "trace.gasUsed")
            native = () if failed else read_native(chain, one.native)
        except WireError as error:
            raise NodeAnswerError(node.label, str(error)) from error
        found.append(
            Simulation(
                node=node.label,
                method=Method.TRACE,
                block_number=parent.number,
                block_hash=parent.hash.hex(),
                succeeded=not failed,
                reason=revert_reason(returned, str(one.answer.get("error"))) if failed else "",
                gas_used=gas_used,
                deltas=tuple(sorted((*deltas_of(chain, logs), *native), key=lambda d: (d.asset, d.account))),
                allowances=allowances_of(chain, logs),
                frames=one.frames,
                # Events alone: a token may say what it likes in them.
                whole=False,
            )
        )
    return found


def by_call(node: NodeClient, parent: Block, call: Call) -> Simulation:
    """Ask only whether one call goes through, by ``eth_call``.

    Raises:
        NodeError: If there is no usable answer.
    """
    reason = ""
    try:
        node.call(Method.CALL.value, call_of(call), hex(parent.number))
    except NodeRefusalError as error:
        reverted = error.code == _REVERTED or "revert" in error.message.lower() or _IMPOSSIBLE.search(error.message)
        if not reverted:
            raise _cannot(node, Method.CALL, error) from error
        raw = error.data if isinstance(error.data, str) else "0x"
        try:
            reason = revert_reason(wire.data(raw, "revert"), error.message)
        except WireError:
            reason = error.message
    return Simulation(
        node=node.label,
        method=Method.CALL,
        block_number=parent.number,
        block_hash=parent.hash.hex(),
        succeeded=not reason,
        reason=reason,
        gas_used=0,
        deltas=(),
        whole=False,
    )
