"""What a simulation found, in plain values that two nodes can be compared by."""

from __future__ import annotations

import dataclasses
from enum import StrEnum

_GAS_MARGIN = (5, 4)


class Method(StrEnum):
    """How a node was asked, the most telling first."""

    SIMULATE = "eth_simulateV1"
    TRACE = "debug_traceCall"
    CALL = "eth_call"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
    """A transaction to be simulated. `gas`: its limit; None lets the node choose, to find out how much is needed."""

    sender: str
    to: str
    value: int
    data: bytes
    gas: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class AssetDelta:
    """How much of an asset (CAIP-19) an account gains (or loses, negative), in base units; fees not included."""

    asset: str
    account: str
    change: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class AllowanceChange:
    """Who may move whose tokens afterwards, base units.

    Attributes:
        asset: CAIP-19 token.
        owner: Whose tokens.
        spender: Who may move them.
        before: As much as before; None where that is not known, and then any amount counts as more.
        after: As much as afterwards.
        through: A contract that keeps the allowance in the token's place (Permit2); empty for the token itself.
    """

    asset: str
    owner: str
    spender: str
    before: int | None
    after: int
    through: str = ""

    @property
    def is_larger(self) -> bool:
        """Whether more may be moved than before."""
        return self.after > (self.before or 0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Frame:
    """One call that the transaction makes, outermost first.

    Attributes:
        depth: How many calls it is inside.
        kind: As the tracer names it: ``CALL``, ``DELEGATECALL``, ``STATICCALL``, ``CREATE`` and so on.
        target: Whom it calls, or what it creates.
        selector: The first four bytes of its input, 0x hex; empty with fewer.
        value: Native coin that it sends along, wei.
        failed: It reverted.
        reentered: The same function of the same contract is on the stack above it already.
    """

    depth: int
    kind: str
    target: str
    selector: str
    value: int
    failed: bool
    reentered: bool

    @property
    def delegate(self) -> bool:
        """Whether foreign code runs in its caller's place."""
        return self.kind in ("DELEGATECALL", "CALLCODE")

    @property
    def creates(self) -> bool:
        """Whether it makes a contract."""
        return self.kind in ("CREATE", "CREATE2")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Simulation:
    """What a transaction did on top of a named block.

    Attributes:
        node: Who said so; several nodes that said the same are joined by commas.
        method: How they were asked. By ``eth_call`` only success is known.
        block_number: The parent block.
        block_hash: Its hash, 64 hex digits.
        succeeded: Whether it went through.
        reason: Why not, in words.
        gas_used: As measured; 0 where the method does not tell.
        deltas: What accounts gain and lose. The sender's own are measured by its balances where that can be done.
        allowances: Who may move whose tokens afterwards.
        frames: Every call, or None where nobody could tell.
        notes: What is odd about it, in words.
        whole: Whether the effects on the sender are all that there are: nothing was cut off, and events and balances
            say the same.
    """

    node: str = dataclasses.field(compare=False)
    method: Method = dataclasses.field(compare=False)
    block_number: int
    block_hash: str
    succeeded: bool
    reason: str = dataclasses.field(compare=False)
    gas_used: int = dataclasses.field(compare=False)
    deltas: tuple[AssetDelta, ...]
    allowances: tuple[AllowanceChange, ...] = ()
    frames: tuple[Frame, ...] | None = dataclasses.field(default=None, compare=False)
    notes: tuple[str, ...] = ()
    whole: bool = True

    @property
    def claim(self) -> str:
        """The value of the claimed fact ``web.simulation``."""
        return "ok" if self.succeeded else "failed"

    @property
    def gas_limit(self) -> int:
        """What was used times 1.25: estimates without the block's own effects come out too low (measured)."""
        return -(-self.gas_used * _GAS_MARGIN[0] // _GAS_MARGIN[1])

    @property
    def effects_known(self) -> bool:
        """Whether anything but success is known."""
        return self.method is not Method.CALL

    @property
    def created(self) -> tuple[str, ...]:
        """Contracts that it makes."""
        return tuple(frame.target for frame in self.frames or () if frame.creates and not frame.failed)

    def changes_of(self, account: str) -> dict[str, int]:
        """Return what one account gains or loses of each asset, base units."""
        return {delta.asset: delta.change for delta in self.deltas if delta.account == account}
