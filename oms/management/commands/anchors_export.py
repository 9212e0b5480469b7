"""`manage.py anchors_export`: name the log's anchors for `python -m witness anchors`, which reads them from nodes."""

from __future__ import annotations

import json
import sys

from django.core.management.base import BaseCommand

from oms.models import LogAnchor


class Command(BaseCommand):
    """List the anchors that were read back from the chain."""

    help = "Write size, root and transaction of every verified anchor of the log, one JSON object a line."

    def handle(self, *_args: object, **_options: str) -> None:
        """Write to standard output."""
        for anchor in LogAnchor.objects.filter(verified_at__isnull=False).order_by("pk").iterator():
            line = {
                "size": str(anchor.size),
                "root": anchor.root,
                "transaction": "0x" + anchor.transaction_hash,
                "block": str(anchor.block_number),
            }
            sys.stdout.write(json.dumps(line) + "\n")
