"""Somebody with a key."""

from __future__ import annotations

import pytest

from approvals.models import SecurityKey, User
from demo.softkey import SoftKey
from tests.approvals.browser import HARDWARE, enrolled


@pytest.fixture
def tessa(db: None) -> User:  # noqa: ARG001 - asks for the database
    return User.objects.create_user("tessa", display_name="Tessa Trader", desk="desk-a")


@pytest.fixture
def soft() -> SoftKey:
    return SoftKey.generate(aaguid=HARDWARE)


@pytest.fixture
def stored(tessa: User, soft: SoftKey) -> SecurityKey:
    return enrolled(tessa, soft)
