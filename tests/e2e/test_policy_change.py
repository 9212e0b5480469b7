"""A policy's whole way in real parts: drafted, replayed, proven, proposed, signed by two, taken, and lived under."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from demo import institution
from demo.cast import DESCRIPTION
from demo.institution import web_origin
from demo.site import site_running
from demo.steps import run_as
from demo.telling import Teller
from tests.e2e.test_to_the_chain import EXCHANGE, sign, sign_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from demo.institution import Institution
    from tests.browser.fixtures import ConsoleGuard

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("ports"), pytest.mark.timeout(300)]
DELAY = 12
DRAFTS = "/admin/policies/policydraft"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the first policy name a delay that a test can wait for."""
    text = DESCRIPTION.read_text(encoding="utf-8")
    assert 'succession_delay = "24h"' in text
    # Not pytest's own folder: the web tier's user, who reads it, may not enter that one.
    folder = Path(tempfile.mkdtemp(prefix="countersign-description-"))
    folder.chmod(0o755)
    path = folder / "policy.toml"
    path.write_text(text.replace('succession_delay = "24h"', f'succession_delay = "{DELAY}s"'), encoding="utf-8")
    path.chmod(0o644)
    monkeypatch.setattr(institution, "DESCRIPTION", path)
    yield
    shutil.rmtree(folder)


def loosened(document: dict[str, Any]) -> None:
    """Let transfers up to 3,000 dollars go by one risk officer, not up to 1,000."""
    (small,) = (rule for rule in document["grants"] if rule["id"] == "listed-small")
    (most,) = (part for part in small["when"]["parts"] if part["field"] == "usd")
    assert most["values"] == [str(1_000 * 10**8)]
    most["values"] = [str(3_000 * 10**8)]


def drafted(page: Page) -> str:
    """Start a draft, change its text, and return its address."""
    page.goto(f"{web_origin()}{DRAFTS}/")
    page.get_by_role("button", name="Start from the active version").click()
    page.wait_for_url(re.compile(r"/policydraft/[0-9]+/editor/$"))
    address = page.url.removesuffix("editor/")
    page.goto(f"{address}change/")
    document = json.loads(page.input_value("textarea[name=body]"))
    loosened(document)
    page.fill("textarea[name=body]", json.dumps(document))
    page.locator("[name=_save]").click()
    page.locator(".messagelist .success").wait_for()
    return address


def reported(page: Page, address: str) -> None:
    page.goto(f"{address}replay/")
    page.get_by_role("button", name="Replay history").click()
    page.goto(f"{address}proof/")
    page.get_by_role("button", name=re.compile("Prove")).click()
    for check in ("replay", "proof"):
        deadline = time.monotonic() + 60
        while True:
            page.goto(f"{address}propose/")
            if "✓ passed" in page.locator(f"[data-check={check}]").inner_text():
                break
            assert time.monotonic() < deadline, page.locator(f"[data-check={check}]").inner_text()
            time.sleep(0.5)


def signed_at_the_consent_origin(page: Page, address: str) -> None:
    page.goto(address)
    with page.expect_popup() as popup:
        page.click("[data-open]")
    consent = popup.value
    expect(consent.locator("#difference")).to_contain_text("$3,000.00")
    expect(consent.locator("[data-report=replay]")).to_have_attribute("data-offered", "yes")
    expect(consent.locator("[data-report=proof]")).to_have_attribute("data-offered", "yes")
    consent.check("input[type=checkbox]")
    consent.click("#approve")
    # Heard: the second signature leads to how to object, the first to nothing.
    expect(page.get_by_role("button", name="Review and sign")).to_have_count(0, timeout=20_000)


def pinned(founded: Institution, number: int, digest: str) -> None:
    """Advance the consent host's pins as two people do at its console."""
    layout, environment = founded.layout, environment_of(founded)
    signed = layout.papers / f"policy-{number}.json"
    run_as(
        layout.accounts.web,
        *("manage.py", "policy_handover", "--export", number, "--out", signed),
        env=environment,
    )
    run_as(layout.accounts.consent, "-m", "consent", "pin", "--root", layout.consent, signed, "--expect", digest)


def environment_of(founded: Institution) -> dict[str, str]:
    return {
        "COUNTERSIGN_STATE_DIR": str(founded.layout.web),
        "COUNTERSIGN_DEMO": "yes",
        "COUNTERSIGN_WEB_ORIGIN": web_origin(),
    }


@pytest.mark.usefixtures("hasty")
def test_a_policy_is_changed_and_lived_under(state: Path, browser: Browser, console_guard: ConsoleGuard) -> None:
    with contextlib.ExitStack() as stack:
        founded, _ = stack.enter_context(site_running(state, full=False, tell=Teller()))
        adam = sign_in(browser, console_guard, "adam")
        address = drafted(adam)
        reported(adam, address)
        adam.get_by_role("button", name="Propose", exact=True).click()
        adam.locator("[data-status=proposed]").wait_for()
        reading = web_origin() + str(adam.get_by_role("link", name="Read and sign it").get_attribute("href"))
        digest = reading.rstrip("/").rpartition("/")[2]
        signed_at_the_consent_origin(adam, reading)
        anna = sign_in(browser, console_guard, "anna")
        anna.goto(f"{web_origin()}/queue/")
        expect(anna.get_by_text("A policy waits for your signature")).to_be_visible()
        signed_at_the_consent_origin(anna, reading)
        signed_at = time.monotonic()
        adam.goto(f"{address}propose/")
        expect(adam.locator("[data-status=signed]")).to_contain_text("loosening", timeout=20_000)
        expect(adam.locator("[data-status=active]")).to_be_visible(timeout=60_000)
        assert time.monotonic() - signed_at >= DELAY - 2, "no signer let it in before its delay"
        pinned(founded, 2, digest)

        tessa = sign_in(browser, console_guard, "tessa")
        tessa.goto(f"{web_origin()}/requests/new/")
        tessa.select_option("[name=listed]", label=f"Exchange deposit · {EXCHANGE}")
        tessa.fill("[name=amount]", "1")
        tessa.fill("[name=purpose]", "2,500 dollars: one officer, since policy 2")
        tessa.click("button.main[type=submit]")
        sign(tessa, "Ask")
        reference = tessa.url.rstrip("/").rpartition("/")[2]
        rita = sign_in(browser, console_guard, "rita")
        rita.goto(f"{web_origin()}/queue/{reference}/")
        sign(rita, "Approve")
        expect(tessa.get_by_text("Confirmed").first).to_be_visible(timeout=40_000)
