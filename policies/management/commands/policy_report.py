"""`manage.py policy_report ID`: makes one claimed report about a draft. The sweep starts it; people need not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.management.base import BaseCommand, CommandError

from policies.errors import PolicyAppError
from policies.models import PolicyReport, ReportState
from policies.reports import report_run

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Make one report."""

    help = "Make one claimed report about a policy draft; the sweep starts this by itself."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the report."""
        parser.add_argument("report", type=int)

    def handle(self, *_args: object, **options: int) -> None:
        """Make it."""
        report = PolicyReport.objects.filter(pk=options["report"], state=ReportState.RUNNING.value).first()
        if report is None:
            raise CommandError("There is no such report, or nobody has claimed it.")
        try:
            made = report_run(report=report)
        except PolicyAppError as error:
            raise CommandError(str(error)) from error
        if made.state != ReportState.DONE.value:
            raise CommandError(made.error)
        self.stdout.write(f"{made.kind} {made.digest}")
