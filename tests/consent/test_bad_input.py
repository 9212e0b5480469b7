"""The issue's list of bad input, as far as consent goes: each refused with words that help, each leaving no harm.

Where the page itself would refuse, the assertion is made at the consent origin without it, so that what signers say
is tried as well. `test_refusals`, `test_sign` and `test_hostile_oms` hold the rest of the list.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

from core.consents import check_consent, check_unused
from core.documents.consent import Decision, SignedConsent
from core.documents.policy import ConsentOrigin
from core.documents.roster import DEMO_AAGUID
from core.errors import Refusal, RefusedError
from core.policy_check import validate
from core.schema import read_struct
from demo.softkey import SoftKey
from tests.consent.keys import ask_key, proof_of, subject_of
from tests.factories.world import DAY, header

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from core.consents import Voice
    from core.documents.mandate import Mandate
    from tests.browser.fixtures import PlugIn
    from tests.consent.house import House, Picture
    from tests.factories.world import World

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("console_guard")]


def _refused(world: World, mandate: Mandate, signed: SignedConsent, *, later: int = 5) -> tuple[Refusal, str]:
    with pytest.raises(RefusedError) as caught:
        check_consent(signed, subject_of(world, mandate), world.policy, now=world.now + later)
    return caught.value.code, caught.value.message


def _signed_on_the_page(page: Page) -> SignedConsent:
    page.click("#approve")
    page.locator("#signed").wait_for(state="attached")
    return read_struct(SignedConsent, json.loads(page.input_value("#signed")), "consent")


def _voice(world: World, mandate: Mandate, signed: SignedConsent) -> Voice:
    return check_consent(signed, subject_of(world, mandate), world.policy, now=world.now + 5)


@pytest.mark.parametrize(
    ("bits", "options", "words"),
    [
        ({"isBadUV": True}, {}, "did not verify its user"),
        ({"isBadUP": True}, {}, "nobody touched the key"),
        ({"isBogusSignature": True}, {}, "signature does not verify"),
        ({}, {"defaultBackupEligibility": True}, "backup-eligible"),
    ],
    ids=["no user verification", "no touch", "bogus signature", "backup-eligible"],
)
def test_an_assertion_that_does_not_count(
    *,
    page: Page,
    house: House,
    world: World,
    virtual_key: PlugIn,
    bits: dict[str, bool],
    options: dict[str, Any],
    words: str,
) -> None:
    mandate = world.mandate()
    statement = world.statement(mandate.digest, "rita")
    page.goto(house.origin)
    key = virtual_key(page, **options)
    key.hold(world.keys["rita"], backup_eligible=bool(options))
    key.bits(**bits)
    proof = proof_of(ask_key(page, statement.challenge, world.keys["rita"]))
    code, told = _refused(world, mandate, SignedConsent(statement=statement, proof=proof))
    assert (code, words in told) == (Refusal.ASSERTION, True), told


def test_a_wrong_relying_party(page: Page, house: House, now: int, virtual_key: PlugIn) -> None:
    consent = ConsentOrigin(
        origin=house.origin, rp_id="elsewhere.example", aaguids=(DEMO_AAGUID,), attestation_roots=()
    )
    world = house.world(now=now, consent=consent)
    house.pin(world)
    mandate = world.mandate()
    page.goto(house.address(mandate.to_json(), "approve", "rita"))
    virtual_key(page).hold(world.keys["rita"])
    page.click("#approve")
    page.get_by_text("The browser refuses security keys at this address. Tell the operators").wait_for()
    assert page.locator("#signed").count() == 0
    statement = world.statement(mandate.digest, "rita")
    proof = proof_of(ask_key(page, statement.challenge, world.keys["rita"]))
    code, told = _refused(world, mandate, SignedConsent(statement=statement, proof=proof))
    assert (code, told) == (Refusal.ASSERTION, "made for another relying party")


def test_an_unknown_credential_and_somebody_elses(
    page: Page, house: House, world: World, virtual_key: PlugIn
) -> None:
    mandate, stranger = world.mandate(), SoftKey.generate()
    statement = world.statement(mandate.digest, "rita")
    page.goto(house.origin)
    key = virtual_key(page)
    for held in (stranger, world.keys["ravi"]):
        key.hold(held)
        proof = proof_of(ask_key(page, statement.challenge, held))
        assert _refused(world, mandate, SignedConsent(statement=statement, proof=proof))[0] is Refusal.UNKNOWN_KEY


def test_somebody_elses_challenge_and_an_expired_one(
    page: Page, house: House, world: World, virtual_key: PlugIn
) -> None:
    mandate = world.mandate()
    page.goto(house.address(mandate.to_json(), "approve", "rita"))
    virtual_key(page).hold(world.keys["rita"])
    signed = _signed_on_the_page(page)
    theirs = world.statement(mandate.digest, "rita")
    assert _refused(world, mandate, dataclasses.replace(signed, statement=theirs))[0] is Refusal.ASSERTION
    code, told = _refused(world, mandate, signed, later=2 * DAY)
    assert (code, "expired" in told) == (Refusal.EXPIRED, True)
    assert _voice(world, mandate, signed).decision is Decision.APPROVE


def test_a_case_that_changed_takes_no_old_approval(
    page: Page, house: House, world: World, virtual_key: PlugIn
) -> None:
    mandate = world.mandate()
    page.goto(house.address(mandate.to_json(), "approve", "rita"))
    virtual_key(page).hold(world.keys["rita"])
    signed = _signed_on_the_page(page)
    changed = dataclasses.replace(mandate, purpose="Something else")
    assert _refused(world, changed, signed)[0] is Refusal.CONSENT_MISMATCH


def test_a_cloned_keys_counter_is_noticed(page: Page, house: House, world: World, virtual_key: PlugIn) -> None:
    """The same key twice, once as a copy that counts from the same place: two challenges under one counter."""
    voices = []
    for mandate in (world.mandate(), world.mandate(purpose="Another")):
        page.goto("about:blank")
        page.goto(house.address(mandate.to_json(), "approve", "rita"))
        key = virtual_key(page)
        key.hold(world.keys["rita"], counter=7)
        voices.append(_voice(world, mandate, _signed_on_the_page(page)))
        key.unplug()
    assert voices[0].used.counter == voices[1].used.counter > 0
    with pytest.raises(RefusedError) as caught:
        check_unused(voices, world.journal)
    assert (caught.value.code, "may be cloned" in caught.value.message) == (Refusal.COUNTER, True)
    check_unused(voices[:1], world.journal)


def test_a_key_of_an_unlisted_model_stays_out_of_the_policy(
    page: Page, house: House, world: World, virtual_key: PlugIn
) -> None:
    page.goto(f"{house.origin}/enrol.html")
    page.fill("#person", "tessa")
    page.fill("#name", "Tessa")
    virtual_key(page)
    page.click("#create")
    page.locator("#enrolment").wait_for()
    key = read_struct(type(world.keys["tessa"].entry), json.loads(page.input_value("#enrolment"))["key"], "key")
    people = tuple(
        dataclasses.replace(one, keys=(*one.keys, key)) if one.id == "tessa" else one for one in world.policy.people
    )
    problems = validate(dataclasses.replace(world.policy, people=people))
    assert any("model" in one or "AAGUID" in one for one in problems), problems


def test_a_key_pulled_out_in_the_middle(
    page: Page, house: House, world: World, virtual_key: PlugIn, picture: Picture
) -> None:
    mandate = world.mandate()
    page.goto(house.address(mandate.to_json(), "approve", "rita"))
    key = virtual_key(page, automaticPresenceSimulation=False)
    key.hold(world.keys["rita"])
    page.click("#approve")
    page.get_by_text("Touch your security key").wait_for()
    key.unplug()
    picture(page, "waiting")
    if page.locator("#stop").count():
        page.click("#stop")
    page.get_by_text("You may try again").wait_for()
    assert page.locator("#stop, #signed").count() == 0
    virtual_key(page).hold(world.keys["rita"])
    assert _voice(world, mandate, _signed_on_the_page(page)).actor == "rita"


def test_two_tabs_sign_two_statements_of_which_one_counts(
    page: Page, house: House, world: World, virtual_key: PlugIn
) -> None:
    """The case page takes one and says so to the other; neither is a second seat."""
    mandate = world.mandate()
    other = page.context.new_page()
    signed: list[SignedConsent] = []
    for tab in (page, other):
        tab.goto(house.address(mandate.to_json(), "approve", "rita"))
        virtual_key(tab).hold(world.keys["rita"], counter=len(signed))
        signed.append(_signed_on_the_page(tab))
    assert signed[0].statement.header.id != signed[1].statement.header.id
    assert {_voice(world, mandate, one).actor for one in signed} == {"rita"}


def test_browser_back_and_forward_show_the_case_anew(
    page: Page, house: House, world: World, virtual_key: PlugIn
) -> None:
    page.goto(house.origin)
    page.goto(house.address(world.mandate().to_json(), "approve", "rita"))
    virtual_key(page).hold(world.keys["rita"])
    _signed_on_the_page(page)
    page.go_back()
    page.get_by_role("heading", name="Nothing to sign").wait_for()
    page.go_forward()
    page.locator("#approve:enabled").wait_for()
    assert page.locator("#signed").count() == 0


def test_a_reload_during_the_ceremony_signs_nothing(
    page: Page, house: House, world: World, virtual_key: PlugIn
) -> None:
    page.goto(house.address(world.mandate().to_json(), "approve", "rita"))
    key = virtual_key(page, automaticPresenceSimulation=False)
    key.hold(world.keys["rita"])
    page.click("#approve")
    page.get_by_text("Touch your security key").wait_for()
    page.reload()
    key.touch(automatic=True)
    page.locator("#approve:enabled").wait_for()
    assert page.locator("#signed").count() == 0


def test_an_expired_policy_and_a_future_request_say_what_to_do(
    page: Page, house: House, world: World, now: int
) -> None:
    future = header("mandate", world.deployment, now=now + DAY)
    page.goto(house.address(world.mandate(header=future).to_json(), "approve", "rita"))
    page.get_by_text("Check the clock of this device").wait_for()
