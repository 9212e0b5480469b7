"""The whole web origin in an attacker's hands: nothing that it does in a real Chromium gives it a consent.

The stand-in for the case page is that origin. In the demonstration both origins share the relying party `localhost`,
the worst case there is: there a hostile page can make the consent key sign, and only the origin inside the assertion
tells it apart. In production the consent host's relying party is its own, and the browser refuses.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import TYPE_CHECKING, Any

import pytest

from approvals import webauthn
from approvals.errors import ApprovalsError
from core.consents import check_consent
from core.documents.consent import Decision, SignedConsent
from core.errors import Refusal, RefusedError
from core.schema import read_struct
from demo.softkey import SoftKey
from tests.consent.house import fragment
from tests.consent.keys import ask_key, proof_of, subject_of
from tests.factories.world import STRANGER

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from core.documents.mandate import Mandate
    from tests.browser.fixtures import ConsoleGuard, PlugIn
    from tests.consent.house import House
    from tests.factories.world import World

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("console_guard")]


def _refusal(world: World, mandate: Mandate, signed: SignedConsent) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        check_consent(signed, subject_of(world, mandate), world.policy, now=world.now + 5)
    return caught.value


def _open(page: Page, address: str) -> Page:
    with page.expect_popup() as popup:
        page.evaluate("(address) => { window.answer = null; window.review(address); }", address)
    return popup.value


def test_a_consent_that_the_web_origin_has_signed_is_refused(
    page: Page, house: House, world: World, virtual_key: PlugIn
) -> None:
    mandate = world.mandate()
    statement = world.statement(mandate.digest, "rita")
    page.goto(house.return_origin)
    virtual_key(page).hold(world.keys["rita"])
    answer = ask_key(page, statement.challenge, world.keys["rita"])
    refused = _refusal(world, mandate, SignedConsent(statement=statement, proof=proof_of(answer)))
    assert (refused.code, "not made at the consent origin" in str(refused)) == (Refusal.ASSERTION, True)


def test_a_sign_in_over_a_consents_challenge_is_refused(
    page: Page, house: House, world: World, virtual_key: PlugIn
) -> None:
    """The person signs in, as always, at the web origin: only the challenge is a consent's."""
    mandate, sign_in_key = world.mandate(), SoftKey.generate()
    statement = world.statement(mandate.digest, "rita")
    page.goto(house.return_origin)
    virtual_key(page).hold(sign_in_key)
    answer = ask_key(page, statement.challenge, sign_in_key)
    refused = _refusal(world, mandate, SignedConsent(statement=statement, proof=proof_of(answer)))
    assert refused.code is Refusal.UNKNOWN_KEY


@pytest.mark.parametrize("rp_id", ["consent.localhost", "consent.example", "127.0.0.1", "com"])
def test_the_browser_refuses_another_hosts_relying_party(
    page: Page, house: House, virtual_key: PlugIn, world: World, rp_id: str
) -> None:
    page.goto(house.return_origin)
    key = virtual_key(page)
    if "." in rp_id and rp_id != "127.0.0.1":
        key.hold(world.keys["rita"], rp_id=rp_id)
    assert ask_key(page, secrets.token_bytes(32), world.keys["rita"], rp_id) == {"refused": "SecurityError"}


def test_a_consent_does_not_sign_anybody_in(
    *,
    page: Page,
    house: House,
    world: World,
    virtual_key: PlugIn,
    settings: Any,  # noqa: ANN401 - pytest-django's
) -> None:
    settings.COUNTERSIGN_WEB_ORIGIN, settings.COUNTERSIGN_RP_ID = house.return_origin, "localhost"
    _, state = webauthn.sign_in_begin()
    page.goto(house.address(world.mandate().to_json(), "approve", "rita"))
    virtual_key(page).hold(world.keys["rita"])
    page.click("#approve")
    page.locator("#signed").wait_for(state="attached")
    proof = json.loads(page.input_value("#signed"))["proof"]
    response = {
        "id": proof["credential_id"],
        "rawId": proof["credential_id"],
        "type": "public-key",
        "clientExtensionResults": {},
        "response": {
            "clientDataJSON": proof["client_data_json"],
            "authenticatorData": proof["authenticator_data"],
            "signature": proof["signature"],
        },
    }
    with pytest.raises(ApprovalsError):
        webauthn.sign_in_read(state=dict(state), response=response)


@pytest.mark.parametrize("tag", ["iframe", "object", "embed"])
def test_the_page_cannot_be_framed_to_sign(
    *, page: Page, house: House, world: World, console_guard: ConsoleGuard, tag: str
) -> None:
    address = house.address(world.mandate().to_json(), "approve", "rita")
    page.goto(house.return_origin)
    page.evaluate(
        """([tag, address]) => {
          const frame = document.createElement(tag);
          frame.allow = "publickey-credentials-get *";
          frame[tag === "object" ? "data" : "src"] = address;
          document.body.append(frame);
        }""",
        [tag, address],
    )
    page.wait_for_timeout(700)
    assert all(frame.locator("#approve, #sentence").count() == 0 for frame in page.frames)
    console_guard.complaints.clear()


def test_messages_make_the_page_do_nothing(page: Page, house: House, world: World, virtual_key: PlugIn) -> None:
    mandate, other = world.mandate(), world.mandate(world.intent(to=STRANGER))
    page.goto(house.return_origin)
    popup = _open(page, house.address(mandate.to_json(), "approve", "rita"))
    virtual_key(popup).hold(world.keys["rita"])
    popup.locator("#approve:enabled").wait_for()
    before = popup.inner_html("main")
    page.evaluate(
        """(other) => {
          const said = [
            "approve", null, 7, {type: "approve"}, {type: "countersign.consent.v1", document: other},
            {type: "countersign.ack.v1", ok: true, message: "x"}, {type: "countersign.ack.v1"}, other,
            {__proto__: null, type: "countersign.request.v1", document: other, decision: "approve"},
          ];
          for (let round = 0; round < 500; round += 1) {
            for (const one of said) window.popup.postMessage(one, "*");
          }
        }""",
        other.to_json(),
    )
    popup.wait_for_timeout(500)
    after = popup.inner_html("main")
    assert _without_clock(before) == _without_clock(after)
    popup.click("#approve")
    popup.get_by_text("the case page did not answer").wait_for(timeout=25_000)
    assert page.evaluate("window.received.length") == 1
    signed = read_struct(SignedConsent, page.evaluate("window.received[0].data.consent"), "consent")
    assert signed.statement.subject == mandate.digest


def _without_clock(html: str) -> str:
    before, _, rest = html.partition('id="countdown">')
    return before + rest.partition("<")[2]


def test_an_acknowledgement_that_comes_early_counts_for_nothing(
    page: Page, house: House, world: World, virtual_key: PlugIn
) -> None:
    page.goto(house.return_origin)
    popup = _open(page, house.address(world.mandate().to_json(), "approve", "rita"))
    virtual_key(popup, automaticPresenceSimulation=False).hold(world.keys["rita"])
    popup.click("#approve")
    popup.get_by_text("Touch your security key").wait_for()
    page.evaluate("window.popup.postMessage({type: 'countersign.ack.v1', ok: true, message: 'done'}, '*')")
    popup.wait_for_timeout(300)
    assert "handed over" not in popup.inner_text("#status")


def test_the_opener_reaches_nothing_inside(page: Page, house: House, world: World) -> None:
    page.goto(house.return_origin)
    popup = _open(page, house.address(world.mandate().to_json(), "approve", "rita"))
    popup.locator("#approve:enabled").wait_for()
    reached = page.evaluate(
        """() => ["document", "localStorage", "navigator", "crypto"].map((name) => {
          try { return String(window.popup[name]); } catch (error) { return error.name; }
        })"""
    )
    assert reached == ["SecurityError"] * 4


def test_a_document_that_is_swapped_under_the_pointer_is_not_signed(
    page: Page, house: House, world: World, virtual_key: PlugIn
) -> None:
    """The opener swaps the document at the moment of the click: what comes next waits, and shows itself first."""
    shown, other = world.mandate(), world.mandate(world.intent(to=STRANGER))
    page.goto(house.return_origin)
    popup = _open(page, house.address(shown.to_json(), "approve", "rita"))
    virtual_key(popup).hold(world.keys["rita"])
    popup.locator("#approve:enabled").wait_for()
    page.evaluate(
        "(address) => { window.popup.location = address; }", house.address(other.to_json(), "approve", "rita")
    )
    popup.locator("[data-code=destination_unlisted]").wait_for()
    popup.evaluate("document.getElementById('approve').click()")
    assert popup.locator("#approve").is_disabled(), "a page that just appeared takes no click"
    popup.wait_for_timeout(300)
    assert page.evaluate("window.received.length") == 0


def test_a_window_that_is_taken_away_during_the_ceremony_signs_nothing(
    page: Page, house: House, world: World, virtual_key: PlugIn
) -> None:
    shown, other = world.mandate(), world.mandate(world.intent(to=STRANGER))
    page.goto(house.return_origin)
    popup = _open(page, house.address(shown.to_json(), "approve", "rita"))
    key = virtual_key(popup, automaticPresenceSimulation=False)
    key.hold(world.keys["rita"])
    popup.click("#approve")
    popup.get_by_text("Touch your security key").wait_for()
    page.evaluate("(address) => { window.review(address); }", house.address(other.to_json(), "approve", "rita"))
    popup.locator("[data-code=destination_unlisted]").wait_for()
    key.touch(automatic=True)
    popup.wait_for_timeout(700)
    assert page.evaluate("window.received.length") == 0
    assert popup.locator("#signed").count() == 0
    assert popup.text_content("#digest") == other.digest


def test_a_consent_for_one_thing_serves_no_other(page: Page, house: House, world: World, virtual_key: PlugIn) -> None:
    mandate, other = world.mandate(), world.mandate(world.intent(to=STRANGER))
    page.goto(house.return_origin)
    popup = _open(page, house.address(mandate.to_json(), "reject", "rita"))
    virtual_key(popup).hold(world.keys["rita"])
    popup.fill("#reason", "No.")
    popup.click("#reject")
    message = page.wait_for_function("window.received.length === 1 && window.received[0]").json_value()
    value = message["data"]["consent"]
    rejected = read_struct(SignedConsent, value, "consent")
    voice = check_consent(rejected, subject_of(world, mandate), world.policy, now=world.now + 5)
    assert voice.decision is Decision.REJECT
    assert _refusal(world, other, rejected).code is Refusal.CONSENT_MISMATCH
    for change in ({"decision": "approve"}, {"subject": other.digest}, {"actor": "ravi"}, {"reason": ""}):
        forged = read_struct(SignedConsent, {**value, "statement": {**value["statement"], **change}}, "consent")
        about = other if "subject" in change else mandate
        assert _refusal(world, about, forged).code in (Refusal.ASSERTION, Refusal.UNKNOWN_KEY)


def test_a_request_chooses_no_challenge_and_no_key(page: Page, house: House, world: World) -> None:
    """There is no field for either: whoever tries is refused, unknown fields and all."""
    request = {"v": 1, "subject_type": "mandate", "document": world.mandate().to_json(), "decision": "approve"}
    tries: tuple[dict[str, object], ...] = (
        {"challenge": "AAAA"},
        {"statement": {}},
        {"rpId": "localhost"},
        {"policy": {}},
        {"pins": {}},
    )
    for more in tries:
        page.goto("about:blank")
        page.goto(f"{house.origin}/#{fragment({**request, 'actor': 'rita', **more})}")
        page.locator("#refusal[data-code=malformed]").wait_for()


def test_claims_never_look_like_what_was_checked(page: Page, house: House, world: World) -> None:
    claims = {
        "Amount": "0.01 ETH",
        "✓ Whitelisted": "Binance",
        "Words": "abbey able",
        "Digest": hashlib.sha256().hexdigest(),
    }
    page.goto(house.address(world.mandate(world.intent(to=STRANGER)).to_json(), "review", "rita", claimed=claims))
    page.locator("#approve:enabled").wait_for()
    box = page.locator("#claimed")
    assert "not checked by this page" in box.inner_text()
    outside = page.evaluate("() => { document.getElementById('claimed').remove(); return document.body.innerText; }")
    assert "0.01 ETH" not in outside
    assert "Whitelisted" not in outside.replace("whitelist", "")
