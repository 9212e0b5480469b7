"""The seed's case: two colluding employees, whichever two: they fill no seat that is not theirs, and none twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.documents.consent import Decision
from core.documents.roster import Role
from core.errors import Refusal
from core.quorum import describe
from oms.errors import RequestMissingError, RequestRefusedError
from oms.selectors import seats_of
from oms.services import request_ask
from policies.selectors import decision_reasons, decision_required
from policies.services import decision_make
from tests.factories.documents import ORIGIN, RP_ID
from tests.seed.institution import MILLION, pay
from tests.seed.tiers import EVERYBODY

if TYPE_CHECKING:
    from core.documents.consent import SignedConsent
    from core.documents.mandate import Mandate
    from tests.seed.tiers import Attacker, Web

BOT = "bot-1"
"""An API client; rita is its responsible person."""


def in_the_name_of(attacker: Attacker, mandate: Mandate, name: str, *, by: str) -> SignedConsent:
    """Sign a statement in somebody's name with somebody else's key."""
    world = attacker.world
    return world.keys[by].consent(world.statement(mandate.digest, name), origin=ORIGIN, rp_id=RP_ID)


@pytest.mark.django_db
def test_a_trader_and_one_officer_in_the_web_tier(web: Web) -> None:
    request = web.approve(web.ask(pay(web.world, MILLION)), "rita")
    for actor in ("rita", "tessa"):
        with pytest.raises(RequestRefusedError, match="fills no seat"):
            web.approve(request, actor)
    request.refresh_from_db()
    seats = seats_of(request=request)
    assert (request.state, seats.approved_by, seats.open_roles) == ("pending", ("rita",), (Role.RISK_OFFICER,))
    assert web.approve(request, "ravi").state == "approved"


@pytest.mark.django_db
def test_two_traders_in_the_web_tier(web: Web) -> None:
    request = web.ask(pay(web.world, 1))
    with pytest.raises(RequestMissingError):
        web.approve(request, "tom")
    request.refresh_from_db()
    assert request.state == "pending"
    assert web.approve(request, "ravi").state == "approved"


@pytest.mark.django_db
def test_two_officers_in_the_web_tier(web: Web) -> None:
    assert web.denied(pay(web.world, 1), by="rita") == "no grant matches: denied by default"
    web.paid(pay(web.world, 1), "rita")


@pytest.mark.django_db
def test_a_client_and_its_responsible_person_in_the_web_tier(web: Web) -> None:
    mandate = web.world.mandate(pay(web.world, 10_000), BOT)
    with pytest.raises(RequestRefusedError, match="This mandate is bot-1's; you are rita"):
        request_ask(
            user=web.users["rita"],
            mandate_raw=mandate.to_bytes(),
            consent_raw=web.posted(mandate, "rita", Decision.ASK),
            now=web.now,
        )
    decision = decision_make(mandate=mandate, claims={}, now=web.world.now)
    assert (decision.outcome, describe(decision_required(decision=decision))) == ("allowed", "1 risk officer")
    large = web.world.mandate(pay(web.world, 10_001), BOT)
    decision = decision_make(mandate=large, claims={}, now=web.world.now)
    assert decision_reasons(decision=decision) == ("no grant matches: denied by default",)


def test_a_trader_and_one_officer_at_the_signer(neighbour: Attacker) -> None:
    mandate = neighbour.world.mandate(pay(neighbour.world, 100_000))
    rita, again, tessa = neighbour.approvals(mandate, "rita", "rita", "tessa")
    for consents in ((rita,), (rita, again), (rita, tessa), (rita, again, tessa)):
        answer = neighbour.send(mandate, *consents)
        assert (answer.code, "missing: risk_officer" in answer.words) == (Refusal.QUORUM, True), answer
    for key in ("rita", "tessa"):
        forged = in_the_name_of(neighbour, mandate, "ravi", by=key)
        assert neighbour.send(mandate, rita, forged).code is Refusal.UNKNOWN_KEY
    (ravi,) = neighbour.approvals(mandate, "ravi")
    assert neighbour.send(mandate, rita, ravi).code is None


def test_an_honest_officers_word_for_a_small_payment_at_the_signer(neighbour: Attacker) -> None:
    small, large = (neighbour.world.mandate(pay(neighbour.world, dollars)) for dollars in (10, 100_000))
    (honest,) = neighbour.approvals(small, "ravi")
    answer = neighbour.send(large, *neighbour.approvals(large, "rita"), honest)
    assert answer.code is Refusal.CONSENT_MISMATCH
    assert neighbour.send(small, honest).code is None


def test_two_traders_at_the_signer(neighbour: Attacker) -> None:
    intent = pay(neighbour.world, 1)
    assert neighbour.refused(intent, "tom")[0] is Refusal.QUORUM
    assert neighbour.refused(intent, "tom", "tessa")[0] is Refusal.QUORUM
    neighbour.signed(intent, "ravi", "tom")


def test_two_officers_at_the_signer(neighbour: Attacker) -> None:
    intent = pay(neighbour.world, 1)
    people = ("tessa", *(name for name in EVERYBODY if name != "rita"))
    code, words = neighbour.refused(intent, *people, by="rita")
    assert (code, "no grant matches" in words) == (Refusal.DENIED, True)
    mandate = neighbour.world.mandate(intent)
    theirs = neighbour.approvals(mandate, "rita", "ravi")
    world = neighbour.world
    asked = world.statement(mandate.digest, "tessa", Decision.ASK)
    forged = world.keys["rita"].consent(asked, origin=ORIGIN, rp_id=RP_ID)
    bundle = world.bundle(mandate, nonce=neighbour.next_nonce(world.wallet), consents=(forged, *theirs))
    assert neighbour.hand_in(bundle).code is Refusal.UNKNOWN_KEY
    unasked = world.bundle(mandate, nonce=neighbour.next_nonce(world.wallet), consents=theirs)
    assert neighbour.hand_in(unasked).code is Refusal.NO_ASKER
    assert neighbour.send(mandate, *theirs).code is None


def test_a_client_and_its_responsible_person_at_the_signer(neighbour: Attacker) -> None:
    intent = pay(neighbour.world, 10_000)
    for people in (("rita",), ("rita", "rita"), ("rita", "tessa")):
        assert neighbour.refused(intent, *people, by=BOT)[0] is Refusal.QUORUM
    neighbour.signed(intent, "ravi", by=BOT)
    code, words = neighbour.refused(pay(neighbour.world, 10_001), *EVERYBODY, "tessa", by=BOT)
    assert (code, "no grant matches" in words) == (Refusal.DENIED, True)
