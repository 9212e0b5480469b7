"""Ceremonies on the consent page: which wallet, which parties, what each does and what nothing undoes, in words."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from core.certificate import certificate_size
from core.degraded import parts_of
from core.documents.control import Ceremony, CeremonyKind
from core.documents.roster import SignerEntry, SignerRole, WalletKind
from tests.browser.axe import violations
from tests.factories.ceremonies import ceremony, recovery_key
from witness.sentence import sentence_of

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.consent.house import House, Picture
    from tests.factories.world import World

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("console_guard")]
NAMES = tuple(f"party-{place}" for place in range(1, 6))
THREE = NAMES[:3]


@pytest.fixture
def shared(house: House, now: int) -> World:
    """An institution whose wallet five parties hold."""
    signers = tuple(
        SignerEntry(
            id=name,
            role=SignerRole.PARTY,
            public_key=bytes([place]) * 32,
            host=f"host-{place}",
            site=f"site-{place}",
            administrator=f"admin-{place}",
            vendor="softhsm",
        )
        for place, name in enumerate(NAMES, start=1)
    )
    plain = house.world(now=now).policy.wallets[0]
    wallet = dataclasses.replace(plain, kind=WalletKind.MPC, signers=NAMES, threshold=3, label="Warm")
    world = house.world(now=now, signers=signers, wallets=(wallet,))
    house.pin(world)
    return world


def shown(page: Page, house: House, world: World, kind: CeremonyKind, **changes: Any) -> Ceremony:  # noqa: ANN401 - fields of Ceremony
    document = ceremony(world, kind, world.policy.wallets[0], **changes)
    page.goto("about:blank")
    page.goto(house.address(document.to_json(), "review", "adam"))
    page.locator("#approve:enabled").wait_for()
    assert page.inner_text("#sentence") == sentence_of(document, world.policy)
    assert "Warm" in page.inner_text("#sentence")
    return document


def test_a_degraded_mode_says_who_goes_on_without_whom(page: Page, house: House, shared: World) -> None:
    lasts = 24 * 3600
    document = shown(page, house, shared, CeremonyKind.DEGRADED, signers=THREE)
    header = dataclasses.replace(document.header, expires=document.header.created + lasts)
    document = shown(page, house, shared, CeremonyKind.DEGRADED, signers=THREE, header=header)
    text, wallet = page.inner_text("#ceremony"), shared.policy.wallets[0]
    assert "party-1, party-2, party-3 sign without party-4, party-5" in text
    assert f"3 instead of the {certificate_size(5, 3)} that have to agree" in text
    assert f"every limit is divided by {parts_of(wallet)}" in text
    assert "1 d after the draft" in text
    assert page.locator("#parties li[data-named=yes]").count() == 3
    assert page.locator("#parties li[data-named=no]").count() == 2
    assert "site site-4, administrator admin-4" in text
    assert page.locator("[data-code=degraded]").count() == 1


def test_a_ban_says_that_nothing_undoes_it(page: Page, house: House, shared: World) -> None:
    shown(page, house, shared, CeremonyKind.BAN, signers=("party-5",))
    text = page.inner_text("#ceremony")
    assert "party-5 never take part in this wallet again. No document undoes that" in text
    assert "4 parties, of which 3 sign" in text
    assert page.locator("[data-code=ban]").count() == 1


def test_a_refresh_a_backup_and_a_destruction(page: Page, house: House, shared: World) -> None:
    shown(page, house, shared, CeremonyKind.REFRESH, epoch=1)
    assert "All 5 parties make new shares of the same key" in page.inner_text("#ceremony")
    keys = tuple(recovery_key(name, place) for place, name in enumerate(NAMES, start=1))
    shown(page, house, shared, CeremonyKind.BACKUP, recovery=keys)
    assert "Whoever opens 3 of them has the key" in page.inner_text("#ceremony")
    assert "recovery-site-1" in page.inner_text("article")
    shown(page, house, shared, CeremonyKind.DESTROY, epoch=2)
    text = page.inner_text("#ceremony")
    assert "up to epoch 2. Nothing undoes that" in text
    assert "LOST FOR EVER" in text


@pytest.mark.parametrize("kind", [CeremonyKind.DEGRADED, CeremonyKind.BAN, CeremonyKind.DESTROY])
def test_it_can_be_read_by_everybody(
    page: Page, house: House, shared: World, picture: Picture, kind: CeremonyKind
) -> None:
    shown(page, house, shared, kind, signers=THREE)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        picture(page, f"{kind}-{scheme}")
        assert violations(page) == [], (kind, scheme)
    page.set_viewport_size({"width": 380, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
