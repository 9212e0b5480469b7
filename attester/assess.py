"""From what nodes say about an intent to facts that can be signed; what is not known for sure is left out."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from chains.nodes.wire import data
from chains.simulation import Call, sequence_simulate
from chains.simulation.slippage import exchange_of
from core.attested import QUOTES, fact_write
from core.keccak import keccak256

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chains.nodes.client import NodeClient
    from chains.nodes.pool import Pool
    from chains.nodes.wire import Block
    from chains.simulation import Simulation
    from chains.simulation.slippage import Price
    from core.documents.bundle import FactValue
    from core.documents.mandate import Intent
    from core.registry import Fact


@dataclasses.dataclass(frozen=True, kw_only=True)
class Assessment:
    """What was found, on which block."""

    block_number: int
    block_hash: bytes
    facts: tuple[FactValue, ...]


def intent_assess(
    pool: Pool,
    intent: Intent,
    *,
    number: int | None,
    prices: Mapping[str, Price],
    reviewed: bytes | None,
    watched: Sequence[str],
    now: int,
) -> Assessment:
    """Repeat an intent's simulation, compare prices, look at the code that it calls.

    Args:
        pool: This attester's own nodes.
        intent: The exact transaction.
        number: The parent block; None for the newest.
        prices: By CAIP-19 asset, none of them expired.
        reviewed: Keccak-256 of the reviewed code at the intent's `to`; None where nobody reviewed any.
        watched: Tokens (EIP-55) whose balances are measured in any case.
        now: Unix seconds.

    Raises:
        NoSimulationError: If there is no simulation that enough nodes agree on.
        NoQuorumError: If the code cannot be read.
    """
    call = Call(sender=intent.sender, to=intent.to, value=intent.value, data=intent.data, gas=intent.gas)
    (simulation,) = sequence_simulate(pool, [call], number=number, now=now, watched=watched)
    facts = effects_facts(simulation, intent.sender, prices)
    code = pool.read_agreed(
        lambda client, block: _code(client, block, intent.to), what="code", number=simulation.block_number, now=now
    )
    same_block = code.block_hash.hex() == simulation.block_hash
    if same_block and (reviewed is not None or not code.value):
        # Where there is no code, none can have changed.
        facts["code.unchanged"] = not code.value if reviewed is None else keccak256(code.value) == reviewed
    if prices:
        facts[QUOTES] = frozenset(f"{asset}={price.usd_e8}" for asset, price in prices.items())
    return Assessment(
        block_number=simulation.block_number,
        block_hash=bytes.fromhex(simulation.block_hash),
        facts=tuple(_written(name, value) for name, value in sorted(facts.items())),
    )


def _code(client: NodeClient, block: Block, address: str) -> bytes:
    return data(client.call("eth_getCode", address, hex(block.number)), "code")


def effects_facts(simulation: Simulation, account: str, prices: Mapping[str, Price]) -> dict[str, Fact]:
    """Return what a simulation lets be said for sure.

    Args:
        simulation: What nodes agreed on.
        account: The paying wallet's address.
        prices: By CAIP-19 asset.
    """
    facts: dict[str, Fact] = {"simulation.success": simulation.succeeded}
    if not simulation.succeeded or not simulation.whole:
        return facts
    changes = simulation.changes_of(account)
    for name, moved in (
        ("effects.sent", {asset: -change for asset, change in changes.items() if change < 0}),
        ("effects.received", {asset: change for asset, change in changes.items() if change > 0}),
    ):
        if len(moved) == 1:
            ((facts[f"{name}.asset"], facts[name]),) = moved.items()
        elif not moved:
            facts[name] = 0
    own = [change for change in simulation.allowances if change.owner == account]
    facts["effects.allowances"] = sum(change.is_larger for change in own)
    exchange = exchange_of(simulation, account)
    deviation = None if exchange is None else exchange.deviation_bps(prices)
    if deviation is not None:
        facts["price.deviation_bps"] = deviation
    return facts


def _written(name: str, value: Fact) -> FactValue:
    if isinstance(value, str | int | frozenset):
        return fact_write(name, value)
    msg = f"{name} is nothing that attesters attest"
    raise TypeError(msg)
