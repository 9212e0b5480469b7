"""The decision to sign, made from the whole case and from nothing else.

`verify(bundle, pins, journal, now)` re-derives every digest, checks every consent against the pinned policy's own
keys, re-runs the policy over derived facts, counts its own limits, and binds one nonce to one intent. It changes
nothing; what has to be remembered is in the token that it returns, and must be on disk before the key is used.

Order: deployment and policy, halts and clock, mandate and intent, people, decision, quorum, nonce and fees, the
leases of witnesses, and the log's entries.

A case in flight when the policy changed names an earlier policy, which people consented under. It is judged twice,
under that one and under the newest, each with its own roster, rules and prices; both must allow it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.attested import attested_facts
from core.calldata import movements_of
from core.consents import Subject, Voice, approvers, check_consents, check_unused
from core.degraded import divided, in_force, parts_of
from core.documents.base import check_deployment, check_lifetime
from core.documents.consent import Decision, SubjectType
from core.documents.mandate import SingleOrder
from core.documents.roster import SignerRole, Wallet, WalletKind
from core.draws import one_draw
from core.errors import Refusal, RefusedError, require
from core.evm import Type2
from core.facts import Initiative, derive_facts, resolve_asker
from core.inclusion import check_logged
from core.lease import NOTHING_HELD, Lessor, check_fresh
from core.nonces import place_attempt
from core.policy import decide
from core.quorum import describe, open_seats, parts_to_fill
from core.records import ReserveRecord
from core.standing import heard, still_listed
from core.verified import SEAL, Verified

if TYPE_CHECKING:
    from core.documents.bundle import Attempt, Bundle
    from core.documents.mandate import Intent
    from core.documents.policy import Policy
    from core.journal import Journal
    from core.limits import Draw
    from core.pins import Pins


def _usable(digest: str, pins: Pins, now: int) -> Policy:
    policy = pins.policy(digest)
    require(policy.digest == digest, Refusal.WRONG_POLICY, "the stored policy is not the pinned one")
    require(policy.deployment == pins.deployment, Refusal.WRONG_DEPLOYMENT, "the policy is another deployment's")
    require(now < policy.header.expires, Refusal.POLICY_EXPIRED, "the policy has expired")
    own = any(s.id == pins.signer and s.role is pins.role for s in policy.signers)
    require(own, Refusal.WRONG_SIGNER, "the policy does not name this signer in this role")
    return policy


def current_policy(digest: str, pins: Pins, journal: Journal, *, now: int) -> Policy:
    """Return the newest policy in force, if that is the one named.

    Raises:
        RefusedError: `wrong_policy`, `policy_expired` or `wrong_signer`.
    """
    require(digest == journal.policy_at(now), Refusal.WRONG_POLICY, "not the policy that is in force here")
    return _usable(digest, pins, now)


def policies_for(digest: str, pins: Pins, journal: Journal, *, now: int) -> tuple[Policy, ...]:
    """Return the policies that have to allow a case: the one that people consented under, then the newest.

    Args:
        digest: The policy that the case names: the newest, or one that the newest has followed.
        pins: The accepted policies.
        journal: This signer's memory.
        now: Unix seconds.

    Raises:
        RefusedError: `wrong_policy`, `policy_expired` or `wrong_signer`.
    """
    newest = journal.policy_at(now)
    at: str | None = newest
    # Only what led to the newest was ever in force: what was replaced while it waited is no predecessor.
    while at is not None and at != digest:
        at = pins.policy(at).previous
    require(at == digest, Refusal.WRONG_POLICY, "not the policy that is in force here, nor one before it")
    return tuple(_usable(one, pins, now) for one in dict.fromkeys((digest, newest)))


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
    placed = mandate.nonce in (None, bundle.attempt.nonce)
    require(placed, Refusal.INTENT_MISMATCH, f"the mandate is for nonce {mandate.nonce} only")
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
    kinds = {SignerRole.HSM: (WalletKind.HSM, WalletKind.SOFTWARE), SignerRole.PARTY: (WalletKind.MPC,)}
    supported = wallet.kind in kinds.get(pins.role, ())
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
    bundle: Bundle, policies: tuple[Policy, ...], pins: Pins, journal: Journal, now: int
) -> list[tuple[Initiative, tuple[Voice, ...]]]:
    """Return for each policy who asks, and whose consents count under it."""
    mandate = bundle.mandate
    subject = Subject(
        type=SubjectType.MANDATE, digest=mandate.digest, policy=bundle.policy, deployment=pins.deployment
    )
    voices = check_consents(bundle.consents, subject, policies[0], now=now)
    check_unused(voices, journal)
    asking = [resolve_asker(mandate, policy) for policy in policies]
    asked = {voice.actor for voice in voices if voice.decision is Decision.ASK}
    require(asked == {mandate.asker.id}, Refusal.NO_ASKER, "the asker, and only the asker, must have signed")
    require(
        not any(voice.decision is Decision.REJECT for voice in voices),
        Refusal.REJECTED,
        "somebody rejected this case: one rejection ends it",
    )
    taken_back = any(voice.decision is Decision.WITHDRAW and voice.actor == mandate.asker.id for voice in voices)
    require(not taken_back, Refusal.WITHDRAWN, "the asker withdrew this case")
    listed = still_listed(voices, pins, journal, now=now)
    stands = any(voice.decision is Decision.ASK for voice in listed)
    require(stands, Refusal.UNKNOWN_PERSON, "the asker, or the asker's key, was removed since")
    counted = heard(listed, mandate.digest, journal)
    still = any(voice.decision is Decision.ASK for voice in counted)
    require(still, Refusal.WITHDRAWN, "the asker's withdrawal was handed to this signer")
    kept = [signed for signed, voice in zip(bundle.consents, voices, strict=True) if voice in counted]
    return [
        (who, counted if number == 0 else check_consents(kept, subject, policy, now=now))
        for number, (who, policy) in enumerate(zip(asking, policies, strict=True))
    ]


def _check_decision(
    bundle: Bundle,
    policies: tuple[Policy, ...],
    people: list[tuple[Initiative, tuple[Voice, ...]]],
    journal: Journal,
    *,
    now: int,
    parts: int,
) -> tuple[Draw, list[str]]:
    """Have each policy decide, over one draw that counts for all of them, with limits divided into parts."""
    intent, order = bundle.intent, bundle.mandate.digest
    deployment = bundle.header.deployment
    heard_of = [
        attested_facts(bundle.attestations, policy, intent=intent.digest, deployment=deployment, now=now)
        for policy in policies
    ]
    derived = [
        derive_facts(intent, policy, who, order=order, now=now, attested=attested.facts)
        for policy, (who, _), attested in zip(policies, people, heard_of, strict=True)
    ]
    draw = one_draw([draw for _, draw in derived])
    barred = frozenset[str]().union(*(who.persons for who, _ in people))
    words = []
    for policy, (facts, _), (_, voices), attested in zip(policies, derived, people, heard_of, strict=True):
        totals = journal.totals_without(intent.digest)
        decision = decide(divided(policy, parts), facts, draw, totals, now=now, enforce=True)
        why_not = "; ".join((*decision.reasons, *attested.notes))
        require(decision.allowed, Refusal.DENIED, f"policy {policy.number}: {why_not}")
        seated = approvers(voices, barred=barred)
        # The parts as well: joined, one part's people could lend another part their site.
        for quorum in parts_to_fill(decision.required, decision.asked):
            missing = open_seats(quorum, seated)
            if missing.size:
                raise RefusedError(
                    Refusal.QUORUM,
                    f"policy {policy.number}: {describe(quorum)} required; missing: {missing.words()}",
                )
        names = ", ".join(sorted({one.person.id for one in seated})) or "nobody needed"
        words += [
            f"policy {policy.number} grants it by {decision.grant}",
            f"quorum {describe(decision.required)}: {names}",
        ]
        if attested.facts:
            words.append(f"{len(attested.facts)} facts attested by {', '.join(attested.attesters)}")
    return draw, words


def _parts(bundle: Bundle, wallet: Wallet, journal: Journal, now: int) -> int:
    """Return what this signer divides limits by: in degraded mode it also takes only what names its nonce."""
    modes = in_force(wallet.id, journal, now=now)
    if not modes:
        return 1
    named = bundle.mandate.nonce is not None
    require(named, Refusal.DENIED, "the wallet is in degraded mode: a mandate has to name its nonce")
    return parts_of(wallet)


def _rebuilt(intent: Intent, attempt: Attempt) -> Type2:
    return Type2(
        chain_id=intent.chain_id,
        nonce=attempt.nonce,
        max_priority_fee_per_gas=attempt.max_priority_fee_per_gas,
        max_fee_per_gas=attempt.max_fee_per_gas,
        gas=intent.gas,
        to=intent.to,
        value=intent.value,
        data=intent.data,
    )


def verify(bundle: Bundle, pins: Pins, journal: Journal, now: int, held: Lessor = NOTHING_HELD) -> Verified:
    """Decide whether a case may be signed.

    Args:
        bundle: The whole case.
        pins: What was installed at this signer's console.
        journal: This signer's own memory. Not changed.
        now: This signer's own clock, Unix seconds.
        held: The leases of witnesses that this signer holds; with none, a policy that names witnesses refuses.

    Returns:
        A one-shot token for exactly one transaction.

    Raises:
        RefusedError: With the first reason against it. Anything not understood is such a reason.
    """
    check_deployment(bundle, pins.deployment)
    check_lifetime(bundle, now=now)
    policies = policies_for(bundle.policy, pins, journal, now=now)
    check_clock(journal, now)
    require(bundle.cancel is None, Refusal.CANCEL, "a cancel is asked for by itself")
    _check_mandate(bundle, pins, journal, now)
    intent = bundle.intent
    wallet = [own_wallet(intent.wallet, policy, pins) for policy in policies][-1]
    _check_movements(intent)
    people = _check_people(bundle, policies, pins, journal, now)
    parts = _parts(bundle, wallet, journal, now)
    draw, words = _check_decision(bundle, policies, people, journal, now=now, parts=parts)
    placed = place_attempt(intent, bundle.attempt, journal)
    fresh = check_fresh(held, policies[-1], now=now)
    logged = check_logged(bundle, bundle.consents, policies[-1], deployment=pins.deployment, decided=True, now=now)
    transaction = _rebuilt(intent, bundle.attempt)
    record = ReserveRecord(
        kind="reserve",
        time=now,
        intent=intent.digest,
        mandate=bundle.mandate.digest,
        policy=bundle.policy,
        newest=policies[-1].digest,
        wallet=wallet.id,
        nonce=bundle.attempt.nonce,
        max_fee_per_gas=bundle.attempt.max_fee_per_gas,
        max_priority_fee_per_gas=bundle.attempt.max_priority_fee_per_gas,
        cancel=None,
        signing_hash=transaction.signing_hash,
        draw=draw if placed.first else None,
        consents=tuple(voice.used for voice in people[0][1]),
    )
    checks = (
        f"deployment {pins.deployment[:16]}…, policy {policies[-1].number} in force and unexpired",
        *(f"consented under policy {one.number}, which has not expired either" for one in policies[:-1]),
        f"mandate holds exactly this intent, asked by {bundle.mandate.asker.id} with their own key",
        "calldata decoded and re-encoded; it moves what was shown",
        f"{len(bundle.consents)} consents verified against the policy's own keys, origin and relying party",
        *words,
        *([f"the wallet is in degraded mode: every limit counted as {parts} parts, one of them here"] * (parts > 1)),
        f"nonce {bundle.attempt.nonce} holds this intent only; fees within its caps",
        fresh,
        logged,
    )
    return Verified(
        SEAL,
        wallet=wallet,
        transaction=transaction,
        record=None if placed.repeated else record,
        draw=draw,
        stored=journal.signatures.get(transaction.signing_hash),
        checks=checks,
        parts=parts,
    )
