"""The seed's case: a new address, not on the whitelist, needs a senior risk officer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.documents.roster import Role
from core.errors import Refusal
from oms.errors import RequestRefusedError
from oms.selectors import seats_of
from tests.seed.institution import COOLING, DAY, LAPSED, NATIVE, STRANGER, TOKEN, pay
from tests.seed.tiers import EVERYBODY

if TYPE_CHECKING:
    from tests.seed.tiers import Attacker, Web

ASSETS = pytest.mark.parametrize("asset", [NATIVE, TOKEN], ids=["ether", "token"])
NOT_USABLE = "guard not-usable (On the whitelist, but not usable now) matched"


@ASSETS
@pytest.mark.django_db
def test_new_address_needs_a_senior_risk_officer_in_the_web_tier(web: Web, asset: str) -> None:
    request = web.ask(pay(web.world, 100, to=STRANGER, asset=asset))
    assert (request.state, web.words(request)) == ("pending", "1 risk officer + 1 senior risk officer")
    request = web.approve(request, "ravi")
    assert request.state == "pending"
    assert seats_of(request=request).open_roles == (Role.SENIOR_RISK_OFFICER,)
    with pytest.raises(RequestRefusedError, match="fills no seat"):
        web.approve(request, "clara")
    assert web.approve(request, "rita").state == "approved"


@pytest.mark.django_db
def test_a_senior_risk_officer_takes_one_seat_only_in_the_web_tier(web: Web) -> None:
    request = web.approve(web.ask(pay(web.world, 100, to=STRANGER)), "rita")
    assert request.state == "pending", "who holds both roles is still one person"
    assert len(seats_of(request=request).open_roles) == 1


@ASSETS
def test_new_address_needs_a_senior_risk_officer_at_the_signer(neighbour: Attacker, asset: str) -> None:
    intent = pay(neighbour.world, 100, to=STRANGER, asset=asset)
    others = tuple(name for name in EVERYBODY if name != "rita")
    for signers in (("ravi",), ("ravi", "clara"), others):
        code, words = neighbour.refused(intent, *signers)
        assert (code, "missing: senior_risk_officer" in words) == (Refusal.QUORUM, True), words
    assert neighbour.refused(intent, "rita")[0] is Refusal.QUORUM, "who holds both roles is still one person"
    neighbour.signed(intent, "rita", "ravi")


@pytest.mark.django_db
@pytest.mark.parametrize("address", [COOLING, LAPSED], ids=["cooling down", "expired"])
def test_an_entry_that_cannot_be_used_now_is_no_new_address_in_the_web_tier(web: Web, address: str) -> None:
    assert NOT_USABLE in web.denied(pay(web.world, 100, to=address))


@pytest.mark.parametrize("address", [COOLING, LAPSED], ids=["cooling down", "expired"])
def test_an_entry_that_cannot_be_used_now_is_no_new_address_at_the_signer(neighbour: Attacker, address: str) -> None:
    code, words = neighbour.refused(pay(neighbour.world, 100, to=address), *EVERYBODY)
    assert (code, NOT_USABLE in words) == (Refusal.DENIED, True)
    neighbour.signed(pay(neighbour.world, 100))


def test_a_cool_down_ends_by_the_signers_own_clock(timed: Attacker) -> None:
    world = timed.world
    entry = next(entry for entry in world.policy.addresses if entry.address == COOLING)
    assert entry.usable_from - world.now <= DAY
    world.now = entry.usable_from - 1
    assert timed.refused(pay(world, 100, to=COOLING), *EVERYBODY)[0] is Refusal.DENIED
    world.now = entry.usable_from
    timed.signed(pay(world, 100, to=COOLING), "ravi")
