"""Enrolment in a real Chromium: the JSON is exactly a roster's consent key, attested by the key itself."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from core.attestation import attestation_problem
from core.documents.roster import ConsentKey
from core.schema import read_struct
from core.webauthn import parse_public_key
from demo.softkey import SoftKey

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.fixtures import PlugIn
    from tests.consent.house import House, Picture

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("console_guard")]

_MODEL = bytes.fromhex("01020304050607080102030405060708")


def _open(page: Page, house: House, person: str = "tessa.t", name: str = "Tessa Trader") -> None:
    page.goto(f"{house.origin}/enrol.html")
    page.fill("#person", person)
    page.fill("#name", name)
    page.locator("#create:enabled").wait_for()


def test_an_enrolment_is_a_consent_key(page: Page, house: House, virtual_key: PlugIn, picture: Picture) -> None:
    _open(page, house)
    virtual_key(page)
    picture(page, "form")
    page.click("#create")
    page.get_by_text("The key is made").wait_for()
    picture(page, "made")
    value = json.loads(page.input_value("#enrolment"))
    assert set(value) == {"person", "name", "key"}
    assert (value["person"], value["name"]) == ("tessa.t", "Tessa Trader")
    key = read_struct(ConsentKey, value["key"], "key")
    assert parse_public_key(key.public_key).get(3) == -7
    assert key.aaguid == _MODEL
    assert attestation_problem(key) is None
    assert page.text_content("#fingerprint .hex") == hashlib.sha256(key.public_key).hexdigest()
    assert page.inner_text("#aaguid") == f"0x{_MODEL.hex()}"


def test_the_enrolment_is_saved_as_it_is_shown(page: Page, house: House, virtual_key: PlugIn) -> None:
    _open(page, house)
    virtual_key(page, hasResidentKey=False)
    page.keyboard.press("Enter")
    page.locator("#create").press("Enter")
    page.locator("#save").wait_for()
    with page.expect_download() as saved:
        page.click("#save")
    assert saved.value.suggested_filename == "enrolment-tessa.t.json"
    assert json.loads(saved.value.path().read_text()) == json.loads(page.input_value("#enrolment"))


@pytest.mark.parametrize(
    ("person", "name", "field"),
    [
        ("Tessa Trader", "Tessa", "person"),
        ("", "Tessa", "person"),
        ("tessa", "", "name"),
        ("tessa", "T\u202e", "name"),
    ],
    ids=["capital letters", "nobody", "no name", "invisible characters"],
)
def test_what_was_typed_stays_and_is_explained(page: Page, house: House, person: str, name: str, field: str) -> None:
    _open(page, house, person, name)
    page.click("#create")
    page.locator("#status.bad").wait_for()
    assert page.evaluate("document.activeElement.id") == field
    assert page.get_attribute(f"#{field}", "aria-invalid") == "true"
    assert (page.input_value("#person"), page.input_value("#name")) == (person, name)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"isUserVerified": False}, "You may try again"),
        ({"defaultBackupEligibility": True}, "passkey that can be copied"),
    ],
    ids=["no user verification", "backup-eligible"],
)
def test_a_key_that_could_never_count_is_not_enrolled(
    page: Page, house: House, virtual_key: PlugIn, options: dict[str, bool], words: str
) -> None:
    _open(page, house)
    virtual_key(page, **options)
    page.click("#create")
    page.get_by_text(words).wait_for()
    assert page.locator("#enrolment").count() == 0


def test_the_key_is_found_in_authenticator_data_strictly(page: Page, house: House) -> None:
    page.goto(house.origin)
    cose = SoftKey.generate().cose
    script = """async (key) => {
      const [{endOfItem}, {bytesOfHex}] = await Promise.all([import("/js/cbor.js"), import("/js/bytes.js")]);
      try { return endOfItem(bytesOfHex(key), 0); } catch (error) { return error.message; }
    }"""
    assert page.evaluate(script, cose.hex()) == len(cose)
    assert page.evaluate(script, cose.hex() + "a0ff") == len(cose), "extensions may follow"
    assert page.evaluate(script, cose[:-1].hex()) == "truncated"
    assert page.evaluate(script, "1817") == "not the shortest spelling"
    assert "unsupported" in page.evaluate(script, "5f4101ff")
    assert "do not occur" in page.evaluate(script, "c001")
    assert "nested" in page.evaluate(script, "81" * 20 + "01")
