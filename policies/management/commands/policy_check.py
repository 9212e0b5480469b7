"""`manage.py policy_check`: prove what a draft, a version or a file promises, from the command line.

Exit codes: 0 nothing keeps it from being proposed, 1 something does, 2 it could not be asked at all.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import CoreError
from policies.drafts import draft_read
from policies.errors import PolicyAppError
from policies.models import PolicyDraft, PolicyVersion
from policies.proof.check import DEFAULT_TIMEOUT_S, prove
from policies.proof.findings import CheckState
from policies.selectors import policy_active, policy_find, version_policy

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from core.documents.policy import Policy
    from policies.proof.findings import Finding, ProofReport

_BAR = 40
_FAILED, _NOT_ASKED = 1, 2
_MARKS = {
    CheckState.PROVEN: "proven",
    CheckState.INFORMATION: "to know",
    CheckState.WARNING: "warning",
    CheckState.FAILED: "FAILED",
    CheckState.UNKNOWN: "UNKNOWN",
}


def _refuse(message: str) -> CommandError:
    return CommandError(message, returncode=_NOT_ASKED)


def _draft(number: int) -> Policy:
    draft = PolicyDraft.objects.filter(pk=number).first()
    if draft is None:
        raise _refuse(f"There is no draft {number}.")
    reading = draft_read(text=draft.body, active=policy_active())
    if reading.policy is None or reading.problems:
        raise _refuse("Mend the draft first:\n" + "\n".join(f"  - {problem}" for problem in reading.problems))
    return reading.policy


def _version(number: int) -> Policy:
    version = PolicyVersion.objects.filter(number=number).order_by("-activated_at", "-pk").first()
    if version is None:
        raise _refuse(f"There is no version {number}.")
    return version_policy(version=version)


def _file(path: str) -> Policy:
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise _refuse(f"{path}: {error.strerror}") from error
    reading = draft_read(text=raw.decode("utf-8", "replace"), active=None)
    if reading.policy is None:
        raise _refuse(f"{path}:\n" + "\n".join(f"  - {problem}" for problem in reading.problems))
    return reading.policy


class Command(BaseCommand):
    """Prove a policy, and show what was found."""

    help = "Prove what a policy promises for every case that could be asked, as signers decide it."

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:  # noqa: ANN401 - Django's signature
        """Let `--version` mean the policy's, not Django's."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **options)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to prove."""
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--draft", type=int, help="the draft's number")
        what.add_argument("--version", type=int, dest="policy_version", help="a version's number")
        what.add_argument("--file", help="a policy document, JSON")
        parser.add_argument("--timeout", type=float, default=DEFAULT_TIMEOUT_S, help="seconds for everything")

    def handle(self, *_args: object, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        """Prove it and say what came of it."""
        timeout = options["timeout"]
        if not math.isfinite(timeout) or timeout < 0:
            raise _refuse("--timeout takes seconds.")
        started = time.monotonic()
        try:
            policy = self._policy(options)
            previous = None if policy.previous is None else policy_find(digest=policy.previous)
            report = prove(policy=policy, previous=previous, timeout_s=timeout, progress=self._bar)
        except (PolicyAppError, CoreError) as error:
            raise _refuse(str(error)) from error
        if self.stderr.isatty():
            self.stderr.write("")
        self._show(report, time.monotonic() - started)
        if not report.passed:
            raise CommandError("This policy cannot be proposed.", returncode=_FAILED)

    @staticmethod
    def _policy(options: dict[str, Any]) -> Policy:
        if options["draft"] is not None:
            return _draft(options["draft"])
        if options["policy_version"] is not None:
            return _version(options["policy_version"])
        return _file(options["file"])

    def _bar(self, done: int, total: int) -> None:
        if self.stderr.isatty():
            filled = _BAR * done // total if total else _BAR
            self.stderr.write(f"\r[{'#' * filled}{'.' * (_BAR - filled)}] {done:,} of {total:,}", ending="")

    def _show(self, report: ProofReport, seconds: float) -> None:
        for check in report.checks:
            self.stdout.write(f"[{_MARKS[check.state]}] {check.title} {check.answer}")
            for finding in check.findings:
                self._finding(finding)
        self.stdout.write(f"content {report.content}")
        self.stdout.write(f"report  {report.digest}")
        self.stdout.write(f"{seconds:.1f} seconds")

    def _finding(self, finding: Finding) -> None:
        self.stdout.write(f"    - {finding.sentence}")
        if finding.case is not None:
            for field, value in finding.case.facts:
                self.stdout.write(f"        {field}: {value}")
            for name, used in finding.case.spent:
                self.stdout.write(f"        already drawn in {name}: {used}")
            for name, words in finding.case.outcomes:
                self.stdout.write(f"        {name}: {words}")
