"""The second-device check: the same document on another device says the same sentence and the same words."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from typing import TYPE_CHECKING

import pytest

from consent.release import STATIC
from core.schema import write_struct
from tests.consent.house import fragment, refusal
from tests.factories.succession import next_policy
from tests.factories.world import STRANGER
from tests.vectors.generate_consent import controls
from witness.sentence import sentence_of
from witness.words import LIST, LIST_SHA256, six_words

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from core.documents.base import Document
    from tests.consent.house import House, Picture
    from tests.factories.world import World


def test_the_list_is_the_one_of_both_sides() -> None:
    raw = (STATIC / "words.txt").read_bytes()
    assert hashlib.sha256(raw).hexdigest() == LIST_SHA256
    assert raw == LIST.read_bytes()
    words = raw.decode().split("\n")[:-1]
    assert len(words) == len({word[:4] for word in words}) == 1024, "four letters tell any two words apart"
    assert words == sorted(words)
    assert all(re.fullmatch(r"[a-z]{4,7}", word) for word in words)
    for module in ("six_words.js",):
        assert LIST_SHA256 in (STATIC / "js" / module).read_text()


pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("console_guard")]


def _open(page: Page, house: House) -> None:
    page.goto(f"{house.origin}/check.html")
    page.locator("#check:enabled").wait_for()


def _check(page: Page, text: str, shown: str = "") -> None:
    page.fill("#text", text)
    page.fill("#shown", shown)
    page.click("#check")


def _documents(world: World) -> list[Document]:
    return [world.mandate(world.token_intent(250_000 * 10**6)), *controls(world), world.policy]


def test_both_devices_show_the_same(page: Page, house: House, world: World, picture: Picture) -> None:
    for document in _documents(world)[:-1]:
        actor = "rita" if document.TYPE == "mandate" else "adam"
        page.goto("about:blank")
        page.goto(house.address(document.to_json(), "review", actor))
        page.locator("#words").wait_for()
        first = (page.inner_text("#sentence"), page.inner_text("#words"), page.text_content("#digest"))
        _open(page, house)
        _check(page, json.dumps(document.to_json()), first[1].upper())
        page.get_by_text("The same document as on the other device").wait_for()
        second = (page.inner_text("#sentence"), page.inner_text("#words"), page.text_content("#digest"))
        assert first == second
        assert second == (sentence_of(document, world.policy), six_words(document.digest), document.digest)
        picture(page, document.TYPE)
        assert page.locator("#approve, #reject, #ask, #withdraw").count() == 0


def test_a_policy_that_follows_reads_the_same_everywhere(page: Page, house: House, world: World) -> None:
    policy = next_policy(world)
    page.goto(house.address(policy.to_json(), "review", "adam"))
    first = (page.inner_text("#sentence"), page.inner_text("#words"))
    _open(page, house)
    _check(page, json.dumps(policy.to_json()))
    page.locator("#words").wait_for()
    second = (page.inner_text("#sentence"), page.inner_text("#words"))
    assert first == second == (sentence_of(policy, policy), six_words(policy.digest))


def test_a_file_and_a_whole_address_serve_as_well(page: Page, house: House, world: World, tmp_path: Path) -> None:
    mandate = world.mandate()
    page.goto(house.address(mandate.to_json(), "review", "rita"))
    page.click("#second-device summary")
    with page.expect_download() as saved:
        page.click("#save-document")
    file = tmp_path / saved.value.suggested_filename
    saved.value.save_as(file)
    _open(page, house)
    page.set_input_files("#file", file)
    page.fill("#shown", " ".join(re.findall("....", mandate.digest)))
    page.press("#shown", "Enter")
    page.get_by_text("The same document").wait_for()
    _check(page, house.address(mandate.to_json(), "approve", "rita"), mandate.digest)
    page.get_by_text("The same document").wait_for()


def test_another_document_is_told_apart(page: Page, house: House, world: World, picture: Picture) -> None:
    shown, given = world.mandate(), world.mandate(world.intent(to=STRANGER))
    _open(page, house)
    _check(page, json.dumps(given.to_json()), six_words(shown.digest))
    page.get_by_text("NOT the document that the other device shows").wait_for()
    page.get_by_text("Destination NOT LISTED").wait_for()
    picture(page, "another")


def test_a_first_policy_is_checked_before_anything_is_pinned(page: Page, house: House, now: int) -> None:
    world = house.world(now=now)
    _open(page, house)
    _check(page, json.dumps(write_struct(world.signed_policy, "policy")))
    page.get_by_text("No policy is pinned here").wait_for()
    assert page.inner_text("#words") == six_words(world.policy.digest)
    assert page.inner_text("h1#sentence") == sentence_of(world.policy, world.policy)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("rubbish", "malformed"),
        ("[]", "malformed"),
        ("null", "malformed"),
        ('{"header": {"type": "consent"}}', "malformed"),
        ('{"header": {"type": "enrol"}}', "malformed"),
        ("http://localhost/#", "malformed"),
        (f"http://localhost/#{fragment({'v': 1})}", "malformed"),
        ("[" * 100_000, "malformed"),
        ("x" * (9 * 1024 * 1024), "malformed"),
    ],
    ids=["text", "list", "null", "consent", "unknown type", "no request", "empty request", "deep", "long"],
)
def test_what_is_no_document_is_refused(page: Page, house: House, world: World, text: str, code: str) -> None:
    _open(page, house)
    page.evaluate("(text) => { document.getElementById('text').value = text; }", text)
    page.click("#check")
    assert refusal(page)[0] == code
    _check(page, json.dumps(world.mandate().to_json()))
    page.locator("#sentence").wait_for()


@pytest.mark.usefixtures("world")
def test_a_file_of_ten_megabytes_and_one_that_is_no_text(page: Page, house: House, tmp_path: Path) -> None:
    for name, raw, words in (("big", b" " * (10 * 1024 * 1024), "larger"), ("binary", b"\xff\xfe\0", "not text")):
        file = tmp_path / f"{name}.json"
        file.write_bytes(raw)
        _open(page, house)
        page.set_input_files("#file", file)
        page.click("#check")
        code, told = refusal(page)
        assert (code, words in told) == ("malformed", True)


@pytest.mark.usefixtures("world")
def test_nothing_given_is_asked_for(page: Page, house: House) -> None:
    _open(page, house)
    page.click("#check")
    page.get_by_text("Choose the document's file").wait_for()
    assert page.evaluate("document.activeElement.id") == "text"


def test_expired_and_foreign_documents_are_refused(page: Page, house: House, world: World, now: int) -> None:
    other = house.world(now=now)
    old = dataclasses.replace(
        world.mandate(), header=dataclasses.replace(world.mandate().header, created=now - 99, expires=now - 9)
    )
    for mandate, code in ((other.mandate(), "wrong_deployment"), (old, "expired")):
        _open(page, house)
        _check(page, json.dumps(mandate.to_json()))
        assert refusal(page)[0] == code


def test_a_changed_list_of_words_is_refused(page: Page, house: House, world: World) -> None:
    page.route("**/words.txt", lambda route: route.fulfill(body="abbey\n" * 1024))
    page.goto(house.address(world.mandate().to_json(), "approve", "rita"))
    code, told = refusal(page)
    assert (code, "list of words" in told) == ("installation", True)
