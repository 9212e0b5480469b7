"""Simulating on the nodes that the rows name. Not inside a database transaction."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chains.reads import pool_open
from chains.simulation import Call, sequence_simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chains.simulation import Simulation
    from core.documents.mandate import Intent


def calls_simulate(
    *, chain: str, calls: Sequence[Call], block: int | None = None, watched: Sequence[str] = ()
) -> tuple[Simulation, ...]:
    """Run transactions one after the other on top of a block.

    Args:
        chain: CAIP-2 name.
        calls: All by one sender.
        block: Number of the parent block; None for the newest one that enough nodes have.
        watched: Tokens (EIP-55) whose balances are measured in any case.

    Returns:
        One outcome for each. A transaction that would revert is an outcome, not an error.

    Raises:
        UnknownChainError: If the chain is not configured.
        NoSimulationError: If too few nodes answered, or they contradict each other.
    """
    pool = pool_open(chain=chain)
    return sequence_simulate(pool, calls, number=block, now=int(time.time()), watched=watched)


def transaction_simulate(
    *, chain: str, sender: str, to: str, value: int, data: bytes, gas: int | None = None, block: int | None = None
) -> Simulation:
    """Run one transaction; errors as `calls_simulate`.

    Args:
        chain: CAIP-2 name.
        sender: EIP-55 address that would sign.
        to: EIP-55 address.
        value: Wei.
        data: Calldata.
        gas: Gas limit; None lets the node choose, to find out how much is needed.
        block: Number of the parent block; None for the newest one.
    """
    call = Call(sender=sender, to=to, value=value, data=data, gas=gas)
    return calls_simulate(chain=chain, calls=[call], block=block)[0]


def intent_simulate(*, intent: Intent, block: int | None = None) -> Simulation:
    """Run exactly an intent, its gas limit included; errors as `calls_simulate`."""
    return transaction_simulate(
        chain=intent.chain,
        sender=intent.sender,
        to=intent.to,
        value=intent.value,
        data=intent.data,
        gas=intent.gas,
        block=block,
    )
