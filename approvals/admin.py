"""People in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.models import Group
from django.utils import timezone

from approvals.models import ConsentRecord, SecurityKey, User
from approvals.roles import Permission, may
from approvals.services import account_record_change, key_lock

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.forms import BaseModelForm, ModelForm
    from django.http import HttpRequest

_PRIVILEGES = ("is_staff", "is_superuser")

# Groups would be a second, unrecorded way to privileges; the two flags above and the signed roster are enough.
admin.site.unregister(Group)


class _ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # parametrised by its subclasses' registration
    """Shows; refuses to add, change and delete."""

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse."""
        return False


@admin.register(SecurityKey)
class SecurityKeyAdmin(_ReadOnlyAdmin):
    """Sign-in keys: shown, and locked when somebody loses one. They are enrolled by link, at the console."""

    list_display = ("user", "name", "credential_id", "aaguid", "confirmed", "locked", "software", "last_used_at")
    list_filter = ("locked", "software")
    actions = ("lock",)

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may lock other people's keys: seeing them is not enough."""
        return may(request.user, Permission.MANAGE_PEOPLE)

    @admin.action(description="Lock the selected keys for good", permissions=["manage"])
    def lock(self, request: HttpRequest, queryset: QuerySet[SecurityKey]) -> None:
        """Lock keys."""
        for key in queryset:
            key_lock(key_id=key.pk, actor=f"user:{request.user.get_username()}", now=timezone.now())


@admin.register(ConsentRecord)
class ConsentRecordAdmin(_ReadOnlyAdmin):
    """What people said."""

    list_display = ("recorded_at", "actor", "decision", "subject_type", "subject")
    search_fields = ("=subject", "=actor", "=nonce")
    actions = None


@admin.register(User)
class UserAdmin(admin.ModelAdmin[User]):
    """Accounts. No password is set or shown here, and nobody is deleted."""

    list_display = ("person_id", "display_name", "desk", "site", "is_active", "is_staff")
    list_filter = ("is_active", "is_staff", "desk", "site")
    search_fields = ("person_id", "display_name")
    fieldsets = (
        (None, {"fields": ("person_id", "display_name", "desk", "site", "is_active")}),
        ("Admin", {"fields": _PRIVILEGES}),
        ("History", {"fields": ("joined_at", "last_login")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Freeze whose account it is, and privileges for those who could otherwise give them to themselves."""
        frozen: tuple[str, ...] = ("joined_at", "last_login")
        if obj is not None:
            frozen += ("person_id",)
        if not (request.user.is_active and request.user.is_superuser):
            frozen += _PRIVILEGES
        return frozen

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Nobody is deleted: consents and audit entries name people for ever."""
        return False

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm[User], change: bool) -> None:  # noqa: FBT001 - Django's signature
        """Save; a new account gets a password that nothing fits."""
        if not change:
            obj.set_unusable_password()
        super().save_model(request, obj, form, change)

    def save_related(
        self,
        request: HttpRequest,
        form: ModelForm[User],
        formsets: list[BaseModelForm[Model]],
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Save the rest, and record the change in the same transaction."""
        super().save_related(request, form, formsets, change)
        account_record_change(
            user=form.instance,
            actor=f"user:{request.user.get_username()}",
            created=not change,
            fields=form.changed_data,
        )
