"""Requests in the admin: to read. Their state moves by `oms.transitions` alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin

from approvals.models import User
from oms.log_services import case_note
from oms.models import TransactionEvent, TransactionRequest
from oms.selectors import requests_visible

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse


class _Steps(admin.TabularInline[TransactionEvent, TransactionRequest]):
    """What happened, below the request."""

    model = TransactionEvent
    extra = 0
    can_delete = False
    readonly_fields = ("at", "event", "before", "after", "actor", "note")

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002 - Django's signature
        """Nobody adds by hand."""
        return False


@admin.register(TransactionRequest)
class TransactionRequestAdmin(admin.ModelAdmin[TransactionRequest]):
    """Shows; refuses to add, change and delete."""

    list_display = ("reference", "state", "asker", "desk", "asset", "amount", "created_at")
    list_filter = ("state", "desk")
    search_fields = ("=reference", "=mandate_digest", "=intent_digest", "=destination", "=asker")
    inlines = (_Steps,)
    actions = None
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[TransactionRequest]:
        """Show here what this person may see on the pages, and no more."""
        if not isinstance(request.user, User):
            return TransactionRequest.objects.none()
        return requests_visible(user=request.user)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one, and note who looked."""
        found = self.get_object(request, object_id)
        if found is not None and isinstance(request.user, User) and self.has_view_permission(request, found):
            case_note(user=request.user, request=found, shown="admin")
        return super().change_view(request, object_id, form_url, extra_context)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Nobody asks here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002 - Django's signature
        """Nobody changes."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002 - Django's signature
        """Nobody deletes."""
        return False
