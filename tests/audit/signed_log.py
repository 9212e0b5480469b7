"""The log of the database under test, signed and witnessed with keys of the test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from audit.models import AuditCheckpoint
from audit.sequencer import tree_advance
from audit.services import entry_append, signature_store
from core.checkpoint import Checkpoint
from tests.witness.receipts import ORIGIN, WITNESSES, log_line, witness_line

if TYPE_CHECKING:
    import datetime as dt


def say(count: int, actor: str = "rita", subject: str = "s") -> None:
    with transaction.atomic():
        for number in range(count):
            entry_append(actor=actor, tag="oms:request:asked", subject=subject, payload={"n": number})
    place()


def place() -> None:
    while tree_advance():
        pass


def sign(*, at: dt.datetime, witnesses: tuple[str, ...] = tuple(WITNESSES)) -> AuditCheckpoint:
    """Have the newest checkpoint signed, and witnessed at a time of the test's choice."""
    place()
    newest = AuditCheckpoint.objects.order_by("-size")[0]
    checkpoint = Checkpoint(origin=ORIGIN, size=newest.size, root=bytes.fromhex(newest.root))
    signature_store(size=newest.size, line=log_line(checkpoint).line(), now=at)
    for name in witnesses:
        line = witness_line(checkpoint, name, int(at.timestamp())).line()
        signature_store(size=newest.size, line=line, now=at)
    return newest
