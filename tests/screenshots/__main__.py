"""`python -m tests.screenshots [--out DIR]`: founds the demo's institution, lets people work, and takes pictures.

References and digests differ from run to run, as every mandate has a number of its own; what is shown does not.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import Error, sync_playwright

from core.documents.consent import Decision
from core.names import native_asset, token_asset
from demo.institution import web_origin
from demo.people import Browser as Person
from demo.services.processes import ServiceError
from demo.site import site_running
from demo.telling import Teller
from tests.browser.fixtures import chromium_path

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from demo.institution import Institution

OUT = Path(__file__).parents[2] / "docs" / "screenshots"
EXCHANGE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
SCREEN = {"width": 1280, "height": 800}
_SETTLED = {"confirmed", "failed", "refused", "blocked"}
_SECONDS = 120


class Studio:
    """A browser for each person, and the folder for pictures."""

    def __init__(self, browser: Browser, out: Path) -> None:
        self._browser, self._out = browser, out

    def person(self, name: str, *, dark: bool = False) -> Page:
        """Sign somebody in with the demo's software key."""
        context = self._browser.new_context(
            viewport=SCREEN,  # type: ignore[arg-type]  # Playwright's own dictionary type
            timezone_id="Europe/Zurich",
            locale="en-GB",
            color_scheme="dark" if dark else "light",
            device_scale_factor=1,
        )
        page = context.new_page()
        page.goto(f"{web_origin()}/sign-in/")
        page.select_option("#demo-person", label=name)
        page.click("#use-demo-key")
        page.wait_for_url(lambda url: "/sign-in" not in url)
        return page

    def picture(self, page: Page, name: str, path: str = "", *, whole: bool = False) -> None:
        """Take one picture, of the screen or of the whole page."""
        if path:
            page.goto(web_origin() + path)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=self._out / f"{name}.png", full_page=whole, animations="disabled")
        sys.stdout.write(f"  {name}.png\n")

    def overview(self, page: Page, name: str) -> None:
        """Take somebody's overview once the sweep has looked at every signer with its lease."""
        deadline = time.monotonic() + _SECONDS
        page.goto(web_origin() + "/")
        while page.get_by_text("no lease at present").count() or page.get_by_text("not asked yet").count():
            if time.monotonic() > deadline:
                raise ServiceError(f"signers are shown without a lease after {_SECONDS} s")
            time.sleep(1)
            page.reload()
        self.picture(page, name, whole=True)


def _work(institution: Institution) -> dict[str, str]:
    """Have people ask, approve and reject; return the references of what is shown."""
    tessa, rita, ravi = (Person(institution, name) for name in ("tessa", "rita", "ravi"))
    wallet = next(one for one in institution.policy.wallets if one.label == "Treasury")
    ether, dollars = native_asset(wallet.chain), token_asset(wallet.chain, institution.token)

    def ask(asset: str, amount: str, purpose: str) -> str:
        return tessa.ask(wallet=wallet.id, asset=asset, destination=EXCHANGE, amount=amount, purpose=purpose)

    paid = ask(ether, "1.5", "Collateral for the exchange")
    settled = ask(dollars, "12,500", "Settlement of 14 November")
    for reference in (paid, settled):
        rita.decide(reference)
        ravi.decide(reference)
    rejected = ask(ether, "3", "Invoice 2291")
    rita.decide(rejected, Decision.REJECT, "The invoice names another address")
    waits = ask(dollars, "25,000", "Margin call 118")
    ask(ether, "2.25", "Collateral call 2291")
    deadline = time.monotonic() + _SECONDS
    for reference in (paid, settled):
        while tessa.status(reference)["state"] not in _SETTLED:
            if time.monotonic() > deadline:
                raise ServiceError(f"request {reference[:8]} is not over after {_SECONDS} s")
            time.sleep(0.5)
    return {"paid": paid, "waits": waits}


def _trader(studio: Studio, shown: dict[str, str]) -> None:
    tessa = studio.person("tessa")
    studio.picture(tessa, "overview-trader", "/", whole=True)
    studio.picture(tessa, "request", f"/requests/{shown['paid']}/", whole=True)
    tessa.goto(f"{web_origin()}/requests/new/")
    tessa.select_option("[name=listed]", label=f"Exchange deposit · {EXCHANGE}")
    tessa.fill("[name=amount]", "2.5")
    tessa.fill("[name=purpose]", "Collateral")
    tessa.click("button.main[type=submit]")
    tessa.get_by_role("heading", name="Preview", exact=True).wait_for()
    studio.picture(tessa, "preview", whole=True)


def _officer(studio: Studio, shown: dict[str, str]) -> None:
    clara = studio.person("ravi")
    studio.overview(clara, "overview-officer")
    studio.picture(clara, "queue", "/queue/")
    studio.picture(clara, "case", f"/queue/{shown['waits']}/")
    with clara.expect_popup() as popup:
        clara.click("[data-open]")
    consent = popup.value
    consent.set_viewport_size(SCREEN)  # type: ignore[arg-type]  # as above
    consent.locator("#approve:enabled").wait_for(timeout=_SECONDS * 1000)
    studio.picture(consent, "consent", whole=True)
    consent.close()
    studio.picture(clara, "alarms", "/alarms/")
    dark = studio.person("rita", dark=True)
    studio.picture(dark, "overview-dark", "/")


def _administrator(studio: Studio) -> None:
    adam = studio.person("adam")
    studio.overview(adam, "overview-admin")
    studio.picture(adam, "admin", "/admin/")


def take(out: Path, base: Path) -> None:
    """Take every picture.

    Args:
        out: Where they go.
        base: Where the demonstration's state goes; other users pass through it.
    """
    with ExitStack() as stack:
        institution, _ = stack.enter_context(site_running(base, full=False, tell=Teller()))
        shown = _work(institution)
        # Limits are looked at by the sweep: the pictures show them looked at.
        time.sleep(3)
        playwright = stack.enter_context(sync_playwright())
        root = os.geteuid() == 0
        browser = playwright.chromium.launch(
            executable_path=chromium_path(), chromium_sandbox=not root, args=["--disable-gpu", "--hide-scrollbars"]
        )
        stack.callback(browser.close)
        studio = Studio(browser, out)
        _trader(studio, shown)
        _officer(studio, shown)
        _administrator(studio)


def main() -> int:
    """Take the pictures; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="countersign-pictures-") as folder:
        Path(folder).chmod(0o755)
        try:
            take(options.out, Path(folder) / "demo")
        except (ServiceError, Error) as error:
            sys.stderr.write(f"no pictures: {error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
