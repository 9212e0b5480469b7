"""The report of a proof, made for a draft in a process of its own (`policies.reports`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from policies.proof.check import DEFAULT_TIMEOUT_S, prove
from policies.reports import ReportResult, report_options, report_policy
from policies.selectors import policy_active

if TYPE_CHECKING:
    from policies.models import PolicyReport
    from policies.reports import Progress

LEAST_S, MOST_S = 1, 3600


def timeout_of(options: dict[str, object]) -> int:
    """Read the seconds for everything from a report's options; anything odd is the usual number."""
    asked = options.get("timeout")
    usable = isinstance(asked, int) and not isinstance(asked, bool) and LEAST_S <= asked <= MOST_S
    return int(str(asked)) if usable else DEFAULT_TIMEOUT_S


def proof_report(report: PolicyReport, progress: Progress) -> ReportResult:
    """Prove what a draft promises, and hold it against the version in force.

    Raises:
        ReportRefusedError: The draft says something else by now.
    """
    policy = report_policy(report=report)
    timeout = timeout_of(report_options(report=report))
    progress(0, 1)
    proof = prove(policy=policy, previous=policy_active(), timeout_s=timeout, progress=progress)
    return ReportResult(passed=proof.passed, body=proof.to_bytes())
