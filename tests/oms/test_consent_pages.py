"""What a case brings to the consent page: voices and rules with the link, attesters when they are asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from core.documents.consent import Decision, SignedConsent
from core.documents.mandate import Mandate
from core.schema import read_struct
from tests.oms.test_pages import asked_of, client_of

if TYPE_CHECKING:
    from tests.oms.conftest import Desk


def test_a_case_brings_who_has_spoken_and_which_rules_ask(desk: Desk) -> None:
    request = desk.ask()
    desk.decide(request, "ravi", Decision.APPROVE)
    asked = asked_of(client_of(desk, "rita").get(f"/queue/{request.reference}/"))
    voices = [read_struct(SignedConsent, one, "consent").statement for one in asked["consents"]]
    assert [(one.actor, one.decision) for one in voices] == [("tessa", Decision.ASK), ("ravi", Decision.APPROVE)]
    assert {one.subject for one in voices} == {Mandate.from_bytes(request.mandate_text.encode()).digest}
    assert asked["rules"] == ["listed"]


def test_rules_that_escalate_are_named_after_the_grant(desk: Desk) -> None:
    mandate = desk.preview(amount_text="5").mandate
    request = desk.ask(mandate)
    asked = asked_of(client_of(desk, "rita").get(f"/queue/{request.reference}/"))
    assert asked["rules"] == ["listed", "large"]


def test_without_attesters_nobody_is_asked(desk: Desk) -> None:
    request = desk.ask()
    page = client_of(desk, "rita").get(f"/queue/{request.reference}/")
    assert page.context["attestations"] == ""
    answer = client_of(desk, "rita").get(f"/queue/{request.reference}/attestations/")
    assert (answer.status_code, json.loads(answer.content)) == (200, {"attestations": []})


def test_attestations_are_for_those_who_see_the_case(desk: Desk) -> None:
    request = desk.ask()
    assert client_of(desk, "tom").get(f"/queue/{request.reference}/attestations/").status_code in (403, 404)
    assert client_of(desk, "rita").get("/queue/nothing/attestations/").status_code == 404
