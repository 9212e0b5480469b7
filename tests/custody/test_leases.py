"""Leases carried from real witnesses to a signer, and cases that wait for the log: without either, no signature."""

from __future__ import annotations

import dataclasses
import datetime as dt
import socketserver
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction
from django.utils import timezone

from audit.models import AuditAlarm, AuditCheckpoint, AuditEntry
from audit.sequencer import tree_advance
from audit.services import entry_append, signature_store
from audit.tags import AuditTag
from core.casefile import check_case
from core.checkpoint import Checkpoint, cosignature_message, log_origin, log_signature, witness_signature
from core.custody_lifecycle import JobState
from core.documents.bundle import Bundle
from core.documents.consent import Decision
from core.documents.mandate import Mandate
from core.inclusion import CONSENT_TAG, DECISION_TAG
from core.schema import write_struct
from custody import leases
from custody.leases import LeaseMissingError, lease_carry, leases_sweep
from custody.models import Job
from custody.policies import policy_hand_over
from custody.selectors import case_file_get
from custody.signing import bundle_build
from custody.sweep import sweep_once
from custody.witnesses import document_hand_in, witness_ask
from demo.forgeries.keepers import LOG, WITNESSES, key_of, public_of, watched
from tests.forgery.institutions import adapt
from tests.witness.desks import folder_named, halt_of, order
from witness.desk import Desk
from witness.service import STORE_FILE, Witness, load_config
from witness.store import WitnessStore
from witness.web import make_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.custody.conftest import Line
    from tests.factories.world import World

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def witnessing(state: Path, lease_seconds: int = 600) -> Iterator[str]:
    config = dataclasses.replace(load_config(state, watching=False), lease_seconds=lease_seconds)
    store = WitnessStore(state / STORE_FILE)
    server = make_server(Witness(config, store), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        store.close()


class House:
    """A line whose policy names three witnesses of whom two have to agree; each can be stopped."""

    def __init__(self, line: Line, folder: Path, settings: Any) -> None:  # noqa: ANN401 - pytest-django's
        self.line = line
        self.world = line.world
        self._settings = settings
        self._stacks: dict[str, ExitStack] = {}
        self._folder = folder
        adapt(line.world, **watched(line.world.policy.signers))
        for name in WITNESSES[:2]:
            state = folder_named(folder / name, name)
            store = WitnessStore(state / STORE_FILE)
            desk = Desk(load_config(state, watching=False), store)
            desk.pin(self.world.signed_policy, self.world.deployment, now=self.world.now)
            store.close()
            self.start(name)

    def start(self, name: str, lease_seconds: int = 600) -> None:
        self._stacks[name] = ExitStack()
        url = self._stacks[name].enter_context(witnessing(self._folder / name, lease_seconds))
        self._settings.COUNTERSIGN_WITNESSES = {**self._settings.COUNTERSIGN_WITNESSES, name: url}

    def stop(self, name: str) -> None:
        self._stacks.pop(name).close()

    def close(self) -> None:
        for name in list(self._stacks):
            self.stop(name)

    def record(self, job: Job, *, without: str = "") -> None:
        """Write the entries that policies and approvals write."""
        bundle = Bundle.from_bytes(self.bundle_text(job))
        with transaction.atomic():
            if without != "decision":
                payload: dict[str, object] = {
                    "mandate": bundle.mandate.digest, "policy": bundle.policy, "allowed": True,
                }  # fmt: skip
                entry_append(actor="system:oms", tag=DECISION_TAG, subject=job.intent_digest, payload=payload)
            for signed in bundle.consents:
                statement = signed.statement
                if statement.actor == without:
                    continue
                entry_append(
                    actor=statement.actor,
                    tag=CONSENT_TAG,
                    subject=statement.subject,
                    payload={"consent": statement.digest},
                )

    def bundle_text(self, job: Job) -> bytes:
        before, self._settings.COUNTERSIGN_WITNESSES = self._settings.COUNTERSIGN_WITNESSES, {}
        made = bundle_build(job=job, nonce=0, now=timezone.now())
        self._settings.COUNTERSIGN_WITNESSES = before
        return made.to_bytes()

    def publish(self, *names: str) -> None:
        """Have the newest checkpoint signed by the log and cosigned by witnesses."""
        while tree_advance():
            pass
        newest = AuditCheckpoint.objects.order_by("-size")[0]
        made = Checkpoint(origin=log_origin(self.world.deployment), size=newest.size, root=bytes.fromhex(newest.root))
        now = timezone.now()
        line = log_signature(made, public_of(LOG), key_of(LOG).sign(made.note()))
        signature_store(size=newest.size, line=line.line(), now=now)
        at = int(now.timestamp())
        for name in filter(None, names or WITNESSES[:2]):
            signature = key_of(name).sign(cosignature_message(made, at))
            line = witness_signature(made, name, public_of(name), at, signature)
            signature_store(size=newest.size, line=line.line(), now=now)

    def sweep(self, later: float = 0) -> int:
        return leases_sweep(now=timezone.now() + dt.timedelta(seconds=later))


@pytest.fixture
def house(line: Line, tmp_path: Path, settings: Any) -> Iterator[House]:  # noqa: ANN401 - pytest-django's
    settings.COUNTERSIGN_WITNESSES = {}
    settings.COUNTERSIGN_LOG_SIGNER = LOG
    leases._standings.clear()  # noqa: SLF001 - what a new process knows
    made = House(line, tmp_path, settings)
    try:
        yield made
    finally:
        made.close()


def handed(house: House, **changes: Any) -> Job:  # noqa: ANN401 - House.record's
    job = house.line.hand_over()
    house.record(job, **changes)
    return job


def subject_of(job: Job) -> str:
    return Mandate.from_bytes(job.mandate.encode()).digest


def advance(job: Job, times: int = 6) -> Job:
    for _ in range(times):
        # The longest due is claimed first: whatever else is under way comes later.
        Job.objects.filter(pk=job.pk, due_at__isnull=False).update(due_at=timezone.now() - dt.timedelta(hours=1))
        sweep_once(now=timezone.now(), most=1)
        job.refresh_from_db()
    return job


def test_leases_are_renewed_and_a_case_is_signed_under_them(house: House) -> None:
    job = handed(house)
    house.publish()
    assert house.sweep() == 1
    assert house.sweep() == 0, "not due before half of its life"
    assert house.sweep(later=301) == 1
    house.line.sweep_until(job, JobState.CONFIRMED, JobState.INCLUDED, JobState.LIVE)
    case = case_file_get(intent_digest=job.intent_digest, policies=(house.world.signed_policy,))
    report = check_case(case, house.world.deployment)
    assert report.failure is None, report.failure
    assert any("cosigned by w-1, w-2" in check for check in report.checks)


def test_a_case_waits_for_the_log_in_words_and_without_an_alarm(house: House) -> None:
    job = handed(house)
    assert house.sweep() == 1
    advance(job)
    assert (job.state, job.error_code) == (JobState.PINNED, "log")
    assert job.error.startswith("waiting for the log")
    house.publish("")
    advance(job)
    assert (job.state, job.error_code) == (JobState.PINNED, "log"), "signed by the log and by no witness yet"
    house.publish(WITNESSES[0])
    advance(job)
    # One witness is not enough: the signer says so itself, and the case waits on.
    assert (job.state, job.error_code) == (JobState.WAITING, "inclusion")
    assert "cosigned by 2 of the witnesses" in job.error
    house.publish()
    house.line.sweep_until(job, JobState.SIGNED, JobState.LIVE, JobState.INCLUDED)
    log_waits = AuditEntry.objects.filter(tag=AuditTag.JOB_WAITS, payload__contains='"code":"log"')
    assert not log_waits.exists()


@pytest.mark.parametrize("missing", ["decision", "tessa", "rita", "ravi"])
def test_a_case_whose_entry_is_missing_waits_for_ever(house: House, missing: str) -> None:
    job = handed(house, without=missing)
    house.publish()
    assert house.sweep() == 1
    advance(job)
    assert (job.state, job.error_code) == (JobState.PINNED, "log")
    assert house.line.signer.asked["sign"] == 0


def test_without_enough_witnesses_nothing_is_signed_and_somebody_is_told(house: House) -> None:
    job = handed(house)
    house.publish()
    house.stop(WITNESSES[0])
    assert house.sweep() == 0
    advance(job)
    assert (job.state, job.error_code) == (JobState.WAITING, "lease")
    assert "2 of the policy's witnesses" in job.error
    alarm = AuditAlarm.objects.get(tag=AuditTag.SIGNER_UNLEASED)
    assert alarm.subject == house.world.signer
    house.start(WITNESSES[0])
    Job.objects.filter(pk=job.pk).update(due_at=timezone.now() + dt.timedelta(minutes=1))
    assert house.sweep(later=5) == 1
    job.refresh_from_db()
    assert job.due_at is not None
    assert job.due_at < timezone.now() + dt.timedelta(seconds=10), "what was waited for is there: tried now"
    Job.objects.filter(pk=job.pk).update(due_at=timezone.now())
    house.line.sweep_until(job, JobState.SIGNED, JobState.LIVE, JobState.INCLUDED)
    alarm.refresh_from_db()
    assert alarm.closed_us


def test_a_signer_that_was_restarted_gets_new_leases(house: House) -> None:
    job = handed(house)
    house.publish()
    assert house.sweep() == 1
    house.line.signer.leases = type(house.line.signer.leases)()
    advance(job)
    assert job.error_code == "lease"
    assert house.sweep() == 1, "the signer's own word makes it due"
    house.line.sweep_until(job, JobState.SIGNED, JobState.LIVE, JobState.INCLUDED)


def next_policy(world: World) -> Any:  # noqa: ANN401 - SignedPolicy
    now = int(time.time())
    header = dataclasses.replace(
        world.policy.header, deployment=world.deployment, id="5e" * 16, created=now, expires=now + 30 * 86_400
    )
    loose = dataclasses.replace(
        world.policy, header=header, number=2, previous=world.policy.digest, limits=world.policy.limits[1:]
    )
    return world.sign_policy(loose, "adam", "anna")


def test_what_only_witnesses_were_told_reaches_the_signer_before_its_lease(house: House) -> None:
    job = handed(house)
    world = house.world
    waits = next_policy(world)
    no = world.consent(subject_of(job), "clara", Decision.REJECT)
    assert document_hand_in(document=write_struct(waits, "signed_policy")) == 2
    assert document_hand_in(document=write_struct(no, "consent")) == 2
    house.publish()
    assert house.sweep() == 1
    assert world.journal.pending is not None
    assert world.journal.pending.policy == waits.policy.digest
    assert (subject_of(job), "clara") in world.journal.vetoes
    advance(job)
    assert (job.state, job.error_code) == (JobState.DOUBTED, "rejected")


def test_a_halt_at_a_witness_halts_the_signer(house: House) -> None:
    job = handed(house)
    house.publish()
    assert document_hand_in(document=order(house.world, "halt", halt_of(house.world), "rita")) == 2
    assert house.sweep() == 1
    advance(job)
    assert (job.state, job.error_code) == (JobState.WAITING, "halted")


def test_a_policy_goes_to_the_witnesses_before_the_signer(house: House) -> None:
    signed = next_policy(house.world)
    policy_hand_over(signer=house.world.signer, signed=signed)
    for url in (witness for witness in house._settings.COUNTERSIGN_WITNESSES.values()):  # noqa: SLF001 - the test's own
        assert witness_ask(url=url, path="/status")[1]["policy"] == signed.policy.digest


def test_a_signer_whose_journal_went_back_gets_no_lease_and_a_loud_alarm(house: House) -> None:
    job = handed(house)
    house.publish()
    assert house.sweep() == 1
    house.line.sweep_until(job, JobState.SIGNED, JobState.LIVE, JobState.INCLUDED)
    assert house.sweep(later=301) == 1
    house.world.journal = house.world.make_journal()
    house.line.signer.leases = type(house.line.signer.leases)()
    assert house.sweep(later=700) == 0
    alarm = AuditAlarm.objects.get(tag=AuditTag.SIGNER_UNLEASED)
    assert alarm.severity == "critical"
    assert "rolled back or forked" in alarm.message
    # A worker that remembers nothing asks as one that begins anew: the witnesses remember.
    with pytest.raises(LeaseMissingError, match="rolled back or forked"):
        lease_carry(signer=house.world.signer, seen={})
    # Another payment at the nonce that the rolled-back journal believes to be free, complete in every other way.
    other = handed(house)
    house.publish()
    second = bundle_build(job=other, nonce=house.world.journal.next_nonce(house.world.wallet), now=timezone.now())
    answer = house.line.signer.answer({"v": 1, "op": "sign", "bundle": second.to_json()})
    assert answer["error"]["code"] == "lease"
    alarms = witness_ask(url=house._settings.COUNTERSIGN_WITNESSES["w-1"], path="/status")[1]["alarms"]  # noqa: SLF001 - the test's own
    assert alarms


def test_a_worker_that_forgot_learns_how_far_witnesses_saw(house: House) -> None:
    job = handed(house)
    house.publish()
    assert house.sweep() == 1
    house.line.sweep_until(job, JobState.SIGNED, JobState.LIVE, JobState.INCLUDED)
    seen: dict[str, int] = {}
    assert lease_carry(signer=house.world.signer, seen=seen) is not None
    assert seen == dict.fromkeys(WITNESSES[:2], house.world.journal.tree.size)


@pytest.mark.parametrize(
    "distorted",
    [
        {"size": "3"},
        {"size": None},
        {"root": "0x"},
        {"challenge": "0x" + "00" * 31},
        {"continues": None},
        {"continues": [7]},
        {"deployment": "0" * 64},
        {"signer": "hsm-9"},
    ],
)
def test_a_courier_that_distorts_challenges_gets_no_lease(house: House, distorted: dict[str, object]) -> None:
    def lying(request: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        return answer | {"result": answer["result"] | distorted} if request["op"] == "challenge" else answer

    house.line.signer.distort = lying
    if distorted in ({"continues": None}, {"continues": [7]}):
        # From nothing nothing has to be proven: that changes nothing yet.
        assert house.sweep() == 1
    else:
        assert house.sweep() == 0
        assert house.line.signer.leases.held.granted == ()
    house.line.signer.distort = lambda request, answer: [] if request["op"] == "challenge" else answer  # type: ignore[assignment, return-value]  # what a broken courier carries
    assert house.sweep(later=700) == 0


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n[]",
        b"HTTP/1.0 200 OK\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 999\r\n\r\n{",
        b'HTTP/1.0 200 OK\r\n\r\n{"document":{},"signature":"0x"}',
        b"HTTP/1.0 409 Conflict\r\n\r\n{}",
        b'HTTP/1.0 409 Conflict\r\n\r\n{"error":{"message":"0"}}',
        b'HTTP/1.0 409 Conflict\r\n\r\n{"error":{"message":"\\u0661"}}',
        b'HTTP/1.0 409 Conflict\r\n\r\n{"error":{"message":"1"}}',
        b"HTTP/1.0 500 No\r\n\r\n\xff\xfe",
    ],
)
def test_a_witness_that_answers_anything_holds_up_nobody(house: House, answer: bytes, settings: Any) -> None:  # noqa: ANN401 - pytest-django's
    class Lying(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.wfile.write(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Lying) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        honest = settings.COUNTERSIGN_WITNESSES
        settings.COUNTERSIGN_WITNESSES = {**honest, "w-1": f"http://127.0.0.1:{server.server_address[1]}"}
        try:
            assert house.sweep() == 0
        finally:
            server.shutdown()
            thread.join()
    assert house.line.signer.leases.held.granted == ()
    settings.COUNTERSIGN_WITNESSES = honest
    assert house.sweep(later=5) == 1
