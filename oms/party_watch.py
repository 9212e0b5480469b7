"""Whether enough parties of each shared key are there. What they say is a claim: nothing is decided by it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

from audit.alarms import alarm_follow
from audit.models import Severity
from audit.tags import AuditTag
from core.certificate import certificate_size
from core.documents.roster import WalletKind
from custody.selectors import wallet_list
from oms.models import SignerSighting

if TYPE_CHECKING:
    from custody.models import Wallet

LOST_AFTER = dt.timedelta(minutes=3)
"""A party that was not seen for so long counts as away: a restart takes less."""
_short_since: dict[str, dt.datetime] = {}
"""Since when this worker has known of too few; losing it delays an alarm about parties that were never seen."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Presence:
    """Who of a shared key's parties is there.

    Attributes:
        up: Seen within the last minutes.
        away: All others.
        new: One of those has never been seen: it may still be on its way.
        threshold: How many of them sign together.
        needed: How many have to agree before they do.
    """

    up: tuple[str, ...]
    away: tuple[str, ...]
    new: bool
    threshold: int
    needed: int

    @property
    def words(self) -> str:
        """Say in one sentence who is there and what follows."""
        count = len(self.up) + len(self.away)
        there = f"{len(self.up)} of {count} parties answer"
        if self.away:
            there += f" (silent: {', '.join(self.away)})"
        if len(self.up) < self.threshold:
            return f"{there}: fewer than the {self.threshold} that sign together, so nothing can be signed at all."
        if len(self.up) < self.needed:
            return f"{there}: {self.needed} have to agree, so its cases wait."
        return f"{there}; {self.needed} have to agree, {self.threshold} sign together."


def presence_of(*, wallet: Wallet, now: dt.datetime) -> Presence | None:
    """Return who of a wallet's parties is there; None for a key that is not shared, or whose parties are new.

    Args:
        wallet: The wallet.
        now: The current time.
    """
    if not wallet.is_shared or not wallet.asked:
        return None
    seen = {row.signer: row for row in SignerSighting.objects.filter(pk__in=wallet.asked)}
    if not all(name in seen for name in wallet.asked):
        return None
    up = tuple(name for name in wallet.asked if _is_up(seen[name], now))
    return Presence(
        up=up,
        away=tuple(name for name in wallet.asked if name not in up),
        new=any(row.seen_at is None for row in seen.values()),
        threshold=wallet.threshold,
        needed=certificate_size(len(wallet.asked), wallet.threshold),
    )


def _is_up(row: SignerSighting, now: dt.datetime) -> bool:
    return row.seen_at is not None and now - row.seen_at <= LOST_AFTER


def parties_follow(*, now: dt.datetime) -> None:
    """Raise, follow and end the alarm of each shared key with too few parties: one for each wallet.

    Args:
        now: The current time.
    """
    for wallet in wallet_list().filter(kind=WalletKind.MPC.value):
        presence = presence_of(wallet=wallet, now=now)
        if presence is None:
            continue
        short, few = len(presence.up) < presence.needed, len(presence.up) < presence.threshold
        since = _short_since.setdefault(wallet.pk, now) if short else _short_since.pop(wallet.pk, now)
        alarm_follow(
            holds=short and not (presence.new and now - since < LOST_AFTER),
            tag=AuditTag.PARTIES_FEW,
            severity=Severity.CRITICAL if few else Severity.ALARM,
            subject=wallet.pk,
            message=f"Wallet {wallet.label}: {presence.words}"[:400],
        )
