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
from custody.parties.line import together
from custody.ports import signer_port
from oms.models import SignerSighting
from oms.party_watch import parties_follow
from policies.selectors import policy_active

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EVERY = dt.timedelta(seconds=30)
SILENT_AFTER = dt.timedelta(minutes=5)
TOKEN_FIELDS = ("manufacturer", "model", "serial", "hardware", "firmware")
_TOLD_MOST = 64
_WALLET_MOST = 100
_WALLETS_MOST = 200
_HEX = frozenset("0123456789abcdef")
_NUMBER_MOST = 2**53
_logger = logging.getLogger(__name__)


def number_read(value: object) -> int | None:
    """Return a whole number from 0 to 2^53 - 1, or None for anything else."""
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _NUMBER_MOST
    return int(str(value)) if fits else None


def _digest(value: object) -> str:
    return value if isinstance(value, str) and len(value) == 64 and set(value) <= _HEX else ""  # noqa: PLR2004 - hex of SHA-256


def moment_read(value: object) -> dt.datetime | None:
    """Return the moment that Unix seconds name, or None where they name none."""
    seconds = number_read(value)
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
    untils = [moment_read(value) for value in live.values()] if isinstance(live, dict) else []
    ends = [until for until in untils if until is not None]
    return {
        "policy": _digest(result.get("policy")),
        "number": number_read(result.get("number")),
        # Only a clear no is one.
        "halted": result.get("halted") is not False,
        "leases_needed": min(number_read(leases.get("needed")) or 0, 1000),
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
        epoch = number_read(value)
        if epoch is None or not isinstance(wallet, str) or len(wallet) > _WALLET_MOST or not wallet.isprintable():
            continue
        known = kept.get(wallet)
        since = number_read(known.get("since")) if isinstance(known, dict) and known.get("epoch") == epoch else None
        found[wallet] = {"epoch": epoch, "since": int(now.timestamp()) if since is None else since}
    return found


def _claim(signer: str, now: dt.datetime) -> SignerSighting | None:
    """Take the turn to ask a signer, if it is due and nobody else has taken it."""
    with transaction.atomic():
        row, made = SignerSighting.objects.get_or_create(signer=signer, defaults={"asked_at": now})
    due = SignerSighting.objects.filter(pk=signer, asked_at__lte=now - EVERY)
    return row if made or due.update(asked_at=now) else None


def signers_look(*, signers: Sequence[str], now: dt.datetime) -> int:
    """Ask those signers whose time it is, all at once: one that is silent keeps no other waiting.

    Args:
        signers: Roster ids.
        now: The current time.

    Returns:
        How many were asked.
    """
    outside_transaction("signers asked")
    rows = [row for signer in signers if (row := _claim(signer, now)) is not None]
    for row, answer in zip(rows, together(_ask, [row.signer for row in rows]), strict=True):
        try:
            _note(row, answer, now)
        except Exception:  # one signer's trouble keeps no other from being noted
            _logger.exception("what signer %s said could not be noted", row.signer)
    return len(rows)


def _ask(signer: str) -> dict[str, object] | CustodyError:
    try:
        result = result_read(signer_port().request(signer, status_frame()))
    except CustodyError as error:
        return error
    return _refused(result) if isinstance(result, Refused) else result


def _note(row: SignerSighting, answer: dict[str, object] | CustodyError, now: dt.datetime) -> None:
    signer = row.signer
    if isinstance(answer, CustodyError):
        seen = row.seen_at
        columns: dict[str, Any] = {"problem": str(answer)[:300]}
    else:
        seen = now
        columns = {**sighting_read(result=answer), "problem": "", "seen_at": now}
        columns["epochs"] = epochs_read(result=answer, before=row.epochs, now=now)
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
    # The log's signs no money and keeps no journal of cases; the watch over the log says how it is.
    asked = signers_look(signers=[one.id for one in policy.signers if one.role is not SignerRole.LOG], now=now)
    if asked:
        parties_follow(now=now)
    return asked
