"""Further versions at a nonce: raised fees and cancels, stored before they are sent, all of them watched."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from audit.models import AuditEntry
from core.custody_lifecycle import JobState
from core.evm import decode_signed
from custody.errors import JobInputError
from custody.models import BroadcastAttempt, CancelOrder, ChainRule, Job, NonceAssignment, Transmission
from custody.selectors import case_file_get
from custody.services import chain_rule_set
from custody.sweep import sweep_once
from signer import wire
from tests.custody.conftest import ACTOR
from tests.factories.world import CHAIN, ETHER, LISTED

if TYPE_CHECKING:
    from tests.custody.conftest import Line

pytestmark = pytest.mark.anvil
GWEI = 10**9


def versions(job: Job) -> list[tuple[str, int, int]]:
    return list(
        Transmission.objects.filter(job=job).values_list("kind", "max_fee_per_gas", "max_priority_fee_per_gas")
    )


def waited(line: Line, job: Job) -> None:
    """Let the time pass after which fees are raised, and take the steps of it."""
    count = Transmission.objects.filter(job=job).count()
    for _ in range(20):
        Job.objects.filter(pk=job.pk).update(raise_at=timezone.now(), due_at=timezone.now())
        sweep_once(now=timezone.now(), most=1)
        if Transmission.objects.filter(job=job).count() > count:
            break
    job.refresh_from_db()
    line.sweep_until(job, JobState.LIVE)


def test_the_first_attempt_pays_what_nodes_suggest_and_never_more_than_the_caps(line: Line) -> None:
    intent = line.intent(max_fee_per_gas=100 * GWEI, max_priority_fee_per_gas=2 * GWEI)
    job = line.sweep_until(line.hand_over(intent), JobState.INCLUDED)
    ((_, most, tip),) = versions(job)
    assert most < 100 * GWEI
    assert tip <= 2 * GWEI
    poor = line.intent(max_fee_per_gas=2 * GWEI, max_priority_fee_per_gas=1)
    job = line.sweep_until(line.hand_over(poor), JobState.LIVE, JobState.INCLUDED)
    ((_, most, tip),) = versions(job)
    assert (most <= 2 * GWEI, tip) == (True, 1)


def test_what_is_not_mined_is_signed_again_with_higher_fees_and_mined_once(line: Line) -> None:
    before = line.balance(LISTED)
    line.automine(on=False)
    job = line.sweep_until(line.hand_over(), JobState.LIVE)
    waited(line, job)
    (_, low, low_tip), (_, high, high_tip) = versions(job)
    assert high >= low * 9 // 8
    assert high_tip >= low_tip * 9 // 8
    assert set(NonceAssignment.objects.values_list("nonce", flat=True)) == {0}
    raised = AuditEntry.objects.get(subject=job.intent_digest, tag="custody:attempt:raised")
    stored = AuditEntry.objects.filter(subject=job.intent_digest, tag="custody:attempt:stored").last()
    sent = BroadcastAttempt.objects.filter(transmission=Transmission.objects.last())
    assert stored is not None
    assert stored.seq < raised.seq
    line.sweep_until(job, JobState.LIVE)
    for _ in range(10):
        Job.objects.filter(pk=job.pk).update(due_at=timezone.now())
        sweep_once(now=timezone.now(), most=1)
    assert sent.exists()
    line.automine(on=True)
    line.mine()
    line.sweep_until(job, JobState.INCLUDED)
    assert "version 2 of 2" in job.error
    line.mine(3)
    line.sweep_until(job, JobState.CONFIRMED)
    assert line.balance(LISTED) - before == ETHER
    assert line.mined_count() == 1


def test_fees_are_raised_up_to_the_cap_and_then_no_more(line: Line) -> None:
    line.automine(on=False)
    fees = line.node.call("eth_gasPrice")
    cap = int(fees, 16) * 5
    job = line.sweep_until(
        line.hand_over(line.intent(max_fee_per_gas=cap, max_priority_fee_per_gas=cap)), JobState.LIVE
    )
    for _ in range(30):
        Job.objects.filter(pk=job.pk).update(raise_at=timezone.now(), due_at=timezone.now())
        sweep_once(now=timezone.now(), most=1)
    found = versions(job)
    assert len(found) > 2
    assert all(most <= cap and tip <= most for _, most, tip in found)
    for (_, low, low_tip), (_, high, high_tip) in itertools.pairwise(found):
        assert high * 8 >= low * 9
        assert high_tip * 8 >= low_tip * 9
    job.refresh_from_db()
    assert job.state == JobState.LIVE


def test_a_chain_whose_rule_says_never_raises_nothing(line: Line) -> None:
    line.rule(raise_seconds=0)
    line.automine(on=False)
    job = line.sweep_until(line.hand_over(), JobState.LIVE)
    assert job.raise_at is None


def test_a_signer_that_refuses_a_raise_changes_nothing_of_what_was_sent(line: Line) -> None:
    line.automine(on=False)
    job = line.sweep_until(line.hand_over(), JobState.LIVE)

    def distort(frame: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        said = wire.failure("expired", "too late", retry=False)
        return said if frame["op"] == "sign" else answer

    line.signer.distort = distort
    Job.objects.filter(pk=job.pk).update(raise_at=timezone.now(), due_at=timezone.now())
    line.sweep_until_trouble(job, "raise_expired")
    assert (job.state, len(versions(job))) == (JobState.LIVE, 1)
    line.automine(on=True)
    line.mine()
    line.sweep_until(job, JobState.INCLUDED)


def test_a_cancel_takes_the_nonce_and_the_payment_never_happens(line: Line) -> None:
    before = line.balance(LISTED)
    line.automine(on=False)
    job = line.sweep_until(line.hand_over(), JobState.LIVE)
    order = line.cancel(job)
    line.sweep_until(job, JobState.LIVE)
    order.refresh_from_db()
    assert order.state == "signed"
    transaction = decode_signed(bytes(Transmission.objects.get(job=job, kind="cancel").raw))[0]
    assert (transaction.nonce, transaction.value, transaction.data) == (0, 0, b"")
    assert transaction.to == line.world.wallet.rpartition(":")[2]
    line.sweep_until(job, JobState.LIVE)
    for _ in range(10):
        Job.objects.filter(pk=job.pk).update(due_at=timezone.now())
        sweep_once(now=timezone.now(), most=1)
    line.automine(on=True)
    line.mine()
    line.sweep_until(job, JobState.INCLUDED)
    line.mine(3)
    line.sweep_until(job, JobState.CANCELLED)
    assert (line.balance(LISTED) - before, line.mined_count()) == (0, 1)
    line.sweep_until(line.hand_over(), JobState.INCLUDED)
    assert line.balance(LISTED) - before == ETHER


def test_a_payment_that_is_mined_before_its_cancel_counts(line: Line) -> None:
    line.automine(on=False)
    job = line.sweep_until(line.hand_over(), JobState.LIVE)
    line.cancel(job)
    line.automine(on=True)
    line.mine()
    line.sweep_until(job, JobState.CONFIRMED, JobState.INCLUDED)
    line.mine(3)
    line.sweep_until(job, JobState.CONFIRMED)


def test_a_case_that_was_journalled_and_expired_unanswered_is_freed_by_a_cancel(line: Line) -> None:
    def distort(frame: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        lost = wire.failure("expired", "the mandate is over", retry=False)
        return lost if frame["op"] == "sign" and frame["bundle"]["cancel"] is None else answer

    line.signer.distort = distort
    job = line.sweep_until(line.hand_over(), JobState.WAITING)
    assert job.error_code == "held"
    line.cancel(job)
    line.sweep_until(job, JobState.INCLUDED)
    line.mine(3)
    line.sweep_until(job, JobState.CANCELLED)
    kept = case_file_get(intent_digest=job.intent_digest, policies=(line.world.signed_policy,))
    assert kept.bundle.cancel is not None
    line.signer.distort = None
    line.sweep_until(line.hand_over(), JobState.INCLUDED)
    assert line.mined_count() == 2


def test_a_cancel_without_its_quorum_is_not_signed_and_fails_when_it_expires(line: Line) -> None:
    line.automine(on=False)
    job = line.sweep_until(line.hand_over(), JobState.LIVE)
    order = line.cancel(job, by=("tessa",))
    line.sweep_until(job, JobState.LIVE)
    order.refresh_from_db()
    assert order.state == "ordered"
    assert "quorum" in order.error
    later = timezone.now() + dt.timedelta(days=30)
    CancelOrder.objects.update(retry_at=timezone.now())
    Job.objects.filter(pk=job.pk).update(due_at=timezone.now())
    sweep_once(now=later, most=1)
    order.refresh_from_db()
    assert order.state == "failed"
    assert not Transmission.objects.filter(kind="cancel").exists()


def test_a_second_cancel_or_one_of_a_finished_case_is_refused(line: Line) -> None:
    line.automine(on=False)
    job = line.sweep_until(line.hand_over(), JobState.LIVE)
    first = line.cancel(job)
    with pytest.raises(JobInputError, match="another cancel"):
        line.cancel(job)
    assert CancelOrder.objects.get() == first
    line.automine(on=True)
    line.mine(4)
    line.sweep_until(job, JobState.CONFIRMED, JobState.CANCELLED)
    with pytest.raises(JobInputError, match="nothing left to cancel"):
        line.cancel(job)
    with pytest.raises(JobInputError, match="no such case"):
        line.cancel(job, intent="0" * 64)


def test_a_rule_names_only_nodes_of_its_chain(line: Line) -> None:
    with pytest.raises(ValidationError, match="no node elsewhere"):
        chain_rule_set(actor=ACTOR, rule=ChainRule(chain_id=CHAIN, private_nodes="anvil, elsewhere"))
    line.rule(private_nodes="anvil", finality="safe")
    entry = AuditEntry.objects.get(tag="custody:rule:changed")
    assert '"private_nodes":["anvil"]' in entry.payload
