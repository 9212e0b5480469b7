"""Follows keys: one that the policy in force names is in use, and people are told before its time ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from custody.key_services import keys_activate, keys_remind
from policies.selectors import policy_active

if TYPE_CHECKING:
    import datetime as dt


def keys_sweep(*, now: dt.datetime) -> int:
    """Look after keys; called by the workers' sweep.

    Returns:
        How many keys began to be used.
    """
    policy = policy_active()
    begun = 0 if policy is None else keys_activate(wallets=[wallet.id for wallet in policy.wallets], now=now)
    keys_remind(now=now)
    return begun
