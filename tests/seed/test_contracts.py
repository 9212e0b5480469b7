"""The seed's case: the contract is not approved; nor what hides a call of it, nor another use of an approved one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from core.calldata import encode_transfer
from core.errors import Refusal
from core.names import address_from_bytes
from core.quorum import describe
from core.schema import UINT256_MAX
from oms.errors import RequestRefusedError
from policies.selectors import decision_reasons, decision_required
from policies.services import decision_make
from tests.factories.contracts import (
    APPROVE,
    INCREASE,
    MULTI_SEND,
    MULTICALL,
    ROUTER,
    SWAP,
    batch,
    call,
    packed,
)
from tests.factories.documents import LISTED, TOKEN_CONTRACT
from tests.seed.tiers import EVERYBODY, OFFICERS

if TYPE_CHECKING:
    from core.documents.mandate import Intent
    from policies.models import Decision
    from tests.factories.world import World
    from tests.seed.tiers import Attacker, Web

OTHER = address_from_bytes(bytes.fromhex("e592427a0aece92de3edee1f18e0157c05861564"))
"""A contract that nobody has approved."""
SWAPPED = call(SWAP, TOKEN_CONTRACT, [(1, TOKEN_CONTRACT)], 1)
ALLOWED = call(APPROVE, ROUTER, 10**6)
FORBIDDEN = call(APPROVE, OTHER, 10**6)
NOT_UNDERSTOOD = "guard not-understood (Calls that are not understood) matched"
NO_GRANT = "no grant matches: denied by default"

UNAPPROVED: dict[str, tuple[str, bytes, str]] = {
    "another router": (OTHER, SWAPPED, NOT_UNDERSTOOD),
    "a transfer of an unknown token": (OTHER, encode_transfer(LISTED, 1), NOT_UNDERSTOOD),
    "an allowance for another contract": (TOKEN_CONTRACT, FORBIDDEN, NO_GRANT),
    "another function of an approved contract": (TOKEN_CONTRACT, call(INCREASE, ROUTER, 1), NOT_UNDERSTOOD),
    "a registered contract that no grant names": (ROUTER, SWAPPED, NO_GRANT),
    "an approved call with a tail": (TOKEN_CONTRACT, ALLOWED + bytes(32), NOT_UNDERSTOOD),
    "an approved call cut short": (TOKEN_CONTRACT, ALLOWED[:-1], NOT_UNDERSTOOD),
    "hidden in a batch": (TOKEN_CONTRACT, batch(MULTICALL, [ALLOWED, FORBIDDEN]), NO_GRANT),
    "hidden in a batch in a batch": (
        TOKEN_CONTRACT,
        batch(MULTICALL, [ALLOWED, batch(MULTICALL, [ALLOWED, FORBIDDEN])]),
        NO_GRANT,
    ),
    "behind a registered sender": (MULTI_SEND, packed((0, OTHER, 0, SWAPPED)), NOT_UNDERSTOOD),
    "run in the sender's place": (MULTI_SEND, packed((1, TOKEN_CONTRACT, 0, ALLOWED)), NOT_UNDERSTOOD),
    "data to a whitelisted address": (LISTED, b"\1\2\3\4", NOT_UNDERSTOOD),
    "less than a selector": (OTHER, b"\1\2\3", NOT_UNDERSTOOD),
}
APPROVED: dict[str, bytes] = {
    "an allowance": ALLOWED,
    "a batch": batch(MULTICALL, [ALLOWED, ALLOWED]),
}
each_unapproved = pytest.mark.parametrize("name", UNAPPROVED)
each_approved = pytest.mark.parametrize("name", APPROVED)


def calling(world: World, contract: str, data: bytes, **changes: Any) -> Intent:  # noqa: ANN401 - Intent's fields
    return world.intent(**({"to": contract, "value": 0, "data": data, "gas": 300_000} | changes))


def decided(web: Web, intent: Intent) -> Decision:
    return decision_make(mandate=web.world.mandate(intent), claims={"web.simulation": "ok"}, now=web.world.now)


@pytest.mark.django_db
@each_unapproved
def test_contract_not_approved_in_the_web_tier(web: Web, name: str) -> None:
    contract, data, why = UNAPPROVED[name]
    decision = decided(web, calling(web.world, contract, data))
    assert decision.outcome == "denied"
    assert why in decision_reasons(decision=decision)


@pytest.mark.django_db
@each_approved
def test_approved_contract_in_the_web_tier(web: Web, name: str) -> None:
    decision = decided(web, calling(web.world, TOKEN_CONTRACT, APPROVED[name]))
    assert decision.outcome == "allowed", decision.reasons
    assert describe(decision_required(decision=decision)) == "2 risk officers"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name", ["another router", "another function of an approved contract", "an approved call with a tail"]
)
def test_a_call_that_cannot_be_read_whole_is_not_even_asked_for(web: Web, name: str) -> None:
    contract, data, _ = UNAPPROVED[name]
    with pytest.raises(RequestRefusedError, match="Only transfers, and calls that the policy registers"):
        web.ask(calling(web.world, contract, data))


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["an allowance for another contract", "hidden in a batch"])
def test_a_call_that_is_read_and_not_granted_is_denied_when_it_is_asked_for(web: Web, name: str) -> None:
    contract, data, why = UNAPPROVED[name]
    assert why in web.denied(calling(web.world, contract, data))


@pytest.mark.django_db
def test_a_transfer_of_an_unknown_token_is_denied_when_it_is_asked_for(web: Web) -> None:
    assert NOT_UNDERSTOOD in web.denied(calling(web.world, OTHER, encode_transfer(LISTED, 1)))


@each_unapproved
def test_contract_not_approved_at_the_signer(neighbour: Attacker, name: str) -> None:
    contract, data, why = UNAPPROVED[name]
    code, words = neighbour.refused(calling(neighbour.world, contract, data), *EVERYBODY)
    assert (code, why in words) == (Refusal.DENIED, True), words
    neighbour.signed(calling(neighbour.world, TOKEN_CONTRACT, ALLOWED))


@each_approved
def test_approved_contract_at_the_signer(neighbour: Attacker, name: str) -> None:
    intent = calling(neighbour.world, TOKEN_CONTRACT, APPROVED[name])
    assert neighbour.refused(intent, "rita")[0] is Refusal.QUORUM
    neighbour.signed(intent, *OFFICERS)


def test_an_endless_allowance_is_above_every_limit_at_the_signer(neighbour: Attacker) -> None:
    world = neighbour.world
    for amount in (UINT256_MAX, 2**255):
        code, words = neighbour.refused(calling(world, TOKEN_CONTRACT, call(APPROVE, ROUTER, amount)), *EVERYBODY)
        assert (code, "trader-day" in words) == (Refusal.DENIED, True)
    coins = calling(world, TOKEN_CONTRACT, ALLOWED, value=1)
    assert neighbour.refused(coins, *EVERYBODY)[0] is Refusal.DENIED, "coins sent along with an allowance"
    neighbour.signed(calling(world, TOKEN_CONTRACT, ALLOWED))
