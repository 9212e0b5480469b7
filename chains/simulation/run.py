"""Running calls on a chain's nodes, on top of one block; enough nodes have to say the same.

The best method that enough nodes have is used for all of them: two methods differ in what they can see, and a
difference between two nodes must mean that one of them lies.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from chains.errors import NodeError, NodesDisagreeError, NoQuorumError, NoSimulationError
from chains.simulation.measure import effects_measure
from chains.simulation.methods import Ran, bundle_run, by_call, by_trace, calls_trace
from chains.simulation.result import Method, Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chains.nodes.client import NodeClient
    from chains.nodes.pool import Pool
    from chains.nodes.wire import Block
    from chains.simulation.result import Call, Frame

Simulations = tuple[Simulation, ...]
MOST_CALLS = 8
"""Transactions of one sequence."""


def sequence_simulate(
    pool: Pool, calls: Sequence[Call], *, number: int | None = None, now: int = 0, watched: Sequence[str] = ()
) -> Simulations:
    """Run transactions one after the other, each on what those before it left.

    Args:
        pool: The chain's usable nodes, and how many have to agree.
        calls: All by one sender.
        number: Number of the parent block; None for the newest one that enough nodes have.
        now: Unix seconds, for the age of the newest block; 0 leaves it unchecked.
        watched: Tokens (EIP-55) whose balances are measured in any case.

    Returns:
        One outcome for each. A transaction that would revert is an outcome, not an error.

    Raises:
        NoSimulationError: If too few nodes answered, or they contradict each other.
        ValueError: If there is no call, too many, or several senders.
    """
    if not 0 < len(calls) <= MOST_CALLS or len({call.sender for call in calls}) != 1:
        msg = f"a sequence is 1 to {MOST_CALLS} transactions of one sender"
        raise ValueError(msg)
    ways: list[Callable[[NodeClient, Block], Simulations]] = [
        lambda node, block: simulate_on(node, block, pool.chain, calls, watched=watched),
        lambda node, block: tuple(by_trace(node, block, pool.chain, calls)),
    ]
    if len(calls) == 1:
        ways.append(lambda node, block: (by_call(node, block, calls[0]),))
    problems: list[str] = []
    for way in ways:
        try:
            agreed = pool.read_agreed(way, what="a simulation", number=number, now=now)
        except NodesDisagreeError as error:
            raise NoSimulationError(f"no simulation: {error}") from error
        except NoQuorumError as error:
            problems.append(str(error))
            if "cannot simulate" not in str(error):
                break
        else:
            nodes = ", ".join(agreed.nodes)
            return tuple(dataclasses.replace(one, node=nodes) for one in agreed.value)
    raise NoSimulationError(f"no simulation: {problems[-1]}")


def simulate_on(
    node: NodeClient, parent: Block, chain: str, calls: Sequence[Call], *, watched: Sequence[str] = ()
) -> Simulations:
    """Run calls on one node by ``eth_simulateV1``, measured, with its tracer's frames where it has one.

    Raises:
        NodeError: If there is no usable answer.
    """
    ran = bundle_run(node, parent, calls)
    if isinstance(ran, str):
        ran = [Ran(succeeded=False, returned=b"", gas_used=0, logs=[], reason=ran) for _ in calls]
    measured = effects_measure(node, parent, chain, calls, ran=ran, watched=watched)
    frames = _frames(node, parent, calls)
    return tuple(
        Simulation(
            node=node.label,
            method=Method.SIMULATE,
            block_number=parent.number,
            block_hash=parent.hash.hex(),
            succeeded=one.succeeded,
            reason=one.reason,
            gas_used=one.gas_used,
            deltas=effects.deltas if one.succeeded else (),
            allowances=effects.allowances if one.succeeded else (),
            frames=traced,
            notes=effects.notes,
            whole=effects.whole,
        )
        for one, effects, traced in zip(ran, measured, frames, strict=True)
    )


def _frames(node: NodeClient, parent: Block, calls: Sequence[Call]) -> list[tuple[Frame, ...] | None]:
    """Return every call's frames; None where the node has no tracer, or they were too many to read."""
    try:
        traced = calls_trace(node, parent, calls)
    except NodeError:
        return [None] * len(calls)
    return [None if one.cut else one.frames for one in traced]
