"""Cancelling a signed request: proposed on a page, consented to at the consent origin, signed, mined."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from audit.models import AuditEntry
from core.documents.consent import Consent, Decision, SubjectType
from core.documents.control import Cancel
from core.lifecycle import State
from custody.models import CancelOrder, Job, Transmission
from custody.sweep import sweep_once as custody_sweep
from oms.models import CancelProposal
from oms.sweep import sweep_once as oms_sweep
from tests.factories.world import ORIGIN, RP_ID, header
from tests.fakes.signer import FakeSigner
from tests.oms.conftest import as_json
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oms.models import TransactionRequest
    from tests.oms.conftest import Desk

pytestmark = pytest.mark.anvil


def swept(desk: Desk, request: TransactionRequest, state: State, *, mines: bool = False) -> None:
    deadline = time.monotonic() + 90
    while State(request.state) is not state and time.monotonic() < deadline:
        oms_sweep(now=timezone.now())
        custody_sweep(now=timezone.now(), most=8)
        if mines:
            desk.node.call("anvil_mine", "0x1")
        request.refresh_from_db()
        time.sleep(0.02)
    assert State(request.state) is state, (request.state, request.sub_status)


@pytest.fixture
def stuck(desk: Desk, settings: Any) -> Iterator[TransactionRequest]:  # noqa: ANN401 - pytest-django's wrapper
    """A request that is signed and sent, on a chain that mines nothing."""
    settings.COUNTERSIGN_POLL_SECONDS = 0.01
    settings.COUNTERSIGN_RESEND_SECONDS = 0.2
    settings.COUNTERSIGN_SIGNER_TIMEOUT_SECONDS = 5.0
    with FakeSigner(desk.world) as signer:
        settings.COUNTERSIGN_SIGNER_SOCKETS = {desk.world.signer: signer.path}
        desk.node.call("evm_setAutomine", False)  # noqa: FBT003 - JSON-RPC's positional flag
        request = desk.ask()
        for officer in ("rita", "ravi", "clara"):
            if State(request.state) is State.PENDING:
                request = desk.decide(request, officer)
        swept(desk, request, State.LIVE)
        deadline = time.monotonic() + 90
        while Job.objects.get().state != "live" and time.monotonic() < deadline:
            custody_sweep(now=timezone.now(), most=1)
        yield request
        desk.node.call("evm_setAutomine", True)  # noqa: FBT003 - as above


def signed(desk: Desk, proposal: CancelProposal, actor: str, decision: Decision = Decision.APPROVE) -> bytes:
    document = Cancel.from_bytes(proposal.document.encode())
    statement = Consent(
        header=header("consent", desk.world.deployment, now=int(time.time())),
        subject_type=SubjectType.CANCEL,
        subject=document.digest,
        policy=document.policy,
        decision=decision,
        actor=actor,
        reason="as discussed" if decision is Decision.REJECT else "",
    )
    return as_json(desk.world.keys[actor].consent(statement, origin=ORIGIN, rp_id=RP_ID))


def post(desk: Desk, request: TransactionRequest, actor: str, consent: bytes) -> Any:  # noqa: ANN401 - Django's test answer
    return signed_in(desk.users[actor]).post(
        f"/api/requests/{request.reference}/cancel/consents/",
        data=b'{"consent":' + consent + b"}",
        content_type="application/json",
    )


def propose(desk: Desk, request: TransactionRequest, reason: str = "the chain is busy") -> Any:  # noqa: ANN401 - as above
    return signed_in(desk.users["rita"]).post(f"/requests/{request.reference}/cancel/", data={"reason": reason})


def test_a_stuck_request_is_cancelled_by_its_quorum(desk: Desk, stuck: TransactionRequest) -> None:
    rita = signed_in(desk.users["rita"])
    page = rita.get(f"/requests/{stuck.reference}/cancel/").content.decode()
    assert "Propose a cancel" in page
    assert "payment" in page
    assert propose(desk, stuck).status_code == 302
    proposal = CancelProposal.objects.get()
    document = Cancel.from_bytes(proposal.document.encode())
    sent = Transmission.objects.get()
    assert document.max_fee_per_gas * 8 >= sent.max_fee_per_gas * 9
    assert document.max_priority_fee_per_gas * 8 >= sent.max_priority_fee_per_gas * 9
    page = rita.get(f"/requests/{stuck.reference}/cancel/").content.decode()
    assert "Review and sign" in page
    assert "the chain is busy" in page
    answer = post(desk, stuck, "rita", signed(desk, proposal, "rita"))
    assert (answer.status_code, answer.json()["state"]) == (200, "ordered")
    deadline = time.monotonic() + 90
    while CancelOrder.objects.get().state != "signed" and time.monotonic() < deadline:
        custody_sweep(now=timezone.now(), most=1)
    for _ in range(6):
        Job.objects.update(due_at=timezone.now())
        custody_sweep(now=timezone.now(), most=1)
    page = rita.get(f"/requests/{stuck.reference}/cancel/").content.decode()
    assert "Signed, and sent beside the payment" in page
    swept(desk, stuck, State.CANCELLED, mines=True)
    assert "cannot happen any more" in stuck.sub_status
    tags = set(AuditEntry.objects.filter(subject=stuck.intent_digest).values_list("tag", flat=True))
    assert {
        "custody:cancel:proposed",
        "custody:cancel:ordered",
        "custody:cancel:signed",
        "custody:job:cancelled",
    } <= tags
    page = rita.get(f"/requests/{stuck.reference}/cancel/").content.decode()
    assert "There is nothing left to cancel" in page


def test_a_rejected_cancel_is_over_and_another_can_be_proposed(desk: Desk, stuck: TransactionRequest) -> None:
    propose(desk, stuck)
    first = CancelProposal.objects.get()
    again = propose(desk, stuck)
    assert (again.status_code, "proposed already" in again.content.decode()) == (422, True)
    answer = post(desk, stuck, "rita", signed(desk, first, "rita", Decision.REJECT))
    assert (answer.status_code, answer.json()["state"]) == (200, "rejected")
    assert not CancelOrder.objects.exists()
    assert propose(desk, stuck).status_code == 302
    assert CancelProposal.objects.filter(state="open").count() == 1
    # What was signed for the first one is of no use for the second.
    assert post(desk, stuck, "rita", signed(desk, first, "rita")).status_code == 403


def test_bad_input_is_answered_and_changes_nothing(desk: Desk, stuck: TransactionRequest) -> None:
    for reason in ("", "   ", "x" * 281, "line\nbreak", "\x00"):
        answer = propose(desk, stuck, reason)
        assert answer.status_code == 422, reason
    assert not CancelProposal.objects.exists()
    rita = signed_in(desk.users["rita"])
    assert rita.get(f"/requests/{'0' * 32}/cancel/").status_code == 404
    assert signed_in(desk.users["tessa"]).get(f"/requests/{stuck.reference}/cancel/").status_code == 403
    propose(desk, stuck)
    proposal = CancelProposal.objects.get()
    for body in (b"{}", b"[]", b"nonsense", b'{"consent":{}}', b'{"consent":' + b"1" * 9000 + b"}"):
        answer = rita.post(
            f"/api/requests/{stuck.reference}/cancel/consents/", data=body, content_type="application/json"
        )
        assert answer.status_code in {400, 403, 409, 413, 422}, (body[:40], answer.status_code)
    assert post(desk, stuck, "ravi", signed(desk, proposal, "rita")).status_code in {403, 409, 422}
    assert not CancelOrder.objects.exists()


def test_whoever_fills_no_seat_orders_nothing(desk: Desk, stuck: TransactionRequest) -> None:
    propose(desk, stuck)
    proposal = CancelProposal.objects.get()
    answer = post(desk, stuck, "clara", signed(desk, proposal, "clara"))
    assert answer.status_code == 200
    assert answer.json()["state"] == "open"
    assert not CancelOrder.objects.exists()


def test_what_was_never_handed_over_has_nothing_to_cancel(desk: Desk) -> None:
    request = desk.ask()
    page = signed_in(desk.users["rita"]).get(f"/requests/{request.reference}/cancel/").content.decode()
    assert "never handed to custody" in page
    assert propose(desk, request).status_code == 422
