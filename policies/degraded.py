"""What this tier counts while a wallet is in degraded mode: divided limits, as its parties do."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from core.degraded import divided, parts_of
from custody.ceremony_selectors import degraded_now

if TYPE_CHECKING:
    from core.documents.policy import Policy


def policy_counted(*, policy: Policy, wallet: str, now: int) -> Policy:
    """Return a policy with the limits that hold for a wallet's cases now: divided ones in degraded mode.

    Args:
        policy: The policy that decides.
        wallet: CAIP-10 account.
        now: Unix seconds.
    """
    entry = next((one for one in policy.wallets if one.id == wallet), None)
    if entry is None or degraded_now(wallet=wallet, now=dt.datetime.fromtimestamp(now, tz=dt.UTC)) is None:
        return policy
    return divided(policy, parts_of(entry))
