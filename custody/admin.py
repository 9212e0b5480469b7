"""Read-only admin: what custody holds is changed by its services alone, a chain's rule too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from custody.key_services import hsm_module_set, key_period_set
from custody.models import (
    BalancePoint,
    BroadcastAttempt,
    CancelOrder,
    ChainRule,
    Confirmation,
    HsmModule,
    Job,
    LedgerCursor,
    NonceAssignment,
    NonceLane,
    StrangeOutflow,
    Transmission,
    Wallet,
    WalletKey,
    WalletKeyEvent,
)
from custody.services import chain_rule_set

if TYPE_CHECKING:
    from django import forms
    from django.http import HttpRequest


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # parametrised by its subclasses' registration
    """Shows; refuses to add, change or delete."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse."""
        del request
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Refuse."""
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Refuse."""
        del request, obj
        return False


@admin.register(Wallet)
class WalletAdmin(ReadOnlyAdmin):
    """Wallets."""

    list_display = ("label", "caip10", "kind", "signers", "threshold")
    list_filter = ("chain", "kind")


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Signing jobs."""

    list_display = ("intent_digest", "wallet", "state", "error_code", "created_at", "due_at")
    list_filter = ("state",)
    list_select_related = ("wallet",)
    search_fields = ("=intent_digest",)
    show_full_result_count = False


@admin.register(NonceLane)
class NonceLaneAdmin(ReadOnlyAdmin):
    """Nonce lanes."""

    list_display = ("chain", "address", "next_nonce")


@admin.register(NonceAssignment)
class NonceAssignmentAdmin(ReadOnlyAdmin):
    """Nonces."""

    list_display = ("chain", "sender", "nonce", "job", "assigned_at", "released_at")
    list_select_related = ("job",)
    show_full_result_count = False


@admin.register(Transmission)
class TransmissionAdmin(ReadOnlyAdmin):
    """Signed transactions. The raw bytes are shown as their hash only: whoever has them can send them."""

    list_display = ("transaction_hash", "job", "nonce", "stored_at", "sent_at")
    list_select_related = ("job",)
    exclude = ("raw",)
    search_fields = ("=transaction_hash",)
    show_full_result_count = False


@admin.register(BroadcastAttempt)
class BroadcastAttemptAdmin(ReadOnlyAdmin):
    """Sends."""

    list_display = ("transmission", "node", "outcome", "message", "started_at")
    list_select_related = ("transmission",)
    show_full_result_count = False


@admin.register(Confirmation)
class ConfirmationAdmin(ReadOnlyAdmin):
    """Sightings."""

    list_display = ("transmission", "block_number", "depth", "succeeded", "status", "seen_at")
    list_select_related = ("transmission",)
    show_full_result_count = False


@admin.register(CancelOrder)
class CancelOrderAdmin(ReadOnlyAdmin):
    """Cancels that their quorum consented to."""

    list_display = ("digest", "job", "state", "error", "ordered_at")
    list_select_related = ("job",)
    list_filter = ("state",)


@admin.register(LedgerCursor)
class LedgerCursorAdmin(ReadOnlyAdmin):
    """How far wallets are reconciled."""

    list_display = ("wallet", "block_number", "nonce", "gas_low", "problem", "looked_at")


@admin.register(BalancePoint)
class BalancePointAdmin(ReadOnlyAdmin):
    """Balances over time."""

    list_display = ("wallet", "asset", "block_number", "amount", "block_time")
    list_select_related = ("wallet",)
    show_full_result_count = False


@admin.register(StrangeOutflow)
class StrangeOutflowAdmin(ReadOnlyAdmin):
    """What left wallets without us."""

    list_display = ("wallet", "asset", "amount", "block_number", "words", "found_at")
    list_select_related = ("wallet",)


@admin.register(ChainRule)
class ChainRuleAdmin(admin.ModelAdmin[ChainRule]):
    """How custody works on a chain: finality, raises, guard, gas, private nodes. Never deleted."""

    list_display = ("chain", "finality", "raise_seconds", "guard_seconds", "gas_low", "private_nodes")

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Refuse."""
        del request, obj
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: ChainRule | None = None) -> tuple[str, ...]:
        """Keep a rule with its chain."""
        del request
        return () if obj is None else ("chain",)

    def save_model(
        self,
        request: HttpRequest,
        obj: ChainRule,
        form: forms.ModelForm[ChainRule],
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Save and record, by the service."""
        del form, change
        chain_rule_set(actor=f"user:{request.user.get_username()}", rule=obj)


class _KeptBeside(admin.ModelAdmin):  # type: ignore[type-arg]  # parametrised by its subclasses' registration
    """Changed by its service, which records it; never deleted."""

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Refuse."""
        del request, obj
        return False


@admin.register(WalletKey)
class WalletKeyAdmin(_KeptBeside):
    """Keys of wallets. Here their cryptoperiod is set; their state moves on the wallet's own page."""

    list_display = ("wallet", "state", "period_days", "activated_at", "why")
    list_filter = ("state",)
    list_select_related = ("wallet",)
    fields = ("wallet", "state", "period_days", "registered_at", "activated_at", "why")
    readonly_fields = ("wallet", "state", "registered_at", "activated_at", "why")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: a key comes with its wallet."""
        del request
        return False

    def save_model(
        self,
        request: HttpRequest,
        obj: WalletKey,
        form: forms.ModelForm[WalletKey],
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Save and record, by the service."""
        del form, change
        key_period_set(actor=f"user:{request.user.get_username()}", wallet=obj.pk, days=obj.period_days)


@admin.register(WalletKeyEvent)
class WalletKeyEventAdmin(ReadOnlyAdmin):
    """What happened to keys, with what was attached."""

    list_display = ("key", "event", "before", "after", "actor", "at")
    list_filter = ("event",)


@admin.register(HsmModule)
class HsmModuleAdmin(_KeptBeside):
    """What somebody looked up about modules: certificate, level, status, sunset."""

    list_display = ("manufacturer", "model", "firmware", "certificate", "level", "status", "sunset", "looked_up")
    list_filter = ("status",)

    def save_model(
        self,
        request: HttpRequest,
        obj: HsmModule,
        form: forms.ModelForm[HsmModule],
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Save and record, by the service."""
        del form, change
        hsm_module_set(actor=f"user:{request.user.get_username()}", module=obj)
