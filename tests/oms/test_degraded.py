"""Requests of a wallet in degraded mode: divided limits, one nonce each, one after the other."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import TYPE_CHECKING

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from approvals.models import User
from chains.services import asset_create, chain_create, node_create
from core.ceremony_lifecycle import CeremonyEvent
from core.documents.consent import Decision, SubjectType
from core.documents.control import CeremonyKind
from core.documents.mandate import Mandate
from core.documents.policy import Measure
from core.documents.roster import Role, WalletKind
from core.lifecycle import State
from custody.ceremony_services import ceremony_consent, ceremony_draft
from custody.ceremony_transitions import ceremony_lock, ceremony_move
from custody.services import wallet_create
from oms.degraded import degraded_of
from oms.errors import FormError, RequestRefusedError
from policies.selectors import decision_find, decision_view
from policies.services import genesis_store
from tests.factories.ceremonies import QUORUM, ceremony
from tests.factories.parties import Parties
from tests.factories.world import CHAIN, DAY, ETHER, NATIVE, PEOPLE, limit, seats
from tests.oms.conftest import ACTOR, Desk, as_json
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from demo.services.anvil import Node
    from policies.explanation import DecisionView, RuleView

UP = ("party-1", "party-2", "party-3")


@pytest.fixture
def warm(db: None, anvil_node: Node) -> Desk:  # noqa: ARG001 - asks for the database
    """Everybody at their place, and a 3-of-5 wallet with 1,000 ether under 6 ether a day, and 3 that ask the CRO."""
    daily = limit("day", Measure.ASSET, 6 * ETHER, order=1, asset=NATIVE, window=DAY)
    asking = dataclasses.replace(daily, id="asks", label="asks", order=2, most=3 * ETHER, quorum=seats((Role.CRO, 1)))
    parties = Parties(now=int(time.time()), limits=(daily, asking))
    world, wallet = parties.world, parties.wallet
    anvil_node.call("anvil_setBalance", wallet.address, hex(1000 * ETHER))
    genesis_store(signed=world.signed_policy, digest=world.deployment, actor=ACTOR, now=world.now)
    users = {
        name: User.objects.create_user(name, display_name=name.title(), desk=desk, site=site)
        for name, (_, desk, site) in PEOPLE.items()
    }
    chain_create(actor=ACTOR, caip2=CHAIN, name="Dev chain", native_symbol="ETH", confirmation_depth=2)
    node_create(actor=ACTOR, chain=CHAIN, label="anvil", url=anvil_node.url)
    asset_create(actor=ACTOR, caip19=NATIVE, symbol="ETH", name="Ether", decimals=18)
    wallet_create(
        actor=ACTOR,
        caip10=wallet.id,
        label=wallet.label,
        kind=WalletKind.MPC,
        public_key=wallet.public_key,
        signers=wallet.signers,
        threshold=wallet.threshold,
    )
    return Desk(world=world, node=anvil_node, users=users)


def opened(desk: Desk) -> str:
    """Have people open a degraded mode, and a party take it."""
    world, now = desk.world, timezone.now()
    wallet = world.policy.wallets[0]
    made = ceremony_draft(document=ceremony(world, CeremonyKind.DEGRADED, wallet, signers=UP), person="olga", now=now)
    for name in QUORUM:
        raw = as_json(world.consent(made.digest, name, subject_type=SubjectType.CEREMONY))
        ceremony_consent(
            user=desk.users[name], digest=made.digest, consent_raw=raw, policy=world.policy, now=timezone.now()
        )
    with transaction.atomic():
        ceremony_move(ceremony=ceremony_lock(digest=made.digest), event=CeremonyEvent.BEGIN, actor=ACTOR, now=now)
    return made.digest


def test_requests_name_the_next_nonce_and_go_one_after_the_other(warm: Desk) -> None:
    assert warm.preview().mandate.nonce is None
    digest = opened(warm)
    mode = degraded_of(wallet=warm.world.wallet, policy=warm.world.policy, now=timezone.now())
    assert mode is not None
    assert (mode.digest, mode.signers, mode.parts) == (digest, UP, 3)
    first, second = warm.preview(), warm.preview()
    assert (first.mandate.nonce, second.mandate.nonce) == (0, 0)
    asked = warm.ask(first.mandate)
    assert asked.state == State.PENDING
    # The same signed mandate is the same request, whatever is on its way.
    assert warm.ask(first.mandate).pk == asked.pk
    with pytest.raises(FormError, match="one goes after the other"):
        warm.preview()
    with pytest.raises(RequestRefusedError, match="one goes after the other"):
        warm.ask(second.mandate)
    warm.decide(asked, "rita", Decision.REJECT, "Not now")
    assert warm.ask(second.mandate).state == State.PENDING


def test_what_no_party_would_sign_is_not_asked_of_people(warm: Desk) -> None:
    plain = warm.preview().mandate
    ahead = dataclasses.replace(plain, nonce=7)
    with pytest.raises(RequestRefusedError, match="takes nonce 0 next"):
        warm.ask(ahead)
    opened(warm)
    with pytest.raises(RequestRefusedError, match="names none, and the wallet takes nonce 0 next"):
        warm.ask(plain)
    with pytest.raises(FormError, match="would miss its nonce"):
        warm.preview(held=True)


def test_the_decision_counts_divided_limits_and_pages_say_so(warm: Desk) -> None:
    assert warm.preview(amount_text="3").decision.allowed
    digest = opened(warm)
    denied = warm.preview(amount_text="3").decision
    assert not denied.allowed
    assert "of 2000000000000000000" in " ".join(denied.reasons)
    request = warm.ask(warm.preview(amount_text="3").mandate)
    assert request.state == State.DENIED
    assert Mandate.from_bytes(request.mandate_text.encode()).nonce == 0
    client = signed_in(warm.users["tessa"])
    for name in ("oms:request_new", "oms:call_new"):
        page = client.get(reverse(name)).content.decode()
        assert "is in degraded mode until" in page
        assert "party-1, party-2, party-3 sign without the other parties" in page
        assert "divided by 3" in page
        # A trader may not open it, so nothing leads there.
        assert reverse("oms:ceremony", args=[digest]) not in page
    operator = signed_in(warm.users["olga"])
    page = operator.get(reverse("oms:wallet", args=[warm.world.wallet])).content.decode()
    assert "is in degraded mode until" in page
    assert reverse("oms:ceremony", args=[digest]) in page
    typed = {
        "wallet": warm.world.wallet,
        "asset": NATIVE,
        "listed": "",
        "destination": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "amount": "1",
        "purpose": "x",
    }
    page = client.post(reverse("oms:request_new"), typed).content.decode()
    assert "0 only: the wallet is in degraded mode" in page


def ended(digest: str) -> None:
    """Let somebody's rejection end a degraded mode."""
    with transaction.atomic():
        ceremony_move(
            ceremony=ceremony_lock(digest=digest), event=CeremonyEvent.REJECT, actor=ACTOR, now=timezone.now()
        )


def row_of(view: DecisionView, rule: str) -> RuleView:
    """Return what an explanation says of a rule."""
    (found,) = (one for section in view.sections for one in section.rules if one.node.rule == rule)
    return found


def test_what_was_decided_in_degraded_mode_is_explained_so_for_ever(warm: Desk) -> None:
    whole = warm.preview().decision
    assert (whole.parts, whole.parts_words, row_of(whole, "day").node.most) == (1, "", 6 * ETHER)
    digest = opened(warm)
    request = warm.ask(warm.preview(amount_text="1.5").mandate)
    decision = decision_find(intent_digest=request.intent_digest)
    assert decision is not None
    view = decision_view(decision=decision)
    assert (view.parts, view.disputed) == (3, ())
    assert (row_of(view, "day").node.most, row_of(view, "asks").node.most) == (2 * ETHER, ETHER)
    words = "ETH with this transaction, of 1 ETH, which is the part of 3 ETH that counts in degraded mode."
    assert words in row_of(view, "asks").sentence
    pages = [("tessa", "oms:request"), ("clara", "oms:case")]
    for over in (False, True):
        if over:
            ended(digest)
            assert warm.preview().decision.parts == 1
        assert decision_view(decision=decision) == view
        for name, address in pages:
            page = signed_in(warm.users[name]).get(reverse(address, args=[request.reference]))
            text = page.content.decode()
            assert "Decided in degraded mode, over limits divided by 3" in text
            assert words in text
        # The consent page is given the same: it takes the limits' words from its own policy, and divides them.
        case = signed_in(warm.users["clara"]).get(reverse("oms:case", args=[request.reference]))
        asked = json.loads(case.context["consent_request"])
        assert (asked["limit_parts"], "asks" in asked["rules"]) == (3, True)


def test_a_bound_that_is_not_the_policys_is_disputed(warm: Desk) -> None:
    opened(warm)
    request = warm.ask(warm.preview(amount_text="1.5").mandate)
    decision = decision_find(intent_digest=request.intent_digest)
    assert decision is not None
    # As somebody would edit it who gets past the trigger.
    decision.results = decision.results.replace(f" of {2 * ETHER}", f" of {5 * ETHER}")
    view = decision_view(decision=decision)
    assert (view.parts, view.disputed) == (1, ("asks", "day"))
    assert row_of(view, "day").node.most == 6 * ETHER
