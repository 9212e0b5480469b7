"""The policy: what the institution trusts instead of anyone's memory, signed by its people."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import ClassVar

from core.documents.base import GENESIS_DEPLOYMENT, Document
from core.documents.consent import SIGNED_CONSENTS, SignedConsent
from core.documents.roster import (
    AddressEntry,
    ApiClient,
    AssetEntry,
    ContractEntry,
    NamedKey,
    Person,
    Profile,
    ReferencePrice,
    Role,
    SignerEntry,
    Wallet,
)
from core.names import AAGUID, AMOUNT, ASSET, BLOB, COUNT, DIGEST, LABEL, SECONDS, SLUG, TIME
from core.schema import Choice, Integer, Items, Maybe, Struct, Text, of


class ConditionOp(StrEnum):
    """Closed operators. `all`, `any` and `not` join conditions; the others look at one field.

    `some` and `every` hold their one part against each element of a list; `within` takes a time window (zone,
    weekdays, from, to); `own_wallet` takes nothing; `floor` takes an attested amount's field and basis points.
    """

    ALL = "all"
    ANY = "any"
    NOT = "not"
    EQ = "eq"
    IN = "in"
    LE = "le"
    GE = "ge"
    HAS = "has"
    SOME = "some"
    EVERY = "every"
    WITHIN = "within"
    OWN_WALLET = "own_wallet"
    FLOOR = "floor"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Condition:
    """A node of a condition tree: either joins (`parts`) or compares (`field`, `values`)."""

    op: ConditionOp = of(Choice(ConditionOp))
    field: str | None = of(Maybe(Text(most=64, pattern=r"[a-z][a-z0-9_.]*")))
    values: tuple[str, ...] = of(Items(Text(most=280, least=0), most=1024))
    parts: tuple[Condition, ...] = of(Items(Struct(lambda: Condition), most=64))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seat:
    """`count` distinct people who hold `role`; seats of a later stage are filled after the earlier ones."""

    role: Role = of(Choice(Role))
    count: int = of(Integer(least=1, most=16))
    stage: int = of(Integer(most=8))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Quorum:
    """Seats to fill by distinct people of at least `sites` distinct sites. No seats: no person needed."""

    seats: tuple[Seat, ...] = of(Items(Struct(lambda: Seat), most=16))
    sites: int = of(Integer(most=16))


class Effect(StrEnum):
    """What a matching rule does."""

    BLOCK = "block"
    ALLOW = "allow"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """A guard (block), a grant (allow under a quorum, or block) or an escalation (adds a quorum)."""

    id: str = of(SLUG)
    label: str = of(LABEL)
    order: int = of(COUNT)
    when: Condition = of(Struct(lambda: Condition))
    effect: Effect = of(Choice(Effect))
    quorum: Quorum | None = of(Maybe(Struct(lambda: Quorum)))


class Dimension(StrEnum):
    """What a limit counts separately."""

    INITIATOR = "initiator"
    DESK = "desk"
    WALLET = "wallet"
    CHAIN = "chain"
    ASSET = "asset"
    DESTINATION = "destination"
    CONTRACT = "contract"
    BENEFICIARY = "beneficiary"
    PROTOCOL = "protocol"
    MANDATE = "mandate"


class Measure(StrEnum):
    """What a limit adds up: base units of one asset, 10⁻⁸ US dollars, transactions, or wei of fees."""

    ASSET = "asset"
    USD = "usd"
    COUNT = "count"
    FEE = "fee"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limit:
    """At most `most` within `window` seconds (0: each transaction; null: for ever).

    Counts the transaction's own amount. Exceeding it denies, or with a `quorum` asks for more people.
    """

    id: str = of(SLUG)
    label: str = of(LABEL)
    order: int = of(COUNT)
    when: Condition | None = of(Maybe(Struct(lambda: Condition)))
    per: tuple[Dimension, ...] = of(Items(Choice(Dimension), most=16))
    measure: Measure = of(Choice(Measure))
    asset: str | None = of(Maybe(ASSET))
    window: int | None = of(Maybe(SECONDS))
    most: int = of(AMOUNT)
    quorum: Quorum | None = of(Maybe(Struct(lambda: Quorum)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConsentOrigin:
    """Where consent is given, and which authenticator models may give it."""

    origin: str = of(Text(most=255, pattern=r"https?://[a-z0-9.-]+(?::[0-9]{1,5})?"))
    rp_id: str = of(Text(most=253, pattern=r"[a-z0-9.-]+"))
    aaguids: tuple[bytes, ...] = of(Items(AAGUID, most=256))
    attestation_roots: tuple[bytes, ...] = of(Items(BLOB, most=64))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ControlQuorums:
    """Who must agree to what is not a payment. `succession_delay` and `recovery_delay` in seconds."""

    succession: Quorum = of(Struct(lambda: Quorum))
    cancel: Quorum = of(Struct(lambda: Quorum))
    resume: Quorum = of(Struct(lambda: Quorum))
    ceremony: Quorum = of(Struct(lambda: Quorum))
    succession_delay: int = of(SECONDS)
    recovery_delay: int = of(SECONDS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ZoneOffset:
    """From `since` on (Unix seconds), local time is UTC plus `minutes`."""

    since: int = of(TIME)
    minutes: int = of(Integer(least=-14 * 60, most=14 * 60))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Zone:
    """A time zone as data, so that no two hosts disagree about summer time; drafted from the IANA database."""

    name: str = of(Text(most=64, pattern=r"[A-Za-z]+(?:[/_+-][A-Za-z0-9]+)*"))
    offsets: tuple[ZoneOffset, ...] = of(Items(Struct(lambda: ZoneOffset), least=1, most=64))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Demand:
    """The least that a property asks for: distinct approvers, their distinct sites, and seats among them."""

    approvers: int = of(Integer(least=1, most=16))
    sites: int = of(Integer(most=16))
    seats: tuple[Seat, ...] = of(Items(Struct(lambda: Seat), most=16))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Property:
    """What the institution states about its own policy, proven before people sign it.

    Whatever case meets `when` is denied, or takes at least `demand` (null: it is always denied).
    """

    id: str = of(SLUG)
    label: str = of(LABEL)
    when: Condition = of(Struct(lambda: Condition))
    demand: Demand | None = of(Maybe(Struct(lambda: Demand)))


class EvidenceKind(StrEnum):
    """Reports about a draft that whoever signs it was shown."""

    REPLAY = "replay"
    PROOF = "proof"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """The digest of a report about this policy without its evidence, so that people sign what they were shown."""

    kind: EvidenceKind = of(Choice(EvidenceKind))
    digest: str = of(DIGEST)


_RULES = Items(Struct(lambda: Rule), most=2000)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Policy(Document):
    """One version of the policy. Version n+1 needs the quorum that n names and strictly follows it."""

    TYPE: ClassVar[str] = "policy"

    number: int = of(Integer(least=1))
    previous: str | None = of(Maybe(DIGEST))
    profile: Profile = of(Choice(Profile))
    institution: str = of(LABEL)
    consent: ConsentOrigin = of(Struct(lambda: ConsentOrigin))
    people: tuple[Person, ...] = of(Items(Struct(lambda: Person), least=1, most=1000))
    clients: tuple[ApiClient, ...] = of(Items(Struct(lambda: ApiClient), most=200))
    signers: tuple[SignerEntry, ...] = of(Items(Struct(lambda: SignerEntry), least=1, most=64))
    wallets: tuple[Wallet, ...] = of(Items(Struct(lambda: Wallet), most=1000))
    assets: tuple[AssetEntry, ...] = of(Items(Struct(lambda: AssetEntry), most=1000))
    contracts: tuple[ContractEntry, ...] = of(Items(Struct(lambda: ContractEntry), most=1000))
    addresses: tuple[AddressEntry, ...] = of(Items(Struct(lambda: AddressEntry), most=10_000))
    prices: tuple[ReferencePrice, ...] = of(Items(Struct(lambda: ReferencePrice), most=1000))
    guards: tuple[Rule, ...] = of(_RULES)
    grants: tuple[Rule, ...] = of(_RULES)
    escalations: tuple[Rule, ...] = of(_RULES)
    limits: tuple[Limit, ...] = of(Items(Struct(lambda: Limit), most=1000))
    controls: ControlQuorums = of(Struct(lambda: ControlQuorums))
    witnesses: tuple[NamedKey, ...] = of(Items(Struct(lambda: NamedKey), most=64))
    witness_threshold: int = of(COUNT)
    attesters: tuple[NamedKey, ...] = of(Items(Struct(lambda: NamedKey), most=64))
    attester_threshold: int = of(COUNT)
    recovery: tuple[NamedKey, ...] = of(Items(Struct(lambda: NamedKey), most=16))
    recovery_threshold: int = of(COUNT)
    zones: tuple[Zone, ...] = of(Items(Struct(lambda: Zone), most=64))
    properties: tuple[Property, ...] = of(Items(Struct(lambda: Property), most=256))
    evidence: tuple[Evidence, ...] = of(Items(Struct(lambda: Evidence), most=8))

    @property
    def is_genesis(self) -> bool:
        """Whether this is the first policy, whose digest names the deployment."""
        return self.previous is None

    @property
    def deployment(self) -> str:
        """The deployment that this policy belongs to."""
        return self.digest if self.is_genesis else self.header.deployment

    @property
    def content_digest(self) -> str:
        """The digest of this policy without its evidence: what a report about it names."""
        return dataclasses.replace(self, evidence=()).digest

    def __post_init__(self) -> None:
        """Refuse a genesis that names a deployment, and a successor that names none."""
        super().__post_init__()
        if self.is_genesis != (self.header.deployment == GENESIS_DEPLOYMENT) or self.is_genesis != (self.number == 1):
            msg = "exactly the first policy has number 1, no previous one and the zero deployment"
            raise ValueError(msg)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignedPolicy:
    """A policy with the consents of the quorum that its predecessor (for the genesis: itself) names."""

    policy: Policy = of(Struct(lambda: Policy))
    consents: tuple[SignedConsent, ...] = of(SIGNED_CONSENTS)
