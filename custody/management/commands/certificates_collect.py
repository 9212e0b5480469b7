"""`manage.py certificates_collect`: keep again what parties keep, after an older database was restored."""

from __future__ import annotations

from django.core.management.base import BaseCommand
from django.utils import timezone

from custody.parties.collect import certificates_collect


class Command(BaseCommand):
    """Ask every party for the certificates that it keeps."""

    help = "Keep the certificates that the parties of each wallet hand out and enough of them check."

    def handle(self, *_args: object, **_options: object) -> None:
        """Write a line for each wallet, and one for each party from which not everything was taken."""
        made = certificates_collect(now=timezone.now())
        for one in made:
            self.stdout.write(f"{one.wallet}: {one.kept} certificates are kept that were not here before")
            for party, why in sorted(one.troubles.items()):
                self.stderr.write(f"  {party}: {why}")
        if not made:
            self.stdout.write("no wallet is held by parties")
