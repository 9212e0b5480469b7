"""Requests of a wallet in degraded mode: each names its nonce, one goes after the other, over divided limits.

What a party does about it is in `core.degraded`, and in its own journal. Here it keeps people from signing what no
party would.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from chains.errors import ChainsError
from core.degraded import parts_of
from core.documents.mandate import Mandate
from core.lifecycle import State
from custody.ceremony_selectors import ceremony_document, degraded_now
from custody.errors import LaneError
from custody.lanes import lane_next
from custody.selectors import wallet_find
from oms.errors import FormError, RequestRefusedError
from oms.models import TransactionRequest
from policies.selectors import policy_active

if TYPE_CHECKING:
    import datetime as dt

    from core.documents.policy import Policy

_UNSIGNED = (State.REQUESTED.value, State.PENDING.value, State.APPROVED.value, State.SIGNING.value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DegradedWallet:
    """A wallet that goes on without some of its parties. `parts`: what its limits are divided by."""

    wallet: str
    label: str
    signers: tuple[str, ...]
    until: dt.datetime
    parts: int
    digest: str


def degraded_of(*, wallet: str, policy: Policy, now: dt.datetime) -> DegradedWallet | None:
    """Return how a wallet goes on in degraded mode, or None where it does not.

    Args:
        wallet: CAIP-10 account.
        policy: The policy in force.
        now: The current time.
    """
    entry = next((one for one in policy.wallets if one.id == wallet), None)
    kept = None if entry is None else degraded_now(wallet=wallet, now=now)
    if entry is None or kept is None:
        return None
    return DegradedWallet(
        wallet=wallet,
        label=entry.label,
        signers=ceremony_document(ceremony=kept).signers,
        until=kept.expires_at,
        parts=parts_of(entry),
        digest=kept.digest,
    )


def degraded_list(*, policy: Policy, now: dt.datetime) -> list[DegradedWallet]:
    """Return all wallets of a policy that are in degraded mode."""
    found = (degraded_of(wallet=one.id, policy=policy, now=now) for one in policy.wallets)
    return [one for one in found if one is not None]


def degraded_notes(*, wallet: str, now: dt.datetime) -> list[DegradedWallet]:
    """Return what a wallet's page says about it: one note, or none."""
    policy = policy_active()
    mode = None if policy is None else degraded_of(wallet=wallet, policy=policy, now=now)
    return [] if mode is None else [mode]


def _next(wallet: str) -> int:
    """Return the nonce that a wallet's next request gets.

    Raises:
        FormError: If it cannot be known now.
    """
    kept = wallet_find(caip10=wallet)
    if kept is None:
        raise FormError({"wallet": ["Custody does not hold this wallet."]})
    try:
        return lane_next(wallet=kept)
    except (ChainsError, LaneError) as error:
        raise FormError({"wallet": [f"Its next nonce cannot be known now: {error}"]}) from error


def _one_before(wallet: str, nonce: int) -> str | None:
    """Return the reference of an unsigned request that names this nonce, or None."""
    for request in TransactionRequest.objects.filter(wallet=wallet, state__in=_UNSIGNED).order_by("pk"):
        if Mandate.from_bytes(request.mandate_text.encode()).nonce == nonce:
            return request.reference
    return None


def nonce_named(*, wallet: str, policy: Policy, held: bool, now: dt.datetime) -> int | None:
    """Return the nonce that a new request's mandate names: None unless its wallet is in degraded mode.

    Asks nodes where the wallet has handed out no nonce yet, so not inside a database transaction.

    Args:
        wallet: CAIP-10 account.
        policy: The policy in force.
        held: Whether it would wait for an operator.
        now: The current time.

    Raises:
        FormError: If another request is on its way, if it would be held, or if the nonce cannot be known.
    """
    mode = degraded_of(wallet=wallet, policy=policy, now=now)
    if mode is None:
        return None
    if held:
        raise FormError({"held": [f"{mode.label} is in degraded mode: what is held would miss its nonce."]})
    nonce = _next(wallet)
    before = _one_before(wallet, nonce)
    if before is not None:
        words = f"{mode.label} is in degraded mode, and request {before[:8]} is on its way: one goes after the other."
        raise FormError({"wallet": [words]})
    return nonce


def nonce_check(*, mandate: Mandate, wallet: str, policy: Policy, held: bool, now: dt.datetime) -> None:
    """Refuse a mandate that no party would sign any more: it names another nonce than the next, or none at all.

    Asks nodes where the wallet has handed out no nonce yet, so not inside a database transaction.

    Args:
        mandate: What its asker signed.
        wallet: CAIP-10 account.
        policy: The policy in force.
        held: Whether it would wait for an operator.
        now: The current time.

    Raises:
        RequestRefusedError: `nonce`.
    """
    try:
        wanted = nonce_named(wallet=wallet, policy=policy, held=held, now=now)
        if wanted is None and mandate.nonce is not None:
            wanted = _next(wallet)
    except FormError as error:
        raise RequestRefusedError("nonce", str(error)) from error
    if mandate.nonce != wanted:
        named = "none" if mandate.nonce is None else f"nonce {mandate.nonce}"
        words = f"This request names {named}, and the wallet takes nonce {wanted} next: please preview again."
        raise RequestRefusedError("nonce", words)
