"""The log in the admin: to read, never to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from audit.models import AuditEntry, AuditLeaf

if TYPE_CHECKING:
    from django.http import HttpRequest


@admin.register(AuditEntry)
class AppendOnlyAdmin(admin.ModelAdmin[AuditEntry]):
    """Shows entries; adding, changing and deleting are refused for everybody."""

    list_display = ("seq", "written_at", "severity", "tag", "actor", "subject")
    list_filter = ("severity",)
    search_fields = ("=subject", "=actor", "=tag")
    fields = ("seq", "written_at", "severity", "tag", "actor", "subject", "session", "payload", "mac", "place")
    readonly_fields = fields
    show_full_result_count = False
    list_per_page = 50
    actions = None

    @admin.display(description="time (UTC)", ordering="at_us")
    def written_at(self, entry: AuditEntry) -> str:
        """Show the time to the microsecond, UTC."""
        return entry.at.isoformat(sep=" ", timespec="milliseconds").replace("+00:00", "Z")

    @admin.display(description="place in the log")
    def place(self, entry: AuditEntry) -> str:
        """Show leaf index and hash, or that it waits for them."""
        leaf = AuditLeaf.objects.filter(entry_id=entry.pk).first()
        return "waits for its place" if leaf is None else f"leaf {leaf.index}, {leaf.leaf}"

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Nobody adds by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Nobody changes."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Nobody deletes."""
        return False
