"""A request's whole way through two origins: the site, the real consent page, and the site again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from approvals.models import ConsentRecord, User
from approvals.services import demo_key_enrol
from chains.services import asset_create, chain_create, node_create
from core.documents.base import GENESIS_DEPLOYMENT
from core.documents.consent import SubjectType
from core.documents.policy import SignedPolicy
from core.documents.roster import WalletKind
from core.lifecycle import State
from custody.services import wallet_create
from oms.models import TransactionRequest
from policies.services import genesis_store
from tests.browser.fixtures import virtual_key  # noqa: F401 - a fixture
from tests.consent.house import consent_host
from tests.factories.world import CHAIN, ETHER, LISTED, NATIVE, PEOPLE, header
from tests.log import log_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page, Route
    from pytest_django import Settings
    from pytest_django.live_server_helper import LiveServer

    from demo.services.anvil import Node
    from tests.browser.fixtures import VirtualKey
    from tests.factories.world import World

pytestmark = pytest.mark.django_db(transaction=True)
ACTOR = "system:test"


class Town:
    """The site, its consent host, and everybody in a browser of their own."""

    def __init__(self, site: str, world: World, browser: Browser, plug: Callable[..., VirtualKey]) -> None:
        self.site, self.world, self.browser, self.plug = site, world, browser, plug
        self.contexts: dict[str, BrowserContext] = {}
        self.complaints: list[str] = []
        self.uses = 0

    def person(self, name: str) -> Page:
        """Return a page of somebody who has signed in."""
        context = self.contexts.get(name)
        if context is None:
            context = self.contexts[name] = self.browser.new_context()
            context.on("weberror", lambda error: self.complaints.append(str(error.error)))
            context.on(
                "console",
                lambda message: self.complaints.append(message.text) if message.type == "error" else None,
            )
            page = context.new_page()
            demo_key_enrol(user=User.objects.get(person_id=name))
            page.goto(f"{self.site}/sign-in/")
            page.get_by_label("Person").select_option(label=name)
            page.get_by_role("button", name="Use software key").click()
            page.wait_for_url(lambda url: "/sign-in/" not in url)
            return page
        return context.pages[0]

    def sign(self, page: Page, name: str, opens: str, decision: str, *, reason: str = "") -> Page:
        """Open the consent page, and sign there with the person's security key."""
        with page.expect_popup() as popup:
            page.get_by_role("button", name=opens).click()
        consent = popup.value
        # Each popup is a new page with a new virtual key; one that began to count again would be taken for a clone.
        self.uses += 1
        self.plug(consent).hold(self.world.keys[name], counter=self.uses)
        if reason:
            consent.fill("#reason", reason)
        consent.click(f"#{decision}")
        return consent


@pytest.fixture
def town(  # noqa: PLR0917 - fixtures
    live_server: LiveServer,
    settings: Settings,
    tmp_path: Path,
    anvil_node: Node,
    browser: Browser,
    virtual_key: Callable[..., VirtualKey],  # noqa: F811 - the fixture
) -> Iterator[Town]:
    """A policy in force that names the consent host, a wallet with ether, and accounts."""
    site = str(live_server.url)
    now = int(time.time())
    with consent_host(tmp_path, site) as house:
        world = house.world(now=now)
        house.pin(world)
        settings.COUNTERSIGN_WEB_ORIGIN, settings.COUNTERSIGN_DEMO = site, True
        settings.COUNTERSIGN_CONSENT_ORIGIN = house.origin
        anvil_node.call("anvil_setBalance", world.wallet.rpartition(":")[2], hex(1000 * ETHER))
        genesis_store(signed=signed_at(house.origin, world), digest=world.deployment, actor=ACTOR, now=now)
        for name, (_, desk, place) in PEOPLE.items():
            User.objects.create_user(name, display_name=name.title(), desk=desk, site=place)
        chain_create(actor=ACTOR, caip2=CHAIN, name="Dev chain", native_symbol="ETH", confirmation_depth=2)
        node_create(actor=ACTOR, chain=CHAIN, label="anvil", url=anvil_node.url)
        asset_create(actor=ACTOR, caip19=NATIVE, symbol="ETH", name="Ether", decimals=18)
        wallet_create(
            actor=ACTOR,
            caip10=world.wallet,
            label="Treasury Hot",
            kind=WalletKind.HSM,
            public_key=world.wallet_public_key,
            signers=(world.signer,),
        )
        made = Town(site, world, browser, virtual_key)
        yield made
        for context in made.contexts.values():
            context.close()
    assert made.complaints == []


def signed_at(origin: str, world: World) -> SignedPolicy:
    """Have both policy admins sign the first policy at the host that it names."""
    policy = world.policy
    consents = []
    for name in ("adam", "anna"):
        statement = world.statement(
            policy.digest,
            name,
            subject_type=SubjectType.POLICY,
            header=header("consent", GENESIS_DEPLOYMENT, now=world.now),
        )
        consents.append(world.keys[name].consent(statement, origin=origin, rp_id="localhost"))
    return SignedPolicy(policy=policy, consents=tuple(consents))


def ask(town: Town) -> TransactionRequest:
    page = town.person("tessa")
    page.goto(f"{town.site}/requests/new/")
    page.get_by_label("Amount").fill("2.5")
    page.get_by_label("Destination", exact=True).select_option(value=LISTED)
    page.get_by_label("Purpose").fill("Collateral call 2291")
    page.get_by_role("button", name="Preview").click()
    shown = page.locator(".digest").inner_text()
    consent = town.sign(page, "tessa", "Sign with consent key", "ask")
    page.get_by_role("heading", name="Timeline").wait_for()
    request = TransactionRequest.objects.get()
    assert shown.split() == [request.mandate_digest[i : i + 4] for i in range(0, 64, 4)]
    consent.close()
    return request


def open_case(town: Town, name: str) -> Page:
    page = town.person(name)
    page.goto(f"{town.site}/queue/")
    page.get_by_role("link", name="Review").click()
    return page


def test_asked_approved_twice_and_recorded(town: Town) -> None:
    request = ask(town)
    assert request.state == State.PENDING
    for name in ("rita", "ravi"):
        page = open_case(town, name)
        town.sign(page, name, "Review and sign", "approve")
        page.get_by_role("heading", name="Timeline").wait_for()
    request.refresh_from_db()
    assert request.state == State.APPROVED
    said = list(ConsentRecord.objects.order_by("pk").values_list("actor", "decision"))
    assert said == [("tessa", "ask"), ("rita", "approve"), ("ravi", "approve")]
    assert log_state().broken is None


def test_one_rejection_ends_it_and_the_asker_reads_why(town: Town) -> None:
    request = ask(town)
    town.sign(
        open_case(town, "rita"), "rita", "Review and sign", "reject", reason="The invoice names another address"
    )
    town.person("tessa").get_by_text("The invoice names another address").first.wait_for()
    request.refresh_from_db()
    assert request.state == State.REJECTED


def test_several_are_rejected_each_with_its_own_signature(town: Town) -> None:
    first = ask(town)
    page = town.person("rita")
    page.goto(f"{town.site}/queue/")
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Reject the chosen ones").click()
    page.locator("#reason").fill("The invoice names another address")
    town.sign(page, "rita", "Reject ", "reject", reason="The invoice names another address")
    page.get_by_text("✓ rejected").wait_for()
    page.get_by_text("All of them were rejected.").wait_for()
    first.refresh_from_db()
    assert first.state == State.REJECTED
    (said,) = ConsentRecord.objects.filter(actor="rita")
    assert (said.decision, said.reason) == ("reject", "The invoice names another address")


def test_an_approver_takes_an_approval_back(town: Town) -> None:
    request = ask(town)
    page = open_case(town, "rita")
    consent = town.sign(page, "rita", "Review and sign", "approve")
    page.get_by_role("heading", name="Timeline").wait_for()
    consent.close()
    page.goto(f"{town.site}/requests/{request.reference}/")
    town.sign(page, "rita", "Withdraw with consent key", "withdraw")
    page.get_by_text("rita withdrew").wait_for()
    request.refresh_from_db()
    assert request.state == State.PENDING


def test_the_asker_withdraws(town: Town) -> None:
    request = ask(town)
    page = town.person("tessa")
    town.sign(page, "tessa", "Withdraw with consent key", "withdraw")
    page.get_by_text("Withdrawn").first.wait_for()
    request.refresh_from_db()
    assert request.state == State.WITHDRAWN
    assert request.expires_at > timezone.now()


def test_a_message_from_anywhere_else_is_ignored(town: Town) -> None:
    ask(town)
    page = open_case(town, "rita")
    page.evaluate("window.postMessage({type: 'countersign.consent.v1', consent: {}}, '*')")
    with page.expect_popup() as popup:
        page.get_by_role("button", name="Review and sign").click()
    popup.value.wait_for_load_state()
    # The right window at another origin, and another window at any origin: neither is heard.
    popup.value.goto(f"{town.site}/sign-in/")
    popup.value.evaluate(
        "window.opener && window.opener.postMessage({type: 'countersign.consent.v1', consent: {}}, '*')"
    )
    page.wait_for_timeout(300)
    assert page.locator("#consent-status").inner_text() == "Waiting for the consent page …"
    assert ConsentRecord.objects.count() == 1


def test_two_tabs_and_the_way_back_approve_once(town: Town) -> None:
    request = ask(town)
    first = open_case(town, "rita")
    second = first.context.new_page()
    second.goto(first.url)
    town.sign(first, "rita", "Review and sign", "approve").close()
    first.get_by_role("heading", name="Timeline").wait_for()
    late = town.sign(second, "rita", "Review and sign", "approve")
    late.get_by_text("the case page refused it").wait_for()
    assert "Reload the case to see where it stands" in second.inner_text("#consent-status")
    # The refusal is the browser's to log; nothing else is.
    assert all("status of 4" in one for one in town.complaints), town.complaints
    town.complaints.clear()
    first.go_back()
    first.get_by_role("heading", name="Your word").wait_for()
    assert first.get_by_role("button", name="Review and sign").count() == 0
    request.refresh_from_db()
    assert request.state == State.PENDING
    assert ConsentRecord.objects.filter(actor="rita").count() == 1


@pytest.mark.parametrize("answer", ['{"attestations": []}', "{}", "rubbish"], ids=["none", "other", "rubbish"])
def test_attesters_are_asked_when_a_case_is_opened(town: Town, answer: str) -> None:
    """Whatever comes back, the consent page opens and judges by itself."""
    ask(town)
    page = open_case(town, "rita")
    asked: list[str] = []

    def attesters(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(body=answer, content_type="application/json")

    page.route("**/attestations/", attesters)
    page.evaluate("document.getElementById('consent').dataset.attestations += location.pathname + 'attestations/'")
    consent = town.sign(page, "rita", "Review and sign", "approve")
    consent.get_by_text("Signed and handed over").wait_for()
    assert len(asked) == 1
    assert ConsentRecord.objects.filter(actor="rita").count() == 1
