"""A case of a shared key, from custody through real parties to a real chain."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from core.custody_lifecycle import JobState
from custody.lane_view import lane_view
from custody.models import BroadcastAttempt, CancelOrder, Job, NonceAssignment, PartyCertificate, Transmission
from custody.selectors import job_progress
from signer import wire
from tests.custody.conftest import PATIENCE
from tests.custody.party_line import due, party_desk
from tests.factories.world import ETHER, LISTED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.custody.party_line import PartyDesk
    from tests.party.rig import Group

pytestmark = [pytest.mark.anvil, pytest.mark.timeout(400)]
Json = dict[str, Any]
FIRST, SECOND, THIRD, FOURTH, FIFTH = (f"party-{number}" for number in range(1, 6))


@pytest.fixture
def small(transactional_db: None, settings: Any, small_pinned: Group) -> Iterator[PartyDesk]:  # noqa: ANN401, ARG001 - pytest-django's wrapper; asks for the database
    """A desk with a 2-of-3 wallet, whose parties all run."""
    with party_desk(small_pinned, settings) as desk:
        yield desk


@pytest.fixture
def large(transactional_db: None, settings: Any, large_pinned: Group) -> Iterator[PartyDesk]:  # noqa: ANN401, ARG001 - as above
    """A desk with a 3-of-5 wallet, whose parties all run."""
    with party_desk(large_pinned, settings) as desk:
        yield desk


def test_a_payment_gets_to_the_chain_and_is_confirmed(small: PartyDesk) -> None:
    before = small.balance(LISTED)
    job = small.sweep_until(small.hand_over(), JobState.INCLUDED)
    small.mine(5)
    small.sweep_until(job, JobState.CONFIRMED)
    assert small.balance(LISTED) - before == ETHER
    kept = PartyCertificate.objects.get()
    assert (kept.nonce, kept.cancels, kept.intent) == (0, False, job.intent_digest)
    assert Transmission.objects.count() == 1


def test_fees_are_raised_and_a_cancel_is_signed_at_the_same_nonce(small: PartyDesk) -> None:
    small.rule(raise_seconds=1)
    small.automine(on=False)
    job = small.sweep_until(small.hand_over(), JobState.LIVE)
    deadline = time.monotonic() + PATIENCE
    while Transmission.objects.filter(job=job).count() < 2:
        assert time.monotonic() < deadline, Job.objects.get().error
        due(job)
        small.sweep_until(job, JobState.LIVE)
    small.rule(raise_seconds=0)
    small.cancel(due(job))
    deadline = time.monotonic() + PATIENCE
    sent = BroadcastAttempt.objects.filter(transmission__kind="cancel", outcome__in=("accepted", "known"))
    while not sent.exists():
        assert time.monotonic() < deadline, CancelOrder.objects.get().error
        small.sweep_until(due(job), JobState.LIVE)
    assert list(PartyCertificate.objects.values_list("nonce", "cancels")) == [(0, False), (0, False), (0, True)]
    assert {small.lane(name)["cancels"] for name in small.group.names} == {1}
    small.automine(on=True)
    small.mine(5)
    small.sweep_until(job, JobState.CANCELLED)


def test_too_few_parties_reserve_nothing_and_the_case_says_whom_it_waits_for(small: PartyDesk) -> None:
    small.stop(THIRD)
    job = small.sweep_until(small.hand_over(), JobState.WAITING)
    assert job.error_code == "parties"
    assert job.error == "1 of 3 parties are silent (party-3); 2 agree, 3 have to."
    assert small.lane(FIRST)["next"] == 0
    progress = job_progress(intent_digest=job.intent_digest)
    assert progress is not None
    assert (progress.nonce, progress.message) == (0, job.error)
    assert lane_view(wallet=job.wallet).blocked_by == f"nonce 0 is with its parties: {job.error}"
    small.start()
    small.sweep_until(due(job), JobState.INCLUDED)
    assert small.mined_count() == 1


def test_what_all_refuse_for_good_is_refused_and_its_nonce_serves_the_next(small: PartyDesk) -> None:
    alone = small.sweep_until(small.hand_over(approvers=()), JobState.DOUBTED)
    assert alone.error_code == "quorum"
    assert alone.error.startswith("3 of 3 parties refuse: ")
    small.sweep_until(small.hand_over(), JobState.INCLUDED)
    small.sweep_until(due(alone), JobState.REFUSED)
    assert list(NonceAssignment.objects.filter(released_at__isnull=True).values_list("nonce", flat=True)) == [0]


def _denied(request: Json, answer: Json) -> Json:
    return wire.failure("denied", "says who stands between", retry=False) if request["op"] != "status" else answer


def _garbage(request: Json, answer: Json) -> Json:
    return answer if request["op"] == "status" else wire.success({"epoch": "x", "stored": [], "envelopes": {"a": 1}})


def _another_certificate(request: Json, answer: Json) -> Json:
    if request["op"] == "reserve":
        answer["result"]["document"]["binding"]["signing_hash"] = "0x" + "11" * 32
    return answer


def _another_signature(request: Json, answer: Json) -> Json:
    result = answer.get("result", {})
    if request["op"] == "turn" and "signature" in result:
        result["signature"]["raw"] = result["signature"]["raw"][:-2] + "00"
    if request["op"] == "prepare":
        stored = {"signer": FIRST, "raw": "0x02c0", "transaction_hash": "0x" + "00" * 32, "repeated": True}
        result["stored"] = stored
    return answer


def _silent_envelopes(request: Json, answer: Json) -> Json:
    if request["op"] == "turn":
        answer["result"] = {"envelopes": []}
    return answer


LIES = (_garbage, _another_certificate, _another_signature, _silent_envelopes)


def test_a_party_that_lies_where_all_are_needed_changes_nothing(small: PartyDesk) -> None:
    between = small.between(FIRST)
    for nonce, lie in enumerate(LIES):
        between.distort = lie
        job = small.sweep_until(small.hand_over(), JobState.WAITING, JobState.INCLUDED)
        if job.state == JobState.WAITING:
            assert job.error_code == "parties"
            assert "party-1" in job.error
            assert not Transmission.objects.filter(job=job).exists()
        between.distort = None
        small.sweep_until(due(job), JobState.INCLUDED)
        assert Transmission.objects.get(job=job).nonce == nonce
    assert small.mined_count() == len(LIES)


def test_one_of_five_may_be_down_and_learns_what_it_missed(large: PartyDesk) -> None:
    large.stop(FIFTH)
    large.sweep_until(large.hand_over(), JobState.INCLUDED)
    large.start()
    large.stop(FOURTH)
    second = large.sweep_until(large.hand_over(), JobState.INCLUDED)
    assert (large.lane(FIFTH)["next"], second.error) == (2, "")
    large.stop(FIFTH)
    third = large.sweep_until(large.hand_over(), JobState.WAITING)
    assert third.error == "2 of 5 parties are silent (party-4, party-5); 3 agree, 4 have to."
    assert large.lane(FIRST)["next"] == 2
    large.start()
    large.sweep_until(due(third), JobState.INCLUDED)
    assert large.mined_count() == 3
    assert [large.lane(name)["next"] for name in large.group.names] == [3] * 5


def test_one_liar_of_five_stops_nothing_and_a_silent_one_costs_one_time_out(large: PartyDesk) -> None:
    between = large.between(FIRST)
    for lie in (*LIES, _denied):
        between.distort = lie
        large.sweep_until(large.hand_over(), JobState.INCLUDED)
    assert large.mined_count() == len(LIES) + 1
    between.distort = None
    between.silent_seconds = 4
    large.settings.COUNTERSIGN_SIGNER_TIMEOUT_SECONDS = 1.0
    between.asked.clear()
    large.sweep_until(large.hand_over(), JobState.INCLUDED)
    large.sweep_until(large.hand_over(), JobState.INCLUDED)
    assert dict(between.asked) == {"status": 1}


def test_two_that_refuse_for_good_leave_too_few_of_five_and_one_does_not(large: PartyDesk) -> None:
    betweens = [large.between(name) for name in (FIRST, SECOND)]
    for between in betweens:
        between.distort = _denied
    job = large.sweep_until(large.hand_over(), JobState.DOUBTED)
    assert job.error_code == "denied"
    assert job.error.startswith("2 of 5 parties refuse: says who stands between")
