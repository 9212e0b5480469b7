"""What a token says of itself, read as hostile text: names of any length, markup, odd decimals, or nothing at all.

EIP-20 makes name, symbol and decimals optional, and nothing forces a contract to tell the truth. So what people see
is the asset's entry in the policy; what the token says is only compared with it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from chains.errors import NodeAnswerError, NodeRefusalError
from chains.nodes.wire import WireError, data, hexed
from core.keccak import keccak256

if TYPE_CHECKING:
    from chains.nodes.client import NodeClient
    from chains.nodes.pool import Pool
    from chains.nodes.wire import Block

DECIMALS_MOST = 77
"""10^77 base units are the most that 256 bits hold of one unit."""
TEXT_MOST = 80
_WORD = 32
_NAME, _SYMBOL, _DECIMALS = (keccak256(name)[:4] for name in (b"name()", b"symbol()", b"decimals()"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenFacts:
    """What a token says of itself, at a block that enough nodes agree on.

    Attributes:
        has_code: Whether there is a contract at all.
        name: Printable and cut to `TEXT_MOST`; empty where it says none.
        symbol: The same.
        decimals: None where it says none, or more than `DECIMALS_MOST`.
    """

    has_code: bool
    name: str
    symbol: str
    decimals: int | None


def printable(text: str) -> str:
    """Keep what can be shown without harm, at a length that fits a line."""
    return "".join(c if c.isprintable() else " " for c in text[: 4 * TEXT_MOST]).strip()[:TEXT_MOST]


def _text(raw: bytes) -> str:
    """Read a string as the ABI has it, or as early tokens did: 32 bytes, padded with zeros."""
    if len(raw) == _WORD:
        return printable(raw.rstrip(b"\0").decode("utf-8", errors="replace"))
    try:
        (found,) = decode(["bytes"], raw)
    except (DecodingError, ValueError, OverflowError):
        return ""
    return printable(bytes(found).decode("utf-8", errors="replace"))


def _decimals(raw: bytes) -> int | None:
    value = int.from_bytes(raw, "big") if len(raw) == _WORD else DECIMALS_MOST + 1
    return value if value <= DECIMALS_MOST else None


def token_read(pool: Pool, *, address: str, now: int = 0) -> TokenFacts:
    """Read what a token says of itself.

    Args:
        pool: The chain's nodes.
        address: EIP-55 address.
        now: Unix seconds, for the age of the newest block; 0 leaves age unchecked.

    Raises:
        NoQuorumError: If nodes do not agree.
    """

    def view(client: NodeClient, block: Block, selector: bytes) -> bytes:
        try:
            call = {"to": address, "data": hexed(selector), "gas": hex(1_000_000)}
            return data(client.call("eth_call", call, hex(block.number)), "eth_call")
        except NodeRefusalError:
            return b""
        except WireError as error:
            raise NodeAnswerError(client.label, str(error)) from error

    def question(client: NodeClient, block: Block) -> TokenFacts:
        try:
            code = data(client.call("eth_getCode", address, hex(block.number)), "eth_getCode")
        except WireError as error:
            raise NodeAnswerError(client.label, str(error)) from error
        return TokenFacts(
            has_code=bool(code),
            name=_text(view(client, block, _NAME)),
            symbol=_text(view(client, block, _SYMBOL)),
            decimals=_decimals(view(client, block, _DECIMALS)),
        )

    return pool.read_agreed(question, what=f"the token {address}", now=now).value


def token_problem(facts: TokenFacts, *, decimals: int) -> str:
    """Say what does not fit an asset's entry, in one sentence; empty where all does.

    Args:
        facts: What the token says.
        decimals: What people entered amounts under.
    """
    if not facts.has_code:
        return "There is no contract at the token's address."
    if facts.decimals is None:
        return f"The token does not say how many decimals it has; the asset's entry says {decimals}."
    if facts.decimals != decimals:
        return f"The token says that it has {facts.decimals} decimals; the asset's entry says {decimals}."
    return ""
