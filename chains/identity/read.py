"""Reading a contract's identity at one agreed block, with code hash and slots proven against its state root.

Sources: EIP-1967 (implementation, beacon, admin), EIP-1822 (PROXIABLE), EIP-1167 (clones, and the shorter spelling of
them), EIP-7702 (delegations), EIP-1186 (proofs).
"""

from __future__ import annotations

import dataclasses
import re
from enum import StrEnum
from typing import TYPE_CHECKING

from chains.errors import IdentityError, NodeAnswerError, NodeRefusalError, NoNodeError
from chains.nodes.state import prove_account
from chains.nodes.wire import WireError, data, hexed
from core.chain_proof import EMPTY_CODE_HASH
from core.keccak import keccak256
from core.names import address_from_bytes

if TYPE_CHECKING:
    from chains.nodes.agreement import Agreed
    from chains.nodes.client import NodeClient
    from chains.nodes.pool import Pool
    from chains.nodes.wire import Block

IMPLEMENTATION_SLOT = int.from_bytes(keccak256(b"eip1967.proxy.implementation"), "big") - 1
BEACON_SLOT = int.from_bytes(keccak256(b"eip1967.proxy.beacon"), "big") - 1
ADMIN_SLOT = int.from_bytes(keccak256(b"eip1967.proxy.admin"), "big") - 1
PROXIABLE_SLOT = int.from_bytes(keccak256(b"PROXIABLE"), "big")
SLOTS = (IMPLEMENTATION_SLOT, BEACON_SLOT, ADMIN_SLOT, PROXIABLE_SLOT)
_CLONE = re.compile(
    rb"\x36\x3d\x3d\x37\x3d\x3d\x3d\x36\x3d(?:\x73(.{20})|\x72(.{19})|\x71(.{18})|\x70(.{17})|\x6f(.{16}))"
    rb"\x5a\xf4\x3d\x82\x80\x3e\x90\x3d\x91\x60(?:\x2b|\x2a|\x29|\x28|\x27)\x57\xfd\x5b\xf3",
    re.DOTALL,
)
"""EIP-1167; addresses with leading zeros may be spelled shorter there. What follows are a clone's own constants."""
_DELEGATION = re.compile(rb"\xef\x01\x00(.{20})", re.DOTALL)
_IMPLEMENTATION = keccak256(b"implementation()")[:4]
_DEPTH_MOST = 4
_ADDRESS_MOST = 2**160
_WORD = 32


class ProxyKind(StrEnum):
    """By which standard a contract forwards its calls."""

    NONE = "none"
    EIP1967 = "eip-1967"
    BEACON = "eip-1967-beacon"
    EIP1822 = "eip-1822"
    CLONE = "eip-1167"
    DELEGATION = "eip-7702"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Identity:
    """What stands at an address, at a named block.

    Attributes:
        address: EIP-55.
        number: The block's height.
        block_hash: The block.
        code_hash: Keccak-256 of the runtime code (of nothing, where there is none).
        kind: By which standard it forwards; `NONE` where it does not, as far as the standards tell.
        implementation: What it forwards to.
        implementation_hash: Keccak-256 of that one's code.
        beacon: The contract that names the implementation.
        beacon_hash: Keccak-256 of the beacon's code.
        admin: Who may upgrade it, where EIP-1967 says so.
        behind: The implementation's own identity where that forwards as well.
    """

    address: str
    number: int
    block_hash: bytes
    code_hash: bytes
    kind: ProxyKind
    implementation: str | None = None
    implementation_hash: bytes | None = None
    beacon: str | None = None
    beacon_hash: bytes | None = None
    admin: str | None = None
    behind: Identity | None = None

    @property
    def has_code(self) -> bool:
        """Whether there is a contract."""
        return self.code_hash != EMPTY_CODE_HASH


def _address(word: int, what: str) -> str | None:
    if word == 0:
        return None
    if word >= _ADDRESS_MOST:
        raise IdentityError(f"{what} holds no address")
    return address_from_bytes(word.to_bytes(20, "big"))


def _clone_target(code: bytes) -> str | None:
    match = _CLONE.match(code)
    if match is None:
        return None
    found = next(group for group in match.groups() if group is not None)
    return address_from_bytes(found.rjust(20, b"\0"))


def _code(pool: Pool, address: str, at: Agreed[object], code_hash: bytes) -> bytes:
    """Fetch code from any node and hold it to the proven hash."""

    def question(client: NodeClient) -> bytes:
        try:
            code = data(client.call("eth_getCode", address, hex(at.number)), "code")
        except WireError as error:
            raise NodeAnswerError(client.label, str(error)) from error
        if keccak256(code) != code_hash:
            raise NodeAnswerError(client.label, "the code is not the one that the state holds")
        return code

    try:
        return b"" if code_hash == EMPTY_CODE_HASH else pool.read(question)
    except NoNodeError as error:
        raise IdentityError(f"the code of {address} cannot be read: {error}") from error


def _ask_beacon(pool: Pool, beacon: str, at: Agreed[object]) -> str:
    """Ask a beacon for its implementation. No standard names its slot, so enough nodes have to say the same."""

    def question(client: NodeClient, block: Block) -> str:
        call = {"to": beacon, "data": hexed(_IMPLEMENTATION)}
        try:
            word = data(client.call("eth_call", call, hex(block.number)), "eth_call")
        except WireError as error:
            raise NodeAnswerError(client.label, str(error)) from error
        except NodeRefusalError:
            return ""
        return word.hex()

    agreed = pool.read_agreed(question, what=f"the implementation of beacon {beacon}", number=at.number)
    word = bytes.fromhex(agreed.value)
    if agreed.block_hash != at.block_hash or len(word) != _WORD:
        raise IdentityError(f"beacon {beacon} names no implementation")
    found = _address(int.from_bytes(word, "big"), f"beacon {beacon}")
    if found is None:
        raise IdentityError(f"beacon {beacon} names no implementation")
    return found


def _forwarding(
    pool: Pool, at: Agreed[object], slots: dict[int, int], code: bytes
) -> tuple[ProxyKind, str | None, str | None]:
    """Return by which standard the contract forwards, to what, and through which beacon.

    Code comes before slots: a clone or a delegation forwards whatever its storage holds.
    """
    delegation = _DELEGATION.fullmatch(code)
    if delegation is not None:
        return ProxyKind.DELEGATION, address_from_bytes(delegation[1]), None
    clone = _clone_target(code)
    if clone is not None:
        return ProxyKind.CLONE, clone, None
    beacon = _address(slots[BEACON_SLOT], "the beacon slot")
    direct = _address(slots[IMPLEMENTATION_SLOT], "the implementation slot")
    old = _address(slots[PROXIABLE_SLOT], "the PROXIABLE slot")
    if sum(named is not None for named in (beacon, direct, old)) > 1:
        raise IdentityError("the contract names implementations by several standards")
    if beacon is not None:
        return ProxyKind.BEACON, _ask_beacon(pool, beacon, at), beacon
    if direct is not None:
        return ProxyKind.EIP1967, direct, None
    return (ProxyKind.EIP1822, old, None) if old is not None else (ProxyKind.NONE, None, None)


def identity_read(
    pool: Pool, *, address: str, at: Agreed[object] | None = None, now: int = 0, depth: int = 0
) -> Identity:
    """Read what stands at an address, at a block that enough nodes agree on.

    Args:
        pool: The chain's nodes.
        address: EIP-55 address.
        at: A block that was agreed already; None for the newest that enough nodes have.
        now: Unix seconds, for the age of the newest block; 0 leaves age unchecked.
        depth: How many forwarding contracts led here.

    Raises:
        NoQuorumError: If nodes do not agree on the block.
        ProofError: If no node proves account and slots.
        IdentityError: If the contract contradicts itself or forwards too often.
    """
    if depth > _DEPTH_MOST:
        raise IdentityError(f"{address}: contracts forward to each other more than {_DEPTH_MOST} times")
    block: Agreed[object] = at or pool.read_agreed(
        lambda _, block: block.parent_hash, what=f"the code of {address}", now=now
    )
    proven = prove_account(pool, what=f"the code of {address}", address=address, slots=SLOTS, at=block)
    code_hash = proven.account.code_hash
    kind, implementation, beacon = _forwarding(pool, block, proven.storage, _code(pool, address, block, code_hash))
    behind = beacon_hash = None
    if implementation is not None:
        behind = identity_read(pool, address=implementation, at=block, depth=depth + 1)
    if beacon is not None:
        proof = prove_account(pool, what=f"the code of beacon {beacon}", address=beacon, slots=(), at=block)
        beacon_hash = proof.account.code_hash
    return Identity(
        address=address,
        number=block.number,
        block_hash=block.block_hash,
        code_hash=code_hash,
        kind=kind,
        implementation=implementation,
        implementation_hash=None if behind is None else behind.code_hash,
        beacon=beacon,
        beacon_hash=beacon_hash,
        admin=_address(proven.storage[ADMIN_SLOT], "the admin slot"),
        # Kept only where it says more than the hash: where the implementation forwards in turn.
        behind=behind if behind is not None and behind.kind is not ProxyKind.NONE else None,
    )
