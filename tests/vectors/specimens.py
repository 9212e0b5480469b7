"""One fixed instance of every v1 document, with every optional part filled: what the frozen vectors are made of.

Nothing here is random and nothing is signed: keys, signatures and ids are patterns.
"""

from __future__ import annotations

from core.documents.base import GENESIS_DEPLOYMENT, Header
from core.documents.bundle import (
    Attempt,
    Attestation,
    Bundle,
    CancelCase,
    CaseFile,
    FactValue,
    SignedAttestation,
)
from core.documents.consent import Consent, Decision, Ed25519Proof, SignedConsent, SubjectType, WebAuthnProof
from core.documents.control import Cancel, Ceremony, CeremonyKind, Halt, LaneStart, RecoveryKey, Resume
from core.documents.enrolment import Enrolment
from core.documents.lease import Lease, LoggedEntry, LogProof, NamedVeto
from core.documents.mandate import (
    Asker,
    AskerKind,
    Budget,
    Floor,
    Intent,
    Leg,
    LegArgument,
    Mandate,
    Movement,
    ParentOrder,
    Predicate,
    PredicateOp,
    SingleOrder,
)
from core.documents.party import Binding, Hello, LaneState, Reservation, SessionKind, SessionTerms
from core.documents.policy import SignedPolicy
from core.documents.roster import ConsentKey, KeyEnrolment
from core.limits import AssetDraw, Draw
from tests.vectors.rulebook import ADDRESS_A, ADDRESS_B, ATTESTATION, CHAIN, NATIVE, TOKEN, WALLET, policy

TIME = 1_800_000_000
DEPLOYMENT = "d1" * 32
POLICY = "a0" * 32
INTENT = "b1" * 32


def header(kind: str, number: int, *, deployment: str = DEPLOYMENT) -> Header:
    """Make a fixed header."""
    return Header(type=kind, version=1, deployment=deployment, id=f"{number:032x}", created=TIME, expires=TIME + 3600)


def intent() -> Intent:
    """A token transfer."""
    data = bytes.fromhex("a9059cbb") + bytes(12) + bytes.fromhex(ADDRESS_A[2:]) + (10**6).to_bytes(32, "big")
    return Intent(
        header=header("intent", 1),
        wallet=WALLET,
        chain=CHAIN,
        to=TOKEN.rpartition(":")[2],
        value=0,
        data=data,
        gas=90_000,
        max_fee_per_gas=100 * 10**9,
        max_priority_fee_per_gas=2 * 10**9,
        movements=(
            Movement(
                asset=TOKEN,
                source=WALLET.rpartition(":")[2],
                destination=ADDRESS_A,
                least=10**6,
                most=10**6,
            ),
        ),
    )


def mandate(nonce: int | None = None) -> Mandate:
    """A mandate over that one intent, wherever signers place it or at one nonce only."""
    return Mandate(
        header=header("mandate", 2),
        policy=POLICY,
        asker=Asker(kind=AskerKind.PERSON, id="tessa"),
        purpose="Margin für Zürich: «Collateral» 担保",
        order=SingleOrder(kind="intent", intent=intent()),
        nonce=nonce,
    )


def parent_mandate() -> Mandate:
    """A parent order, asked by a client."""
    amount = LegArgument(
        name="amountIn", type="uint256", predicate=Predicate(op=PredicateOp.LE, values=("1000000000000000000",))
    )
    to = LegArgument(name="recipient", type="address", predicate=Predicate(op=PredicateOp.OWN_WALLET, values=()))
    leg = Leg(
        wallet=WALLET,
        chain=CHAIN,
        to=ADDRESS_B,
        selector=bytes.fromhex("414bf389"),
        value=Predicate(op=PredicateOp.EQ, values=("0",)),
        arguments=(amount, to),
        gas=300_000,
        max_fee_per_gas=10**11,
    )
    plain = Leg(
        wallet=WALLET,
        chain=CHAIN,
        to=ADDRESS_A,
        selector=None,
        value=Predicate(op=PredicateOp.IN, values=("1", "2")),
        arguments=(),
        gas=21_000,
        max_fee_per_gas=10**11,
    )
    order = ParentOrder(
        kind="parent",
        budget=(Budget(asset=NATIVE, most=10**19), Budget(asset=TOKEN, most=2**256 - 1)),
        legs=(leg, plain),
        floors=(Floor(give=NATIVE, receive=TOKEN, numerator=2_400 * 10**6, denominator=10**18),),
        not_before=TIME + 60,
        least_gap=300,
        most_children=12,
    )
    return Mandate(
        header=header("mandate", 3),
        policy=POLICY,
        asker=Asker(kind=AskerKind.CLIENT, id="bot-1"),
        purpose="",
        order=order,
    )


def consent(decision: Decision = Decision.APPROVE, subject_type: SubjectType = SubjectType.MANDATE) -> Consent:
    """A statement."""
    return Consent(
        header=header("consent", 4),
        subject_type=subject_type,
        subject=INTENT,
        policy=POLICY,
        decision=decision,
        actor="rita",
        reason="Too late in the day" if decision is Decision.REJECT else "",
    )


def key_enrolment() -> KeyEnrolment:
    """The co-signatures of a key."""
    return KeyEnrolment(header=header("enrolment", 13), policy=POLICY, consents=signed_consents())


def enrolment() -> Enrolment:
    """What is co-signed about one."""
    key = ConsentKey(
        credential_id=b"\x05" * 32,
        public_key=b"\x06" * 77,
        aaguid=bytes(range(16)),
        attestation=ATTESTATION,
        enrolment=None,
    )
    return Enrolment(header=header("enrolment", 13), policy=POLICY, person="ravi", key=key)


def signed_consents() -> tuple[SignedConsent, ...]:
    """One consent of each kind of proof."""
    proof = WebAuthnProof(
        kind="webauthn",
        credential_id=bytes(range(32)),
        authenticator_data=b"\x11" * 32 + b"\x05" + bytes(4),
        client_data_json=b'{"type":"webauthn.get"}',
        signature=b"\x30" * 70,
    )
    return (
        SignedConsent(statement=consent(Decision.ASK), proof=Ed25519Proof(kind="ed25519", signature=b"\x22" * 64)),
        SignedConsent(statement=consent(), proof=proof),
    )


def cancel() -> Cancel:
    """A cancel."""
    return Cancel(
        header=header("cancel", 5),
        policy=POLICY,
        intent=INTENT,
        wallet=WALLET,
        max_fee_per_gas=200 * 10**9,
        max_priority_fee_per_gas=3 * 10**9,
        reason="Wrong counterparty",
    )


def halt() -> Halt:
    """A halt of one signer."""
    return Halt(header=header("halt", 6), policy=POLICY, signers=("hsm-1",), reason="Odd traffic")


def resume() -> Resume:
    """A resume of it."""
    return Resume(header=header("resume", 7), policy=POLICY, halt=INTENT, signers=(), reason="False alarm")


def ceremony() -> Ceremony:
    """A journal start; its lane begins where no small integer reaches."""
    return Ceremony(
        header=header("ceremony", 8),
        policy=POLICY,
        kind=CeremonyKind.JOURNAL_START,
        signers=("hsm-1",),
        wallet=WALLET,
        epoch=3,
        threshold=2,
        lanes=(LaneStart(wallet=WALLET, next_nonce=2_000_000),),
        not_before=TIME,
        reason="New host",
        plan="9a" * 32,
        recovery=(
            RecoveryKey(
                signer="party-1",
                public_key=b"\x30\x82" * 20,
                host="vault-1",
                site="berne",
                administrator="ada",
                vendor="acme",
            ),
        ),
    )


def attestation() -> Attestation:
    """Two attested facts."""
    return Attestation(
        header=header("attestation", 9),
        attester="oracle-1",
        intent=INTENT,
        block_number=19_000_000,
        block_hash=b"\x33" * 32,
        facts=(
            FactValue(field="simulation.success", values=("true",)),
            FactValue(field="risk.score", values=("17",)),
        ),
    )


def bundle() -> Bundle:
    """A whole case with its cancel and an attestation."""
    return Bundle(
        header=header("bundle", 10),
        policy=POLICY,
        mandate=mandate(),
        intent=intent(),
        attempt=Attempt(nonce=7, max_fee_per_gas=50 * 10**9, max_priority_fee_per_gas=10**9),
        consents=signed_consents(),
        attestations=(SignedAttestation(document=attestation(), signature=b"\x44" * 64),),
        cancel=CancelCase(document=cancel(), consents=signed_consents()[1:]),
        log=LogProof(
            checkpoint=b"countersign/test/log",
            entries=(LoggedEntry(entry=b"\x66" * 40, index=3, path=(b"\x77" * 32,)),),
        ),
    )


def lease() -> Lease:
    """A witness's lease to one signer."""
    return Lease(
        header=header("lease", 12),
        witness="w-1",
        signer="hsm-1",
        challenge=b"\x88" * 32,
        journal_size=9,
        journal_root=b"\x99" * 32,
        policy=POLICY,
        halts=("c1" * 32,),
        vetoes=(NamedVeto(subject="c2" * 32, actor="rita", decision=Decision.REJECT),),
    )


def reservation() -> Reservation:
    """A party's word on a cancel at a nonce."""
    return Reservation(
        header=header("reservation", 13),
        party="party-1",
        policy=POLICY,
        newest="a2" * 32,
        binding=Binding(
            intent=INTENT,
            mandate="b2" * 32,
            wallet=WALLET,
            nonce=7,
            max_fee_per_gas=50 * 10**9,
            max_priority_fee_per_gas=10**9,
            cancel="b3" * 32,
            signing_hash=b"\xaa" * 32,
        ),
        draw=Draw(
            time=0,
            order="b2" * 32,
            initiators=("tessa",),
            desk="desk-a",
            wallet=WALLET,
            chain=CHAIN,
            assets=(NATIVE,),
            destinations=(ADDRESS_A,),
            beneficiaries=("exchange",),
            contracts=(ADDRESS_B,),
            protocols=("pool",),
            amounts=(AssetDraw(asset=NATIVE, amount=2**200),),
            usd_e8=10**12,
            fee=21_000 * 50 * 10**9,
        ),
        lanes=(LaneState(wallet=WALLET, next_nonce=8, cancels=1, held="b4" * 32),),
    )


def hello() -> Hello:
    """A party's consent to a signing session."""
    return Hello(
        header=header("hello", 14),
        party="party-1",
        terms=SessionTerms(
            kind=SessionKind.SIGN,
            wallet=WALLET,
            public_key=b"\x04" + b"\xbb" * 64,
            epoch=2,
            threshold=2,
            quorum=("party-1", "party-3"),
            message_hash=b"\xaa" * 32,
            subject=INTENT,
            nonce=b"\xcc" * 32,
        ),
        exchange_key=b"\xdd" * 32,
        envelope_key=b"\xee" * 32,
    )


def case_file() -> CaseFile:
    """A kept case."""
    signed = SignedPolicy(
        policy=policy(header("policy", 11, deployment=GENESIS_DEPLOYMENT)), consents=signed_consents()
    )
    return CaseFile(
        kind="countersign.case.v1",
        policies=(signed,),
        bundle=bundle(),
        signed_at=TIME + 5,
        raw=b"\x02" + b"\x55" * 100,
    )
