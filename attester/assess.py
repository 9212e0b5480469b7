"""From what nodes say about an intent to facts that can be signed; what is not known for sure is left out."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

from chains.errors import IdentityError, ProofError
from chains.identity import Review, identity_compare, identity_read
from chains.simulation import Call, sequence_simulate
from chains.simulation.slippage import exchange_of
from core.attested import QUOTES, fact_write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chains.nodes.pool import Pool
    from chains.simulation import Simulation
    from chains.simulation.slippage import Price
    from core.documents.bundle import FactValue
    from core.documents.mandate import Intent
    from core.registry import Fact

log = logging.getLogger("attester")


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
    reviewed: Mapping[str, bytes],
    watched: Sequence[str],
    now: int,
) -> Assessment:
    """Repeat an intent's simulation, compare prices, look at the code that it calls.

    Args:
        pool: This attester's own nodes.
        intent: The exact transaction.
        number: The parent block; None for the newest.
        prices: By CAIP-19 asset, none of them expired.
        reviewed: Keccak-256 of reviewed code on the intent's chain, by EIP-55 address: what is called, and what
            that forwards to.
        watched: Tokens (EIP-55) whose balances are measured in any case.
        now: Unix seconds.

    Raises:
        NoSimulationError: If there is no simulation that enough nodes agree on.
        NoQuorumError: If nodes do not agree on the block.
    """
    call = Call(sender=intent.sender, to=intent.to, value=intent.value, data=intent.data, gas=intent.gas)
    (simulation,) = sequence_simulate(pool, [call], number=number, now=now, watched=watched)
    facts = effects_facts(simulation, intent.sender, prices)
    facts |= code_facts(pool, intent.to, simulation, reviewed)
    if prices:
        facts[QUOTES] = frozenset(f"{asset}={price.usd_e8}" for asset, price in prices.items())
    return Assessment(
        block_number=simulation.block_number,
        block_hash=bytes.fromhex(simulation.block_hash),
        facts=tuple(_written(name, value) for name, value in sorted(facts.items())),
    )


def code_facts(pool: Pool, address: str, simulation: Simulation, reviewed: Mapping[str, bytes]) -> dict[str, Fact]:
    """Return what can be said about the code that is called, and what it forwards to; nothing where it is unknown.

    Args:
        pool: This attester's own nodes.
        address: What is called, EIP-55.
        simulation: Names the block.
        reviewed: As `intent_assess`.

    Raises:
        NoQuorumError: If nodes do not agree on the block.
    """
    at = pool.read_agreed(lambda _, block: block.hash, what="code", number=simulation.block_number)
    if at.block_hash.hex() != simulation.block_hash:
        return {}
    try:
        identity = identity_read(pool, address=address, at=at)
    except (IdentityError, ProofError) as error:
        log.warning("the code of %s cannot be told: %s", address, error)
        return {}
    reviews = {place: Review(label=place, code_hash=code_hash) for place, code_hash in reviewed.items()}
    found = identity_compare(identity, reviews=reviews)
    said = {"code.unchanged": found.code_unchanged, "implementation.unchanged": found.implementation_unchanged}
    return {name: value for name, value in said.items() if value is not None}


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
