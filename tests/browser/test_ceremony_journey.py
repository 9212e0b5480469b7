"""A ceremony's whole way: drafted on a page, consented to by two at the consent origin, taken by real parties."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from approvals.models import User
from chains.services import chain_create
from core.ceremony_lifecycle import CeremonyState
from core.documents.policy import ConsentOrigin
from core.documents.roster import DEMO_AAGUID
from custody.ceremony_sweep import sweep_once
from custody.models import CeremonyProgress, KeyCeremony
from custody.services import wallet_create
from policies.services import genesis_store
from tests.browser.axe import violations
from tests.browser.fixtures import virtual_key  # noqa: F401 - a fixture
from tests.browser.test_journey import Town, signed_at
from tests.browser.test_pages import shoot
from tests.consent.house import consent_host
from tests.factories.world import CHAIN, PEOPLE
from tests.party.rig import Group, found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page
    from pytest_django import Settings
    from pytest_django.live_server_helper import LiveServer

    from tests.browser.fixtures import VirtualKey
    from tests.party.rig import Founded

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]


class GroupAt(Group):
    """Parties whose policy names a consent host that runs, and was signed there."""

    origin = ""

    def pin(self) -> None:
        """Install the genesis as it was signed at that host."""
        self.world.signed_policy = signed_at(self.origin, self.world)
        super().pin()


def group_at(founded: Founded, base: Path, origin: str) -> GroupAt:
    GroupAt.origin = origin
    consent = ConsentOrigin(origin=origin, rp_id="localhost", aaguids=(DEMO_AAGUID,), attestation_roots=())
    return GroupAt(founded, base, overrides={"consent": consent})


@pytest.fixture
def folder() -> Iterator[Path]:
    base = Path(tempfile.mkdtemp(prefix="cs-party-"))
    yield base
    shutil.rmtree(base)


@pytest.fixture
def town(  # noqa: PLR0917 - fixtures
    live_server: LiveServer,
    settings: Settings,
    tmp_path: Path,
    folder: Path,
    browser: Browser,
    virtual_key: Callable[..., VirtualKey],  # noqa: F811 - the fixture
) -> Iterator[Town]:
    """Three parties that serve, a policy in force that names them, and accounts."""
    site = str(live_server.url)
    founded = found(folder / "found", 2, 3)
    with consent_host(tmp_path, site) as house:
        group = group_at(founded, folder / "group", house.origin)
        world, wallet = group.world, group.wallet
        house.pin(world)
        settings.COUNTERSIGN_WEB_ORIGIN, settings.COUNTERSIGN_DEMO = site, True
        settings.COUNTERSIGN_CONSENT_ORIGIN, settings.COUNTERSIGN_WITNESSES = house.origin, {}
        now = int(time.time())
        genesis_store(signed=world.signed_policy, digest=world.deployment, actor="system:test", now=now)
        for name, (_, desk, place) in PEOPLE.items():
            User.objects.create_user(name, display_name=name.title(), desk=desk, site=place)
        chain_create(actor="system:test", caip2=CHAIN, name="Dev chain", native_symbol="ETH", confirmation_depth=2)
        wallet_create(
            actor="system:test",
            caip10=wallet.id,
            label=wallet.label,
            kind=wallet.kind,
            public_key=wallet.public_key,
            signers=wallet.signers,
            threshold=wallet.threshold,
        )
        made = Town(site, world, browser, virtual_key)
        with group.up() as parties:
            settings.COUNTERSIGN_SIGNER_SOCKETS = {name: party.path for name, party in parties.items()}
            yield made
        for context in made.contexts.values():
            context.close()
    assert made.complaints == []


def looked_at(page: Page, name: str) -> None:
    """Look at a page in light and dark, with pictures where somebody asked for them."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        shoot(page, f"{name}-{scheme}")
        assert violations(page) == [], (name, scheme)


def test_drafted_consented_to_and_taken_by_real_parties(town: Town) -> None:
    olga = town.person("olga")
    olga.goto(f"{town.site}/ceremonies/")
    olga.get_by_text("No ceremony yet").wait_for()
    looked_at(olga, "ceremonies-empty")
    olga.get_by_role("link", name="Draft a ceremony").click()
    looked_at(olga, "ceremony-kinds")
    olga.get_by_role("link", name="Degraded mode").click()
    olga.get_by_label("party-1").check()
    olga.get_by_label("Reason").fill("Party three's host is flooded")
    looked_at(olga, "ceremony-form")
    olga.get_by_label("party-2").check()
    olga.get_by_role("button", name="Draft it").click()
    olga.get_by_text("Waits for consents").first.wait_for()
    looked_at(olga, "ceremony-drafted")
    for name in ("adam", "anna"):
        page = town.person(name)
        page.goto(f"{town.site}/ceremonies/")
        page.get_by_role("link", name="Degraded mode").first.click()
        consent = town.sign(page, name, "Review and sign", "approve")
        page.get_by_text(f"{name} approved").wait_for()
        consent.close()
    made = KeyCeremony.objects.get()
    assert made.state == CeremonyState.ORDERED
    sweep_once(now=timezone.now())
    made.refresh_from_db()
    assert made.state == CeremonyState.RUNNING
    taken = CeremonyProgress.objects.filter(ceremony=made).values_list("state", flat=True)
    assert list(taken) == ["done"] * 3
    # Her page was open all the time.
    expect(olga.locator("[data-state=running]")).to_contain_text("In force", timeout=10_000)
    expect(olga.get_by_text("✓ done")).to_have_count(3)
    olga.reload()
    looked_at(olga, "ceremony-in-force")
    olga.goto(f"{town.site}/ceremonies/")
    looked_at(olga, "ceremonies")
