"""What a node can do, found out by asking at the start: providers differ, and outages are a bad time to learn how."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from chains.errors import NodeRefusalError

if TYPE_CHECKING:
    from chains.nodes.client import NodeClient

_METHOD_MISSING = -32601
_MISSING = re.compile(
    r"not (?:found|supported|available|implemented|enabled|exist)|unknown|unsupported", re.IGNORECASE
)
_NOBODY = "0x" + "00" * 20
_CALL: dict[str, object] = {"from": _NOBODY, "to": _NOBODY, "value": "0x0", "input": "0x"}
_VERSION_MOST = 80


@dataclasses.dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a node answered when it was asked for each of it.

    Attributes:
        simulate: ``eth_simulateV1``.
        trace_call: ``debug_traceCall`` with the call tracer.
        get_proof: ``eth_getProof``.
        finalized: The block tag ``finalized``.
        safe: The block tag ``safe``.
        block_receipts: ``eth_getBlockReceipts``.
        raw_transaction: ``eth_getRawTransactionByHash``.
        version: What the node calls itself.
    """

    simulate: bool
    trace_call: bool
    get_proof: bool
    finalized: bool
    safe: bool
    block_receipts: bool
    raw_transaction: bool
    version: str

    @property
    def missing(self) -> tuple[str, ...]:
        """What it cannot do."""
        return tuple(field.name for field in dataclasses.fields(self) if getattr(self, field.name) is False)


def _can(client: NodeClient, method: str, *params: object) -> bool:
    """Ask for harmless work.

    A refusal of the arguments is taken as a no as well: what is asked here, every node that can do it answers.
    """
    try:
        return client.call(method, *params) is not None
    except NodeRefusalError:
        return False


def _knows_raw(client: NodeClient) -> bool:
    """Say whether raw transactions are handed out; of a hash that nobody knows, such a node says null."""
    try:
        return client.call("eth_getRawTransactionByHash", "0x" + "00" * 32) in (None, "0x")
    except NodeRefusalError as error:
        return error.code != _METHOD_MISSING and _MISSING.search(error.message) is None


def probe(client: NodeClient) -> Capabilities:
    """Find out what a node can do.

    Raises:
        NodeError: If it does not answer at all.
    """
    head = client.head()
    at = hex(head.number)
    simulated = {"blockStateCalls": [{"calls": [_CALL]}]}
    try:
        named = client.call("web3_clientVersion")
    except NodeRefusalError:
        named = ""
    return Capabilities(
        simulate=_can(client, "eth_simulateV1", simulated, at),
        trace_call=_can(client, "debug_traceCall", _CALL, at, {"tracer": "callTracer"}),
        get_proof=_can(client, "eth_getProof", _NOBODY, [], at),
        finalized=_can(client, "eth_getBlockByNumber", "finalized", False),  # noqa: FBT003 - JSON-RPC's positional flag
        safe=_can(client, "eth_getBlockByNumber", "safe", False),  # noqa: FBT003 - as above
        block_receipts=_can(client, "eth_getBlockReceipts", at),
        raw_transaction=_knows_raw(client),
        version="".join(c for c in str(named) if c.isprintable())[:_VERSION_MOST],
    )
