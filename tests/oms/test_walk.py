"""Every address and admin action: what changes something leaves an audit entry, or stands here with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib import admin
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from approvals.models import SecurityKey, User
from audit.models import AuditEntry
from core.documents.consent import Decision
from core.documents.mandate import Mandate
from tests.factories.world import LISTED, NATIVE
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest

    from tests.oms.conftest import Desk

WITHOUT_ENTRY = {
    "approvals:sign_in_options": "hands out a challenge; nothing is stored but the visitor's own session",
    "approvals:enrol_options": "hands out a challenge; nothing is stored but the visitor's own session",
    "approvals:step_up_options": "hands out a challenge; nothing is stored but the person's own session",
    "oms:request_new": "a preview stores nothing: asking does",
    "oms:call_new": "as oms:request_new",
    "admin:login": "is never reached: the address before it leads to the sign-in page",
    "admin:logout": "not offered; ends only the visitor's own session",
    "admin:jsi18n": "reads",
    "admin:autocomplete": "reads",
}
"""Addresses that accept more than GET and leave no entry, each with its reason."""
WITH_ENTRY = {
    "approvals:sign_in_verify": "tests/approvals/test_sign_in.py",
    "approvals:enrol_verify": "tests/browser",
    "approvals:sign_out": "below",
    "approvals:step_up_verify": "tests/approvals/test_sessions.py",
    "approvals:session_end": "tests/approvals/test_sessions.py",
    "approvals:sessions_end": "tests/approvals/test_people.py",
    "approvals:person_link": "tests/approvals/test_people.py",
    "approvals:person_lock": "tests/approvals/test_people.py",
    "approvals:key_lock": "tests/approvals/test_people.py",
    "approvals:key_confirm": "tests/approvals/test_people.py",
    "approvals:enrolment_new": "tests/approvals/test_enrolments.py",
    "approvals:enrolment_end": "tests/approvals/test_enrolments.py",
    "approvals:enrolment_consent": "tests/approvals/test_enrolments.py",
    "oms:request_ask": "below",
    "oms:request_consent": "below",
    "oms:policy_consent": "tests/policies/test_proposals.py",
    "oms:log_evidence": "tests/oms/test_log_pages.py",
    "oms:hand_in": "tests/oms/test_hand_pages.py",
    "oms:alarm_seen": "tests/oms/test_alarm_pages.py",
    "oms:notices": "tests/oms/notifications/test_sweep.py",
    "oms:node_new": "tests/oms/test_node_pages.py",
    "oms:node_change": "tests/oms/test_node_pages.py",
    "oms:node_change_decide": "tests/oms/test_node_pages.py",
    "oms:price_enter": "tests/oms/test_price_pages.py",
    "oms:wallet_key": "tests/oms/test_key_pages.py",
    "oms:request_release": "tests/oms/test_holds.py",
    "oms:ceremony": "tests/custody/test_ceremonies.py",
    "oms:ceremony_new": "tests/custody/test_ceremonies.py",
    "oms:ceremony_consent": "tests/custody/test_ceremonies.py",
    "oms:ceremony_reminder": "tests/oms/test_ceremony_pages.py",
    "oms:cancel": "tests/oms/test_cancels.py",
    "oms:cancel_consent": "tests/oms/test_cancels.py",
}
"""Addresses whose entry a test asserts, and where."""
OPEN = {
    "approvals:sign_in",
    "approvals:sign_in_options",
    "approvals:sign_in_verify",
    "approvals:demo_key",
    "approvals:enrol",
    "approvals:enrol_options",
    "approvals:enrol_verify",
}
"""What may be seen without signing in."""


def patterns(resolver: URLResolver, space: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from patterns(entry, f"{entry.namespace}:" if entry.namespace else space)
        else:
            yield f"{space}{entry.name or ''}", entry


def named() -> dict[str, URLPattern]:
    return {name: pattern for name, pattern in patterns(get_resolver()) if not name.startswith("admin:")}


def accepts_post(client: Client, name: str, pattern: URLPattern) -> bool:
    arguments = ["0" * 32 for _ in pattern.pattern.regex.groupindex]
    try:
        address = reverse(name, args=arguments)
    except Exception:  # noqa: BLE001 - an address that cannot be built has no such name
        return False
    return client.post(address).status_code != 405


def count(tag: str | None = None) -> int:
    entries = AuditEntry.objects.all()
    return entries.count() if tag is None else entries.filter(tag=tag).count()


def test_every_address_that_changes_something_is_accounted_for(desk: Desk) -> None:
    client = signed_in(desk.users["tessa"])
    for name, pattern in named().items():
        if name and accepts_post(client, name, pattern):
            assert name in WITH_ENTRY or name in WITHOUT_ENTRY, f"{name} accepts POST and is on no list"
        client = signed_in(desk.users["tessa"])


def test_nothing_is_shown_without_signing_in(desk: Desk) -> None:
    desk.ask()
    for name, pattern in named().items():
        if not name or name in OPEN:
            continue
        arguments = ["0" * 32 for _ in pattern.pattern.regex.groupindex]
        answer = Client().get(reverse(name, args=arguments))
        assert answer.status_code in (302, 401, 403), name
        if answer.status_code == 302:
            assert answer["Location"].startswith("/sign-in/"), name


def test_asking_deciding_and_leaving_are_recorded(desk: Desk) -> None:
    client = signed_in(desk.users["tessa"])
    fields = {"wallet": desk.world.wallet, "asset": NATIVE, "listed": LISTED, "amount": "1"}
    before = count()
    assert client.post(reverse("oms:request_new"), fields).status_code == 200
    assert count() == before
    mandate = desk.preview().mandate
    consent = desk.signed(mandate, "tessa", Decision.ASK).decode()
    body = f'{{"mandate":{mandate.to_bytes().decode()},"consent":{consent}}}'
    client.post(reverse("oms:request_ask"), body, content_type="application/json")
    assert count("oms:request:asked") == 1
    assert count("policies:decision:made") == 1
    assert Mandate.from_bytes(mandate.to_bytes()) == mandate
    rejection = desk.signed(mandate, "rita", Decision.REJECT, "no").decode()
    signed_in(desk.users["rita"]).post(
        reverse("oms:request_consent", args=[mandate.header.id]),
        f'{{"consent":{rejection}}}',
        content_type="application/json",
    )
    assert count("approvals:consent:recorded") == 2
    client.post(reverse("approvals:sign_out"))
    assert count("approvals:session:closed") == 1


ADMIN_WRITES = {
    "approvals.user": "test_people_and_keys_changed_in_the_admin_are_recorded",
    "chains.chain": "test_chains_changed_in_the_admin_are_recorded",
    "chains.asset": "test_chains_changed_in_the_admin_are_recorded",
    "chains.pricefeed": "tests/oms/test_price_pages.py",
    "custody.chainrule": "tests/custody/test_admin.py",
    "custody.walletkey": "tests/custody/test_admin.py",
    "custody.hsmmodule": "tests/custody/test_admin.py",
    "chains.pricerule": "tests/oms/test_price_pages.py",
    "policies.policydraft": "tests/policies",
}
"""What the admin may add or change, and the test that asserts its entry."""
ADMIN_ACTIONS = {
    "approvals.securitykey": {"lock"},
    # Starts a draft, recorded as policies:draft:saved.
    "policies.policyversion": {"start_draft"},
}
"""Admin actions of ours, asserted in the same tests. Django's own deletes, and nothing may be deleted."""


def as_admin(user: User) -> HttpRequest:
    request = RequestFactory().get("/")
    request.user = user
    return request


@pytest.mark.django_db
def test_the_admin_changes_nothing_that_is_not_recorded(admin_client: Client, admin_user: User) -> None:
    request = as_admin(admin_user)
    for model, model_admin in admin.site._registry.items():  # noqa: SLF001 - Django's own list of what is registered
        label = model._meta.label_lower  # noqa: SLF001 - Django's own name for it
        writes = model_admin.has_add_permission(request) or model_admin.has_change_permission(request)
        assert not writes or label in ADMIN_WRITES, label
        deletes = model_admin.has_delete_permission(request)
        assert not deletes or label == "policies.policydraft", label
        actions = set(model_admin.get_actions(request)) - {"delete_selected"}
        assert actions == ADMIN_ACTIONS.get(label, set()), label
        name = f"admin:{label.replace('.', '_')}"
        assert admin_client.get(reverse(f"{name}_changelist")).status_code == 200, name
        expected = {200, 302} if model_admin.has_add_permission(request) else {403}
        assert admin_client.get(reverse(f"{name}_add")).status_code in expected, name


@pytest.mark.django_db
def test_people_and_keys_changed_in_the_admin_are_recorded(admin_client: Client) -> None:
    fields = {"person_id": "tess", "display_name": "Tess", "desk": "desk-a", "site": "zurich", "is_active": "on"}
    admin_client.post(reverse("admin:approvals_user_add"), fields)
    user = User.objects.get(person_id="tess")
    admin_client.post(reverse("admin:approvals_user_change", args=[user.pk]), fields | {"is_staff": "on"})
    entries = AuditEntry.objects.filter(tag="approvals:user:changed", subject="tess")
    assert [entry.severity for entry in entries.order_by("seq")] == ["info", "warning"]
    signed_in(user)
    key = SecurityKey.objects.get(user=user)
    admin_client.post(
        reverse("admin:approvals_securitykey_changelist"), {"action": "lock", "_selected_action": [key.pk]}
    )
    key.refresh_from_db()
    assert key.locked
    assert count("approvals:key:locked") == 1


@pytest.mark.django_db
def test_chains_changed_in_the_admin_are_recorded(admin_client: Client) -> None:
    chain = {"caip2": "eip155:7", "name": "Seven", "native_symbol": "SEV", "confirmation_depth": "3"}
    chain |= {"quorum": "0", "head_age_most": "0"}
    asset = {"caip19": "eip155:7/slip44:60", "chain": "eip155:7", "symbol": "SEV", "name": "Seven", "decimals": "18"}
    for name, fields in (("chain", chain), ("asset", asset)):
        before = count(f"chains:{name}:changed")
        answer = admin_client.post(reverse(f"admin:chains_{name}_add"), fields)
        assert answer.status_code == 302, answer.content
        assert count(f"chains:{name}:changed") == before + 1
