"""The seed's case: over the trader's daily limit. Nobody's word lifts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.errors import Refusal
from tests.seed.institution import CUSTODIAN, ETHER_USD, MILLION, NATIVE, pay
from tests.seed.tiers import EVERYBODY, LARGE

if TYPE_CHECKING:
    from tests.seed.tiers import Attacker, Web

OVER = "limit trader-day (Dollars a day for each trader) would be exceeded"


@pytest.mark.django_db
def test_over_the_traders_daily_limit_in_the_web_tier(web: Web) -> None:
    web.paid(pay(web.world, 4 * MILLION), *LARGE)
    reasons = web.denied(pay(web.world, 2 * MILLION + 1, to=CUSTODIAN))
    assert reasons == f"{OVER}: {(6 * MILLION + 1) * 10**8} of {6 * MILLION * 10**8}"
    web.paid(pay(web.world, 2 * MILLION, to=CUSTODIAN), *LARGE)
    assert OVER in web.denied(pay(web.world, 1, to=CUSTODIAN)), "exactly the limit is spent: nothing is left"
    web.paid(pay(web.world, 1, to=CUSTODIAN), *LARGE, by="tom")


def test_over_the_traders_daily_limit_at_the_signer(attacker: Attacker) -> None:
    world = attacker.world
    attacker.signed(pay(world, 4 * MILLION), *LARGE)
    code, words = attacker.refused(pay(world, 2 * MILLION + 1, to=CUSTODIAN), *EVERYBODY)
    assert (code, OVER in words) == (Refusal.DENIED, True)
    attacker.signed(pay(world, 2 * MILLION, to=CUSTODIAN), *LARGE)
    code, words = attacker.refused(pay(world, 1, to=CUSTODIAN), *EVERYBODY)
    assert (code, OVER in words) == (Refusal.DENIED, True)
    attacker.signed(pay(world, 1, to=CUSTODIAN), *LARGE, by="tom")


def test_a_traders_day_is_counted_over_assets_and_wallets_at_the_signer(attacker: Attacker) -> None:
    world = attacker.world
    cold = world.policy.wallets[1].id
    attacker.signed(pay(world, 3 * MILLION), *LARGE)
    attacker.signed(pay(world, 2 * MILLION, asset=NATIVE, to=CUSTODIAN, wallet=cold), *LARGE)
    rest = pay(world, MILLION + ETHER_USD, asset=NATIVE, to=CUSTODIAN)
    assert attacker.refused(rest, *EVERYBODY)[0] is Refusal.DENIED
    attacker.signed(pay(world, MILLION, asset=NATIVE, to=CUSTODIAN), *LARGE)
