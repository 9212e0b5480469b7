"""A chain's rule in the admin: kept by the service, with its audit entry; everything else is read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib import admin

from audit.models import AuditEntry
from chains.services import chain_create, node_create
from custody.models import BalancePoint, ChainRule
from tests.factories.world import CHAIN

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.test import RequestFactory


@pytest.fixture
def asked(rf: RequestFactory, admin_user: object) -> HttpRequest:
    """A request of a superuser's."""
    request = rf.post("/")
    request.user = admin_user  # type: ignore[assignment]  # the fixture's own model
    return request


@pytest.mark.django_db
def test_a_rule_is_saved_by_the_service_and_recorded(asked: HttpRequest) -> None:
    chain_create(actor="x", caip2=CHAIN, name="Dev chain", native_symbol="ETH", confirmation_depth=3)
    node_create(actor="x", chain=CHAIN, label="relay", url="http://127.0.0.1:9")
    shown = admin.site._registry[ChainRule]  # noqa: SLF001 - Django offers no other way to it
    form = shown.get_form(asked)
    data = {"chain": CHAIN, "finality": "safe", "raise_seconds": "30", "guard_seconds": "60", "gas_low": "7"}
    bad = form(data | {"private_nodes": "elsewhere"})
    assert "no node elsewhere" in str(bad.errors)
    good = form(data | {"private_nodes": "relay"})
    assert good.is_valid(), good.errors
    shown.save_model(asked, good.instance, good, change=False)
    rule = ChainRule.objects.get()
    assert (rule.finality, rule.gas_low, rule.private_labels) == ("safe", 7, frozenset({"relay"}))
    assert AuditEntry.objects.get(tag="custody:rule:changed").actor.startswith("user:")


def test_nothing_else_can_be_changed_or_deleted(asked: HttpRequest, db: None) -> None:  # noqa: ARG001 - asks for the database
    assert not admin.site._registry[BalancePoint].has_change_permission(asked)  # noqa: SLF001 - as above
    assert not admin.site._registry[ChainRule].has_delete_permission(asked)  # noqa: SLF001 - as above
