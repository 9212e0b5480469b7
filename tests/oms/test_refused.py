"""A signer that counts more than this server does: its refusal ends the case visibly, and frees what was held."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from audit.models import AuditEntry
from core.lifecycle import FINAL, State
from custody.sweep import sweep_once as custody_sweep
from oms.sweep import sweep_once as oms_sweep
from policies.models import CountedLimit, Decision, Hold, LimitCounter, Reservation
from tests.append_only import lifted
from tests.fakes.signer import FakeSigner
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from oms.models import TransactionRequest
    from tests.oms.conftest import Desk

pytestmark = pytest.mark.anvil


def carried(desk: Desk, amount: str, until: frozenset[State], said: str = "") -> TransactionRequest:
    request = desk.ask(desk.preview(amount_text=amount).mandate)
    for officer in ("rita", "ravi", "clara"):
        if State(request.state) is State.PENDING:
            request = desk.decide(request, officer)
    return moved_to(desk, request, until, said=said)


def moved_to(desk: Desk, request: TransactionRequest, until: frozenset[State], said: str = "") -> TransactionRequest:
    deadline = time.monotonic() + 90
    while (State(request.state) not in until or said not in request.sub_status) and time.monotonic() < deadline:
        oms_sweep(now=timezone.now())
        custody_sweep(now=timezone.now())
        desk.node.call("anvil_mine", "0x1")
        request.refresh_from_db()
        time.sleep(0.02)
    assert State(request.state) in until, (request.state, request.sub_status)
    return request


def test_the_signers_refusal_ends_the_case_visibly(desk: Desk, settings: Any) -> None:  # noqa: ANN401 - pytest-django's wrapper
    settings.COUNTERSIGN_POLL_SECONDS = 0.01
    settings.COUNTERSIGN_SIGNER_TIMEOUT_SECONDS = 5.0
    with FakeSigner(desk.world) as signer:
        settings.COUNTERSIGN_SIGNER_SOCKETS = {desk.world.signer: signer.path}
        for _ in range(2):
            carried(desk, "19", frozenset({State.CONFIRMED}))
        # Somebody makes this server forget what was drawn; the signer does not.
        with lifted():
            for rows in (Reservation, Hold, LimitCounter, CountedLimit):
                rows.objects.all().delete()
        refused = carried(desk, "19", frozenset({State.SIGNING}), said="a proof it is not")
        assert set(Reservation.objects.values_list("state", flat=True)) == {"held"}
        # Bytes of another case at its nonce prove that the refused one has none.
        carried(desk, "0.5", frozenset({State.CONFIRMED}))
        refused = moved_to(desk, refused, FINAL)
    assert State(refused.state) is State.REFUSED
    assert refused.sub_status.startswith("denied: ")
    assert "native-day" in refused.sub_status
    own = Reservation.objects.filter(decision__intent_digest=refused.intent_digest)
    assert set(own.values_list("state", flat=True)) == {"released"}
    assert Hold.objects.get(decision__intent_digest=refused.intent_digest).state == "released"
    moved = AuditEntry.objects.filter(subject=refused.intent_digest, tag="oms:request:moved").order_by("-seq")
    assert moved[0].severity == "alarm"
    page = signed_in(desk.users["tessa"]).get(f"/requests/{refused.reference}/").content.decode()
    assert "Refused by the signer" in page
    assert "native-day" in page


def test_why_it_was_decided_so_is_there_for_programs(desk: Desk) -> None:
    request = desk.ask(desk.preview(amount_text="21").mandate)
    client = signed_in(desk.users["tessa"])
    body = client.get(f"/api/requests/{request.reference}/decision/").json()["decision"]
    assert (body["allowed"], body["policy"]["number"]) == (False, 1)
    assert body["summary"].startswith("Denied: limit '")
    (limits,) = [section for section in body["sections"] if section["section"] == "limit"]
    (over,) = [rule for rule in limits["rules"] if rule["verdict"] == "exceeded"]
    assert (over["rule"], over["decisive"], over["most"]) == ("native-each", True, str(20 * 10**18))
    assert int(over["used"]) > 21 * 10**18
    (grants,) = [section for section in body["sections"] if section["section"] == "grant"]
    condition = grants["rules"][0]["condition"]
    assert (condition["op"], condition["answer"]) == ("all", "yes")
    fields = {part["field"]: (part["provenance"], part["found"]) for part in condition["parts"]}
    assert fields["destination.listed"] == ("derived", "true")
    assert client.get(f"/api/requests/{request.reference}/status/").json()["decision"] == body["summary"]
    assert client.get("/api/requests/nonsense/decision/").status_code == 404
    assert client.post(f"/api/requests/{request.reference}/decision/").status_code == 405


def test_an_intent_leads_to_its_request(desk: Desk) -> None:
    request = desk.ask()
    client = signed_in(desk.users["tessa"])
    answer = client.get(f"/intents/{request.intent_digest}/")
    assert (answer.status_code, answer["Location"]) == (302, f"/requests/{request.reference}/")
    assert client.get(f"/intents/{'0' * 64}/").status_code == 404
    # Another desk's stays hidden.
    assert signed_in(desk.users["tom"]).get(f"/intents/{request.intent_digest}/").status_code == 404


def test_an_edited_decision_is_said_to_disagree(desk: Desk) -> None:
    request = desk.ask()
    with lifted():
        decision = Decision.objects.get(intent_digest=request.intent_digest)
        facts = decision.facts.replace('"destination.listed":true', '"destination.listed":false')
        Decision.objects.filter(pk=decision.pk).update(facts=facts)
    page = signed_in(desk.users["tessa"]).get(f"/requests/{request.reference}/").content.decode()
    assert "does not agree with what was recorded" in page
