"""Reports about drafts are made in processes of their own: neither a page nor the sweep waits for one.

The sweep claims a queued report and starts `manage.py policy_report ID`. The row is all that the two share: progress
is saved to it, and a child that is killed or stands still leaves a claim that is given up.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from typing import TYPE_CHECKING, Protocol, cast

from django.utils import timezone
from django.utils.module_loading import import_string

from core.documents.policy import EvidenceKind
from policies.children import child_end, child_start
from policies.drafts import draft_read
from policies.errors import PolicyAppError, ReportLostError, ReportRefusedError
from policies.selectors import policy_active
from policies.services.reports import report_beat, report_claim, report_fail, report_finish, reports_expire

if TYPE_CHECKING:
    import datetime as dt
    import subprocess

    from core.documents.policy import Policy
    from policies.models import PolicyReport

_BEAT_SECONDS = 1.0
_logger = logging.getLogger(__name__)


class Progress(Protocol):
    """Told how far a runner is."""

    def __call__(self, done: int, total: int) -> None:
        """Take note; raises where nobody waits for the report any more."""


@dataclasses.dataclass(frozen=True)
class ReportResult:
    """What a runner came to: canonical JSON, and whether the draft may be proposed as far as it goes."""

    passed: bool
    body: bytes


class Runner(Protocol):
    """Makes one kind of report."""

    def __call__(self, report: PolicyReport, progress: Progress) -> ReportResult:
        """Make it; a `PolicyAppError` is what people read when it fails."""


RUNNERS: dict[EvidenceKind, str] = {
    EvidenceKind.REPLAY: "policies.replay.report.replay_report",
    EvidenceKind.PROOF: "policies.proof.report.proof_report",
}
"""Who makes which kind."""

_children: dict[int, subprocess.Popen[bytes]] = {}


def report_policy(*, report: PolicyReport) -> Policy:
    """Return the policy that a report was asked about.

    Raises:
        ReportRefusedError: The draft says something else by now.
    """
    policy = draft_read(text=report.draft.body, active=policy_active()).policy
    if policy is None or policy.content_digest != report.content:
        raise ReportRefusedError("The draft was changed after this was asked for. Please ask again.")
    return policy


def report_options(*, report: PolicyReport) -> dict[str, object]:
    """Return what was asked for."""
    options = json.loads(report.options)
    return options if isinstance(options, dict) else {}


class SavedProgress:
    """Saves progress to the report's row, at most once a second, and tells a listener every time."""

    def __init__(self, report_id: int, listener: Progress | None = None) -> None:
        """Start; the first call saves at once."""
        self._report_id = report_id
        self._listener = listener
        self._next = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Take note."""
        if self._listener is not None:
            self._listener(done, total)
        if time.monotonic() >= self._next:
            report_beat(report_id=self._report_id, done=done, total=total, now=timezone.now())
            self._next = time.monotonic() + _BEAT_SECONDS


def report_run(*, report: PolicyReport, listener: Progress | None = None) -> PolicyReport:
    """Make a claimed report in this process.

    Args:
        report: Claimed by the caller.
        listener: Told of progress too, for instance a bar on a terminal.

    Returns:
        The report, done or failed.

    Raises:
        ReportLostError: It was given up meanwhile.
    """
    try:
        runner = cast("Runner", import_string(RUNNERS[EvidenceKind(report.kind)]))
        result = runner(report, SavedProgress(report.pk, listener))
        return report_finish(report_id=report.pk, passed=result.passed, body=result.body, now=timezone.now())
    except ReportLostError:
        raise
    except PolicyAppError as error:
        report_fail(report_id=report.pk, why=str(error), now=timezone.now())
    except BaseException as error:
        # An interrupted or broken runner must not leave people waiting until the claim runs out.
        why = f"It could not be made ({type(error).__name__}). The log of the process that made it says more."
        report_fail(report_id=report.pk, why=why, now=timezone.now())
        raise
    report.refresh_from_db()
    return report


def _start(report_id: int, now: dt.datetime) -> None:
    try:
        _children[report_id] = child_start("policy_report", str(report_id))
    except OSError as error:
        _logger.exception("report %s: its process could not be started", report_id)
        report_fail(report_id=report_id, why=f"Its process could not be started: {error.strerror}.", now=now)


def _collect(now: dt.datetime) -> int:
    """Take leave of children that have ended; what one left unfinished failed."""
    failed = 0
    for report_id, child in list(_children.items()):
        code = child.poll()
        if code is None:
            continue
        del _children[report_id]
        why = f"The process that made it {child_end(code)}. Please ask again."
        failed += report_fail(report_id=report_id, why=why, now=now)
    return failed


def reports_sweep(*, now: dt.datetime) -> int:
    """Start what is queued, and give up what ended or stands still; return how many reports moved.

    Args:
        now: The current time.
    """
    moved = _collect(now) + reports_expire(now=now)
    claimed = report_claim(now=now)
    if claimed is not None:
        _start(claimed, now)
        moved += 1
    return moved
