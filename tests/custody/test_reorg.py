"""Reorganisations on a real chain, at depths 1 to 6: onto the same version and onto the other one, mined once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from audit.models import AuditEntry
from chains.models import Chain
from core.custody_lifecycle import JobState
from custody.models import Confirmation, Job, Transmission
from custody.sweep import sweep_once
from tests.factories.world import CHAIN, ETHER, LISTED
from tests.fakes.proxy import Lie

if TYPE_CHECKING:
    from tests.custody.conftest import Line

pytestmark = pytest.mark.anvil
DEEP = 8


def swept(job: Job, times: int = 3) -> None:
    """Have the job looked at again and again, at once."""
    for _ in range(times):
        Job.objects.filter(pk=job.pk).update(due_at=timezone.now())
        sweep_once(now=timezone.now(), most=1)
    job.refresh_from_db()


def two_versions(line: Line) -> Job:
    """Bring a case to two versions that are stored and not mined."""
    line.automine(on=False)
    job = line.sweep_until(line.hand_over(), JobState.LIVE)
    for _ in range(10):
        Job.objects.filter(pk=job.pk).update(raise_at=timezone.now(), due_at=timezone.now())
        sweep_once(now=timezone.now(), most=1)
        if Transmission.objects.filter(job=job).count() == 2:
            break
    Job.objects.filter(pk=job.pk).update(raise_at=None)
    job.refresh_from_db()
    return job


def mined_alone(line: Line, raw: bytes) -> None:
    """Have exactly these bytes mined in one block."""
    line.node.call("anvil_dropAllTransactions")
    line.node.call("eth_sendRawTransaction", "0x" + raw.hex())
    line.node.call("anvil_mine", "0x1")


@pytest.mark.parametrize("depth", range(1, 7))
@pytest.mark.parametrize("other", [False, True], ids=["same-version", "other-version"])
def test_a_reorganisation_is_followed_and_each_intent_is_mined_once(line: Line, depth: int, *, other: bool) -> None:
    Chain.objects.filter(pk=CHAIN).update(confirmation_depth=DEEP)
    before = line.balance(LISTED)
    line.mine(DEEP)
    job = two_versions(line)
    first, second = (bytes(one.raw) for one in Transmission.objects.filter(job=job))
    mined_alone(line, first)
    line.sweep_until(job, JobState.INCLUDED)
    line.mine(depth - 1)
    swept(job)
    assert (job.state, Confirmation.objects.get().depth) == (JobState.INCLUDED, depth)
    line.node.call("anvil_reorg", depth, [])
    assert line.mined_count() == 0
    line.sweep_until(job, JobState.LIVE)
    assert AuditEntry.objects.filter(tag="custody:attempt:reorged", severity="alarm").count() == 1
    mined_alone(line, second if other else first)
    line.sweep_until(job, JobState.INCLUDED)
    line.mine(DEEP)
    line.sweep_until(job, JobState.CONFIRMED)
    mined = Confirmation.objects.get(status="final").transmission
    assert bytes(mined.raw) == (second if other else first)
    assert list(Confirmation.objects.values_list("status", flat=True)) == ["reorged", "final"]
    assert (line.mined_count(), line.balance(LISTED) - before) == (1, ETHER)


def test_after_a_reorganisation_the_same_bytes_are_sent_again_by_themselves(line: Line) -> None:
    line.mine(DEEP)
    job = line.sweep_until(line.hand_over(), JobState.INCLUDED)
    line.node.call("anvil_reorg", 1, [])
    line.node.call("anvil_dropAllTransactions")
    line.sweep_until(job, JobState.LIVE)
    assert "the same bytes are sent again" in job.error
    line.sweep_until(job, JobState.INCLUDED)
    assert Transmission.objects.count() == line.mined_count() == 1


def test_a_final_block_that_goes_away_is_an_alarm_and_is_said(line: Line) -> None:
    line.mine(DEEP)
    job = line.sweep_until(line.hand_over(), JobState.INCLUDED)
    line.mine(3)
    line.sweep_until(job, JobState.CONFIRMED)
    assert job.due_at is not None
    swept(job)
    assert job.error_code == ""
    line.node.call("anvil_reorg", 5, [])
    swept(job)
    assert (job.state, job.error_code) == (JobState.CONFIRMED, "contradicted")
    assert AuditEntry.objects.filter(tag="custody:attempt:contradicted", severity="critical").count() == 1
    swept(job)
    assert AuditEntry.objects.filter(tag="custody:attempt:contradicted").count() == 1


def test_what_is_final_is_watched_for_its_time_and_no_longer(line: Line) -> None:
    line.rule(guard_seconds=0)
    job = line.sweep_until(line.hand_over(), JobState.INCLUDED)
    line.mine(3)
    line.sweep_until(job, JobState.CONFIRMED)
    swept(job)
    assert job.due_at is None


@pytest.mark.parametrize("tag", ["safe", "finalized"])
def test_a_chain_may_ask_for_its_safe_or_finalized_block_as_well(line: Line, tag: str) -> None:
    line.rule(finality=tag)
    job = line.sweep_until(line.hand_over(), JobState.INCLUDED)
    line.mine(6)
    swept(job)
    # Deep enough, but anvil's safe block is 32 behind and its finalized one 64.
    assert job.state == JobState.INCLUDED
    line.mine(70)
    line.sweep_until(job, JobState.CONFIRMED)


def test_a_node_without_such_a_block_makes_nothing_final(line: Line) -> None:
    line.rule(finality="finalized")
    job = line.sweep_until(line.hand_over(), JobState.INCLUDED)
    line.mine(80)
    line.proxy.lie("eth_getBlockByNumber", Lie.ANSWER, answer={"result": None})
    line.sweep_until_trouble(job, "node")
    assert job.state == JobState.INCLUDED
