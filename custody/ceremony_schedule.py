"""How often a wallet's shares are to be refreshed."""

from __future__ import annotations

from django.db import transaction

from audit.services import entry_append
from audit.tags import AuditTag
from custody.ceremony_selectors import refresh_days_of
from custody.errors import CeremonyMissingError
from custody.models_ceremonies import CeremonySchedule
from custody.selectors import wallet_find


@transaction.atomic
def refresh_days_set(*, actor: str, wallet: str, days: int) -> CeremonySchedule:
    """Set how often a wallet's shares are refreshed.

    Args:
        actor: Who does it.
        wallet: CAIP-10 account.
        days: Between two refreshes.

    Raises:
        CeremonyMissingError: If custody holds no such wallet.
        ValidationError: For a number of days that is out of bounds.
    """
    found = wallet_find(caip10=wallet)
    if found is None:
        raise CeremonyMissingError("There is no such wallet.")
    row = CeremonySchedule.objects.filter(pk=wallet).first() or CeremonySchedule(wallet=found)
    before, row.refresh_days = refresh_days_of(wallet=wallet), days
    row.full_clean(validate_unique=False)
    row.save()
    payload: dict[str, object] = {"before": before, "days": days}
    entry_append(actor=actor, tag=AuditTag.REFRESH_SCHEDULED, subject=wallet, payload=payload)
    return row
