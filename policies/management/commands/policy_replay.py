"""`manage.py policy_replay --draft N [--since …] [--until …]`: what a draft would have made of all history."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from core.documents.policy import EvidenceKind
from policies.errors import PolicyAppError
from policies.models import PolicyDraft, PolicyReport, ReportState
from policies.replay.report import period_of, period_options
from policies.reports import report_run
from policies.services.reports import report_claim, report_request

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from typing import Any

_BAR = 40
_CHANGES = {
    "newly_allowed": "newly allowed",
    "newly_denied": "newly denied",
    "other_quorum": "other quorum",
    "other_grant": "other grant, same quorum",
}


def _point(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{text!r} is no time: write 2026-01-31 or 2026-01-31T12:00+00:00.") from None
    return (at if at.tzinfo is not None else at.replace(tzinfo=dt.UTC)).isoformat()


class Command(BaseCommand):
    """Replay history under a draft and keep the report."""

    help = "Decide all recorded decisions again under a policy draft, and show what differs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the draft and the period."""
        parser.add_argument("--draft", type=int, required=True, help="the draft's number")
        parser.add_argument("--since", help="compare decisions from this time on (UTC unless it says otherwise)")
        parser.add_argument("--until", help="compare decisions before this time")

    def handle(self, *_args: object, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        """Ask for the report, make it here, and show it."""
        draft = PolicyDraft.objects.filter(pk=options["draft"]).first()
        if draft is None:
            raise CommandError("There is no such draft.")
        try:
            period = period_of({name: _point(options[name]) for name in ("since", "until")})
            now = timezone.now()
            asked = report_request(
                draft=draft, kind=EvidenceKind.REPLAY, options=period_options(period), by=None, now=now
            )
            if report_claim(now=now, report_id=asked.pk) is None:
                raise CommandError("The same replay is being made already: look at the draft's page.")
            made = report_run(report=asked, listener=self._bar)
        except PolicyAppError as error:
            raise CommandError(str(error)) from error
        if self.stderr.isatty():
            self.stderr.write("")
        if made.state != ReportState.DONE.value:
            raise CommandError(made.error)
        self._show(made)
        if not made.passed:
            raise CommandError("Some records could not be read: this replay is no evidence.")

    def _bar(self, done: int, total: int) -> None:
        if self.stderr.isatty():
            filled = _BAR * done // total if total else _BAR
            self.stderr.write(f"\r[{'#' * filled}{'.' * (_BAR - filled)}] {done:,} of {total:,}", ending="")
            self.stderr.flush()

    def _show(self, made: PolicyReport) -> None:
        body = json.loads(made.body)
        self.stdout.write(f"{body['decisions']:,} decisions compared")
        for name in ("unreadable", "from_snapshot", "not_reproduced"):
            if body[name]:
                self.stdout.write(f"{body[name]:,} {name.replace('_', ' ')}")
        for found in body["windows"]:
            self.stdout.write(
                f"\nwith {found['windows']} windows: {found['allowed_before']:,} allowed under the active policy, "
                f"{found['allowed_after']:,} under the draft"
            )
            for change, count in found["changes"].items():
                self.stdout.write(f"  {count:>10,} {_CHANGES[change]}")
            for example in found["examples"]:
                because = "; ".join(example["after"]["because"] or example["before"]["because"])
                self.stdout.write(f"  {_CHANGES[example['change']]}: {example['intent']} ({because})")
        self.stdout.write(f"\nreport {made.digest}\npolicy content {made.content}")
