"""A chain's rule in the admin: kept by the service, with its audit entry; everything else is read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib import admin

from audit.models import AuditEntry
from chains.services import chain_create, node_create
from core.documents.roster import WalletKind
from custody.models import BalancePoint, ChainRule, HsmModule, WalletKey, WalletKeyEvent
from custody.services import wallet_create
from tests.factories.world import CHAIN, World

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


@pytest.mark.django_db
def test_a_cryptoperiod_is_all_of_a_key_that_the_admin_sets(asked: HttpRequest) -> None:
    world = World()
    chain_create(actor="x", caip2=CHAIN, name="Dev chain", native_symbol="ETH", confirmation_depth=3)
    key = wallet_create(
        actor="x",
        caip10=world.wallet,
        label="Treasury Hot",
        kind=WalletKind.HSM,
        public_key=world.wallet_public_key,
        signers=["hsm-1"],
    ).key
    shown = admin.site._registry[WalletKey]  # noqa: SLF001 - as above
    form = shown.get_form(asked, key, change=True)
    assert set(form.base_fields) == {"period_days"}
    assert "period_days" in form({"period_days": "0"}, instance=key).errors
    good = form({"period_days": "90", "state": "destroyed"}, instance=key)
    assert good.is_valid(), good.errors
    shown.save_model(asked, good.instance, good, change=True)
    key.refresh_from_db()
    assert (key.period_days, key.state) == (90, "generated")
    assert AuditEntry.objects.get(tag="custody:key:period_changed").actor.startswith("user:")
    assert not shown.has_add_permission(asked)


@pytest.mark.django_db
def test_what_was_looked_up_about_a_module_is_saved_by_the_service_and_recorded(asked: HttpRequest) -> None:
    shown = admin.site._registry[HsmModule]  # noqa: SLF001 - as above
    form = shown.get_form(asked)
    data = {"manufacturer": "Example", "model": "Box 7", "firmware": "7.4", "status": "active"}
    assert set(form(data).errors) == {"certificate", "source", "looked_up"}
    good = form(data | {"certificate": "4703", "source": "https://csrc.nist.gov/", "looked_up": "2026-11-21"})
    assert good.is_valid(), good.errors
    shown.save_model(asked, good.instance, good, change=False)
    assert HsmModule.objects.get().certificate == "4703"
    assert AuditEntry.objects.get(tag="custody:module:changed").subject == "Example Box 7 7.4"


def test_nothing_else_can_be_changed_or_deleted(asked: HttpRequest, db: None) -> None:  # noqa: ARG001 - asks for the database
    shown = admin.site._registry  # noqa: SLF001 - as above
    assert not any(shown[model].has_change_permission(asked) for model in (BalancePoint, WalletKeyEvent))
    assert not any(shown[model].has_delete_permission(asked) for model in (ChainRule, WalletKey, HsmModule))
