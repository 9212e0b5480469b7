"""Ceremonies as files: what consoles take, and what outsiders check."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.db import transaction

from audit.services import entry_append
from audit.tags import AuditTag
from core.canonical import parse
from custody.ceremony_selectors import progress_list, transcript, transcript_holds
from custody.ceremony_services import signed_ceremony

if TYPE_CHECKING:
    from custody.models_ceremonies import KeyCeremony

EXPORT_NAME = "ceremony-{digest}.json"


def ceremony_export(*, ceremony: KeyCeremony, actor: str) -> dict[str, object]:
    """Return an ordered ceremony with its consents, JSON, and write down that somebody took it.

    Args:
        ceremony: Which.
        actor: Who takes it.

    Raises:
        CeremonyRefusedError: If its quorum has not ordered it.
    """
    signed = signed_ceremony(ceremony=ceremony)
    with transaction.atomic():
        entry_append(
            actor=actor,
            tag=AuditTag.CEREMONY_EXPORTED,
            subject=ceremony.digest,
            payload={"kind": ceremony.kind, "wallet": ceremony.wallet},
        )
    return signed


def _moment(at: dt.datetime | None) -> str:
    return "" if at is None else at.astimezone(dt.UTC).isoformat(timespec="microseconds")


def transcript_data(*, ceremony: KeyCeremony) -> dict[str, object]:
    """Return a ceremony's whole transcript, JSON: its document, signers' steps, and every line with its digest."""
    lines = transcript(ceremony=ceremony)
    return {
        "ceremony": ceremony.digest,
        "document": parse(ceremony.document.encode()),
        "holds": transcript_holds(lines=lines),
        "lines": [
            {
                "at": _moment(line.at),
                "before": line.before,
                "digest": line.digest,
                "good": line.good,
                "said": line.said,
                "said_digest": line.said_digest,
                "what": line.what,
                "who": line.who,
                "words": line.words,
            }
            for line in lines
        ],
        "progress": [
            {
                "attempts": row.attempts,
                "code": row.code,
                "done_at": _moment(row.done_at),
                "message": row.message,
                "signer": row.signer,
                "state": row.state,
                "step": row.step,
            }
            for row in progress_list(ceremony=ceremony)
        ],
        "state": ceremony.state,
        "why": ceremony.why,
    }
