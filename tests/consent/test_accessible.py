"""Every page and state of the consent host under axe (WCAG 2.2 AA), light and dark, without a console error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from demo.softkey import SoftKey
from tests.browser.axe import violations
from tests.factories.enrolment import enrolment
from tests.vectors.call_cases import call_world, case_calls
from tests.vectors.generate_consent import controls

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.fixtures import PlugIn
    from tests.consent.house import House, Picture
    from tests.factories.world import World

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("console_guard")]
_CALLS = (
    "swap with value",
    "approve without limit",
    "multisend",
    "multisend with a delegatecall",
    "unknown function",
)


_TOO_WIDE = """() => [...document.querySelectorAll("body *")]
  .filter((one) => one.getBoundingClientRect().right > window.innerWidth + 1)
  .map((one) => `${one.tagName} ${one.className} ${one.id}`)"""


def _accessible(page: Page, picture: Picture, name: str) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        picture(page, f"{name}-{scheme}")
        assert violations(page) == [], (name, scheme)
    assert page.evaluate(_TOO_WIDE) == [], name


def test_pages_without_a_document(
    page: Page, house: House, world: World, virtual_key: PlugIn, picture: Picture
) -> None:
    page.goto(house.origin)
    page.get_by_role("heading", name="Nothing to sign").wait_for()
    _accessible(page, picture, "empty")
    # Loaded anew: the page itself starts again where only its fragment changes.
    page.goto("about:blank")
    page.goto(f"{house.origin}/#rubbish")
    page.locator("#refusal").wait_for()
    _accessible(page, picture, "refused")
    page.goto(f"{house.origin}/enrol.html")
    page.fill("#person", "tessa")
    page.fill("#name", "Tessa")
    virtual_key(page)
    page.click("#create")
    page.locator("#enrolment").wait_for()
    _accessible(page, picture, "enrolled")
    page.goto(f"{house.origin}/check.html")
    page.locator("#check:enabled").wait_for()
    _accessible(page, picture, "check")
    page.fill("#text", json.dumps(world.mandate().to_json()))
    page.fill("#shown", "other words")
    page.click("#check")
    page.locator("#words").wait_for()
    _accessible(page, picture, "checked")


@pytest.fixture
def calls(house: House, now: int) -> World:
    """An institution that knows contracts."""
    consent = house.world(now=now).policy.consent
    made = call_world(now=now, overrides={"consent": consent})
    house.pin(made)
    return made


@pytest.mark.parametrize("name", _CALLS)
def test_calls(page: Page, house: House, calls: World, picture: Picture, name: str) -> None:
    to, value, data = case_calls(calls)[name]
    intent = calls.intent(to=to, value=value, data=data, gas=400_000)
    page.goto(house.address(calls.mandate(intent).to_json(), "review", "rita", claimed={"Simulation": "ok"}))
    page.locator("#reject:enabled").wait_for()
    _accessible(page, picture, name)


def test_signed_and_every_other_document(
    page: Page, house: House, world: World, virtual_key: PlugIn, picture: Picture
) -> None:
    page.goto(house.address(world.mandate().to_json(), "review", "rita"))
    virtual_key(page).hold(world.keys["rita"])
    page.click("#reject")
    page.get_by_text("Type a reason").wait_for()
    _accessible(page, picture, "reason")
    page.click("#approve")
    page.locator("#signed").wait_for(state="attached")
    _accessible(page, picture, "signed")
    documents = [*controls(world), enrolment(world, "tessa", SoftKey.generate().entry)]
    for document in documents:
        page.goto("about:blank")
        page.goto(house.address(document.to_json(), "review", "adam"))
        page.locator("#approve:enabled").wait_for()
        _accessible(page, picture, document.TYPE)


def test_a_first_policy(page: Page, house: House, now: int, picture: Picture) -> None:
    world = house.world(now=now)
    page.goto(house.address(world.policy.to_json(), "approve", "adam"))
    page.locator("#approve:enabled").wait_for()
    _accessible(page, picture, "genesis")


def test_a_narrow_screen(page: Page, house: House, world: World, picture: Picture) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(house.address(world.mandate().to_json(), "review", "rita"))
    page.locator("#approve:enabled").wait_for()
    _accessible(page, picture, "phone")
