"""An admin builds the demonstration's policy from empty, through the forms, in a real browser."""

from __future__ import annotations

import dataclasses
import json
import secrets
import time
from typing import TYPE_CHECKING, Any

import pytest
from coincurve import PrivateKey
from django.contrib.auth.models import Permission

from approvals.models import User
from approvals.services import demo_key_enrol
from audit.models import AuditEntry
from core.documents.base import GENESIS_DEPLOYMENT
from core.documents.consent import Consent, Decision, SubjectType
from core.documents.policy import Policy, SignedPolicy
from core.evm import address_of
from demo.softkey import SoftKey
from policies.drafts import draft_read
from policies.editor.sections import SECTIONS
from policies.genesis import Enrolment, WalletKey, description_parse, genesis_compile
from policies.models import PolicyDraft
from policies.services import genesis_store
from tests.browser.policy_forms import PolicyForms
from tests.browser.test_pages import go, shoot, software_sign_in
from tests.factories.description import DEMO, SETS
from tests.factories.world import header

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django import Settings
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(400)]
BUILT = (
    "assets", "prices", "addresses", "contracts", "zones", "guards", "grants", "escalations", "limits", "properties",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class House:
    """The site, with the demonstration's first policy in force, and the description that it was compiled from."""

    site: str
    description: dict[str, Any]
    policy: Policy
    keys: dict[str, SoftKey]


def signed(policy: Policy, keys: dict[str, SoftKey], now: int) -> SignedPolicy:
    consents = []
    for name in ("adam", "anna"):
        statement = Consent(
            header=header("consent", GENESIS_DEPLOYMENT, now=now),
            subject_type=SubjectType.POLICY,
            subject=policy.digest,
            policy=policy.digest,
            decision=Decision.APPROVE,
            actor=name,
            reason="",
        )
        origin, rp_id = policy.consent.origin, policy.consent.rp_id
        consents.append(keys[name].consent(statement, origin=origin, rp_id=rp_id))
    return SignedPolicy(policy=policy, consents=tuple(consents))


@pytest.fixture
def house(live_server: LiveServer, settings: Settings) -> House:
    settings.COUNTERSIGN_WEB_ORIGIN, settings.COUNTERSIGN_DEMO = live_server.url, True
    now = int(time.time())
    description: dict[str, Any] = description_parse(text=DEMO.read_text(), json_text=False, replacements=SETS)
    keys = {person["id"]: SoftKey.generate() for person in description["people"]}
    wallets = [PrivateKey().public_key.format(compressed=False) for _ in description["wallets"]]
    policy = genesis_compile(
        description=description,
        enrolments=[Enrolment(person=name, name=None, key=key.entry) for name, key in keys.items()],
        wallet_keys=[WalletKey(public_key=key, address=address_of(key), label=None) for key in wallets],
        document_id=secrets.token_hex(16),
        now=now,
    ).policy
    genesis_store(signed=signed(policy, keys, now), digest=policy.digest, actor="system:test", now=now)
    return House(site=str(live_server.url), description=description, policy=policy, keys=keys)


@pytest.fixture
def adam(page: Page, house: House) -> Page:
    """Adam's page: he may write drafts, and nothing else of the admin."""
    user = User.objects.create_user("adam", display_name="Adam Admin", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="policies", content_type__model="policydraft")
    )
    demo_key_enrol(user=user)
    software_sign_in(page, house.site, user)
    return page


def forms(page: Page, house: House) -> PolicyForms:
    """Start a draft from empty."""
    go(page, f"{house.site}/admin/policies/policydraft/")
    shoot(page, "editor-list")
    page.get_by_role("button", name="Start from empty").click()
    page.get_by_role("heading", name="Problems").wait_for()
    policy = house.policy
    return PolicyForms(
        page,
        page.url,
        assets={asset.symbol: asset.id for asset in policy.assets},
        wallets={wallet.label: wallet.id for wallet in policy.wallets},
        addresses={entry.id: entry.address for entry in policy.addresses},
    )


def test_the_demonstrations_policy_is_built_from_empty(adam: Page, house: House) -> None:
    written = forms(adam, house)
    rows = house.description
    for row in rows["assets"]:
        written.asset(row)
    for row in rows["prices"]:
        written.price(row)
    for row in rows["addresses"]:
        written.address(row)
    for section in ("guards", "grants", "escalations"):
        for row in rows[section]:
            written.rule(section, row)
    for row in rows["limits"]:
        written.limit(row)
    go(adam, written.draft)
    adam.get_by_text("None. Every row can be used as it stands.").wait_for()
    shoot(adam, "editor-built")
    draft = PolicyDraft.objects.get()
    reading = draft_read(text=draft.body, active=house.policy)
    assert reading.problems == ()
    assert reading.policy is not None
    for section in BUILT:
        assert timeless(getattr(reading.policy, section)) == timeless(getattr(house.policy, section)), section
    for name in ("people", "clients", "signers", "wallets", "controls", "consent"):
        assert getattr(reading.policy, name) == getattr(house.policy, name)
    built = sum(len(rows[name]) for name in BUILT if name in rows)
    assert AuditEntry.objects.filter(tag="policies:draft:saved", actor="user:adam").count() == built + 1
    assert json.loads(draft.body)["number"] == 2


def timeless(rows: tuple[Any, ...]) -> list[Any]:
    """Return rows without the moments that were counted from when each was typed."""
    moments = ("usable_from", "expires")
    return [
        dataclasses.replace(row, **{name: 0 for name in moments if hasattr(row, name)})
        if hasattr(row, "expires")
        else row
        for row in rows
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_of_a_draft_opens(adam: Page, house: House, scheme: Any) -> None:  # noqa: ANN401 - Playwright's literal
    adam.emulate_media(color_scheme=scheme)
    start = from_active(adam, house)
    for section in SECTIONS.values():
        go(adam, f"{start}{section.key}/")
        adam.get_by_role("heading", name=section.title, exact=True, level=1).wait_for()
        shoot(adam, f"editor-{scheme}-{section.key}")
        if not section.single:
            go(adam, f"{start}{section.key}/add/")
            shoot(adam, f"editor-{scheme}-{section.key}-add")
    adam.get_by_role("link", name="Document").click()
    adam.get_by_label("Title").wait_for()
    adam.wait_for_load_state("networkidle")
    shoot(adam, f"editor-{scheme}-document")
    # Narrow screens lay the menu over the page, and nothing sticks out.
    adam.set_viewport_size({"width": 390, "height": 844})
    for part in ("", "grants/", "grants/0/", "limits/0/"):
        go(adam, start + part)
        assert adam.evaluate("document.documentElement.scrollWidth") <= 390


def from_active(page: Page, house: House) -> str:
    """Start a draft from the active version and return its address."""
    go(page, f"{house.site}/admin/policies/policydraft/")
    page.get_by_role("button", name="Start from the active version").click()
    page.get_by_role("heading", name="Problems").wait_for()
    return page.url


def test_what_is_wrong_stays_on_the_form_beside_its_reason(adam: Page, house: House) -> None:
    start = from_active(adam, house)
    go(adam, f"{start}grants/0/")
    adam.get_by_label("Label", exact=True).fill("\u202e<b>Typed</b>" + "x" * 40)
    adam.locator("#when-0-2-other").fill("1.123456789")
    adam.locator("#quorum-1-count").fill("2")
    # By keyboard alone: Enter in any box saves.
    adam.locator("#quorum-1-count").press("Enter")
    adam.get_by_text("Nothing that you typed is lost").wait_for()
    assert adam.evaluate("document.activeElement.id") == "form-problems"
    assert adam.locator("#when-0-2-other").input_value() == "1.123456789"
    adam.get_by_text("more than 8 decimal places").first.wait_for()
    adam.locator(".seats .problem").get_by_text("choose the role of each seat").wait_for()
    shoot(adam, "editor-wrong")
    adam.locator("#when-0-2-other").fill("1.12345678")
    adam.locator("#quorum-1-count").fill("")
    adam.get_by_role("button", name="Save", exact=True).click()
    adam.get_by_text("control or invisible characters are refused").first.wait_for()
    assert json.loads(PolicyDraft.objects.get().body)["grants"][0]["label"] == "Small transfers to the whitelist"


def test_rows_are_drawn_in_place_and_keep_the_focus(adam: Page, house: House) -> None:
    start = from_active(adam, house)
    go(adam, f"{start}grants/1/")
    adam.get_by_role("button", name="Add a group (or)").click()
    adam.locator("#when-1-0-field").wait_for()
    assert adam.evaluate("document.activeElement.id") == "when-1-0-field"
    adam.locator("#when-1-0-field").select_option(value="time.now")
    adam.locator("#when-1-0-start").wait_for()
    assert adam.evaluate("document.activeElement.id") == "when-1-0-field"
    for place, field, box in (
        (1, "tree:", "raw"),
        (2, "amount", "unit"),
        (3, "arg.", "path"),
        (4, "destination.age", "other"),
    ):
        adam.get_by_role("button", name="Add a row that holds as well").nth(1).click()
        adam.locator(f"#when-1-{place}-field").select_option(value=field)
        adam.locator(f"#when-1-{place}-{box}").wait_for()
    adam.locator("#when-1-3-path").fill("1.0")
    adam.locator("#when-1-3-path").press("Tab")
    adam.locator("#when-1-3-op").wait_for()
    shoot(adam, "editor-rows")
    for place in (4, 3, 2, 1):
        adam.get_by_role("button", name=f"Remove row 2.{place + 1}").click()
        adam.locator(f"#when-1-{place}-field").wait_for(state="detached")
    adam.locator("#when-1-0-start").fill("22:00")
    adam.locator("#when-1-0-end").fill("06:00")
    for day in ("sat", "sun"):
        adam.locator(f"[name=when-1-0-days][value={day}]").check()
    adam.get_by_role("button", name="Save", exact=True).click()
    adam.locator(".messagelist .success").wait_for()
    when = json.loads(PolicyDraft.objects.get().body)["grants"][1]["when"]
    assert when["op"] == "any"
    assert when["parts"][1]["values"] == ["UTC", "sat,sun", "22:00", "06:00"]


def test_rows_are_moved_removed_and_put_back(adam: Page, house: House) -> None:
    start = from_active(adam, house)
    go(adam, f"{start}grants/")
    adam.get_by_role("button", name="Move Transfers to the whitelist (listed) up").click()
    adam.get_by_text("moved up").wait_for()
    adam.get_by_role("button", name="Remove Transfers to the whitelist (listed)").click()
    adam.get_by_role("button", name="Undo").wait_for()
    shoot(adam, "editor-removed")
    adam.get_by_role("button", name="Undo").click()
    adam.get_by_text("put back").wait_for()
    found = sorted(json.loads(PolicyDraft.objects.get().body)["grants"], key=lambda row: row["order"])
    assert [row["id"] for row in found] == ["listed", "listed-small", "unlisted", "anchor"]
    go(adam, f"{start}assets/")
    adam.get_by_role("button", name="Remove USDC").click()
    adam.get_by_role("button", name="Undo").wait_for()
    go(adam, start)
    shoot(adam, "editor-start")
    adam.locator("#problems").get_by_role("link", name="price: unknown asset").click()
    adam.get_by_role("heading", name="Change").wait_for()
    assert adam.url == f"{start}prices/1/"
