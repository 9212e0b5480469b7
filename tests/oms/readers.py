"""People who read the log, and what they left in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Permission

from approvals.models import User
from audit.models import AuditEntry
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from django.test import Client


@pytest.fixture
def auditor(db: None) -> Client:  # noqa: ARG001 - asks for the database
    user = User.objects.create_user("aldo", display_name="Aldo Auditor", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_auditentry"))
    return signed_in(user)


@pytest.fixture
def trader(db: None) -> Client:  # noqa: ARG001 - asks for the database
    return signed_in(User.objects.create_user("trudy", display_name="Trudy"))


def said(tag: str) -> list[dict[str, object]]:
    return [json.loads(entry.payload) for entry in AuditEntry.objects.filter(tag=tag).order_by("seq")]
