"""One case from hand-over to finality."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.models import AuditEntry
from core.canonical import parse
from core.chain_proof import InclusionEvidence, check_inclusion
from core.custody_lifecycle import JobState
from core.schema import read_struct
from custody.models import Confirmation, Transmission
from custody.selectors import case_file_get, job_progress
from tests.factories.world import ETHER, LISTED

if TYPE_CHECKING:
    from tests.custody.conftest import Line


def test_a_case_is_signed_sent_and_confirmed(line: Line) -> None:
    before = line.balance(LISTED)
    job = line.sweep_until(line.hand_over(), JobState.INCLUDED)
    assert line.balance(LISTED) - before == ETHER
    line.mine(2)
    line.sweep_until(job, JobState.CONFIRMED)
    kept = Confirmation.objects.get()
    shown = check_inclusion(read_struct(InclusionEvidence, parse(kept.evidence.encode()), "inclusion"))
    assert shown.header.hash.hex() == kept.block_hash
    assert (shown.raw, shown.succeeded) == (bytes(kept.transmission.raw), True)
    progress = job_progress(intent_digest=job.intent_digest)
    assert progress is not None
    assert (progress.nonce, progress.depth, progress.live) == (0, 3, False)
    tags = list(AuditEntry.objects.filter(subject=job.intent_digest).order_by("seq").values_list("tag", flat=True))
    assert tags == [
        "custody:job:created",
        "custody:nonce:assigned",
        "custody:attempt:stored",
        "custody:job:signed",
        "custody:attempt:sent",
        "custody:job:dispatched",
        "custody:attempt:included",
        "custody:attempt:final",
    ]


def test_the_kept_case_holds_what_was_signed(line: Line) -> None:
    job = line.sweep_until(line.hand_over(), JobState.INCLUDED)
    case = case_file_get(intent_digest=job.intent_digest, policies=(line.world.signed_policy,))
    assert case.raw == bytes(Transmission.objects.get(job=job).raw)
    assert case.bundle.intent.digest == job.intent_digest
