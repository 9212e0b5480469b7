"""A policy that brings new keys or new roots: the page says who co-signed, checks it, and names each certificate."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

import pytest

from core.documents.consent import Decision, SubjectType
from core.documents.roster import KeyEnrolment
from demo.softkey import SoftKey
from tests.factories.enrolment import enrolment, with_keys
from tests.factories.succession import next_policy
from tests.factories.world import header

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from core.documents.enrolment import Enrolment
    from core.documents.policy import Policy
    from core.documents.roster import ConsentKey
    from tests.consent.house import House, Picture
    from tests.factories.world import World

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("console_guard")]


def _cosigned(world: World, house: House, document: Enrolment, *by: str, origin: str = "") -> ConsentKey:
    consents = tuple(
        world.keys[name].consent(
            world.statement(
                document.digest,
                name,
                Decision.APPROVE,
                subject_type=SubjectType.ENROLMENT,
                header=header("consent", world.deployment, now=world.now),
            ),
            origin=origin or house.origin,
            rp_id="localhost",
        )
        for name in by
    )
    enrolled = KeyEnrolment(header=document.header, policy=document.policy, consents=consents)
    return dataclasses.replace(document.key, enrolment=enrolled)


def _told(page: Page, house: House, policy: Policy) -> str:
    page.goto("about:blank")
    page.goto(house.address(policy.to_json(), "review", "adam"))
    page.locator("#approve:enabled").wait_for()
    return page.inner_text("article")


def test_who_co_signed_a_new_key_is_checked_and_said(
    page: Page, house: House, world: World, picture: Picture
) -> None:
    document = enrolment(world, "tessa", SoftKey.generate().entry)
    elsewhere = _cosigned(world, house, document, "adam", "anna", origin=house.return_origin)
    cases = {
        "co-signed by Adam, Anna": _cosigned(world, house, document, "adam", "anna"),
        "co-signed by Adam: TOO FEW": _cosigned(world, house, document, "adam", "rita"),
        "NOT co-signed": document.key,
        "co-signed by nobody who counts: TOO FEW": elsewhere,
    }
    for words, key in cases.items():
        told = _told(page, house, next_policy(world, people=with_keys(world.policy, "tessa", key)))
        assert words in told
        if words == "co-signed by Adam, Anna":
            picture(page, "both")
            assert "TOO FEW" not in told


def test_a_key_under_another_persons_name_is_not_co_signed(page: Page, house: House, world: World) -> None:
    document = enrolment(world, "tessa", SoftKey.generate().entry)
    key = _cosigned(world, house, document, "adam", "anna")
    told = _told(page, house, next_policy(world, people=with_keys(world.policy, "ravi", key)))
    assert "co-signed by nobody who counts: TOO FEW" in told


def test_a_new_root_is_named_by_its_fingerprint(page: Page, house: House, world: World) -> None:
    root = b"\x30\x82" + b"certificate" * 9
    consent = dataclasses.replace(world.policy.consent, attestation_roots=(root,))
    told = _told(page, house, next_policy(world, consent=consent))
    assert "A maker's root certificate whose keys may consent" in told
    assert "will be given at" not in told
    assert hashlib.sha256(root).hexdigest() in told.replace(" ", "").replace("\n", "")
