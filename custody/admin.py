"""Read-only admin: what custody holds is changed by its services alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from custody.models import (
    BroadcastAttempt,
    Confirmation,
    Job,
    NonceAssignment,
    NonceLane,
    Transmission,
    Wallet,
)

if TYPE_CHECKING:
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

    list_display = ("label", "caip10", "kind", "signer")
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
