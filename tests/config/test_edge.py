"""What every answer carries, and how errors look at the edge."""

from __future__ import annotations

from contextlib import closing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
from rest_framework.exceptions import NotAuthenticated, Throttled, ValidationError

from config import problems

if TYPE_CHECKING:
    from django.test import Client

CONTEXT: dict[str, Any] = {}


@pytest.mark.parametrize("address", ["/nowhere/", "/admin/login/", "/static/admin/css/base.css"])
@pytest.mark.django_db
def test_every_answer_carries_the_policy(client: Client, address: str) -> None:
    with closing(client.get(address)) as response:
        headers = response.headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "*" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "publickey-credentials-get=(self)" in headers["Permissions-Policy"]


def test_the_consent_page_can_answer_its_opener(client: Client) -> None:
    assert client.get("/nowhere/").headers["Cross-Origin-Opener-Policy"] == "same-origin-allow-popups"


def test_fields_keep_their_messages() -> None:
    response = problems.handle(ValidationError({"amount": ["Must be above 0."]}), CONTEXT)
    assert response is not None
    assert response.content_type == "application/problem+json"
    assert response.data == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "Some fields cannot be accepted.",
        "errors": {"amount": ["Must be above 0."]},
    }


def test_a_throttled_client_learns_when_to_come_back() -> None:
    response = problems.handle(Throttled(wait=7), CONTEXT)
    assert response is not None
    assert (response.status_code, response.headers["Retry-After"]) == (429, "7")


def test_a_stranger_gets_no_details() -> None:
    response = problems.handle(NotAuthenticated(), CONTEXT)
    assert response is not None
    assert set(response.data) == {"type", "title", "status", "detail"}


def test_an_apps_error_is_mapped_here_and_a_bug_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    class RefusedError(Exception):
        pass

    monkeypatch.setattr(problems, "STATUS_BY_ERROR", ((RefusedError, HTTPStatus.CONFLICT),))
    response = problems.handle(RefusedError("The limit is used up."), CONTEXT)
    assert response is not None
    assert (response.status_code, response.data["detail"]) == (409, "The limit is used up.")
    assert problems.handle(ZeroDivisionError("secret"), CONTEXT) is None
