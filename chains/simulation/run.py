"""Running a transaction on a node by ``eth_simulateV1`` at a named block."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chains.errors import NodeError, NodeRefusalError, NoNodeError, NoSimulationError, SimulationAnswerError
from chains.nodes import wire
from chains.nodes.wire import WireError, fields, hash32, hexed, items, quantity, read_log
from chains.reads import node_ask
from chains.simulation.effects import Simulation, deltas_of, revert_reason

if TYPE_CHECKING:
    from chains.nodes.client import NodeClient
    from chains.nodes.wire import Block
    from core.documents.mandate import Intent

BLOCK_SECONDS = 12
"""Simulated time after the parent block. Anvil's default is 0, which skips what contracts do once a block: the gas
came out 29 % too low (measured)."""
_GAS_MARGIN = (5, 4)
_METHOD_MISSING = -32601
_IMPOSSIBLE = re.compile(r"insufficient|intrinsic gas", re.IGNORECASE)
_UNSAID = bytes(32)


def _payload(call: dict[str, object], parent: Block) -> dict[str, object]:
    overrides = {"number": hex(parent.number + 1), "time": hex(parent.timestamp + BLOCK_SECONDS)}
    return {
        "blockStateCalls": [{"blockOverrides": overrides, "calls": [call]}],
        "traceTransfers": True,
        "validation": False,
    }


def _read(chain: str, label: str, parent: Block, answer: object) -> Simulation:
    """Read the answer strictly: one block on top of the named one, with one call.

    Raises:
        SimulationAnswerError: If it is anything else.
    """
    try:
        blocks = items(answer, "simulation")
        block = fields(blocks[0] if len(blocks) == 1 else None, "simulation.block")
        calls = items(block.get("calls"), "simulation.calls")
        call = fields(calls[0] if len(calls) == 1 else None, "simulation.call")
        # anvil 1.7.1 leaves the simulated block's parent hash zero (measured); where a node says it, it must fit.
        if hash32(block.get("parentHash"), "simulation.parentHash") not in (_UNSAID, parent.hash):
            msg = f"{label}: simulated on another block than the named one"
            raise SimulationAnswerError(msg)
        succeeded = quantity(call.get("status"), "simulation.status") == 1
        gas_used = quantity(call.get("gasUsed"), "simulation.gasUsed")
        logs = [read_log(log) for log in items(call.get("logs", []), "simulation.logs")] if succeeded else []
        reason = ""
        if not succeeded:
            error = call.get("error")
            problem = error if isinstance(error, dict) else {}
            raw = problem.get("data") or call.get("returnData") or "0x"
            reason = revert_reason(wire.data(raw, "simulation.returnData"), str(problem.get("message", "")))
    except WireError as error:
        msg = f"{label}: {error}"
        raise SimulationAnswerError(msg) from error
    return Simulation(
        node=label,
        block_number=parent.number,
        block_hash=parent.hash.hex(),
        succeeded=succeeded,
        reason=reason,
        gas_used=gas_used,
        gas_limit=-(-gas_used * _GAS_MARGIN[0] // _GAS_MARGIN[1]),
        deltas=deltas_of(chain, logs),
    )


def transaction_simulate(
    *, chain: str, sender: str, to: str, value: int, data: bytes, gas: int | None = None, block: int | None = None
) -> Simulation:
    """Run a transaction on top of a block, on the first node that can. Not inside a database transaction.

    Args:
        chain: CAIP-2 name.
        sender: EIP-55 address that would sign.
        to: EIP-55 address.
        value: Wei.
        data: Calldata.
        gas: Gas limit; None lets the node choose, to find out how much is needed.
        block: Number of the parent block; None for the newest one.

    Returns:
        The outcome. A transaction that would revert is an outcome, not an error.

    Raises:
        UnknownChainError: If the chain is not configured.
        NoSimulationError: If no node answered.
        SimulationAnswerError: If the answer contradicts itself.
    """
    call: dict[str, object] = {"from": sender, "to": to, "value": hex(value), "input": hexed(data)}
    if gas is not None:
        call["gas"] = hex(gas)

    def ask(node: NodeClient) -> Simulation:
        parent = node.head() if block is None else node.block(block)
        if parent is None:
            raise NodeError(node.label, f"has no block {block}")
        payload = _payload(call, parent)
        try:
            answer = node.call("eth_simulateV1", payload, hex(parent.number))
        except NodeRefusalError as error:
            if error.code == _METHOD_MISSING:
                raise NodeError(node.label, "cannot simulate (eth_simulateV1 is missing)") from error
            # Nodes refuse the whole call where the sender cannot pay, or the gas is below the floor: outcomes.
            if _IMPOSSIBLE.search(error.message):
                return _impossible(node.label, parent, error.message)
            raise
        result = _read(chain, node.label, parent, answer)
        # Asked by number, and not every node names the parent: a reorganisation meanwhile would go unseen.
        after = node.block(parent.number)
        if after is None or after.hash != parent.hash:
            raise NodeError(node.label, f"block {parent.number} was replaced meanwhile")
        return result

    try:
        return node_ask(chain=chain, question=ask)
    except NoNodeError as error:
        msg = f"no simulation: {error}"
        raise NoSimulationError(msg) from error


def _impossible(label: str, parent: Block, message: str) -> Simulation:
    return Simulation(
        node=label,
        block_number=parent.number,
        block_hash=parent.hash.hex(),
        succeeded=False,
        reason=message,
        gas_used=0,
        gas_limit=0,
        deltas=(),
    )


def intent_simulate(*, intent: Intent, block: int | None = None) -> Simulation:
    """Run exactly an intent, its gas limit included; arguments and errors as `transaction_simulate`."""
    return transaction_simulate(
        chain=intent.chain,
        sender=intent.sender,
        to=intent.to,
        value=intent.value,
        data=intent.data,
        gas=intent.gas,
        block=block,
    )
