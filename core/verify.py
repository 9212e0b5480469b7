"""The decision to sign, made from the whole case and from nothing else.

`verify(bundle, pins, journal, now)` re-derives every digest, checks every consent against the pinned policy's own
keys, re-runs the policy over derived facts, counts its own limits, and binds one nonce to one intent. It changes
nothing; what has to be remembered is in the token that it returns, and must be on disk before the key is used.

Order: deployment and policy, halts and clock, mandate and intent, people, decision, quorum, nonce and fees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.calldata import movements_of
from core.consents import Subject, Voice, approvers, check_consents, check_unused
from core.documents.base import check_deployment, check_lifetime
from core.documents.consent import Decision, SubjectType
from core.documents.mandate import Mandate, SingleOrder
from core.documents.roster import SignerRole, Wallet, WalletKind
from core.errors import Refusal, RefusedError, require
from core.evm import Type2
from core.facts import Initiative, derive_facts, resolve_asker
from core.nonces import place_attempt
from core.policy import decide
from core.quorum import describe, open_seats, parts_to_fill
from core.records import ReserveRecord
from core.verified import SEAL, Verified

if TYPE_CHECKING:
    from core.documents.bundle import Bundle
    from core.documents.mandate import Intent
    from core.documents.policy import Policy
    from core.journal import Journal
    from core.limits import Draw
    from core.pins import Pins


def current_policy(digest: str, pins: Pins, journal: Journal, *, now: int) -> Policy:
    """Return the policy that counts now, if that is the one named.

    Raises:
        RefusedError: `wrong_policy`, `policy_expired` or `wrong_signer`.
    """
    require(digest == journal.policy_at(now), Refusal.WRONG_POLICY, "not the policy that is in force here")
    policy = pins.policy(digest)
    require(policy.digest == digest, Refusal.WRONG_POLICY, "the stored policy is not the pinned one")
    require(policy.deployment == pins.deployment, Refusal.WRONG_DEPLOYMENT, "the policy is another deployment's")
    require(now < policy.header.expires, Refusal.POLICY_EXPIRED, "the policy has expired")
    own = any(s.id == pins.signer and s.role is pins.role for s in policy.signers)
    require(own, Refusal.WRONG_SIGNER, "the policy does not name this signer in this role")
    return policy


def check_clock(journal: Journal, now: int) -> None:
    """Refuse under a halt, and when the clock went back.

    Raises:
        RefusedError: `clock` or `halted`.
    """
    require(now >= journal.clock, Refusal.CLOCK, "this signer's clock went back")
    require(not journal.halted, Refusal.HALTED, "this signer is halted")


def _check_mandate(bundle: Bundle, pins: Pins, journal: Journal, now: int) -> None:
    mandate, intent = bundle.mandate, bundle.intent
    for document in (mandate, intent):
        check_deployment(document, pins.deployment)
        check_lifetime(document, now=now)
    require(mandate.policy == bundle.policy, Refusal.WRONG_POLICY, "the mandate was made under another policy")
    require(isinstance(mandate.order, SingleOrder), Refusal.UNSUPPORTED, "parent orders are not signed yet")
    same = isinstance(mandate.order, SingleOrder) and mandate.order.intent == intent
    require(same, Refusal.INTENT_MISMATCH, "the intent is not the one that the mandate holds")
    first = journal.start.not_before if journal.start is not None else now + 1
    require(
        min(mandate.header.created, intent.header.created) >= first,
        Refusal.BEFORE_JOURNAL,
        "made before this signer's journal began",
    )


def own_wallet(wallet_id: str, policy: Policy, pins: Pins) -> Wallet:
    """Return the policy's entry of a wallet that this signer holds.

    Raises:
        RefusedError: `unknown_wallet`, `unsupported` or `wrong_signer`.
    """
    wallet = next((w for w in policy.wallets if w.id == wallet_id), None)
    if wallet is None:
        raise RefusedError(Refusal.UNKNOWN_WALLET, "the policy knows no such wallet")
    supported = pins.role is SignerRole.HSM and wallet.kind in (WalletKind.HSM, WalletKind.SOFTWARE)
    require(supported, Refusal.UNSUPPORTED, "this signer's role does not sign for such wallets")
    require(pins.signer in wallet.signers, Refusal.WRONG_SIGNER, "this wallet belongs to another signer")
    return wallet


def _check_movements(intent: Intent) -> None:
    derived = movements_of(intent)
    if derived is None:
        require(not intent.movements, Refusal.MOVEMENTS, "movements are claimed for a call that is not understood")
    else:
        require(intent.movements == derived, Refusal.MOVEMENTS, "the calldata moves something else than was shown")


def _check_people(
    bundle: Bundle, policy: Policy, pins: Pins, journal: Journal, now: int
) -> tuple[Initiative, tuple[Voice, ...]]:
    mandate = bundle.mandate
    subject = Subject(
        type=SubjectType.MANDATE, digest=mandate.digest, policy=bundle.policy, deployment=pins.deployment
    )
    voices = check_consents(bundle.consents, subject, policy, now=now)
    check_unused(voices, journal)
    who = resolve_asker(mandate, policy)
    asked = {voice.actor for voice in voices if voice.decision is Decision.ASK}
    require(asked == {mandate.asker.id}, Refusal.NO_ASKER, "the asker, and only the asker, must have signed")
    require(
        not any(voice.decision is Decision.REJECT for voice in voices),
        Refusal.REJECTED,
        "somebody rejected this case: one rejection ends it",
    )
    taken_back = any(voice.decision is Decision.WITHDRAW and voice.actor == mandate.asker.id for voice in voices)
    require(not taken_back, Refusal.WITHDRAWN, "the asker withdrew this case")
    return who, voices


def _standing(mandate: Mandate, voices: tuple[Voice, ...], journal: Journal) -> tuple[Voice, ...]:
    """Apply the vetoes that were handed to this signer itself."""
    gone = set()
    for (subject, actor), decision in journal.vetoes.items():
        if subject == mandate.digest:
            require(decision is not Decision.REJECT, Refusal.REJECTED, "a rejection was handed to this signer")
            require(
                actor != mandate.asker.id,
                Refusal.WITHDRAWN,
                "the asker's withdrawal was handed to this signer",
            )
            gone.add(actor)
    return tuple(voice for voice in voices if voice.actor not in gone)


def _check_decision(
    intent: Intent,
    policy: Policy,
    who: Initiative,
    voices: tuple[Voice, ...],
    journal: Journal,
    *,
    order: str,
    now: int,
) -> tuple[Draw, list[str]]:
    facts, draw = derive_facts(intent, policy, who, order=order, now=now)
    decision = decide(policy, facts, draw, journal.totals_without(intent.digest), now=now, enforce=True)
    require(decision.allowed, Refusal.DENIED, "; ".join(decision.reasons))
    seated = approvers(voices, barred=who.persons)
    # The parts as well: joined, one part's people could lend another part their site.
    for quorum in parts_to_fill(decision.required, decision.asked):
        missing = open_seats(quorum, seated)
        if missing.size:
            raise RefusedError(Refusal.QUORUM, f"{describe(quorum)} required; missing: {missing.words()}")
    names = ", ".join(sorted({one.person.id for one in seated})) or "nobody needed"
    return draw, [f"policy grants it by {decision.grant}", f"quorum {describe(decision.required)}: {names}"]


def verify(bundle: Bundle, pins: Pins, journal: Journal, now: int) -> Verified:
    """Decide whether a case may be signed.

    Args:
        bundle: The whole case.
        pins: What was installed at this signer's console.
        journal: This signer's own memory. Not changed.
        now: This signer's own clock, Unix seconds.

    Returns:
        A one-shot token for exactly one transaction.

    Raises:
        RefusedError: With the first reason against it. Anything not understood is such a reason.
    """
    check_deployment(bundle, pins.deployment)
    check_lifetime(bundle, now=now)
    policy = current_policy(bundle.policy, pins, journal, now=now)
    check_clock(journal, now)
    if bundle.cancel is not None:
        raise RefusedError(Refusal.CANCEL, "a cancel is asked for by itself")
    _check_mandate(bundle, pins, journal, now)
    intent = bundle.intent
    wallet = own_wallet(intent.wallet, policy, pins)
    _check_movements(intent)
    who, voices = _check_people(bundle, policy, pins, journal, now)
    voices = _standing(bundle.mandate, voices, journal)
    draw, words = _check_decision(intent, policy, who, voices, journal, order=bundle.mandate.digest, now=now)
    placed = place_attempt(intent, bundle.attempt, journal)
    transaction = Type2(
        chain_id=intent.chain_id,
        nonce=bundle.attempt.nonce,
        max_priority_fee_per_gas=bundle.attempt.max_priority_fee_per_gas,
        max_fee_per_gas=bundle.attempt.max_fee_per_gas,
        gas=intent.gas,
        to=intent.to,
        value=intent.value,
        data=intent.data,
    )
    record = ReserveRecord(
        kind="reserve",
        time=now,
        intent=intent.digest,
        mandate=bundle.mandate.digest,
        policy=policy.digest,
        wallet=wallet.id,
        nonce=bundle.attempt.nonce,
        max_fee_per_gas=bundle.attempt.max_fee_per_gas,
        max_priority_fee_per_gas=bundle.attempt.max_priority_fee_per_gas,
        cancel=None,
        signing_hash=transaction.signing_hash,
        draw=draw if placed.first else None,
        consents=tuple(voice.used for voice in voices),
    )
    checks = (
        f"deployment {pins.deployment[:16]}…, policy {policy.number} in force and unexpired",
        f"mandate holds exactly this intent, asked by {bundle.mandate.asker.id} with their own key",
        "calldata decoded and re-encoded; it moves what was shown",
        f"{len(voices)} consents verified against the policy's own keys, origin and relying party",
        *words,
        f"nonce {bundle.attempt.nonce} holds this intent only; fees within its caps",
    )
    return Verified(
        SEAL,
        wallet=wallet,
        transaction=transaction,
        record=None if placed.repeated else record,
        stored=journal.signatures.get(transaction.signing_hash),
        checks=checks,
    )
