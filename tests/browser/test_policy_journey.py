"""A policy's whole way in one story: built from empty, replayed, proven, proposed, signed by two, and in force.

Everything is the demonstration's own: web tier, sweep and report processes, consent host, signer and its token.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from core.documents.policy import Policy
from demo import institution, people
from demo.cast import DESCRIPTION
from demo.institution import web_origin
from demo.site import site_running
from demo.telling import Teller
from policies.genesis import description_parse
from tests.browser.fixtures import console_guard
from tests.browser.policy_forms import PolicyForms
from tests.browser.test_pages import go
from tests.browser.test_replay import shoot_both, wide_enough
from tests.e2e.conftest import ports, state
from tests.e2e.test_to_the_chain import EXCHANGE, sign_in

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from demo.institution import Institution
    from tests.browser.fixtures import ConsoleGuard

__all__ = ["console_guard", "ports", "state"]
pytestmark = [pytest.mark.usefixtures("ports"), pytest.mark.timeout(400)]
DELAY = 12
STRANGER = "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65"
SEVERAL_DAYS_AGO = 3 * 86_400
# What the institution has before: one officer lets every ether transfer go, to whomever.
SMALL_RULES = """
[[grants]]
id = "ether"
label = "Ether to anybody"
when = [["initiator.roles", "has", "trader"], ["asset", "eq", "ETH"]]
quorum = { risk_officer = 1 }

"""
ISSUED = {
    "id": "strangers-take-two",
    "label": "Nothing above 1,000,000 USD to a stranger with fewer than 2 people",
    "when": [["destination.listed", "eq", False], ["usd", "ge", "1000000 USD"]],
    "approvers": 2,
}
WISHED = {
    "id": "large-take-three",
    "label": "Large transfers take three people",
    "when": [["usd", "ge", "10000 USD"]],
    "approvers": 3,
}


@pytest.fixture
def small(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found the institution on little: the demonstration's people and lists, one rule, and a delay to wait for."""
    text = DESCRIPTION.read_text(encoding="utf-8")
    lists, rest = text.split("[[guards]]", 1)
    controls = rest[rest.index("[controls]") :]
    # The log goes on being anchored, and under both policies alike.
    anchors = rest[rest.index('[[grants]]\nid = "anchor"') : rest.index("[[escalations]]")]
    assert 'succession_delay = "24h"' in controls
    hasty = controls.replace('succession_delay = "24h"', f'succession_delay = "{DELAY}s"')
    path = state.parent / "policy.toml"
    path.write_text(lists + SMALL_RULES + anchors + hasty, encoding="utf-8")
    path.chmod(0o644)
    monkeypatch.setattr(institution, "DESCRIPTION", path)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draft:
    """Adam's draft in his browser. `address` is that of the draft, with a slash."""

    page: Page
    forms: PolicyForms
    address: str

    def ask(self, report: str, button: str, *, shows: str) -> None:
        """Ask for a report on its page, and watch the page until it shows the result by itself."""
        go(self.page, f"{self.address}{report}/")
        self.page.get_by_role("button", name=button).click()
        expect(self.page.locator("progress")).to_be_visible()
        shoot_both(self.page, f"journey-{report}-waits")
        self.page.get_by_role("heading", name=shows).wait_for(timeout=60_000)
        self.page.wait_for_load_state("networkidle")
        assert wide_enough(self.page)

    def check(self, name: str) -> str:
        """Return what the page to propose it says about one check."""
        go(self.page, f"{self.address}propose/")
        return self.page.locator(f"[data-check={name}]").inner_text()

    def refused(self, why: str) -> None:
        """See that it cannot be proposed, not even by whoever presses the button that is switched off."""
        button = self.page.get_by_role("button", name="Propose", exact=True)
        expect(button).to_be_disabled()
        button.evaluate("button => { button.disabled = false; }")
        button.click()
        expect(self.page.locator(".messagelist .error")).to_contain_text(why)
        expect(self.page.locator("[data-status]")).to_have_count(0)


def history(founded: Institution) -> None:
    """Have tessa ask for what the two policies see differently, and rita decide one of it."""
    tessa, rita = people.Browser(founded, "tessa"), people.Browser(founded, "rita")
    wallet, native = founded.policy.wallets[0].id, founded.policy.assets[0].id
    token = founded.policy.assets[1].id
    assert token.endswith(founded.token.lower()) or founded.token in token
    asked = [
        tessa.ask(wallet=wallet, asset=asset, destination=destination, amount=amount, purpose=purpose)
        for asset, destination, amount, purpose in (
            (native, EXCHANGE, "0.2", "Collateral call 2291"),
            (native, EXCHANGE, "4", "Collateral call 2292"),
            (native, EXCHANGE, "21", "Settlement of May"),
            (native, STRANGER, "2", "Legal fees"),
            (token, EXCHANGE, "500", "Margin in dollars"),
        )
    ]
    assert rita.decide(asked[0]) != "blocked"
    deadline = time.monotonic() + 60
    while rita.status(asked[0])["state"] != "confirmed":
        assert time.monotonic() < deadline, rita.status(asked[0])
        time.sleep(0.3)


def described(founded: Institution) -> dict[str, Any]:
    """Return the demonstration's description. Keys of machines are of no interest here: a draft keeps them."""
    text = DESCRIPTION.read_text(encoding="utf-8")
    keys = dict.fromkeys(re.findall(r"\$\{([a-z0-9_]+)\}", text), "0x" + "00" * 32)
    rows: dict[str, Any] = description_parse(text=text, json_text=False, replacements=keys | {"token": founded.token})
    return rows


def started(adam: Page, founded: Institution, rows: dict[str, Any]) -> Draft:
    """Start a draft from empty: only who is who stays."""
    go(adam, f"{web_origin()}/admin/")
    go(adam, f"{web_origin()}/admin/policies/policydraft/")
    adam.get_by_role("button", name="Start from empty").click()
    adam.get_by_role("heading", name="Problems").wait_for()
    policy = founded.policy
    forms = PolicyForms(
        adam,
        adam.url,
        assets={asset.symbol: asset.id for asset in policy.assets},
        wallets={wallet.label: wallet.id for wallet in policy.wallets},
        addresses={row["id"]: row["address"] for row in rows["addresses"]},
    )
    return Draft(page=adam, forms=forms, address=adam.url.removesuffix("editor/"))


def built(draft: Draft, rows: dict[str, Any]) -> None:
    """Type the demonstration's policy in, and what it is to promise."""
    since = time.strftime("%Y-%m-%d %H:%M", time.gmtime(time.time() - SEVERAL_DAYS_AGO))
    for row in rows["assets"]:
        draft.forms.asset(row)
    for row in rows["prices"]:
        draft.forms.price(row)
    for row in rows["addresses"]:
        # Who was paid before has been on the list for days: history is read as of its own time.
        draft.forms.address(row | ({"cool_down": since} if row["cool_down"] == "0s" else {}))
    for section in ("guards", "grants", "escalations"):
        for row in rows[section]:
            draft.forms.rule(section, row)
    for row in rows["limits"]:
        draft.forms.limit(row)
    for row in (ISSUED, WISHED):
        draft.forms.stated(row)
    go(draft.page, draft.forms.draft)
    draft.page.get_by_text("None. Every row can be used as it stands.").wait_for()
    shoot_both(draft.page, "journey-built")


def replayed(draft: Draft) -> None:
    """Replay history under the draft, and read what would have been different."""
    draft.ask("replay", "Replay history", shows="What was compared")
    for windows in ("recorded", "counterfactual"):
        table = draft.page.locator(f"[data-windows={windows}]")
        for change, count in (("Newly allowed", 1), ("Newly denied", 1), ("Other quorum", 2), ("Other grant", 1)):
            expect(table.get_by_role("row", name=re.compile(f"^{change} {count} "))).to_be_visible()
    example = draft.page.locator("[data-windows=recorded] details", has_text="Newly denied")
    expect(example).to_contain_text("Ether in one transaction")
    shoot_both(draft.page, "journey-replay")


def proven(draft: Draft) -> None:
    """Have the proof fail on a property, read the counterexample, state what is true, and have it pass."""
    draft.ask("proof", "Prove it", shows="This report")
    page = draft.page
    expect(page.locator(f"[data-check='property:{ISSUED['id']}']")).to_have_attribute("data-state", "proven")
    failed = page.locator(f"[data-check='property:{WISHED['id']}']")
    expect(failed).to_have_attribute("data-state", "failed")
    failed.locator("summary").first.click()
    expect(failed.get_by_text("Asked by").first).to_be_visible()
    shoot_both(page, "journey-counterexample")
    assert "does not pass" in draft.check("proof")
    assert "passed" in draft.check("replay")
    shoot_both(page, "journey-refused")
    draft.refused("does not pass")
    go(page, f"{draft.forms.draft}properties/1/")
    page.locator("#when-0-0-other").fill("25000")
    draft.forms.save()
    # Both reports were about what the draft said before.
    assert "no finished report" in draft.check("proof")
    assert "no finished report" in draft.check("replay")
    draft.ask("proof", "Prove again", shows="This report")
    expect(page.locator(".proof-verdict")).to_contain_text("Proven")
    shoot_both(page, "journey-proven")
    draft.ask("replay", "Replay history", shows="What was compared")


def proposed(draft: Draft) -> str:
    """Propose the draft; returns where people read and sign it."""
    assert "passed" in draft.check("proof")
    shoot_both(draft.page, "journey-ready")
    draft.page.get_by_role("button", name="Propose", exact=True).click()
    draft.page.locator("[data-status=proposed]").wait_for()
    draft.page.wait_for_load_state("networkidle")
    shoot_both(draft.page, "journey-proposed")
    link = draft.page.get_by_role("link", name="Read and sign it").get_attribute("href")
    return web_origin() + str(link)


def offered(page: Page, reading: str) -> Policy:
    """Return the document that the site offers to the consent page, under the digest that it is known by."""
    go(page, reading)
    request = json.loads(str(page.locator("#consent").get_attribute("data-request")))
    policy = Policy.from_json(request["document"])
    assert policy.digest == reading.rstrip("/").rpartition("/")[2]
    assert {report["kind"] for report in request["reports"]} == {"replay", "proof"}
    assert len(policy.evidence) == 2, "both reports are part of what is signed"
    return policy


def signed(page: Page, reading: str, name: str) -> None:
    """Read at the consent origin what changes, and sign it there."""
    go(page, reading)
    shoot_both(page, f"journey-reading-{name}")
    with page.expect_popup() as popup:
        page.click("[data-open]")
    consent = popup.value
    consent.set_viewport_size({"width": 1280, "height": 800})
    said = consent.locator("#difference")
    expect(said).to_contain_text("Removed Ether to anybody (ether)")
    expect(said).to_contain_text("Added Small transfers to the whitelist (listed-small)")
    expect(said).to_contain_text("Ether in one transaction")
    expect(said).to_contain_text(str(ISSUED["label"]))
    for report in ("replay", "proof"):
        expect(consent.locator(f"[data-report={report}]")).to_have_attribute("data-offered", "yes")
    assert wide_enough(consent)
    expect(consent.locator("#approve")).to_be_enabled()
    shoot_both(consent, f"journey-consent-{name}")
    consent.check("input[type=checkbox]")
    consent.click("#approve")
    expect(page.locator("aside li", has_text=f"{name}: approve")).to_be_visible(timeout=20_000)
    expect(page.get_by_role("button", name="Review and sign")).to_have_count(0)


def lived_under(draft: Draft, tessa: Page, reading: str) -> None:
    """See who is in force and who is retired, and what the new version makes of a request."""
    page = draft.page
    go(page, reading)
    expect(page.locator(".badge").first).to_have_text("active")
    expect(page.locator("aside ol li", has_text="In force")).to_contain_text("✓")
    shoot_both(page, "journey-in-force")
    go(page, f"{web_origin()}/admin/policies/policyversion/")
    for number, status in ((1, "retired"), (2, "active")):
        row = page.locator("#result_list tbody tr", has=page.locator(".field-number", has_text=str(number)))
        expect(row.locator(".field-status")).to_have_text(re.compile(status, re.IGNORECASE))
    shoot_both(page, "journey-versions")
    go(tessa, f"{web_origin()}/requests/new/")
    tessa.select_option("[name=listed]", label=f"Exchange deposit · {EXCHANGE}")
    tessa.fill("[name=amount]", "21")
    tessa.click("button.main[type=submit]")
    expect(tessa.get_by_text("As things stand, this request will be denied")).to_be_visible()
    expect(tessa.get_by_text("Ether in one transaction").first).to_be_visible()
    shoot_both(tessa, "journey-preview")


@pytest.mark.usefixtures("small")
def test_the_demonstrations_policy_is_built_proven_signed_and_in_force(
    state: Path,
    browser: Browser,
    console_guard: ConsoleGuard,
) -> None:
    with contextlib.ExitStack() as stack:
        founded, _ = stack.enter_context(site_running(state, full=False, tell=Teller()))
        history(founded)
        rows = described(founded)
        adam = sign_in(browser, console_guard, "adam")
        draft = started(adam, founded, rows)
        built(draft, rows)
        assert "no finished report" in draft.check("replay")
        draft.refused("no finished report")
        replayed(draft)
        proven(draft)
        reading = proposed(draft)
        policy = offered(adam, reading)
        assert (policy.number, policy.previous) == (2, founded.policy.digest)
        for section in ("guards", "grants", "escalations", "limits"):
            assert [row.id for row in getattr(policy, section)] == [row["id"] for row in rows[section]]
        signed(adam, reading, "adam")
        anna = sign_in(browser, console_guard, "anna")
        signed(anna, reading, "anna")
        signed_at = time.monotonic()
        go(adam, f"{draft.address}propose/")
        expect(adam.locator("[data-status=signed]")).to_contain_text("loosening", timeout=20_000)
        shoot_both(adam, "journey-waits")
        expect(adam.locator("[data-status=active]")).to_be_visible(timeout=60_000)
        assert time.monotonic() - signed_at >= DELAY - 2, "no signer let it in before its delay"
        lived_under(draft, sign_in(browser, console_guard, "tessa"), reading)
