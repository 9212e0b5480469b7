"""People in a real Chromium: a fresh touch before what is sensitive, a second browser, and a new key's way."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from django.contrib.sessions.backends.db import SessionStore

from approvals.models import EnrolmentCase, PersonSession, User
from approvals.sessions import PROVED
from core.schema import write_struct
from demo.softkey import SoftKey
from policies.services import genesis_store
from tests.browser.test_pages import go, shoot, site, software_sign_in
from tests.factories.world import PEOPLE, World

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["site"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(site: str) -> World:  # noqa: ARG001 - the fixture; asks for the site first
    world = World(now=int(time.time()))
    genesis_store(signed=world.signed_policy, digest=world.deployment, actor="system:test", now=world.now)
    for name, (_, desk, place) in PEOPLE.items():
        User.objects.create_user(name, display_name=name.title(), desk=desk, site=place)
    return world


def forget_the_touch(person: str) -> None:
    record = PersonSession.objects.get(user__person_id=person, ended_at=None)
    session = SessionStore(session_key=record.session_key)
    session[PROVED] = int(time.time()) - 3600
    session.save()


@pytest.mark.usefixtures("world")
def test_shutting_somebody_out_takes_a_fresh_touch(page: Page, site: str) -> None:
    software_sign_in(page, site, User.objects.get(person_id="adam"))
    go(page, f"{site}/people/")
    shoot(page, "people")
    page.get_by_role("link", name="Tom", exact=True).click()
    page.wait_for_load_state("networkidle")
    forget_the_touch("adam")
    page.get_by_label("Why (for the log)").fill("left the firm")
    page.get_by_role("button", name="Shut Tom out now").click()
    page.wait_for_load_state("networkidle")
    shoot(page, "step-up")
    assert User.objects.get(person_id="tom").is_active
    page.get_by_role("button", name="Use software key").click()
    page.wait_for_url(f"{site}/people/of/tom/")
    page.wait_for_load_state("networkidle")
    page.get_by_label("Why (for the log)").fill("left the firm")
    page.get_by_role("button", name="Shut Tom out now").click()
    page.get_by_text("All sign-in keys locked").or_(page.get_by_text("all sign-in keys locked")).wait_for()
    page.wait_for_load_state("networkidle")
    shoot(page, "person")
    assert not User.objects.get(person_id="tom").is_active


@pytest.mark.usefixtures("world")
def test_a_second_browser_ends_the_first(page: Page, site: str, browser: Browser) -> None:
    rita = User.objects.get(person_id="rita")
    software_sign_in(page, site, rita)
    other = browser.new_context().new_page()
    software_sign_in(other, site, rita)
    go(other, f"{site}/sessions/")
    shoot(other, "sessions")
    go(page, f"{site}/sessions/")
    page.get_by_text("because you signed in elsewhere").wait_for()
    shoot(page, "signed-out")
    other.context.close()


@pytest.mark.usefixtures("world")
def test_a_new_key_is_proposed_and_shown_to_whoever_compares_it(page: Page, site: str) -> None:
    software_sign_in(page, site, User.objects.get(person_id="adam"))
    go(page, f"{site}/people/enrolments/new/")
    key = write_struct(SoftKey.generate().entry, "key")
    page.get_by_label("The file").fill(json.dumps({"person": "rita", "name": "Rita", "key": key}))
    page.get_by_role("button", name="Propose", exact=True).click()
    page.get_by_role("heading", name="A consent key for rita").wait_for()
    page.wait_for_load_state("networkidle")
    shoot(page, "enrolment")
    case = EnrolmentCase.objects.get()
    assert case.fingerprint[:4] in page.inner_text(".digest >> nth=0")
    go(page, f"{site}/people/enrolments/")
    shoot(page, "enrolments")
