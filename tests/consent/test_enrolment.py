"""Two admins co-sign a new key on the consent page: they see its fingerprint, and nobody vouches for their own."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from core.consents import Subject, check_consent
from core.documents.consent import SignedConsent, SubjectType
from core.schema import read_struct
from demo.softkey import SoftKey
from tests.consent.house import refusal
from tests.factories.enrolment import enrolment
from witness.sentence import sentence_of

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.fixtures import PlugIn
    from tests.consent.house import House, Picture
    from tests.factories.world import World

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("console_guard")]


def test_an_admin_compares_the_fingerprint_and_co_signs(
    page: Page, house: House, world: World, virtual_key: PlugIn, picture: Picture
) -> None:
    key = SoftKey.generate().entry
    document = enrolment(world, "tessa", key)
    page.goto(house.address(document.to_json(), "review", "adam"))
    page.locator("#approve:enabled").wait_for()
    picture(page, "co-sign")
    assert page.inner_text("h1") == sentence_of(document, world.policy) == "Enrol a security key of Tessa"
    assert (
        page.text_content("#fingerprint .hex") == hashlib.sha256(key.public_key).hexdigest() == document.fingerprint
    )
    virtual_key(page).hold(world.keys["adam"])
    page.click("#approve")
    page.locator("#signed").wait_for(state="attached")
    signed = read_struct(SignedConsent, json.loads(page.input_value("#signed")), "consent")
    subject = Subject(
        type=SubjectType.ENROLMENT,
        digest=document.digest,
        policy=world.policy.digest,
        deployment=world.deployment,
    )
    assert check_consent(signed, subject, world.policy, now=world.now + 5).actor == "adam"


@pytest.mark.parametrize(
    ("owner", "actor", "code"),
    [("adam", "adam", "own_key"), ("tessa", "rita", "no_enroller")],
    ids=["one's own", "without the role"],
)
def test_whoever_does_not_count_cannot_co_sign(
    page: Page, house: House, world: World, *, owner: str, actor: str, code: str
) -> None:
    document = enrolment(world, owner, SoftKey.generate().entry)
    page.goto(house.address(document.to_json(), "review", actor))
    page.locator(f"[data-code={code}]").wait_for()
    assert page.locator("#approve").count() == 0


def test_a_key_that_is_listed_already_is_refused(page: Page, house: House, world: World) -> None:
    document = enrolment(world, "tessa", world.keys["rita"].entry)
    page.goto(house.address(document.to_json(), "review", "adam"))
    assert refusal(page)[0] == "unknown_key"


def test_a_model_that_is_not_allowed_is_named(page: Page, house: House, world: World) -> None:
    entry = SoftKey.generate().entry
    value = enrolment(world, "tessa", entry).to_json()
    assert isinstance(value["key"], dict)
    value["key"]["aaguid"] = "0x" + "07" * 16
    page.goto(house.address(value, "review", "adam"))
    page.locator("[data-code=unlisted_model]").wait_for()
