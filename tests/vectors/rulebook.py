"""A fixed policy that uses every kind of entry once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.documents.policy import (
    Condition,
    ConditionOp,
    ConsentOrigin,
    ControlQuorums,
    Demand,
    Dimension,
    Effect,
    Evidence,
    EvidenceKind,
    Limit,
    Measure,
    Policy,
    Property,
    Quorum,
    Rule,
    Seat,
    Zone,
    ZoneOffset,
)
from core.documents.roster import (
    AbiFunction,
    AddressEntry,
    ApiClient,
    AssetEntry,
    ConsentKey,
    ContractEntry,
    KeyAttestation,
    KeyEnrolment,
    NamedKey,
    Person,
    Profile,
    ReferencePrice,
    Role,
    SignerEntry,
    SignerRole,
    Wallet,
    WalletKind,
)
from core.names import address_from_bytes, native_asset, token_asset

if TYPE_CHECKING:
    from core.documents.base import Header

CHAIN = "eip155:31337"
ADDRESS_A = address_from_bytes(bytes.fromhex("70997970c51812dc3a010c7d01b50e0d17dc79c8"))
ADDRESS_B = address_from_bytes(bytes.fromhex("e592427a0aece92de3edee1f18e0157c05861564"))
WALLET = f"{CHAIN}:{address_from_bytes(bytes.fromhex('f39fd6e51aad88f6f4ce6ab8827279cfffb92266'))}"
NATIVE = native_asset(CHAIN)
TOKEN = token_asset(CHAIN, address_from_bytes(bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3")))
AAGUID = bytes(range(16))
_SEATS = Quorum(seats=(Seat(role=Role.POLICY_ADMIN, count=2, stage=0),), sites=2)
_NONE = Quorum(seats=(), sites=0)


def _condition() -> Condition:
    """A tree with every operator."""

    def compare(field: str, op: ConditionOp, *values: str) -> Condition:
        return Condition(op=op, field=field, values=values, parts=())

    def join(op: ConditionOp, *parts: Condition) -> Condition:
        return Condition(op=op, field=None, values=(), parts=parts)

    return join(
        ConditionOp.ALL,
        compare("initiator.roles", ConditionOp.HAS, "trader"),
        join(
            ConditionOp.ANY,
            compare("asset", ConditionOp.IN, NATIVE, TOKEN),
            compare("call.kind", ConditionOp.EQ, "native_transfer"),
        ),
        join(ConditionOp.NOT, compare("amount", ConditionOp.GE, "5")),
        compare("usd", ConditionOp.LE, "1000000000000"),
    )


def _person(
    name: str, site: str, number: int, attestation: KeyAttestation | None, enrolment: KeyEnrolment | None
) -> Person:
    key = ConsentKey(
        credential_id=bytes([number]) * 32,
        public_key=bytes([number]) * 77,
        aaguid=AAGUID,
        attestation=attestation,
        enrolment=enrolment,
    )
    roles = (Role.POLICY_ADMIN, Role.RISK_OFFICER)
    return Person(id=name, name=name.title(), roles=roles, desk="risk", site=site, keys=(key,))


def _rule(name: str, effect: Effect, quorum: Quorum | None) -> Rule:
    return Rule(id=name, label=name.title(), order=1, when=_condition(), effect=effect, quorum=quorum)


def _limits() -> tuple[Limit, ...]:
    lifetime = Limit(
        id="lifetime",
        label="For ever",
        order=1,
        when=_condition(),
        per=tuple(Dimension),
        measure=Measure.ASSET,
        asset=TOKEN,
        window=None,
        most=10**12,
        quorum=_SEATS,
    )
    daily = Limit(
        id="daily",
        label="Each day",
        order=2,
        when=None,
        per=(),
        measure=Measure.USD,
        asset=None,
        window=86_400,
        most=10**13,
        quorum=None,
    )
    return lifetime, daily


def _signers() -> tuple[SignerEntry, ...]:
    return (
        SignerEntry(
            id="hsm-1",
            role=SignerRole.HSM,
            public_key=b"\x78" * 32,
            host="host-1",
            site="zurich",
            administrator="olga",
            vendor="vendor-a",
        ),
        SignerEntry(
            id="log-1",
            role=SignerRole.LOG,
            public_key=None,
            host="host-2",
            site="london",
            administrator="otto",
            vendor="vendor-b",
        ),
    )


def _contracts() -> tuple[ContractEntry, ...]:
    return (
        ContractEntry(
            chain=CHAIN,
            address=ADDRESS_B,
            label="Router",
            code_hash=b"\x80" * 32,
            functions=(AbiFunction(selector=bytes.fromhex("a9059cbb"), signature="transfer(address,uint256)"),),
            protocol="uniswap",
        ),
    )


def _addresses() -> tuple[AddressEntry, ...]:
    return (
        AddressEntry(
            id="binance",
            chain=CHAIN,
            address=ADDRESS_A,
            label="Binance",
            reason="",
            usable_from=0,
            expires=10**11,
            beneficiary="binance-group",
        ),
    )


ATTESTATION = KeyAttestation(object=b"\xa0" * 99, client_data_hash=b"\x66" * 32)


def policy(header: Header, enrolment: KeyEnrolment | None = None) -> Policy:
    """Make the policy; a genesis, since its header has to name the zero deployment."""
    return Policy(
        header=header,
        number=1,
        previous=None,
        profile=Profile.PRODUCTION,
        institution="Example Bank, Zürich",
        consent=ConsentOrigin(
            origin="https://consent.example.com",
            rp_id="consent.example.com",
            aaguids=(AAGUID,),
            attestation_roots=(b"\x30\x82" * 40,),
        ),
        people=(
            _person("rita", "zurich", 1, ATTESTATION, enrolment),
            _person("ravi", "london", 2, None, None),
        ),
        clients=(
            ApiClient(id="bot-1", name="Rebalancer", public_key=b"\x77" * 32, desk="desk-a", responsible=("rita",)),
        ),
        signers=_signers(),
        wallets=(
            Wallet(
                id=WALLET,
                label="Treasury",
                kind=WalletKind.HSM,
                public_key=b"\x04" + b"\x79" * 64,
                signers=("hsm-1",),
                threshold=1,
            ),
        ),
        assets=(
            AssetEntry(id=NATIVE, symbol="ETH", name="Ether", decimals=18),
            AssetEntry(id=TOKEN, symbol="USDC", name="USD Coin", decimals=6),
        ),
        contracts=_contracts(),
        addresses=_addresses(),
        prices=(ReferencePrice(asset=TOKEN, usd_e8=10**8, expires=10**11),),
        guards=(_rule("guard", Effect.BLOCK, None),),
        grants=(_rule("grant", Effect.ALLOW, _NONE),),
        escalations=(_rule("escalation", Effect.ALLOW, _SEATS),),
        limits=_limits(),
        controls=ControlQuorums(
            succession=_SEATS,
            cancel=_SEATS,
            resume=_SEATS,
            ceremony=_SEATS,
            succession_delay=86_400,
            recovery_delay=604_800,
        ),
        witnesses=(NamedKey(id="w-1", public_key=b"\x81" * 32, host="w1"),),
        witness_threshold=1,
        attesters=(NamedKey(id="oracle-1", public_key=b"\x82" * 32, host="o1"),),
        attester_threshold=1,
        recovery=(NamedKey(id="vault-1", public_key=b"\x83" * 32, host="safe"),),
        recovery_threshold=1,
        zones=(Zone(name="Europe/Zurich", offsets=(ZoneOffset(since=0, minutes=60),)),),
        properties=(
            Property(
                id="two-for-unlisted",
                label="Unlisted takes two",
                when=_rule("property", Effect.BLOCK, None).when,
                demand=Demand(approvers=2, sites=2, seats=_SEATS.seats),
            ),
        ),
        evidence=(Evidence(kind=EvidenceKind.REPLAY, digest="ab" * 32),),
    )
