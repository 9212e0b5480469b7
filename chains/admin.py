"""Admin for chains, nodes and assets; every change is recorded in its own transaction (Django's admin opens one)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from chains.models import Asset, Chain, Node, PriceFeed, PriceRule
from chains.price_services import feed_record_change
from chains.services import asset_record_change, chain_record_change

if TYPE_CHECKING:
    from django import forms
    from django.http import HttpRequest


def _actor(request: HttpRequest) -> str:
    return f"user:{request.user.get_username()}"


class _NoDeleteAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # parametrised by its subclasses' registration
    """What a transaction may refer to is disabled, not deleted."""

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Refuse."""
        del request, obj
        return False


@admin.register(Chain)
class ChainAdmin(_NoDeleteAdmin):
    """Chains."""

    list_display = ("caip2", "name", "native_symbol", "confirmation_depth")

    def get_readonly_fields(self, request: HttpRequest, obj: Chain | None = None) -> tuple[str, ...]:
        """Keep the name that everything refers to."""
        del request
        return () if obj is None else ("caip2",)

    def save_model(self, request: HttpRequest, obj: Chain, form: forms.ModelForm[Chain], change: bool) -> None:  # noqa: FBT001 - Django's signature
        """Save and record."""
        super().save_model(request, obj, form, change)
        chain_record_change(actor=_actor(request), chain=obj, change="changed" if change else "created")


@admin.register(Node)
class NodeAdmin(_NoDeleteAdmin):
    """Nodes, to be read: changing one takes two people, on the page of nodes. No URL: it may hold a key."""

    list_display = ("label", "chain", "priority", "enabled", "stopped_reason")
    list_filter = ("chain", "enabled")
    exclude = ("url",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse."""
        del request
        return False

    def has_change_permission(self, request: HttpRequest, obj: Node | None = None) -> bool:
        """Refuse."""
        del request, obj
        return False


@admin.register(Asset)
class AssetAdmin(_NoDeleteAdmin):
    """Assets."""

    list_display = ("symbol", "caip19", "decimals", "name")
    list_filter = ("chain",)

    def get_readonly_fields(self, request: HttpRequest, obj: Asset | None = None) -> tuple[str, ...]:
        """Keep what amounts were entered under."""
        del request
        return () if obj is None else ("caip19", "chain", "decimals")

    def save_model(self, request: HttpRequest, obj: Asset, form: forms.ModelForm[Asset], change: bool) -> None:  # noqa: FBT001 - Django's signature
        """Save and record."""
        super().save_model(request, obj, form, change)
        asset_record_change(actor=_actor(request), asset=obj, change="changed" if change else "created")


@admin.register(PriceFeed)
class PriceFeedAdmin(_NoDeleteAdmin):
    """Feeds. Prices are entered on the page of prices, in the name of who enters them."""

    list_display = ("name", "asset", "family", "kind", "heartbeat", "enabled")
    list_filter = ("kind", "enabled")
    exclude = ("price", "entered_at", "expires_at")

    def get_readonly_fields(self, request: HttpRequest, obj: PriceFeed | None = None) -> tuple[str, ...]:
        """Keep what its history was written under."""
        del request
        return () if obj is None else ("asset", "name", "kind")

    def save_model(
        self,
        request: HttpRequest,
        obj: PriceFeed,
        form: forms.ModelForm[PriceFeed],
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Save and record."""
        super().save_model(request, obj, form, change)
        payload: dict[str, object] = {"enabled": obj.enabled, "family": obj.family, "heartbeat": obj.heartbeat}
        feed_record_change(actor=_actor(request), asset=obj.asset, what=obj.name, payload=payload)


@admin.register(PriceRule)
class PriceRuleAdmin(_NoDeleteAdmin):
    """What makes a price of an asset's feeds."""

    list_display = ("asset", "families_least", "deviation_most_bps", "jump_most_bps")

    def save_model(
        self,
        request: HttpRequest,
        obj: PriceRule,
        form: forms.ModelForm[PriceRule],
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Save and record."""
        super().save_model(request, obj, form, change)
        payload: dict[str, object] = {
            "deviation_most_bps": obj.deviation_most_bps,
            "families_least": obj.families_least,
            "jump_most_bps": obj.jump_most_bps,
        }
        feed_record_change(actor=_actor(request), asset=obj.asset, what="rule", payload=payload)
