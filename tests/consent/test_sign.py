"""Signing in a real Chromium: what comes back to the case page is what a signer accepts."""

from __future__ import annotations

import base64
import dataclasses
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from core.consents import Subject, check_consent
from core.documents.base import GENESIS_DEPLOYMENT
from core.documents.consent import Decision, SignedConsent, SubjectType
from core.documents.control import Halt
from core.documents.policy import SignedPolicy
from core.schema import read_struct
from core.succession import check_genesis
from tests.factories.world import CHAIN, DAY, LISTED, header
from tests.vectors.generate_consent import controls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

    from core.documents.mandate import Mandate
    from tests.browser.fixtures import PlugIn
    from tests.consent.house import House, Picture
    from tests.factories.world import World

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("console_guard")]

_POLICY_WORDS = (
    "Blocked when the call is unknown.",
    "At most 50.00 ETH within 1 d, for each wallet. More is denied.",
    "At most 1.00 of the native coin in fees within 1 d, for each wallet. More is denied.",
)
_GRANT_WORDS = (
    "Allowed when the destination is on the whitelist and usable and "
    "(the asker's role is trader or the kind of asker is client), with 2 risk officers."
)
_RECEIVED = "window.received.length === 1 && window.received[0]"


@contextmanager
def _reviewing(page: Page, house: House, address: str, answer: object = None) -> Iterator[Page]:
    """Open the consent page from the case page, as a person would."""
    page.goto(house.return_origin)
    if answer is not None:
        page.evaluate("(answer) => { window.answer = answer; }", answer)
    with page.expect_popup() as popup:
        page.evaluate("(address) => window.review(address)", address)
    yield popup.value


def _received(page: Page, house: House) -> SignedConsent:
    message = page.wait_for_function(_RECEIVED).json_value()
    assert message["origin"] == house.origin
    assert set(message["data"]) == {"type", "consent"}
    assert message["data"]["type"] == "countersign.consent.v1"
    return read_struct(SignedConsent, message["data"]["consent"], "consent")


def _check(signed: SignedConsent, mandate: Mandate, world: World, decision: Decision, actor: str) -> None:
    subject = Subject(
        type=SubjectType.MANDATE, digest=mandate.digest, policy=world.policy.digest, deployment=world.deployment
    )
    voice = check_consent(signed, subject, world.policy, now=world.now + 5)
    assert (voice.decision, voice.actor) == (decision, actor)
    assert signed.statement.header.expires <= mandate.header.expires


@pytest.mark.parametrize(
    ("decision", "actor"),
    [(Decision.ASK, "tessa"), (Decision.APPROVE, "rita"), (Decision.REJECT, "rita"), (Decision.WITHDRAW, "tessa")],
    ids=["ask", "approve", "reject", "withdraw"],
)
def test_a_decision_reaches_the_case_page_and_holds(
    *, page: Page, house: House, world: World, virtual_key: PlugIn, decision: Decision, actor: str
) -> None:
    mandate = world.mandate(world.token_intent(250_000 * 10**6))
    with _reviewing(page, house, house.address(mandate.to_json(), decision.value, actor)) as consent:
        virtual_key(consent).hold(world.keys[actor])
        if decision is Decision.REJECT:
            consent.fill("#reason", "Not with this counterparty")
        consent.click(f"#{decision.value}")
        signed = _received(page, house)
        consent.get_by_text("Signed and handed over. Your approval is recorded.").wait_for()
    _check(signed, mandate, world, decision, actor)
    assert signed.statement.reason == ("Not with this counterparty" if decision is Decision.REJECT else "")


@pytest.mark.parametrize(("days", "lasts"), [(20, 20), (200, 30)])
def test_a_consent_to_what_is_held_for_later_lasts_as_long_as_that_and_thirty_days_at_most(
    *, page: Page, house: House, world: World, virtual_key: PlugIn, days: int, lasts: int
) -> None:
    held = header("mandate", world.deployment, now=world.now, lifetime=days * DAY)
    mandate = dataclasses.replace(world.mandate(world.token_intent(250_000 * 10**6)), header=held)
    with _reviewing(page, house, house.address(mandate.to_json(), "approve", "rita")) as consent:
        virtual_key(consent).hold(world.keys["rita"])
        consent.click("#approve")
        statement = _received(page, house).statement
    assert abs(statement.header.expires - (world.now + lasts * DAY)) < 600
    assert statement.header.expires <= mandate.header.expires


def test_a_plain_transfer_fits_one_screen(page: Page, house: House, world: World, picture: Picture) -> None:
    mandate = world.mandate(world.token_intent(250_000 * 10**6), purpose="Collateral call 2291, due 16:00")
    claimed = {"Simulation": "ok at block 19,204,118", "USD value": "$250,000.00"}
    page.goto(house.origin)
    page.evaluate("(name) => localStorage.setItem(name, '1')", f"approved:{CHAIN}:{LISTED}")
    page.goto(house.address(mandate.to_json(), "review", "rita", claimed=claimed))
    page.locator("#approve:enabled").wait_for()
    assert page.inner_text("h1") == "Transfer 250,000.00 USDC from Treasury Hot to Binance — asked by Tessa"
    assert page.inner_text("#amount") == "250,000.00 USDC"
    assert page.text_content("#digest") == mandate.digest
    for text in ("250,000,000,000 base units", "✓ Whitelisted", "Claimed by the server", "100.00 gwei"):
        assert page.get_by_text(text).first.is_visible(), text
    overflow = page.evaluate("document.documentElement.scrollHeight - window.innerHeight")
    sideways = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    picture(page, "light")
    page.emulate_media(color_scheme="dark")
    picture(page, "dark")
    assert overflow <= 0
    assert sideways <= 0


def test_the_keyboard_alone_is_enough(page: Page, house: House, world: World, virtual_key: PlugIn) -> None:
    mandate = world.mandate()
    with _reviewing(page, house, house.address(mandate.to_json(), "review", "rita")) as consent:
        virtual_key(consent).hold(world.keys["rita"])
        consent.locator("#approve:enabled").wait_for()
        assert consent.evaluate("document.activeElement === document.body"), "nothing is focused at first"
        stops: list[str] = []
        while "approve" not in stops and len(stops) < 10:
            consent.keyboard.press("Tab")
            stops.append(consent.evaluate("document.activeElement.id || document.activeElement.tagName"))
        assert stops == ["SUMMARY", "reason", "approve"]
        consent.keyboard.press("Enter")
        _check(_received(page, house), mandate, world, Decision.APPROVE, "rita")


def test_a_rejection_takes_a_reason(
    page: Page, house: House, world: World, virtual_key: PlugIn, picture: Picture
) -> None:
    page.goto(house.address(world.mandate().to_json(), "review", "rita"))
    virtual_key(page).hold(world.keys["rita"])
    page.click("#reject")
    page.get_by_text("Type a reason").wait_for()
    assert page.evaluate("document.activeElement.id") == "reason"
    picture(page, "reason")
    page.fill("#reason", "No.\u202e")
    page.click("#reject")
    page.get_by_text("280 visible characters").wait_for()
    page.fill("#reason", "No.")
    page.click("#reject")
    signed = json.loads(page.input_value("#signed"))
    assert signed["statement"]["reason"] == "No."


def test_a_double_click_signs_once(page: Page, house: House, world: World, virtual_key: PlugIn) -> None:
    with _reviewing(page, house, house.address(world.mandate().to_json(), "review", "rita")) as consent:
        key = virtual_key(consent)
        key.hold(world.keys["rita"])
        consent.locator("#approve:enabled").wait_for()
        consent.evaluate("for (let i = 0; i < 3; i += 1) document.getElementById('approve').click()")
        consent.get_by_text("Signed and handed over").wait_for()
        assert page.evaluate("window.received.length") == 1


def test_a_key_that_is_pulled_out_may_be_tried_again(
    page: Page, house: House, world: World, virtual_key: PlugIn, picture: Picture
) -> None:
    page.goto(house.address(world.mandate().to_json(), "approve", "rita"))
    key = virtual_key(page, isUserVerified=False)
    key.hold(world.keys["rita"])
    page.click("#approve")
    page.get_by_text("You may try again").wait_for()
    picture(page, "failed")
    key.unplug()
    virtual_key(page).hold(world.keys["rita"])
    page.click("#approve")
    page.locator("#signed").wait_for()


@pytest.mark.parametrize(
    ("options", "bits", "words"),
    [
        ({}, {"isBadUV": True}, "did not verify you"),
        ({}, {"isBadUP": True}, "did not verify you"),
        ({"defaultBackupEligibility": True}, {}, "passkey that can be copied"),
    ],
    ids=["no user verification", "no user presence", "backup-eligible"],
)
def test_an_answer_that_cannot_count_is_not_sent(
    *,
    page: Page,
    house: House,
    world: World,
    virtual_key: PlugIn,
    options: dict[str, Any],
    bits: dict[str, bool],
    words: str,
) -> None:
    with _reviewing(page, house, house.address(world.mandate().to_json(), "approve", "rita")) as consent:
        key = virtual_key(consent, **options)
        key.hold(world.keys["rita"], backup_eligible=bool(options))
        key.bits(**bits)
        consent.click("#approve")
        consent.get_by_text(words).wait_for()
        assert consent.locator("#signed").count() == 0
        assert page.evaluate("window.received.length") == 0


def test_somebody_elses_key_signs_nothing(page: Page, house: House, world: World, virtual_key: PlugIn) -> None:
    page.goto(house.address(world.mandate().to_json(), "approve", "rita"))
    virtual_key(page, automaticPresenceSimulation=True).hold(world.keys["ravi"])
    page.click("#approve")
    page.get_by_text("You may try again").wait_for()


def test_what_the_case_page_says_is_shown(page: Page, house: House, world: World, virtual_key: PlugIn) -> None:
    no = {"ok": False, "message": "This case was withdrawn <b>meanwhile</b>."}
    with _reviewing(page, house, house.address(world.mandate().to_json(), "approve", "rita"), answer=no) as consent:
        virtual_key(consent).hold(world.keys["rita"])
        consent.click("#approve")
        consent.get_by_text("refused it: This case was withdrawn <b>meanwhile</b>.").wait_for()
        assert consent.locator("#signed").count() == 1


def test_the_demo_software_key_signs_as_a_key_does(page: Page, house: House, world: World, picture: Picture) -> None:
    key = world.keys["rita"]
    credential = base64.urlsafe_b64encode(key.credential_id).rstrip(b"=").decode()
    house.write("demo-keys.json", {"keys": [{"person": "rita", "credential_id": credential, "jwk": key.jwk}]})
    mandate = world.mandate(world.intent(value=15 * 10**17))
    with _reviewing(page, house, house.address(mandate.to_json(), "review", "rita")) as consent:
        consent.check("#demo-key")
        assert "No security" in consent.inner_text("#demo-banner")
        consent.locator("#approve:enabled").wait_for()
        picture(consent, "before")
        consent.click("#approve")
        signed = _received(page, house)
        consent.get_by_text("Signed and handed over").wait_for()
        picture(consent, "after")
    _check(signed, mandate, world, Decision.APPROVE, "rita")


def test_a_first_policy_is_signed_by_two_admins(
    *, page: Page, house: House, now: int, virtual_key: PlugIn, picture: Picture, tmp_path: Path
) -> None:
    world = house.world(now=now)
    consents = []
    for admin in ("adam", "anna"):
        credential = base64.urlsafe_b64encode(world.keys[admin].credential_id).rstrip(b"=").decode()
        page.goto("about:blank")
        page.goto(house.address(world.policy.to_json(), "approve", admin, credentials=[credential]))
        page.get_by_text("No policy is pinned here").wait_for()
        assert page.text_content(".hex.big") == world.policy.digest
        for words in (*_POLICY_WORDS, _GRANT_WORDS):
            page.get_by_text(words, exact=True).wait_for()
        key = virtual_key(page)
        key.hold(world.keys[admin])
        picture(page, admin)
        page.click("#approve")
        with page.expect_download() as saved:
            page.click("#save")
        file = tmp_path / saved.value.suggested_filename
        saved.value.save_as(file)
        key.unplug()
        consents.append(read_struct(SignedConsent, json.loads(file.read_text()), "consent"))
    assert {consent.statement.header.deployment for consent in consents} == {GENESIS_DEPLOYMENT}
    check_genesis(SignedPolicy(policy=world.policy, consents=tuple(consents)), world.policy.digest, now=now + 5)


def test_a_halt_is_signed_under_an_expired_policy_too(
    page: Page, house: House, now: int, virtual_key: PlugIn, picture: Picture
) -> None:
    world = house.world(now=now, header=header("policy", GENESIS_DEPLOYMENT, now=now - 100, lifetime=50))
    house.pin(world)
    halt = Halt(
        header=header("halt", world.deployment, now=now),
        policy=world.policy.digest,
        signers=(),
        reason="Key of a trader was stolen",
    )
    page.goto(house.address(halt.to_json(), "approve", "olga"))
    virtual_key(page).hold(world.keys["olga"])
    page.locator("#approve:enabled").wait_for()
    picture(page, "halt")
    page.click("#approve")
    page.locator("#signed").wait_for()
    signed = read_struct(SignedConsent, json.loads(page.input_value("#signed")), "consent")
    subject = Subject(
        type=SubjectType.HALT, digest=halt.digest, policy=world.policy.digest, deployment=world.deployment
    )
    assert check_consent(signed, subject, world.policy, now=now + 5).actor == "olga"


@pytest.mark.parametrize("index", range(4), ids=["cancel", "halt", "resume", "ceremony"])
def test_every_field_of_a_control_document_is_shown(
    page: Page, house: House, world: World, virtual_key: PlugIn, picture: Picture, *, index: int
) -> None:
    document = controls(world)[index]
    page.goto(house.address(document.to_json(), "review", "adam"))
    page.locator("#approve:enabled").wait_for()
    picture(page, document.TYPE)
    assert page.locator("article dt").count() == len(document.to_json()) - 1 + 3
    assert str(document.to_json()["reason"]) in page.inner_text("article")
    virtual_key(page).hold(world.keys["adam"])
    page.click("#approve")
    page.locator("#signed").wait_for()
    signed = read_struct(SignedConsent, json.loads(page.input_value("#signed")), "consent")
    subject = Subject(
        type=SubjectType(document.TYPE),
        digest=document.digest,
        policy=world.policy.digest,
        deployment=world.deployment,
    )
    assert check_consent(signed, subject, world.policy, now=world.now + 5).decision is Decision.APPROVE
