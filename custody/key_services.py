"""What people and workers do with keys and modules beside moving them: periods, reminders, what was looked up."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q

from audit.alarms import alarm_follow
from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from core.key_lifecycle import Period, period_of
from custody.damaged_rows import UNREADABLE, row_damaged
from custody.key_transitions import key_activate, key_lock
from custody.models_keys import HsmModule, WalletKey

if TYPE_CHECKING:
    from collections.abc import Collection

ACTOR = "system:keys"
EVERY = dt.timedelta(minutes=1)
_DAY = 86_400


@transaction.atomic
def key_period_set(*, actor: str, wallet: str, days: int) -> WalletKey:
    """Set a key's cryptoperiod.

    Args:
        actor: Who does it.
        wallet: CAIP-10 account.
        days: Counted from the key's activation.

    Raises:
        KeyInputError: If there is no such key.
        ValidationError: For a number of days that is out of bounds.
    """
    key = key_lock(wallet=wallet)
    before, key.period_days = key.period_days, days
    key.full_clean(validate_unique=False)
    key.save(update_fields=["period_days"])
    payload: dict[str, object] = {"days": days, "before": before}
    entry_append(actor=actor, tag=AuditTag.KEY_PERIOD_CHANGED, subject=wallet, payload=payload)
    # Looked at anew at once: an alarm about the old end is over, one about the new end begins.
    WalletKey.objects.filter(pk=wallet).update(looked_at=None)
    return key


@transaction.atomic
def hsm_module_set(*, actor: str, module: HsmModule) -> HsmModule:
    """Keep what somebody looked up about a module.

    Raises:
        ValidationError: For a field that is wrong.
    """
    module.full_clean()
    module.save()
    payload: dict[str, object] = {
        "certificate": module.certificate,
        "firmware": module.firmware,
        "level": module.level,
        "looked_up": "" if module.looked_up is None else module.looked_up.isoformat(),
        "manufacturer": module.manufacturer,
        "model": module.model,
        "source": module.source,
        "status": str(module.status),
        "sunset": "" if module.sunset is None else module.sunset.isoformat(),
    }
    entry_append(actor=actor, tag=AuditTag.MODULE_CHANGED, subject=str(module)[:128], payload=payload)
    return module


def keys_activate(*, wallets: Collection[str], now: dt.datetime) -> int:
    """Let the cryptoperiods of keys begin that were only generated so far; return how many.

    Args:
        wallets: The CAIP-10 accounts that the policy in force names: people signed that these are used.
        now: The current time.
    """
    begun = 0
    generated = WalletKey.objects.filter(pk__in=wallets, state="generated")
    for wallet in list(generated.values_list("pk", flat=True)):
        with transaction.atomic():
            begun += key_activate(key=key_lock(wallet=wallet), actor=ACTOR, now=now)
    return begun


def keys_remind(*, now: dt.datetime) -> int:
    """Raise, follow and end the alarms about cryptoperiods; return how many keys were looked at."""
    due = WalletKey.objects.filter(Q(looked_at__isnull=True) | Q(looked_at__lte=now - EVERY))
    looked = 0
    for key in due.select_related("wallet"):
        if not due.filter(pk=key.pk).update(looked_at=now):
            continue
        looked += 1
        try:
            _remind(key, now)
        except UNREADABLE as error:  # one key's trouble keeps nobody from being reminded of the others
            row_damaged(what="key", key=key.pk, error=error)
    return looked


def _remind(key: WalletKey, now: dt.datetime) -> None:
    end, at = key.period_ends, int(now.timestamp())
    period = Period.RUNS if end is None else period_of(end=end, now=at)
    over = period is Period.OVER
    days = 0 if end is None else abs(end - at) // _DAY
    when = f"ended {days} days ago" if over else f"ends in {days} days"
    alarm_follow(
        holds=period is not Period.RUNS,
        tag=AuditTag.KEY_PERIOD,
        severity=Severity.ALARM if over else Severity.WARNING,
        subject=key.pk,
        message=f"The cryptoperiod of {key.wallet.label} {when}.",
        actor=ACTOR,
    )
