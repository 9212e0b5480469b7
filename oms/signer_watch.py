"""Asking signers how they are, so that pages can say it. An answer is a claim: nothing is decided by it."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, Any

from django.db import transaction

from audit.alarms import alarm_follow
from audit.models import Severity
from audit.tags import AuditTag
from chains.guards import outside_transaction
from core.documents.roster import SignerRole
from custody.answers import Refused, result_read, status_frame
from custody.errors import CustodyError
from custody.ports import signer_port
from oms.models import SignerSighting
from policies.selectors import policy_active

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERY = dt.timedelta(seconds=30)
SILENT_AFTER = dt.timedelta(minutes=5)
TOKEN_FIELDS = ("manufacturer", "model", "serial", "hardware", "firmware")
_TOLD_MOST = 64
_WALLET_MOST = 100
_WALLETS_MOST = 200
_HEX = frozenset("0123456789abcdef")
_NUMBER_MOST = 2**53
_logger = logging.getLogger(__name__)


def _number(value: object) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _NUMBER_MOST
    return int(str(value)) if fits else None


def _digest(value: object) -> str:
    return value if isinstance(value, str) and len(value) == 64 and set(value) <= _HEX else ""  # noqa: PLR2004 - hex of SHA-256


def _moment(value: object) -> dt.datetime | None:
    seconds = _number(value)
    try:
        return None if seconds is None else dt.datetime.fromtimestamp(seconds, tz=dt.UTC)
    except (ValueError, OverflowError, OSError):
        return None


def sighting_read(*, result: Mapping[str, object]) -> dict[str, Any]:
    """Return the columns that a signer's status fills; what cannot be read stays empty.

    Args:
        result: What the signer said of itself: input like any other.
    """
    leases = result.get("leases")
    leases = leases if isinstance(leases, dict) else {}
    live = leases.get("live")
    untils = [_moment(value) for value in live.values()] if isinstance(live, dict) else []
    ends = [until for until in untils if until is not None]
    return {
        "policy": _digest(result.get("policy")),
        "number": _number(result.get("number")),
        # Only a clear no is one.
        "halted": result.get("halted") is not False,
        "leases_needed": min(_number(leases.get("needed")) or 0, 1000),
        "leases_live": len(ends),
        "lease_until": min(ends, default=None),
        "head": _digest(result.get("head")),
        "token": _token(result.get("token")),
    }


def _token(value: object) -> dict[str, str]:
    """Return what a signer says of its token, each part if it is short visible text."""
    said = value if isinstance(value, dict) else {}
    fields = {name: said.get(name) for name in TOKEN_FIELDS}
    return {
        name: text
        for name, text in fields.items()
        if isinstance(text, str) and 0 < len(text) <= _TOLD_MOST and text.isascii() and text.isprintable()
    }


def epochs_read(*, result: Mapping[str, object], before: object, now: dt.datetime) -> dict[str, dict[str, int]]:
    """Return the epochs of a party's shares, each with the second at which it was first seen here.

    Args:
        result: What the signer said of itself: input like any other.
        before: What is kept of it so far.
        now: The current time.
    """
    said, kept = result.get("epochs"), before if isinstance(before, dict) else {}
    found: dict[str, dict[str, int]] = {}
    for wallet, value in list(said.items())[:_WALLETS_MOST] if isinstance(said, dict) else ():
        epoch = _number(value)
        if epoch is None or not isinstance(wallet, str) or len(wallet) > _WALLET_MOST or not wallet.isprintable():
            continue
        known = kept.get(wallet)
        since = _number(known.get("since")) if isinstance(known, dict) and known.get("epoch") == epoch else None
        found[wallet] = {"epoch": epoch, "since": int(now.timestamp()) if since is None else since}
    return found


def _claim(signer: str, now: dt.datetime) -> SignerSighting | None:
    """Take the turn to ask a signer, if it is due and nobody else has taken it."""
    with transaction.atomic():
        row, made = SignerSighting.objects.get_or_create(signer=signer, defaults={"asked_at": now})
    due = SignerSighting.objects.filter(pk=signer, asked_at__lte=now - EVERY)
    return row if made or due.update(asked_at=now) else None


def signer_look(*, signer: str, now: dt.datetime) -> bool:
    """Ask one signer, if it is time; whether it was asked.

    Args:
        signer: The signer's roster id.
        now: The current time.
    """
    outside_transaction("a signer asked")
    row = _claim(signer, now)
    if row is None:
        return False
    try:
        result = result_read(signer_port().request(signer, status_frame()))
        if isinstance(result, Refused):
            raise _refused(result)
    except CustodyError as error:
        seen = row.seen_at
        columns: dict[str, Any] = {"problem": str(error)[:300]}
    else:
        seen = now
        columns = {**sighting_read(result=result), "problem": "", "seen_at": now}
        columns["epochs"] = epochs_read(result=result, before=row.epochs, now=now)
    SignerSighting.objects.filter(pk=signer).update(**columns)
    since = "never since it was first asked" if seen is None else f"last at {seen:%Y-%m-%d %H:%M} UTC"
    # Asked for the first time, it may still be starting.
    silent = row.asked_at < now and (seen is None or now - seen > SILENT_AFTER)
    alarm_follow(
        holds=silent,
        tag=AuditTag.SIGNER_SILENT,
        severity=Severity.ALARM,
        subject=signer,
        message=f"Signer {signer} does not answer ({since}).",
    )
    return True


def _refused(refused: Refused) -> CustodyError:
    return CustodyError(f"it refuses to say where it stands: {refused.message}")


def signers_sweep(*, now: dt.datetime) -> int:
    """Ask the signers of the policy in force that are due; called by the workers' sweep.

    Returns:
        How many were asked.
    """
    policy = policy_active()
    if policy is None:
        return 0
    asked = 0
    for entry in policy.signers:
        if entry.role is SignerRole.LOG:
            # It signs no money and keeps no journal of cases; the watch over the log says how it is.
            continue
        try:
            asked += signer_look(signer=entry.id, now=now)
        except Exception:  # one signer's trouble keeps no other from being asked
            _logger.exception("signer %s could not be looked at", entry.id)
    return asked
