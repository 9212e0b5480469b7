"""`manage.py policy_handover`: where signed policies stand with the signers; carries what was signed in and out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from core.canonical import parse
from core.documents.policy import SignedPolicy
from core.errors import CoreError
from core.schema import read_struct, write_struct
from policies.errors import PolicyAppError
from policies.models import PolicyHandover, PolicyVersion
from policies.selectors import version_signed
from policies.services.versions import version_import
from policies.sweep import sweep_once

if TYPE_CHECKING:
    from argparse import ArgumentParser

_SHOWN = 10


class Command(BaseCommand):
    """Show, push, export or import."""

    help = "Show where signed policies stand with each signer; push them, export one, or import one signed elsewhere."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options; without any, only show."""
        parser.add_argument("--now", action="store_true", help="ask every signer at once, also those that were asked")
        parser.add_argument("--export", metavar="NUMBER", type=int, help="write a signed policy, for consoles to pin")
        parser.add_argument("--import", metavar="FILE", dest="taken", help="take a policy that was signed elsewhere")
        parser.add_argument("--out", metavar="FILE", help="where --export writes")

    def handle(self, *_args: object, **options: object) -> None:
        """Do what was asked for, then show."""
        if options["taken"] is not None:
            self._import(Path(str(options["taken"])))
        if options["export"] is not None:
            if options["out"] is None:
                raise CommandError("--export takes --out FILE.")
            self._export(int(str(options["export"])), Path(str(options["out"])))
        if options["now"]:
            now = timezone.now()
            PolicyHandover.objects.filter(due_at__isnull=False).update(due_at=now)
            self.stdout.write(f"{sweep_once(now=now)} steps made")
        self._show()

    def _import(self, path: Path) -> None:
        try:
            signed = read_struct(SignedPolicy, parse(path.read_bytes()), "signed_policy")
            version = version_import(signed=signed, actor="system:manage", now=timezone.now())
        except (OSError, CoreError, PolicyAppError) as error:
            raise CommandError(f"{path.name}: {error}") from error
        self.stdout.write(f"policy {version.number} {version.digest} is {version.status}")

    def _export(self, number: int, out: Path) -> None:
        kept = PolicyVersion.objects.exclude(signed_at=None, number__gt=1).exclude(status="ended")
        version = kept.filter(number=number).first()
        if version is None:
            raise CommandError(f"No policy {number} was signed here.")
        try:
            signed = write_struct(version_signed(version=version), "signed_policy")
        except PolicyAppError as error:
            raise CommandError(str(error)) from error
        out.write_text(json.dumps(signed), encoding="utf-8")
        self.stdout.write(f"policy {number} {version.digest} written to {out.name}")

    def _show(self) -> None:
        for version in PolicyVersion.objects.prefetch_related("handovers").order_by("-number", "-pk")[:_SHOWN]:
            self.stdout.write(f"policy {version.number} {version.digest[:16]}… {version.status}")
            for row in version.handovers.all():
                effective = (
                    "" if row.effective_at is None else f", in force from {row.effective_at:%Y-%m-%d %H:%M:%S} UTC"
                )
                trouble = f", {row.error_code}: {row.error}" if row.error_code else ""
                self.stdout.write(f"  {row.signer}: {row.state} {row.kind}{effective}{trouble}")
