"""What becomes of a case that the signer refuses, cannot decide, or answers with something else."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from coincurve import PrivateKey
from django.db import transaction
from django.utils import timezone

from audit.models import AuditEntry
from chains.guards import InsideTransactionError
from core.custody_lifecycle import JobState
from core.documents.bundle import Bundle, Signature
from core.documents.consent import Decision
from core.evm import Type2, decode_signed, finish_signature
from core.keccak import keccak256
from core.records import HaltRecord
from core.schema import write_struct
from custody.errors import JobInputError
from custody.models import Job, NonceAssignment, NonceLane, Transmission
from custody.services import job_create
from custody.signing import job_sign
from custody.sweep import claim_next, job_advance
from signer import wire
from tests.factories.world import STRANGER

if TYPE_CHECKING:
    from tests.custody.conftest import Line

pytestmark = pytest.mark.anvil


def _alarms(job: Job) -> list[tuple[str, str]]:
    entries = AuditEntry.objects.filter(subject=job.intent_digest).exclude(severity="info").order_by("seq")
    return list(entries.values_list("tag", "severity"))


def test_a_reported_refusal_ends_the_case_once_its_nonce_is_signed_for_another(line: Line) -> None:
    refused = line.sweep_until(line.hand_over(approvers=("rita",)), JobState.DOUBTED)
    assert refused.error_code == "quorum"
    assert "a proof it is not" in refused.error
    assert _alarms(refused) == [("custody:job:doubted", "alarm")]
    accepted = line.sweep_until(line.hand_over(), JobState.INCLUDED)
    assert line.mined_count() == 1
    held = NonceAssignment.objects.filter(released_at__isnull=True)
    assert [(a.job_id, a.nonce) for a in held] == [(accepted.pk, 0)]
    line.sweep_until(refused, JobState.REFUSED)
    assert "a proof" not in refused.error
    assert (refused.error_code, refused.due_at) == ("quorum", None)


def test_cases_behind_a_refused_one_lose_nothing(line: Line) -> None:
    jobs = [line.hand_over(), line.hand_over(approvers=("rita",)), line.hand_over()]
    for job, state in zip(jobs, (JobState.INCLUDED, JobState.REFUSED, JobState.INCLUDED), strict=True):
        line.sweep_until(job, state)
    assert line.mined_count() == 2


def test_a_reported_refusal_that_nothing_contradicts_ends_when_nobody_can_sign_it_any_more(line: Line) -> None:
    job = line.sweep_until(line.hand_over(approvers=("rita",)), JobState.DOUBTED)
    for later, state in ((dt.timedelta(hours=1), JobState.DOUBTED), (dt.timedelta(days=2), JobState.REFUSED)):
        Job.objects.filter(pk=job.pk).update(due_at=timezone.now())
        claim = claim_next(now=timezone.now())
        assert claim is not None
        job_advance(claim=claim, now=timezone.now() + later)
        job.refresh_from_db()
        assert job.state == state


def test_a_signer_that_is_away_is_waited_for(line: Line) -> None:
    line.signer.down = True
    job = line.sweep_until(line.hand_over(), JobState.WAITING)
    assert _alarms(job) == [("custody:job:waits", "alarm")]
    line.signer.down = False
    line.sweep_until(job, JobState.INCLUDED)
    assert line.mined_count() == 1


def test_waiting_alarms_once(line: Line) -> None:
    line.signer.down = True
    job = line.sweep_until(line.hand_over(), JobState.WAITING)
    for _ in range(3):
        Job.objects.filter(pk=job.pk).update(due_at=timezone.now())
        line.sweep_until(job, JobState.WAITING)
    assert _alarms(job) == [("custody:job:waits", "alarm")]


def test_a_halt_is_waited_for(line: Line) -> None:
    journal = line.world.journal
    halt = HaltRecord(kind="halt", time=journal.clock, halt="a" * 64, actor="rita", consents=())
    journal.apply(journal.encode(halt))
    job = line.sweep_until(line.hand_over(), JobState.WAITING)
    assert job.error_code == "halted"
    assert not Transmission.objects.exists()


def test_hsm_trouble_is_waited_for(line: Line) -> None:
    line.signer.distort = lambda frame, answer: wire.failure("hsm_unavailable", "no token", retry=True)  # noqa: ARG005
    job = line.sweep_until(line.hand_over(), JobState.WAITING)
    assert (job.error_code, job.error) == ("hsm_unavailable", "no token")


def _resigned(raw: bytes, key: PrivateKey, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of Type2
    told, _ = decode_signed(raw)
    transaction_ = Type2(**(told.__dict__ | changes))
    device = key.sign_recoverable(transaction_.signing_hash, hasher=None)[:64]
    signed = transaction_.signed(
        finish_signature(transaction_.signing_hash, device, key.public_key.format(compressed=False))
    )
    answer = Signature(signer="hsm-1", raw=signed, transaction_hash=keccak256(signed), repeated=False)
    return wire.success(write_struct(answer, "signature"))


@pytest.mark.parametrize("lie", ["value", "nonce", "to", "key", "hash", "garbage", "nothing", "no_object", "version"])
def test_bytes_that_are_not_the_intent_are_never_stored(line: Line, lie: str) -> None:
    def distort(frame: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        if frame["op"] != "sign":
            return answer
        raw = bytes.fromhex(answer["result"]["raw"][2:])
        own = line.world.wallet_key
        lies: dict[str, dict[str, Any]] = {
            "value": _resigned(raw, own, value=2),
            "nonce": _resigned(raw, own, nonce=7),
            "to": _resigned(raw, own, to=STRANGER),
            "key": _resigned(raw, PrivateKey()),
            "hash": wire.success(answer["result"] | {"transaction_hash": "0x" + "00" * 32}),
            "garbage": wire.success(answer["result"] | {"raw": "0x02c0"}),
            "nothing": {"v": 1, "ok": True},
            "no_object": {"v": 1, "ok": False, "error": "no"},
            "version": answer | {"v": 2},
        }
        return lies[lie]

    line.signer.distort = distort
    job = line.sweep_until(line.hand_over(), JobState.WAITING)
    assert job.error_code == "answer"
    assert not Transmission.objects.exists()
    line.signer.distort = None
    line.sweep_until(job, JobState.INCLUDED)


def test_a_refusal_after_journalling_keeps_the_nonce(line: Line) -> None:
    """A courier that turns a signature into a refusal gains nothing: the lane says that the nonce is taken."""

    def distort(frame: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        said = wire.failure("denied", "says the courier", retry=False)
        return said if frame["op"] == "sign" else answer

    line.signer.distort = distort
    job = line.sweep_until(line.hand_over(), JobState.WAITING)
    assert job.error_code == "held"
    assert NonceAssignment.objects.filter(job=job, released_at__isnull=True).exists()
    line.signer.distort = None
    line.sweep_until(job, JobState.INCLUDED)


def test_a_courier_that_lied_about_refusal_and_lane_is_found_out_and_the_case_comes_back(line: Line) -> None:
    def distort(frame: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - no word of it is true
        if frame["op"] == "sign":
            return wire.failure("denied", "says the courier", retry=False)
        return wire.success({"lanes": {}})

    line.signer.distort = distort
    first = line.sweep_until(line.hand_over(), JobState.DOUBTED)
    second = line.hand_over()
    line.signer.distort = None
    line.sweep_until(second, JobState.INCLUDED)
    first.refresh_from_db()
    assert first.state in (JobState.LIVE, JobState.INCLUDED)
    alarms = dict(_alarms(first))
    assert alarms["custody:job:reopened"] == "critical"
    assert [(t.job_id, t.nonce) for t in Transmission.objects.order_by("nonce")] == [(first.pk, 0), (second.pk, 1)]
    assert line.mined_count() == 2


def test_chain_ahead_of_the_lane_freezes_it(line: Line) -> None:
    line.sweep_until(line.hand_over(), JobState.INCLUDED)
    NonceLane.objects.update(next_nonce=0)
    job = line.hand_over()
    line.sweep_until_trouble(job, "lane")
    assert job.state == JobState.QUEUED
    assert _alarms(job) == [("custody:job:waits", "alarm")]


def test_the_same_intent_gives_the_same_job(line: Line) -> None:
    intent = line.intent()
    assert line.hand_over(intent).pk == line.hand_over(intent).pk


def test_parts_that_do_not_belong_together_are_refused(line: Line) -> None:
    mandate = line.world.mandate(line.intent())
    ask = line.world.consent(mandate.digest, "tessa", Decision.ASK)
    with pytest.raises(JobInputError, match="another intent"), transaction.atomic():
        job_create(actor="x", mandate=mandate, intent=line.intent(), consents=(ask,), now=timezone.now())


def test_a_signer_is_never_asked_inside_a_transaction(line: Line) -> None:
    job = line.hand_over()
    line.signer.down = True
    line.sweep_until(job, JobState.WAITING)
    Job.objects.filter(pk=job.pk).update(due_at=timezone.now())
    claim = claim_next(now=timezone.now())
    assert claim is not None
    with pytest.raises(InsideTransactionError), transaction.atomic():
        job_sign(claim=claim, now=timezone.now())


def test_the_bundle_is_rebuilt_from_the_stored_text(line: Line) -> None:
    job = line.sweep_until(line.hand_over(), JobState.INCLUDED)
    bundle = Bundle.from_bytes(job.bundle.encode())
    assert bundle.mandate.to_bytes().decode() == job.mandate
    assert bundle.to_bytes().decode() == job.bundle
