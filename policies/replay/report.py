"""The report of a replay: what it compared, what differs and with which examples, as canonical JSON."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from core.canonical import canonical
from core.quorum import describe
from core.replay import Change, replay
from policies.errors import ReportRefusedError
from policies.replay.records import Period, Records
from policies.replay.words import decision_words
from policies.reports import ReportResult, report_options, report_policy
from policies.selectors import policy_active

if TYPE_CHECKING:
    from core.decision import Decision
    from core.documents.policy import Policy
    from core.replay import Comparison, Example, ReplayResult, Windows
    from policies.models import PolicyReport
    from policies.reports import Progress

VERSION = 1


def period_options(period: Period) -> dict[str, object]:
    """Return a period as a report's options."""
    return {
        "since": None if period.since is None else period.since.astimezone(dt.UTC).isoformat(),
        "until": None if period.until is None else period.until.astimezone(dt.UTC).isoformat(),
    }


def period_of(options: dict[str, object]) -> Period:
    """Read a period from a report's options.

    Raises:
        ReportRefusedError: It is none.
    """
    try:
        since, until = (_time(options.get(name)) for name in ("since", "until"))
    except ValueError as error:
        raise ReportRefusedError("The period is not two points in time.") from error
    if since is not None and until is not None and since >= until:
        raise ReportRefusedError("The period ends before it begins.")
    return Period(since=since, until=until)


def _time(value: object) -> dt.datetime | None:
    if value is None:
        return None
    at = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
    if at is None or at.tzinfo is None:
        raise ValueError(value)
    return at


def _side(policy: Policy, decision: Decision) -> dict[str, object]:
    return {
        "allowed": decision.allowed,
        "grant": decision.grant or "",
        "quorum": describe(decision.required) if decision.allowed else "",
        "because": decision_words(policy, decision),
    }


def _example(example: Example, active: Policy, draft: Policy) -> dict[str, object]:
    return {
        "change": str(example.change),
        "intent": example.name,
        "time": example.time,
        "before": _side(active, example.before),
        "after": _side(draft, example.after),
    }


def _windows(windows: Windows, found: Comparison, active: Policy, draft: Policy) -> dict[str, object]:
    return {
        "windows": str(windows),
        "allowed_before": found.allowed_before,
        "allowed_after": found.allowed_after,
        "changes": {str(change): found.counts[change] for change in Change},
        "examples": [_example(example, active, draft) for change in Change for example in found.examples[change]],
    }


def _body(active: Policy, draft: Policy, options: dict[str, object], records: Records, found: ReplayResult) -> bytes:
    return canonical(
        {
            "type": "replay",
            "version": VERSION,
            "deployment": active.deployment,
            "active": active.digest,
            "content": draft.content_digest,
            "period": {name: options.get(name) for name in ("since", "until")},
            "decisions": found.decisions,
            "from_snapshot": records.from_snapshot,
            "unreadable": records.unreadable,
            "unreadable_intents": records.unreadable_names,
            "not_reproduced": found.not_reproduced,
            "not_reproduced_intents": found.not_reproduced_names,
            "windows": [
                _windows(windows, comparison, active, draft) for windows, comparison in found.windows.items()
            ],
        }
    )


def replay_report(report: PolicyReport, progress: Progress) -> ReportResult:
    """Replay history under the draft of a report.

    It passes if every record could be read: what differs is for people to judge.

    Raises:
        ReportRefusedError: No policy is active, the draft changed, or the period is none.
    """
    active = policy_active()
    if active is None:
        raise ReportRefusedError("No policy is active yet: there is nothing to compare the draft with.")
    options = report_options(report=report)
    draft = report_policy(report=report)
    records = Records(active, draft, period_of(options))
    progress(0, records.total)
    found = replay(active, draft, records, progress=lambda taken: progress(taken, records.total))
    return ReportResult(passed=records.unreadable == 0, body=_body(active, draft, options, records, found))
