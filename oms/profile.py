"""What the parts below need to know of the active policy; they learn this path from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from policies.selectors import policy_active

if TYPE_CHECKING:
    from core.documents.roster import Profile


def profile_active() -> Profile | None:
    """Return the active policy's profile, or None before the genesis."""
    policy = policy_active()
    return None if policy is None else policy.profile
