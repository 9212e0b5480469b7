"""What custody meets outside, as a model: a chain that reorganises, nodes that lag, a signer, a courier that lies."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.nonces import raised

if TYPE_CHECKING:
    import random

DEPTH = 4
REORG_MOST = 3
CAP = 1000
TIP_CAP = 400


@dataclasses.dataclass(frozen=True)
class Tx:
    """Signed bytes: what they are is their hash."""

    intent: str
    kind: str
    nonce: int
    most: int
    tip: int

    @property
    def hash(self) -> str:
        """Return what names it."""
        return f"{self.intent}/{self.kind}/{self.nonce}/{self.most}/{self.tip}"


@dataclasses.dataclass(frozen=True)
class Block:
    """A block: unique, with its transactions."""

    name: str
    txs: tuple[Tx, ...]


class Refused(Exception):  # noqa: N818 - a signer's word, not a fault
    """The signer says no, with its code."""


class Signer:
    """Rules of `core.nonces` and `core.cancel`: one nonce holds one intent; raises of 12.5 %; one cancel."""

    def __init__(self) -> None:
        self.next = 0
        self.slots: dict[int, str] = {}
        self.attempts: dict[int, list[tuple[int, int]]] = {}
        self.cancels: dict[int, Tx] = {}
        self.refuses: set[str] = set()

    def sign(self, intent: str, nonce: int, most: int, tip: int) -> Tx:
        """Sign an attempt, or the same one again."""
        if intent in self.refuses:
            raise Refused("denied")
        if most > CAP or tip > min(TIP_CAP, most):
            raise Refused("fees")
        at = next((n for n, held in self.slots.items() if held == intent), None)
        if at not in (None, nonce):
            raise Refused("intent_used")
        if nonce not in self.slots:
            if nonce != self.next:
                raise Refused("nonce")
            self.slots[nonce], self.next, self.attempts[nonce] = intent, nonce + 1, []
        elif self.slots[nonce] != intent:
            raise Refused("nonce")
        before = self.attempts[nonce]
        if (most, tip) not in before:
            low = before and (most < raised(max(m for m, _ in before)) or tip < raised(max(t for _, t in before)))
            if low:
                raise Refused("fees")
            before.append((most, tip))
        return Tx(intent, "payment", nonce, most, tip)

    def cancel(self, intent: str, nonce: int, most: int, tip: int) -> Tx:
        """Sign the one cancel of a nonce."""
        if self.slots.get(nonce) != intent:
            raise Refused("cancel")
        return self.cancels.setdefault(nonce, Tx(intent, "cancel", nonce, most, tip))


class Chain:
    """One sender's chain and pool. Whatever was ever sent may be mined, as long as its nonce and fee fit."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.blocks: list[Block] = [Block("0", ())] * DEPTH
        self.counts = [0] * DEPTH
        self.where: dict[str, int] = {}
        self.pool: dict[int, Tx] = {}
        self.ever: list[Tx] = []
        self.base = 100
        self.made = 0

    def consumed(self, at: int | None = None) -> int:
        """Return how many nonces are consumed, at a height or now."""
        return self.counts[-1 if at is None else at]

    def find(self, tx_hash: str, height: int) -> int | None:
        """Return the block that holds a transaction, up to a height."""
        number = self.where.get(tx_hash)
        return number if number is not None and number <= height else None

    def send(self, tx: Tx) -> bool:
        """Take a transaction into the pool, as nodes do; False if refused."""
        if tx not in self.ever:
            self.ever.append(tx)
        if tx.nonce < self.consumed():
            return False
        held = self.pool.get(tx.nonce)
        if held is not None and held != tx and (tx.most < raised(held.most) or tx.tip < raised(held.tip)):
            return False
        self.pool[tx.nonce] = tx
        return True

    def mine(self, other: bool = False) -> None:  # noqa: FBT001, FBT002 - a test's own switch
        """Mine a block: what is in the pool, or any other version that was ever sent."""
        txs: list[Tx] = []
        nonce = self.consumed()
        while True:
            choices = [tx for tx in self.ever if tx.nonce == nonce] if other else []
            held = self.pool.get(nonce)
            choices += [held] if held is not None else []
            fitting = [tx for tx in choices if tx.most >= self.base]
            if not fitting:
                break
            tx = self.rng.choice(fitting)
            txs.append(tx)
            self.pool.pop(nonce, None)
            nonce += 1
        self.made += 1
        self.blocks.append(Block(f"b{self.made}", tuple(txs)))
        self.counts.append(nonce)
        self.where |= {tx.hash: len(self.blocks) - 1 for tx in txs}

    def reorganise(self, depth: int) -> None:
        """Take blocks away; their transactions are in no pool, or back in it."""
        depth = min(depth, len(self.blocks) - DEPTH)
        if depth <= 0:
            return
        gone = self.blocks[-depth:]
        del self.blocks[-depth:], self.counts[-depth:]
        for block in gone:
            for tx in block.txs:
                del self.where[tx.hash]
                if self.rng.random() < 0.5:
                    self.pool[tx.nonce] = tx
        for _ in range(depth):
            self.mine(other=True)


@dataclasses.dataclass
class Node:
    """A node: up or down, some blocks behind, perhaps wrong about a nonce at first."""

    chain: Chain
    up: bool = True
    lag: int = 0
    claims: int | None = None

    @property
    def height(self) -> int:
        """Return the newest block that this node has."""
        return max(0, len(self.chain.blocks) - 1 - self.lag)
