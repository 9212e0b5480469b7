"""What proves a final sighting: transaction and receipt against the header that enough nodes hold, kept for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chains.errors import ProofError
from chains.reads import transaction_prove
from core.canonical import canonical
from core.chain_proof import check_inclusion
from core.schema import write_struct

if TYPE_CHECKING:
    from custody.models import Confirmation


def sighting_prove(*, chain: str, sighting: Confirmation) -> str:
    """Prove a sighting, and return the evidence as canonical JSON, for `countersign-verify --inclusion`.

    Args:
        chain: CAIP-2 name.
        sighting: What nodes showed; asks nodes, so not inside a database transaction.

    Raises:
        ChainsError: If nodes do not agree on the block, or what is proven is not what was seen.
    """
    sent = sighting.transmission
    evidence = transaction_prove(
        chain=chain,
        transaction_hash=bytes.fromhex(sent.transaction_hash),
        block_number=sighting.block_number,
    )
    shown = check_inclusion(evidence)
    proven = (evidence.block_hash.hex(), shown.raw, shown.succeeded)
    if proven != (sighting.block_hash, bytes(sent.raw), sighting.succeeded):
        message = f"what is proven of block {sighting.block_number} is not what nodes showed"
        raise ProofError(message)
    return canonical(write_struct(evidence, "inclusion")).decode()
