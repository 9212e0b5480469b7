"""Follows ceremonies from above custody: those of an older policy end, and people are reminded to refresh shares."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

from audit.alarms import alarm_follow
from audit.models import Severity
from audit.tags import AuditTag
from audit.watch import round_claim
from core.certificate import certificate_size
from core.documents.control import CeremonyKind
from core.documents.roster import WalletKind
from custody.ceremony_selectors import going_now, last_done, refresh_days_of
from custody.ceremony_services import ceremonies_expire
from custody.models import WalletKey
from oms.models import SignerSighting
from oms.signer_watch import SILENT_AFTER
from policies.selectors import policy_active

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from core.documents.roster import Wallet
    from custody.models import KeyCeremony

EVERY = dt.timedelta(seconds=30)
_ROUND = "oms.ceremonies"
ACTOR = "system:oms"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Refresh:
    """When a threshold wallet's shares were refreshed, and when they are to be.

    `since`: the last refresh, or from when on the wallet is known; None where nobody knows.
    """

    wallet: Wallet
    days: int
    since: dt.datetime | None
    last: KeyCeremony | None
    going: KeyCeremony | None
    due: bool

    @property
    def due_at(self) -> dt.datetime | None:
        """When it is due."""
        return None if self.since is None else self.since + dt.timedelta(days=self.days)


def refresh_rows(*, policy: Policy, now: dt.datetime) -> list[Refresh]:
    """Return for each threshold wallet of the policy when its shares are refreshed next."""
    return [_refresh(wallet, now) for wallet in policy.wallets if wallet.kind is WalletKind.MPC]


def _refresh(wallet: Wallet, now: dt.datetime) -> Refresh:
    days = refresh_days_of(wallet=wallet.id)
    last = last_done(wallet=wallet.id, kind=CeremonyKind.REFRESH)
    key = WalletKey.objects.filter(pk=wallet.id).first()
    since = last.ended_at if last is not None else None
    if since is None and key is not None:
        since = key.activated_at or key.registered_at
    due = since is None or now - since >= dt.timedelta(days=days)
    going = going_now(wallet=wallet.id, kind=CeremonyKind.REFRESH)
    return Refresh(wallet=wallet, days=days, since=since, last=last, going=going, due=due)


def parties_up(*, wallet: Wallet, now: dt.datetime) -> tuple[str, ...]:
    """Return the parties of a wallet that answered lately, no more than a degraded mode takes. A claim, for forms."""
    seen = SignerSighting.objects.filter(signer__in=wallet.signers, problem="", seen_at__gt=now - SILENT_AFTER)
    names = set(seen.values_list("signer", flat=True))
    most = certificate_size(len(wallet.signers), wallet.threshold) - 1
    return tuple(name for name in wallet.signers if name in names)[:most]


def ceremonies_sweep(*, now: dt.datetime) -> int:
    """Look after ceremonies; called by the workers' sweep.

    Returns:
        How many ended because another policy came into force, or time was over.
    """
    policy = policy_active()
    if policy is None or round_claim(name=_ROUND, every=EVERY, now=now) is None:
        return 0
    for row in refresh_rows(policy=policy, now=now):
        when = "never, as far as is known" if row.since is None else f"since {row.since:%Y-%m-%d}"
        alarm_follow(
            holds=row.due,
            tag=AuditTag.REFRESH_DUE,
            severity=Severity.WARNING,
            subject=row.wallet.id,
            message=f"The shares of {row.wallet.label} were not refreshed {when}; planned is every {row.days} days.",
            actor=ACTOR,
        )
    return ceremonies_expire(now=now, policy=policy)
