"""How pages, API and admin ask what a person may do. What each role may do is in `approvals.permissions`."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission

from approvals.permissions import Permission

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import AnonymousUser
    from django.db.models import Model
    from django.http import HttpRequest, HttpResponseBase
    from rest_framework.request import Request
    from rest_framework.views import APIView

    from approvals.models import User

__all__ = ["NEED", "Permission", "ReadOnlyAdmin", "api_needs", "may", "needs"]

View = TypeVar("View", bound="Callable[..., HttpResponseBase]")

NEED = "countersign_needs"
"""The attribute by which a view says what it asks for; the test that walks all addresses reads it."""


def may(user: User | AnonymousUser, *any_of: Permission) -> bool:
    """Whether somebody has one of these permissions."""
    return user.is_authenticated and any(user.has_perm(one) for one in any_of)


def needs(*any_of: Permission) -> Callable[[View], View]:
    """Let a page in for people with one of these permissions only; without any, for whoever signed in.

    The view raises `PermissionDenied` for everybody else.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:  # noqa: ANN401 - any view's
            allowed = may(request.user, *any_of) if any_of else request.user.is_authenticated
            if not allowed:
                raise PermissionDenied
            answer: HttpResponseBase = view(request, *args, **kwargs)
            return answer

        setattr(guarded, NEED, any_of)
        return cast("View", guarded)

    return decorate


def api_needs(*any_of: Permission) -> type[BasePermission]:
    """Return the same question for an API view's `permission_classes`."""

    class Needs(BasePermission):
        countersign_needs = any_of

        def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 - DRF's signature
            """Ask."""
            return may(request.user, *any_of)

    return Needs


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """An admin page that shows, to those who may view its table, and changes nothing."""

    actions: Any = None

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse."""
        return False
