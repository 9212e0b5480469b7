"""What custody asks of a key that is suspended, retired or unknown: nothing, cancels, or what empties the wallet."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from coincurve import PrivateKey
from django.db import transaction
from django.utils import timezone

from audit.models import AuditEntry
from core.custody_lifecycle import JobState
from core.documents.roster import WalletKind
from core.evm import address_of
from core.key_lifecycle import KeyEvent
from custody.errors import JobInputError, KeyBusyError
from custody.key_brake import may_raise
from custody.key_transitions import key_lock, key_move
from custody.models import Job, NonceAssignment, Wallet, WalletKey
from custody.services import wallet_create
from custody.sweep import claim_next, job_advance, sweep_once
from tests.append_only import lifted
from tests.factories.world import CHAIN

if TYPE_CHECKING:
    from tests.custody.conftest import Line

pytestmark = pytest.mark.anvil


def move(wallet: str, *events: KeyEvent, evidence: str = "") -> None:
    for event in events:
        with transaction.atomic():
            key = key_lock(wallet=wallet)
            key_move(key=key, event=event, actor="user:olga", now=timezone.now(), why="why not", evidence=evidence)


def successor() -> Wallet:
    """Another wallet of ours."""
    public = PrivateKey().public_key.format(compressed=False)
    return wallet_create(
        actor="x",
        caip10=f"{CHAIN}:{address_of(public)}",
        label="Treasury Hot 2",
        kind=WalletKind.HSM,
        public_key=public,
        signers=["hsm-2"],
    )


def test_the_first_case_begins_a_cryptoperiod(line: Line) -> None:
    assert WalletKey.objects.get().state == "generated"
    line.hand_over()
    line.hand_over()
    key = WalletKey.objects.get()
    assert (key.state, key.events.count()) == ("active", 1)
    assert key.activated_at is not None


def test_a_suspended_key_is_asked_for_nothing_until_it_is_resumed(line: Line) -> None:
    queued = line.hand_over()
    move(line.world.wallet, KeyEvent.SUSPEND)
    held = line.sweep_until_trouble(queued, "key")
    assert (held.state, held.error) == (JobState.QUEUED, "the key of this wallet is suspended: why not")
    assert not NonceAssignment.objects.exists()
    assert not may_raise(job=held)
    assert (
        AuditEntry.objects.filter(tag="custody:job:waits", subject=held.intent_digest, severity="alarm").count() == 1
    )
    move(line.world.wallet, KeyEvent.RESUME)
    Job.objects.update(due_at=timezone.now())
    line.sweep_until(held, JobState.INCLUDED)
    assert may_raise(job=held)


def test_a_case_that_has_its_nonce_keeps_it_while_the_key_is_suspended(line: Line) -> None:
    job = line.hand_over()
    claim = claim_next(now=timezone.now())
    assert claim is not None
    job_advance(claim=claim, now=timezone.now())
    job.refresh_from_db()
    assert job.state == JobState.PINNED
    move(line.world.wallet, KeyEvent.SUSPEND)
    line.sweep_until_trouble(job, "key")
    assert (job.state, NonceAssignment.objects.get().released_at) == (JobState.PINNED, None)


def test_people_may_still_cancel_what_a_suspended_key_signed(line: Line) -> None:
    line.automine(on=False)
    job = line.sweep_until(line.hand_over(), JobState.LIVE)
    move(line.world.wallet, KeyEvent.SUSPEND)
    line.cancel(job)
    deadline = timezone.now() + dt.timedelta(seconds=10)
    while timezone.now() < deadline and job.transmissions.filter(kind="cancel").count() == 0:
        sweep_once(now=timezone.now(), most=1)
    assert job.transmissions.filter(kind="cancel").count() == 1


def test_a_retired_key_takes_what_empties_it_and_nothing_else(line: Line) -> None:
    line.hand_over()
    with pytest.raises(KeyBusyError, match="1 case of this wallet"):
        move(line.world.wallet, KeyEvent.RETIRE)
    line.sweep_until(Job.objects.get(), JobState.INCLUDED)
    line.mine(5)
    line.sweep_until(Job.objects.get(), JobState.CONFIRMED)
    move(line.world.wallet, KeyEvent.RETIRE)
    with pytest.raises(JobInputError, match="retired"):
        line.hand_over()
    own = line.intent(to=line.world.wallet.rpartition(":")[2])
    with pytest.raises(JobInputError, match="retired"):
        line.hand_over(own)
    # To another wallet of ours; the signer's policy denies the stranger, which is not the brake's affair.
    emptying = line.intent(to=successor().address)
    job = line.hand_over(emptying)
    line.sweep_until(job, JobState.DOUBTED)
    assert job.error_code != "key"


def test_what_waited_when_a_key_was_compromised_is_held_and_ends_by_its_age(line: Line) -> None:
    job = line.hand_over()
    move(line.world.wallet, KeyEvent.COMPROMISE)
    line.sweep_until_trouble(job, "key")
    assert "does not empty it" in job.error
    with pytest.raises(KeyBusyError):
        move(line.world.wallet, KeyEvent.DESTROY, evidence="gone")
    late = timezone.now() + dt.timedelta(days=2)
    claim = claim_next(now=late)
    assert claim is not None
    job_advance(claim=claim, now=late)
    job.refresh_from_db()
    assert job.state == JobState.PINNED


def test_a_destroyed_key_takes_nothing(line: Line) -> None:
    move(line.world.wallet, KeyEvent.DESTROY, evidence="never used; deleted")
    with pytest.raises(JobInputError, match="destroyed"):
        line.hand_over(line.intent(to=successor().address))


def test_a_wallet_without_a_key_here_takes_nothing(line: Line) -> None:
    job = line.hand_over()
    with lifted():
        WalletKey.objects.get().events.all().delete()
        WalletKey.objects.all().delete()
    line.sweep_until_trouble(job, "key")
    assert not may_raise(job=job)
    with pytest.raises(JobInputError, match="nothing is known"):
        line.hand_over()
