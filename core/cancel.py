"""Cancelling a signed intent: a self-send of value 0 at its nonce, consented to by the policy's cancel quorum.

It moves nothing but its fee, so it needs no live mandate: it is needed most when the mandate has expired.

For the same reason it is held against fee limits only. It counts in every limit afterwards, but limits of amount,
value or number that payments have used up do not keep a lane blocked. Of a fee limit cancels have a reserve beside
what payments may use, as large as the limit itself: payments and cancels together never spend more than twice of it
in its window, each nonce has one cancel at most, and people consent to each cancel's fee cap.

Parties of a threshold wallet may hold an intent that too few of them reserved before its time was over: no other case
is certified at its nonce any more. They cancel it all the same, those that never saw it at their next nonce.

In degraded mode (`core.degraded`) fee limits and their reserve are divided. A cancel needs no mandate that names its
nonce: it goes to the nonce that its intent holds here, and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.consents import Subject, approvers, check_consents, check_unused
from core.degraded import divided, parts_now
from core.documents.base import check_deployment, check_lifetime
from core.documents.consent import Decision, SubjectType
from core.documents.mandate import SingleOrder
from core.documents.policy import Measure
from core.documents.roster import WalletKind
from core.errors import Refusal, RefusedError, require
from core.evm import Type2
from core.facts import resolve_asker
from core.inclusion import check_logged
from core.lease import NOTHING_HELD, Lessor, check_fresh
from core.limits import AssetDraw, Draw, Totals, amount_of, scope_keys
from core.names import chain_number, native_asset
from core.quorum import describe, is_filled
from core.records import ReserveRecord
from core.schema import UINT256_MAX
from core.standing import heard, still_listed
from core.verified import SEAL, Verified
from core.verify import check_clock, current_policy, own_wallet

if TYPE_CHECKING:
    from core.consents import Voice
    from core.documents.bundle import Attempt, Bundle, CancelCase
    from core.documents.control import Cancel
    from core.documents.policy import Policy
    from core.documents.roster import Wallet
    from core.journal import Journal
    from core.pins import Pins

CANCEL_GAS = 21_000
"""Gas of a plain transfer (Ethereum yellow paper, Gtransaction)."""
RESERVE = 2
"""Up to how many times a fee limit its window may be filled when a cancel is added; payments fill it once."""


def _check_slot(bundle: Bundle, cancel: Cancel, wallet: Wallet, journal: Journal, parts: int) -> bool:
    """Find the intent's nonce; True if this very cancel attempt was journalled before."""
    attempt = bundle.attempt
    fees = (attempt.max_fee_per_gas, attempt.max_priority_fee_per_gas)
    within = fees[0] <= cancel.max_fee_per_gas and fees[1] <= min(cancel.max_priority_fee_per_gas, fees[0])
    require(within, Refusal.FEES, "fees beyond the cancel's caps")
    held = journal.intents.get(cancel.intent)
    if held is None:
        _check_unseen(bundle, wallet, journal, parts)
        return False
    require(held == (cancel.wallet, attempt.nonce), Refusal.NONCE, "the intent holds another nonce")
    slot = journal.slots[held]
    require(slot.intent == cancel.intent, Refusal.CANCEL, "this nonce was certified for another intent")
    if slot.cancel is None:
        return False
    require(slot.cancel == cancel.digest, Refusal.CANCEL, "this nonce already has its one cancel")
    require(fees in slot.cancel_attempts, Refusal.FEES, "a cancel is signed once, at one fee")
    return True


def _check_unseen(bundle: Bundle, wallet: Wallet, journal: Journal, parts: int) -> None:
    """Let a party cancel what only others reserved: at its next nonce, and never below the wallet's certificates."""
    shared = wallet.kind is WalletKind.MPC and parts == 1
    require(shared, Refusal.CANCEL, "there is nothing to cancel: this intent was never signed here")
    order = bundle.mandate.order
    own = isinstance(order, SingleOrder) and order.intent == bundle.intent
    require(own, Refusal.INTENT_MISMATCH, "the intent is not the one that the mandate holds")
    following = journal.next_nonce(wallet.id)
    require(bundle.attempt.nonce == following, Refusal.NONCE, f"the next nonce of this wallet is {following}")


def _initiators(bundle: Bundle, policy: Policy, first: Draw | None) -> tuple[tuple[str, ...], str]:
    """Return whose limits the fee counts in: those who asked for the intent, as this journal remembers it.

    Nobody signed the bundle's mandate for a cancel; it only speaks where no journal does: for a kept case, offline,
    and at a party that never saw the intent (the parties' words then have to agree).
    """
    if first is not None:
        return first.initiators, first.desk
    try:
        who = resolve_asker(bundle.mandate, policy)
    except RefusedError:
        return (bundle.mandate.asker.id,), "unknown"
    # A client's responsible persons count with it, as at the parties that know the intent.
    return who.names, who.desk


def _draw(cancel: Cancel, bundle: Bundle, policy: Policy, journal: Journal, now: int) -> Draw:
    chain = cancel.wallet.rpartition(":")[0]
    fee = min(CANCEL_GAS * cancel.max_fee_per_gas, UINT256_MAX)
    first = journal.draw_of(bundle.intent.digest)
    initiators, desk = _initiators(bundle, policy, first)
    return Draw(
        time=now,
        order=bundle.mandate.digest if first is None else first.order,
        initiators=initiators,
        desk=desk,
        wallet=cancel.wallet,
        chain=chain,
        assets=(native_asset(chain),),
        destinations=(cancel.wallet.rpartition(":")[2],),
        beneficiaries=(cancel.wallet.rpartition(":")[2],),
        contracts=(),
        protocols=(),
        amounts=(AssetDraw(asset=native_asset(chain), amount=fee),),
        usd_e8=0,
        fee=fee,
    )


def _check_fees(policy: Policy, draw: Draw, totals: Totals, now: int) -> None:
    """Refuse a cancel that would use up the reserve of a fee limit. A limit's condition cannot speak for it."""
    for limit in policy.limits:
        if limit.measure is not Measure.FEE or limit.quorum is not None:
            continue
        worst = max(
            amount_of(limit.measure, limit.asset, draw)
            + (0 if limit.window == 0 else totals.used(limit, key, now=now))
            for key in scope_keys(limit.per, draw)
        )
        most = RESERVE * limit.most
        line = f"limit {limit.id} ({limit.label}) with its reserve for cancels would be exceeded: {worst} of {most}"
        require(worst <= most, Refusal.DENIED, line)


def _check_people(cancel: CancelCase, policy: Policy, pins: Pins, journal: Journal, *, now: int) -> tuple[Voice, ...]:
    digest = cancel.document.digest
    subject = Subject(type=SubjectType.CANCEL, digest=digest, policy=policy.digest, deployment=pins.deployment)
    voices = check_consents(cancel.consents, subject, policy, now=now)
    check_unused(voices, journal)
    rejected = any(voice.decision is Decision.REJECT for voice in voices)
    require(not rejected, Refusal.REJECTED, "somebody rejected this cancel")
    counted = heard(still_listed(voices, pins, journal, now=now), digest, journal)
    filled = is_filled(policy.controls.cancel, approvers(counted, barred=frozenset()))
    require(filled, Refusal.QUORUM, f"a cancel takes {describe(policy.controls.cancel)}")
    return voices


def _self_send(wallet: Wallet, attempt: Attempt) -> Type2:
    return Type2(
        chain_id=chain_number(wallet.chain),
        nonce=attempt.nonce,
        max_priority_fee_per_gas=attempt.max_priority_fee_per_gas,
        max_fee_per_gas=attempt.max_fee_per_gas,
        gas=CANCEL_GAS,
        to=wallet.address,
        value=0,
        data=b"",
    )


def verify_cancel(bundle: Bundle, pins: Pins, journal: Journal, now: int, held: Lessor = NOTHING_HELD) -> Verified:
    """Decide whether the cancelling self-send of a bundle may be signed.

    Args:
        bundle: The case with its `cancel`; intent and mandate only say what is cancelled.
        pins: What was installed at this signer's console.
        journal: This signer's own memory. Not changed.
        now: This signer's own clock, Unix seconds.
        held: The leases of witnesses that this signer holds.

    Raises:
        RefusedError: With the first reason against it.
    """
    if bundle.cancel is None:
        raise RefusedError(Refusal.CANCEL, "no cancel in this bundle")
    cancel = bundle.cancel.document
    for document in (bundle, cancel):
        check_deployment(document, pins.deployment)
        check_lifetime(document, now=now)
    policy = current_policy(bundle.policy, pins, journal, now=now)
    check_clock(journal, now)
    require(cancel.policy == policy.digest, Refusal.WRONG_POLICY, "the cancel was made under another policy")
    named = (bundle.intent.digest, bundle.intent.wallet) == (cancel.intent, cancel.wallet)
    require(named, Refusal.INTENT_MISMATCH, "the cancel names another intent")
    wallet = own_wallet(cancel.wallet, policy, pins)
    parts = parts_now(wallet, journal, now=now)
    repeated = _check_slot(bundle, cancel, wallet, journal, parts)
    voices = _check_people(bundle.cancel, policy, pins, journal, now=now)
    draw = _draw(cancel, bundle, policy, journal, now)
    _check_fees(divided(policy, parts), draw, journal.totals_without(cancel.digest), now)
    fresh = check_fresh(held, policy, now=now)
    logged = check_logged(bundle, bundle.cancel.consents, policy, deployment=pins.deployment, decided=False, now=now)
    transaction = _self_send(wallet, bundle.attempt)
    record = ReserveRecord(
        kind="reserve",
        time=now,
        intent=cancel.intent,
        mandate=bundle.mandate.digest,
        policy=policy.digest,
        newest=policy.digest,
        wallet=wallet.id,
        nonce=bundle.attempt.nonce,
        max_fee_per_gas=bundle.attempt.max_fee_per_gas,
        max_priority_fee_per_gas=bundle.attempt.max_priority_fee_per_gas,
        cancel=cancel.digest,
        signing_hash=transaction.signing_hash,
        draw=draw,
        consents=tuple(voice.used for voice in voices),
    )
    return Verified(
        SEAL,
        wallet=wallet,
        transaction=transaction,
        record=None if repeated else record,
        draw=draw,
        stored=journal.signatures.get(transaction.signing_hash),
        checks=(
            f"cancel of {cancel.intent[:16]}… at nonce {bundle.attempt.nonce}, a self-send of value 0",
            fresh,
            logged,
        ),
        parts=parts,
    )
