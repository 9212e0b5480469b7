"""Amounts at their ends: none at all, as much as there can be, of unknown worth, and all of it in the fee."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.calldata import encode_transfer
from core.errors import Refusal
from core.quorum import describe
from core.schema import UINT256_MAX
from oms.errors import RequestRefusedError
from policies.selectors import decision_required
from policies.services import decision_make
from tests.factories.documents import TOKEN_CONTRACT
from tests.seed.institution import (
    CUSTODIAN,
    ETHER,
    LISTED,
    NATIVE,
    STALE,
    STALE_CONTRACT,
    STRANGER,
    TOKEN,
    UNPRICED,
    UNPRICED_CONTRACT,
    pay,
)
from tests.seed.tiers import EVERYBODY

if TYPE_CHECKING:
    from core.documents.mandate import Intent
    from tests.factories.world import World
    from tests.seed.tiers import Attacker, Web

GAS = 100_000
OVER = ("limit trader-day", "limit beneficiary-most")
HUGE = [UINT256_MAX, UINT256_MAX - 1, 2**255]
CONTRACTS = {STALE: STALE_CONTRACT, UNPRICED: UNPRICED_CONTRACT}
huge = pytest.mark.parametrize("amount", HUGE, ids=["2^256-1", "2^256-2", "2^255"])
both_assets = pytest.mark.parametrize("asset", [NATIVE, TOKEN], ids=["ether", "token"])
worthless = pytest.mark.parametrize("asset", [STALE, UNPRICED], ids=["expired price", "no price"])


def of(world: World, asset: str, amount: int, to: str = LISTED) -> Intent:
    """Pay base units."""
    if asset == NATIVE:
        return world.intent(to=to, value=amount)
    return world.intent(to=TOKEN_CONTRACT, value=0, data=encode_transfer(to, amount), gas=GAS)


def one_unit(world: World, asset: str) -> Intent:
    return world.intent(to=CONTRACTS[asset], value=0, data=encode_transfer(LISTED, 1), gas=GAS)


def in_fees(world: World, wei: int, wallet: int = 0) -> Intent:
    """Pay a dollar, and so much at most to whoever mines it."""
    account = world.policy.wallets[wallet].id
    return pay(world, 1, to=CUSTODIAN, gas=GAS, max_fee_per_gas=wei // GAS, wallet=account)


@pytest.mark.django_db
@huge
@both_assets
def test_the_largest_amounts_in_the_web_tier(web: Web, asset: str, amount: int) -> None:
    reasons = web.denied(of(web.world, asset, amount))
    assert all(name in reasons for name in OVER)
    web.paid(pay(web.world, 1, asset=asset), "ravi")


@huge
@both_assets
def test_the_largest_amounts_at_the_signer(neighbour: Attacker, asset: str, amount: int) -> None:
    code, words = neighbour.refused(of(neighbour.world, asset, amount), *EVERYBODY)
    assert (code, all(name in words for name in OVER)) == (Refusal.DENIED, True)
    neighbour.signed(pay(neighbour.world, 1, asset=asset), "ravi")


def test_the_largest_amount_and_the_largest_fee_at_the_signer(neighbour: Attacker) -> None:
    world = neighbour.world
    most = {"gas": 100_000_000, "max_fee_per_gas": UINT256_MAX, "max_priority_fee_per_gas": UINT256_MAX}
    for value in (UINT256_MAX, 1):
        code, words = neighbour.refused(world.intent(value=value, **most), *EVERYBODY)
        assert (code, "limit fees-day" in words) == (Refusal.DENIED, True)
    neighbour.signed(pay(world, 1), "ravi")


@pytest.mark.django_db
@both_assets
def test_nothing_at_all_in_the_web_tier(web: Web, asset: str) -> None:
    with pytest.raises(RequestRefusedError, match="greater than 0"):
        web.ask(of(web.world, asset, 0))
    mandate = web.world.mandate(of(web.world, asset, 0, STRANGER))
    decision = decision_make(mandate=mandate, claims={}, now=web.world.now)
    assert describe(decision_required(decision=decision)) == "1 risk officer + 1 senior risk officer"


@both_assets
def test_nothing_at_all_is_judged_like_any_amount_at_the_signer(neighbour: Attacker, asset: str) -> None:
    world = neighbour.world
    assert neighbour.refused(of(world, asset, 0))[0] is Refusal.QUORUM
    assert neighbour.refused(of(world, asset, 0, STRANGER), "ravi", "clara")[0] is Refusal.QUORUM
    neighbour.signed(of(world, asset, 0, STRANGER), "ravi", "rita")


@pytest.mark.django_db
@worthless
def test_a_slice_without_a_live_price_counts_above_every_threshold_in_the_web_tier(web: Web, asset: str) -> None:
    reasons = web.denied(one_unit(web.world, asset))
    assert all(f"{name} " in reasons for name in OVER)
    assert "unknown of" in reasons
    web.paid(pay(web.world, 1), "ravi")


@worthless
def test_a_slice_without_a_live_price_counts_above_every_threshold_at_the_signer(
    neighbour: Attacker, asset: str
) -> None:
    code, words = neighbour.refused(one_unit(neighbour.world, asset), *EVERYBODY)
    assert (code, all(name in words for name in OVER), "unknown of" in words) == (Refusal.DENIED, True, True)
    neighbour.signed(pay(neighbour.world, 1), "ravi")


@pytest.mark.django_db
def test_slices_that_are_mostly_fee_in_the_web_tier(web: Web) -> None:
    for _ in range(2):
        web.paid(in_fees(web.world, 4 * ETHER // 10), "ravi")
    assert "limit fees-day (Fees a day) would be exceeded" in web.denied(in_fees(web.world, 2 * ETHER // 10 + GAS))
    web.paid(in_fees(web.world, 4 * ETHER // 10, wallet=1), "ravi")
    web.paid(in_fees(web.world, 2 * ETHER // 10), "ravi")


def test_slices_that_are_mostly_fee_at_the_signer(attacker: Attacker) -> None:
    world = attacker.world
    for _ in range(2):
        attacker.signed(in_fees(world, 4 * ETHER // 10), "ravi")
    code, words = attacker.refused(in_fees(world, 2 * ETHER // 10 + GAS), *EVERYBODY)
    assert (code, "limit fees-day" in words) == (Refusal.DENIED, True)
    attacker.signed(in_fees(world, 4 * ETHER // 10, wallet=1), "ravi")
    attacker.signed(in_fees(world, 2 * ETHER // 10), "ravi")
