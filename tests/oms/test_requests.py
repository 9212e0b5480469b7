"""From what is typed to a handed-over case, with real consents, a real policy and a real node."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from approvals.errors import ConsentRefusedError
from audit.models import AuditEntry
from core.documents.consent import Decision
from core.documents.roster import Role
from core.lifecycle import State
from custody.models import Job
from oms.errors import FormError, RequestMissingError, RequestRefusedError
from oms.selectors import request_get, request_timeline, requests_waiting, seats_of
from oms.services import request_ask
from oms.sweep import sweep_once
from policies.explanation import quorum_write, quorums_write
from policies.models import Decision as PolicyDecision
from policies.selectors import reservation_list
from tests.append_only import lifted
from tests.factories.world import LISTED, STRANGER, seats

if TYPE_CHECKING:
    from tests.oms.conftest import Desk


def test_a_preview_says_what_would_happen_and_stores_nothing(desk: Desk) -> None:
    entries = AuditEntry.objects.count()
    preview = desk.preview()
    assert preview.decision.allowed
    assert preview.simulation is not None, preview.simulation_problem
    assert preview.simulation.succeeded
    assert preview.sentence == "Transfer 1 ETH from Treasury Hot to Binance"
    assert AuditEntry.objects.count() == entries


@pytest.mark.parametrize(
    ("field", "typed", "says"),
    [
        ("destination", "0x1234", "40 hex digits"),
        ("destination", LISTED.lower(), LISTED),
        ("destination", LISTED[:-1] + ("8" if LISTED[-1] != "8" else "9"), "checksum is wrong"),
        ("destination", "0x" + "0" * 40, "zero address"),
        ("amount", "0", "greater than 0"),
        ("amount", "1,5", "Enter a number"),
        ("amount", "-1", "Enter a number"),
        ("amount", "1e18", "Enter a number"),
        ("amount", "0.0000000000000000001", "18 decimal places"),
        ("amount", "100000", "holds"),
        ("wallet", "eip155:1:0x", "wallets that the policy names"),
        ("asset", "nothing", "assets that the policy names"),
        ("purpose", "a\u202eb", "visible characters"),
    ],
)
def test_each_bad_field_has_its_own_message(desk: Desk, field: str, typed: str, says: str) -> None:
    name = "amount_text" if field == "amount" else field
    with pytest.raises(FormError) as caught:
        desk.preview(held=False, **{name: typed})
    assert list(caught.value.errors) == [field]
    assert says in caught.value.errors[field][0]


def test_two_officers_approve_and_custody_gets_the_case(desk: Desk) -> None:
    request = desk.ask()
    assert request.state == State.PENDING
    assert [r.reference for r in requests_waiting(user=desk.users["ravi"])] == [request.reference]
    assert requests_waiting(user=desk.users["tessa"]) == []
    request = desk.decide(request, "rita")
    assert request.state == State.PENDING
    request = desk.decide(request, "ravi")
    assert request.state == State.APPROVED
    assert sweep_once(now=timezone.now()) == 1
    request.refresh_from_db()
    assert request.state == State.SIGNING
    assert Job.objects.get(intent_digest=request.intent_digest).state == "queued"
    assert [event.event for event in request_timeline(request=request)] == ["require", "fill", "hand_over"]


def test_the_same_signed_mandate_is_one_request(desk: Desk) -> None:
    mandate = desk.preview().mandate
    first = desk.ask(mandate)
    assert desk.ask(mandate).pk == first.pk


def test_an_asker_cannot_approve(desk: Desk) -> None:
    request = desk.ask()
    with pytest.raises(RequestRefusedError, match="fills no seat"):
        desk.decide(request, "tessa")


def test_nobody_approves_twice(desk: Desk) -> None:
    request = desk.decide(desk.ask(), "rita")
    with pytest.raises(RequestRefusedError, match="fills no seat"):
        desk.decide(request, "rita")


def test_one_rejection_ends_it_and_gives_limits_back(desk: Desk) -> None:
    request = desk.decide(desk.ask(), "rita")
    request = desk.decide(request, "ravi", Decision.REJECT, reason="wrong counterparty")
    assert request.state == State.REJECTED
    assert {r.state for r in reservation_list(intent_digest=request.intent_digest)} == {"released"}
    with pytest.raises(RequestRefusedError, match="rejected by now"):
        desk.decide(request, "clara")


def test_a_rejection_needs_a_reason(desk: Desk) -> None:
    with pytest.raises(RequestRefusedError, match="Say why"):
        desk.decide(desk.ask(), "rita", Decision.REJECT)


def test_the_asker_withdraws(desk: Desk) -> None:
    assert desk.decide(desk.ask(), "tessa", Decision.WITHDRAW).state == State.WITHDRAWN


def test_an_unlisted_destination_is_denied_and_says_why(desk: Desk) -> None:
    request = desk.ask(desk.preview(destination=STRANGER).mandate)
    assert request.state == State.DENIED
    assert "no grant matches" in request.sub_status


def test_another_desk_does_not_see_it(desk: Desk) -> None:
    request = desk.ask()
    with pytest.raises(RequestMissingError):
        request_get(user=desk.users["tom"], reference=request.reference)
    assert request_get(user=desk.users["rita"], reference=request.reference).pk == request.pk


def test_a_consent_of_another_person_is_refused_and_alarms(desk: Desk) -> None:
    mandate = desk.preview().mandate
    with pytest.raises(ConsentRefusedError):
        request_ask(
            user=desk.users["tessa"],
            mandate_raw=mandate.to_bytes(),
            consent_raw=desk.signed(mandate, "tom", Decision.ASK),
            now=timezone.now(),
        )
    assert AuditEntry.objects.filter(severity="alarm").exists()


def test_nobody_decides_in_time(desk: Desk) -> None:
    request = desk.ask()
    assert sweep_once(now=request.expires_at - dt.timedelta(seconds=1)) == 0
    assert sweep_once(now=request.expires_at) == 1
    request.refresh_from_db()
    assert request.state == State.EXPIRED
    assert {r.state for r in reservation_list(intent_digest=request.intent_digest)} == {"released"}


def test_what_would_fail_by_now_is_blocked_before_signing(desk: Desk) -> None:
    request = desk.decide(desk.decide(desk.ask(), "rita"), "ravi")
    desk.node.call("anvil_setBalance", desk.world.wallet.rpartition(":")[2], "0x0")
    assert sweep_once(now=timezone.now()) == 1
    request.refresh_from_db()
    assert request.state == State.BLOCKED
    assert not Job.objects.exists()


def test_each_quorum_is_filled_by_itself_as_signers_count(desk: Desk) -> None:
    """Joined, one part could lend another its site."""
    request = desk.decide(desk.ask(), "rita")
    parts = (seats((Role.RISK_OFFICER, 1)), seats((Role.RISK_OFFICER, 1), sites=1), seats((Role.CRO, 1)))
    with lifted():
        PolicyDecision.objects.filter(intent_digest=request.intent_digest).update(
            required=quorum_write(quorum=parts[0]), asked=quorums_write(quorums=parts)
        )
    found = seats_of(request=request)
    assert not found.filled
    assert found.open_roles == (Role.CRO,)
