"""One account is one person, in Python, in the admin and in the database itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction
from django.urls import reverse

from approvals.errors import PersonFixedError
from approvals.models import User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def tess() -> User:
    return User.objects.create_user("tess", display_name="Tess Trader", desk="treasury", site="zurich")


def test_no_password_fits_a_person(tess: User) -> None:
    assert not tess.has_usable_password()
    assert not tess.check_password("")
    assert not tess.is_staff
    assert str(tess) == "Tess Trader"


@pytest.mark.parametrize("person_id", ["", "Tess", "tess smith", "-tess", "tess-", "t\u0435ss", "t" * 65])
def test_an_id_that_no_roster_can_hold_is_refused(person_id: str) -> None:
    with pytest.raises(ValidationError, match="person_id"):
        User.objects.create_user(person_id, display_name="Tess")


def test_an_account_cannot_become_another_persons(tess: User) -> None:
    loaded = User.objects.get(pk=tess.pk)
    for user in (tess, loaded):
        user.person_id = "otto"
        with pytest.raises(PersonFixedError, match="tess"):
            user.save()


def rename_by_queryset(user: User) -> None:
    User.objects.filter(pk=user.pk).update(person_id="otto")


def rename_by_sql(user: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE approvals_user SET person_id = 'otto' WHERE id = %s", [user.pk])


@pytest.mark.parametrize("rename", [rename_by_queryset, rename_by_sql])
def test_the_database_refuses_it_too(tess: User, rename: Callable[[User], None]) -> None:
    with pytest.raises(DatabaseError, match="person_id is fixed"), transaction.atomic():
        rename(tess)
    tess.refresh_from_db()
    assert tess.person_id == "tess"


def test_everything_else_can_be_corrected(tess: User) -> None:
    tess.display_name = "Tess Tailor"
    tess.save()
    User.objects.filter(pk=tess.pk).update(desk="market-making")
    tess.refresh_from_db()
    assert (tess.display_name, tess.desk) == ("Tess Tailor", "market-making")


def test_the_admin_adds_a_person_without_password(admin_client: Client) -> None:
    page = admin_client.get(reverse("admin:approvals_user_add"))
    assert 'type="password"' not in page.content.decode()
    answer = admin_client.post(
        reverse("admin:approvals_user_add"), {"person_id": "otto", "display_name": "Otto", "is_active": "on"}
    )
    assert answer.status_code == 302
    assert not User.objects.get(person_id="otto").has_usable_password()


def test_the_admin_neither_renames_nor_deletes(admin_client: Client, tess: User) -> None:
    change = reverse("admin:approvals_user_change", args=[tess.pk])
    admin_client.post(change, {"person_id": "otto", "display_name": "Otto", "is_active": "on"})
    tess.refresh_from_db()
    assert (tess.person_id, tess.display_name) == ("tess", "Otto")
    assert admin_client.post(reverse("admin:approvals_user_delete", args=[tess.pk])).status_code == 403


def test_the_suite_runs_on_the_database_that_was_asked_for() -> None:
    asked = os.environ.get("COUNTERSIGN_TEST_DATABASE", "sqlite")
    assert connection.vendor == {"sqlite": "sqlite", "postgres": "postgresql"}[asked]
