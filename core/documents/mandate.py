"""Intent and mandate: one exact transaction, and what people consent to."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import ClassVar

from core.documents.base import Document
from core.names import (
    ACCOUNT,
    ADDRESS,
    AMOUNT,
    ASSET,
    CALLDATA,
    CHAIN,
    COUNT,
    DIGEST,
    SECONDS,
    SELECTOR,
    SENTENCE,
    SLUG,
    TIME,
    chain_number,
)
from core.schema import Choice, Constant, Integer, Items, Maybe, OneOf, Struct, Text, of

GAS_MOST = 100_000_000
"""The most gas that an intent may name: more than any block holds."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Movement:
    """An asset movement that the transaction is expected to cause, in base units, with its bounds."""

    asset: str = of(ASSET)
    source: str = of(ADDRESS)
    destination: str = of(ADDRESS)
    least: int = of(AMOUNT)
    most: int = of(AMOUNT)

    def __post_init__(self) -> None:
        """Refuse bounds that nothing satisfies."""
        if self.least > self.most:
            msg = "least exceeds most"
            raise ValueError(msg)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Intent(Document):
    """One exact EVM transaction, all but its nonce: one intent gets one nonce, for ever, at signing.

    `wallet` is CAIP-10, `chain` CAIP-2; `value` in wei; `gas` in gas units; fees in wei per gas, both caps that
    an attempt may use but never exceed (EIP-1559).
    """

    TYPE: ClassVar[str] = "intent"

    wallet: str = of(ACCOUNT)
    chain: str = of(CHAIN)
    to: str = of(ADDRESS)
    value: int = of(AMOUNT)
    data: bytes = of(CALLDATA)
    gas: int = of(Integer(least=21_000, most=GAS_MOST))
    max_fee_per_gas: int = of(AMOUNT)
    max_priority_fee_per_gas: int = of(AMOUNT)
    movements: tuple[Movement, ...] = of(Items(Struct(lambda: Movement), most=32))

    def __post_init__(self) -> None:
        """Refuse an intent that contradicts itself."""
        super().__post_init__()
        if self.wallet.rpartition(":")[0] != self.chain:
            msg = "wallet and chain disagree"
            raise ValueError(msg)
        if self.max_priority_fee_per_gas > self.max_fee_per_gas:
            msg = "max_priority_fee_per_gas exceeds max_fee_per_gas"
            raise ValueError(msg)

    @property
    def sender(self) -> str:
        """The wallet's address."""
        return self.wallet.rpartition(":")[2]

    @property
    def chain_id(self) -> int:
        """The EIP-155 chain id."""
        return chain_number(self.chain)

    @property
    def fee_most(self) -> int:
        """The most that gas can cost, in wei: gas times the fee cap."""
        return self.gas * self.max_fee_per_gas


class AskerKind(StrEnum):
    """Who may ask."""

    PERSON = "person"
    CLIENT = "client"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asker:
    """The person or API client that asks; the roster's id."""

    kind: AskerKind = of(Choice(AskerKind))
    id: str = of(SLUG)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SingleOrder:
    """One intent, whole."""

    kind: str = of(Constant("intent"))
    intent: Intent = of(Struct(lambda: Intent))


class PredicateOp(StrEnum):
    """What an argument of a leg is held to."""

    EQ = "eq"
    IN = "in"
    LE = "le"
    GE = "ge"
    OWN_WALLET = "own_wallet"
    FLOOR = "floor"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Predicate:
    """A closed condition on one value: amounts as decimal strings, addresses EIP-55, bytes as 0x hex."""

    op: PredicateOp = of(Choice(PredicateOp))
    values: tuple[str, ...] = of(Items(Text(most=4096), most=64))


@dataclasses.dataclass(frozen=True, kw_only=True)
class LegArgument:
    """One calldata argument: every one has a predicate, a free argument makes the mandate invalid."""

    name: str = of(Text(most=64))
    type: str = of(Text(most=64))
    predicate: Predicate = of(Struct(lambda: Predicate))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Leg:
    """A closed template for children. `selector` null: a plain native transfer."""

    wallet: str = of(ACCOUNT)
    chain: str = of(CHAIN)
    to: str = of(ADDRESS)
    selector: bytes | None = of(Maybe(SELECTOR))
    value: Predicate = of(Struct(lambda: Predicate))
    arguments: tuple[LegArgument, ...] = of(Items(Struct(lambda: LegArgument), most=32))
    gas: int = of(Integer(least=21_000, most=GAS_MOST))
    max_fee_per_gas: int = of(AMOUNT)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Budget:
    """The most that all children together may draw of an asset, base units, worst case by calldata."""

    asset: str = of(ASSET)
    most: int = of(AMOUNT)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Floor:
    """The least of `receive` for `numerator/denominator` of `give`: a price floor in base units."""

    give: str = of(ASSET)
    receive: str = of(ASSET)
    numerator: int = of(AMOUNT)
    denominator: int = of(AMOUNT)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParentOrder:
    """A parent order that children draw on. Frozen in v1; signers refuse it until its issue closes."""

    kind: str = of(Constant("parent"))
    budget: tuple[Budget, ...] = of(Items(Struct(lambda: Budget), least=1, most=16))
    legs: tuple[Leg, ...] = of(Items(Struct(lambda: Leg), least=1, most=32))
    floors: tuple[Floor, ...] = of(Items(Struct(lambda: Floor), most=16))
    not_before: int = of(TIME)
    least_gap: int = of(SECONDS)
    most_children: int = of(COUNT)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mandate(Document):
    """What people consent to: one intent, or a parent order with its budget and closed legs.

    `nonce`: the only one at which it may be signed; null where signers place it. What names its nonce is mined once
    at most, whoever signs it, also by parties that cannot reach each other.
    """

    TYPE: ClassVar[str] = "mandate"

    policy: str = of(DIGEST)
    asker: Asker = of(Struct(lambda: Asker))
    purpose: str = of(SENTENCE)
    order: SingleOrder | ParentOrder = of(OneOf(lambda: {"intent": SingleOrder, "parent": ParentOrder}))
    nonce: int | None = dataclasses.field(default=None, metadata={"codec": Maybe(Integer())})

    def __post_init__(self) -> None:
        """Refuse a parent order that names one nonce for all its children."""
        super().__post_init__()
        if self.nonce is not None and not isinstance(self.order, SingleOrder):
            msg = "only a mandate over one intent names its nonce"
            raise ValueError(msg)
