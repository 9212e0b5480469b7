"""`manage.py case_export REFERENCE --out FILE`: a signed case for keeping, for `countersign-verify`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from audit.services import entry_append
from audit.tags import AuditTag
from core.schema import write_struct
from custody.errors import CustodyError
from custody.selectors import case_file_get, job_find, sighting_of
from oms.models import TransactionRequest
from policies.selectors import policy_chain

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Export one signed case with the chain of policies behind it."""

    help = "Export a signed case with the chain of policies behind it, for countersign-verify."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare which case, and where to."""
        parser.add_argument("reference", help="the request's reference, 32 hex digits")
        parser.add_argument("--out", required=True)
        parser.add_argument("--inclusion", help="also write the evidence that it was mined, to this file")

    def handle(self, *_args: object, **options: str | None) -> None:
        """Write the file."""
        request = TransactionRequest.objects.filter(reference=options["reference"]).first()
        if request is None:
            raise CommandError("There is no such request.")
        job = job_find(intent_digest=request.intent_digest)
        signed_at = None if job is None else job.signed_at
        try:
            # Not what came into force later: a case is verified under what was the newest when it was signed.
            case = case_file_get(intent_digest=request.intent_digest, policies=policy_chain(at=signed_at))
        except CustodyError as error:
            raise CommandError(str(error)) from error
        sighting = None if job is None or options["inclusion"] is None else sighting_of(job=job)
        if options["inclusion"] is not None and (sighting is None or not sighting.evidence):
            raise CommandError("Nothing proves yet that it was mined.")
        with transaction.atomic():
            entry_append(actor="system:manage", tag=AuditTag.CASE_EXPORTED, subject=request.intent_digest, payload={})
        out = Path(str(options["out"]))
        out.write_text(json.dumps(write_struct(case, "case")), encoding="utf-8")
        if sighting is not None:
            Path(str(options["inclusion"])).write_text(sighting.evidence, encoding="utf-8")
        self.stdout.write(f"{request.reference[:8]} written to {out.name}")
