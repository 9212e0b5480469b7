"""Words and amounts in templates."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from django import template

from core.names import NATIVE_SUFFIX
from oms.intents import amount_format

if TYPE_CHECKING:
    from chains.simulation import AssetDelta
    from oms.intents import Draft

register = template.Library()
_NATIVE_DECIMALS = 18


@register.filter
def role_words(role: str) -> str:
    """Say a role in words."""
    return str(role).replace("_", " ")


@register.filter
def counted_roles(roles: tuple[str, ...]) -> list[str]:
    """Say each role once, with its number."""
    return [f"{count} \N{MULTIPLICATION SIGN} {role_words(role)}" for role, count in Counter(roles).items()]


@register.filter
def decision_words(decision: str) -> str:
    """Say what somebody did."""
    return {"ask": "asked", "approve": "approved", "reject": "rejected", "withdraw": "withdrew"}.get(
        decision, decision
    )


@register.filter
def asset_symbol(asset: str, draft: Draft) -> str:
    """Name the draft's own asset by its symbol; any other one in full, since nobody vouches for its name."""
    return draft.asset.symbol if asset == draft.asset.id else asset


@register.filter
def signed_change(delta: AssetDelta, draft: Draft) -> str:
    """Write a change with its sign, in the units of the draft's asset; of others in base units."""
    sign = "+" if delta.change >= 0 else "\N{MINUS SIGN}"
    if delta.asset == draft.asset.id:
        return f"{sign}{amount_format(abs(delta.change), draft.asset.decimals)}"
    if delta.asset.endswith(NATIVE_SUFFIX):
        return f"{sign}{amount_format(abs(delta.change), _NATIVE_DECIMALS)}"
    return f"{sign}{abs(delta.change)} base units"
