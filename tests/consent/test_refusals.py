"""What the page refuses to show for signing, in a real Chromium, each with a message that says what is wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from core.documents.base import GENESIS_DEPLOYMENT
from core.documents.roster import AddressEntry
from tests.consent.house import fragment, refusal
from tests.factories.world import CHAIN, DAY, LISTED, STRANGER, TOKEN_CONTRACT, World, header

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.fixtures import ConsoleGuard, PlugIn
    from tests.consent.house import House, Picture

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("console_guard")]


def test_no_document(page: Page, house: House, picture: Picture) -> None:
    page.goto(house.origin)
    page.get_by_role("heading", name="Nothing to sign").wait_for()
    picture(page, "empty")
    assert page.locator("button").count() == 0


@pytest.mark.parametrize("rubbish", ["garbage!", "e30", "W10", "bm90IGpzb24", "eyJ2IjoyfQ", "AB"])
def test_a_damaged_link(page: Page, house: House, world: World, rubbish: str) -> None:  # noqa: ARG001 - pins a policy
    page.goto(f"{house.origin}/#{rubbish}")
    assert refusal(page)[0] == "malformed"


def test_a_fragment_that_is_too_long(page: Page, house: House, world: World, picture: Picture) -> None:
    address = house.address(world.mandate().to_json(), "approve", "rita", claimed={"x": "y" * 1_480_000})
    page.goto(address)
    code, words = refusal(page)
    assert (code, "too long" in words) == ("malformed", True)
    picture(page, "long")


def test_a_fragment_of_ten_megabytes(page: Page, house: House, world: World) -> None:
    page.goto(house.origin)
    # Chromium drops addresses beyond 2 MiB itself; whichever of the two says no, nothing can be signed.
    page.evaluate("() => { setTimeout(() => { location.hash = 'A'.repeat(10 * 1024 * 1024); }); }")
    page.wait_for_timeout(1500)
    assert page.locator("button").count() == 0
    fresh = page.context.new_page()
    fresh.goto(house.address(world.mandate().to_json(), "approve", "rita"))
    fresh.locator("#approve:enabled").wait_for()


@pytest.mark.parametrize(
    "change",
    [{"v": 2}, {"actor": ""}, {"decision": "obey"}, {"more": 1}, {"claimed": [1]}, {"subject_type": "consent"}],
    ids=["version", "actor", "decision", "unknown field", "claims", "subject type"],
)
def test_a_request_of_another_form(page: Page, house: House, world: World, change: dict[str, object]) -> None:
    request = {"v": 1, "subject_type": "mandate", "document": world.mandate().to_json(), "decision": "approve"}
    page.goto(f"{house.origin}/#{fragment({**request, 'actor': 'rita', **change})}")
    assert refusal(page)[0] == "malformed"


def test_another_deployment_policy_and_time(page: Page, house: House, world: World, now: int) -> None:
    other = house.world(now=now)
    stale = header("mandate", world.deployment, now=now - DAY)
    for mandate, code in (
        (other.mandate(), "wrong_deployment"),
        (world.mandate(policy=other.policy.digest), "wrong_policy"),
        (world.mandate(header=stale), "expired"),
    ):
        page.goto("about:blank")
        page.goto(house.address(mandate.to_json(), "approve", "rita"))
        assert refusal(page)[0] == code


def test_a_host_whose_policy_is_not_the_pinned_one(
    page: Page, house: House, world: World, now: int, picture: Picture
) -> None:
    house.write("policy.json", house.world(now=now).policy.to_json())
    page.goto(house.address(world.mandate().to_json(), "approve", "rita"))
    code, words = refusal(page)
    assert code == "wrong_policy"
    assert "not the one whose digest was pinned" in words
    picture(page, "refused")


def test_a_host_that_is_installed_by_half(page: Page, house: House, world: World) -> None:
    (house.root / "pins.json").unlink()
    page.goto(house.address(world.mandate().to_json(), "approve", "rita"))
    assert refusal(page)[0] == "installation"


def test_an_expired_policy(page: Page, house: House, now: int) -> None:
    world = house.world(now=now, header=header("policy", GENESIS_DEPLOYMENT, now=now - 100, lifetime=50))
    house.pin(world)
    page.goto(house.address(world.mandate().to_json(), "approve", "rita"))
    assert refusal(page)[0] == "policy_expired"


def test_nothing_but_a_first_policy_without_pins(page: Page, house: House, now: int) -> None:
    page.goto(house.address(house.world(now=now).mandate().to_json(), "approve", "rita"))
    assert refusal(page)[0] == "wrong_policy"


def test_a_policy_where_one_is_pinned(page: Page, house: House, world: World) -> None:
    page.goto(house.address(world.policy.to_json(), "approve", "adam"))
    assert refusal(page)[0] == "wrong_policy"


def test_a_policy_for_another_consent_origin(page: Page, house: House, now: int) -> None:
    world = World(now=now)
    house.pin(world)
    page.goto(house.address(world.mandate().to_json(), "approve", "rita"))
    assert refusal(page)[0] == "wrong_origin"


def test_a_foreign_return_origin(page: Page, house: House, world: World) -> None:
    mandate = world.mandate().to_json()
    page.goto(house.address(mandate, "approve", "rita", return_origin="http://evil.example"))
    code, words = refusal(page)
    assert code == "return_origin"
    assert "http://evil.example" in words


def test_another_origin_cannot_answer_for_the_case_page(
    page: Page,
    house: House,
    world: World,
    virtual_key: PlugIn,
    console_guard: ConsoleGuard,
) -> None:
    """The opener is foreign although the request names an allowed origin: the browser delivers nothing to it."""
    page.goto(house.return_origin.replace("localhost", "127.0.0.1"))
    with page.expect_popup() as popup:
        page.evaluate(
            "(address) => window.review(address)", house.address(world.mandate().to_json(), "approve", "rita")
        )
    consent = popup.value
    virtual_key(consent).hold(world.keys["rita"])
    consent.click("#approve")
    consent.locator("#signed").wait_for(state="attached")
    consent.wait_for_timeout(500)
    assert page.evaluate("window.received") == []
    assert all("target origin" in complaint for complaint in console_guard.complaints)
    console_guard.complaints.clear()


@pytest.mark.parametrize("tail", ["dirty", "long", "short"], ids=["dirty padding", "trailing byte", "truncated"])
def test_an_unknown_call_can_only_be_rejected(
    page: Page, house: House, world: World, tail: str, picture: Picture
) -> None:
    clean = world.token_intent(5).data
    data = {"dirty": clean[:4] + b"\x01" + clean[5:], "long": clean + b"\0", "short": clean[:-1]}[tail]
    mandate = world.mandate(world.token_intent(5, data=data, movements=()))
    page.goto(house.address(mandate.to_json(), "review", "rita"))
    page.locator("[data-code=unknown_call]").wait_for()
    picture(page, "unknown")
    assert page.locator("#approve").count() == 0
    assert page.locator("#reject").count() == 1
    assert page.inner_text("#calldata") == "0x" + data.hex()
    page.goto("about:blank")
    page.goto(house.address(mandate.to_json(), "approve", "rita"))
    page.get_by_text("Nothing to sign here").wait_for()
    assert page.locator("#approve, #reject").count() == 0


def test_a_destination_that_is_not_listed(page: Page, house: House, world: World, picture: Picture) -> None:
    page.goto(house.address(world.mandate(world.intent(to=STRANGER)).to_json(), "review", "rita"))
    page.get_by_text("Destination NOT LISTED").wait_for()
    assert page.locator(".pill[data-state=unlisted]").inner_text() == "✕ NOT LISTED"
    assert page.locator(".hex.address").first.text_content() == STRANGER
    picture(page, "unlisted")


def test_hostile_labels_stay_text(page: Page, house: House, now: int, picture: Picture) -> None:
    label = "<img src=x onerror=alert(1)> 100% & <b>Kraken</b>"
    entry = AddressEntry(
        id="hostile",
        chain=CHAIN,
        address=LISTED,
        label=label,
        reason="<script>alert(2)</script>",
        usable_from=now - DAY,
        expires=now + DAY,
        beneficiary=None,
    )
    world = house.world(now=now, addresses=(entry,), institution="</title><h1>Bank</h1>")
    house.pin(world)
    claimed = {"<i>note</i>": "javascript:alert(3)"}
    mandate = world.mandate(purpose="{{7*7}} <style>*{display:none}</style>")
    page.goto(house.address(mandate.to_json(), "review", "rita", claimed=claimed))
    page.locator("#approve:enabled").wait_for()
    assert label in page.inner_text("h1")
    assert page.locator("main img, main b, main i, main script, main style, header h1").count() == 0
    picture(page, "hostile")


def test_bidi_in_a_label_makes_the_policy_unusable(page: Page, house: House, world: World) -> None:
    policy = json.loads((house.root / "policy.json").read_text())
    policy["policy"]["addresses"][0]["label"] = "Binance\u202eecnaniB"
    house.write("policy.json", policy)
    page.goto(house.address(world.mandate().to_json(), "review", "rita"))
    code, words = refusal(page)
    assert (code, "invisible characters" in words) == ("installation", True)


def test_an_unknown_token_cannot_be_approved(page: Page, house: House, world: World) -> None:
    intent = world.token_intent(5, to=STRANGER)
    page.goto(house.address(world.mandate(intent).to_json(), "review", "rita"))
    page.locator("[data-code=unknown_asset]").wait_for()
    assert TOKEN_CONTRACT not in page.inner_text("main")
    assert page.locator("#approve").count() == 0


def test_a_request_that_runs_out_while_it_is_open(
    page: Page, house: House, world: World, now: int, picture: Picture
) -> None:
    short = header("mandate", world.deployment, now=now - 10, lifetime=13)
    page.goto(house.address(world.mandate(header=short).to_json(), "approve", "rita"))
    page.get_by_text("This request has expired").wait_for()
    assert page.locator("#approve").is_disabled()
    picture(page, "over")


def test_a_page_in_a_frame_signs_nothing(page: Page, house: House, world: World, console_guard: ConsoleGuard) -> None:
    page.goto(house.return_origin)
    page.evaluate(
        "(src) => { const f = document.createElement('iframe'); f.src = src; document.body.append(f); }",
        house.address(world.mandate().to_json(), "approve", "rita"),
    )
    page.wait_for_timeout(500)
    assert all(frame.locator("#approve").count() == 0 for frame in page.frames)
    assert any("frame" in complaint.lower() for complaint in console_guard.complaints)
    console_guard.complaints.clear()


def test_the_address_changes_under_an_open_page(page: Page, house: House, world: World) -> None:
    first, second = world.mandate(), world.mandate(purpose="Another one")
    page.goto(house.address(first.to_json(), "approve", "rita"))
    page.locator("#approve:enabled").wait_for()
    request = {"v": 1, "subject_type": "mandate", "document": second.to_json(), "decision": "approve"}
    page.evaluate("(hash) => { location.hash = hash; }", fragment({**request, "actor": "rita"}))
    page.get_by_text("Another one").wait_for()
    assert page.text_content("#digest") == second.digest
