"""A day is 24 hours back from now, to the second, by the signer's own clock; midnight means nothing to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.errors import Refusal
from policies.services import reservation_settle
from tests.seed.institution import CUSTODIAN, DAY, MILLION, NATIVE, pay
from tests.seed.tiers import EVERYBODY, LARGE

if TYPE_CHECKING:
    from tests.factories.world import World
    from tests.seed.tiers import Attacker, Web

OVER = "limit trader-day"


def next_midnight(world: World) -> int:
    """Return the first midnight (UTC) that is far enough ahead for every entry of this policy to be in force."""
    return (world.now // DAY + 2) * DAY


def paid_and_signed(web: Web, dollars: int, to: str) -> None:
    """Have the web tier pay, and hear that it was signed now."""
    intent = pay(web.world, dollars, to=to)
    web.paid(intent, *LARGE)
    reservation_settle(intent_digest=intent.digest, now=web.world.now)


@pytest.mark.django_db
def test_midnight_and_the_edge_of_a_day_in_the_web_tier(web: Web) -> None:
    world = web.world
    midnight = next_midnight(world)
    world.now = midnight - 1
    paid_and_signed(web, 3 * MILLION, CUSTODIAN)
    world.now = midnight
    paid_and_signed(web, 2 * MILLION, CUSTODIAN)
    assert OVER in web.denied(pay(world, MILLION + 1)), "a new day began, and nothing else"
    world.now = midnight - 1 + DAY
    assert OVER in web.denied(pay(world, MILLION + 1)), "exactly 24 hours ago still counts"
    world.now = midnight + DAY
    assert OVER in web.denied(pay(world, 4 * MILLION + 1))
    web.paid(pay(world, 4 * MILLION), *LARGE)


@pytest.mark.django_db
def test_what_was_asked_and_never_signed_counts_however_old_in_the_web_tier(web: Web) -> None:
    web.paid(pay(web.world, 4 * MILLION), *LARGE)
    web.world.now += 3 * DAY
    assert OVER in web.denied(pay(web.world, 2 * MILLION + 1, to=CUSTODIAN))
    web.paid(pay(web.world, 2 * MILLION, to=CUSTODIAN), *LARGE)


def test_midnight_and_the_edge_of_a_day_at_the_signer(timed: Attacker) -> None:
    world = timed.world
    midnight = next_midnight(world)
    world.now = midnight - 1
    timed.signed(pay(world, 3 * MILLION, to=CUSTODIAN), *LARGE)
    world.now = midnight
    timed.signed(pay(world, 2 * MILLION, to=CUSTODIAN), *LARGE)
    code, words = timed.refused(pay(world, MILLION + 1), *EVERYBODY)
    assert (code, OVER in words) == (Refusal.DENIED, True), "a new day began, and nothing else"
    world.now = midnight - 1 + DAY
    code, words = timed.refused(pay(world, MILLION + 1), *EVERYBODY)
    assert (code, OVER in words) == (Refusal.DENIED, True), "exactly 24 hours ago still counts"
    world.now = midnight + DAY
    assert timed.refused(pay(world, 4 * MILLION + 1), *EVERYBODY)[0] is Refusal.DENIED
    timed.signed(pay(world, 4 * MILLION), *LARGE)


def test_slices_at_the_edge_of_a_day_at_the_signer(timed: Attacker) -> None:
    world = timed.world
    start = world.now
    timed.signed(pay(world, MILLION))
    world.now = start + 1
    timed.signed(pay(world, MILLION))
    world.now = start + DAY
    assert timed.refused(pay(world, MILLION), "rita", "ravi")[0] is Refusal.QUORUM
    world.now = start + DAY + 1
    timed.signed(pay(world, MILLION))
    assert timed.refused(pay(world, 1), "rita", "ravi")[0] is Refusal.QUORUM
    timed.signed(pay(world, 1), *LARGE)


def test_a_clock_that_goes_back_empties_no_window_at_the_signer(timed: Attacker) -> None:
    world = timed.world
    start = world.now
    world.now = start + DAY
    timed.signed(pay(world, 4 * MILLION), *LARGE)
    world.now = start
    assert timed.refused(pay(world, 4 * MILLION, to=CUSTODIAN), *EVERYBODY)[0] is Refusal.CLOCK
    world.now = start + DAY
    assert timed.refused(pay(world, 2 * MILLION + 1, to=CUSTODIAN), *EVERYBODY)[0] is Refusal.DENIED
    timed.signed(pay(world, 2 * MILLION, to=CUSTODIAN), *LARGE)


@pytest.mark.django_db
def test_a_slice_after_its_price_has_expired_in_the_web_tier(web: Web) -> None:
    world = web.world
    expires = next(price.expires for price in world.policy.prices if price.asset == NATIVE)
    world.now = expires - 1
    web.paid(pay(world, 1, asset=NATIVE), "ravi")
    world.now = expires
    reasons = web.denied(pay(world, 1, asset=NATIVE))
    assert (OVER in reasons, "beneficiary-most" in reasons, "unknown of" in reasons) == (True, True, True)
    web.paid(pay(world, 1), "ravi")


def test_a_slice_after_its_price_has_expired_at_the_signer(timed: Attacker) -> None:
    world = timed.world
    expires = next(price.expires for price in world.policy.prices if price.asset == NATIVE)
    world.now = expires - 1
    timed.signed(pay(world, 1, asset=NATIVE), "ravi")
    world.now = expires
    code, words = timed.refused(pay(world, 1, asset=NATIVE), *EVERYBODY)
    assert (code, "unknown of" in words) == (Refusal.DENIED, True)
    timed.signed(pay(world, 1), "ravi")
