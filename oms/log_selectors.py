"""What people may read of the log: auditors all of it, anybody the cases that they may see and their own entries."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from django.db.models import Q

from approvals.models import ConsentRecord
from approvals.roles import Permission, may
from audit.models import AuditEntry
from audit.notes import coverage_get
from audit.search import case_entries, consents_of
from audit.tags import AuditTag
from core.canonical import parse
from core.errors import EncodingError
from oms.log_consents import entry_digest, record_digest
from oms.models import TransactionRequest
from oms.selectors import requests_visible

if TYPE_CHECKING:
    import datetime as dt

    from approvals.models import User
    from audit.notes import Coverage
    from audit.search import Placed

CASE_ROWS = 500
_TONES = {"info": "", "warning": "warn", "alarm": "bad", "critical": "bad"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogRow:
    """An entry as pages show it. `payload`: indented, or as it stands if it is no JSON any more."""

    entry: AuditEntry
    at: dt.datetime | None
    index: int | None
    tone: str
    payload: str
    standing: str
    standing_tone: str
    receipt: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConsentRow:
    """A consent in somebody's name, by the log: what it says, and whether this server still has it."""

    row: LogRow
    decision: str
    kind: str
    stored: bool
    reference: str


def reads_log(*, user: User) -> bool:
    """Whether an account may search the whole log."""
    return may(user, Permission.READ_LOG)


def case_subjects(*, request: TransactionRequest) -> tuple[str, ...]:
    """Return under which subjects the log speaks of a case."""
    return (request.intent_digest, request.mandate_digest, request.reference)


def subjects_of(*, text: str) -> tuple[tuple[str, ...], bool]:
    """Return the subjects of the case that a reference or digest names, and whether its request is stored.

    What is not stored is looked for all the same: a request that was taken out must not take its entries along.
    """
    named = Q(reference=text) | Q(intent_digest=text) | Q(mandate_digest=text)
    request = TransactionRequest.objects.filter(named).first()
    return ((text,), False) if request is None else (case_subjects(request=request), True)


def _payload(text: str) -> str:
    try:
        return json.dumps(parse(text.encode()), ensure_ascii=False, indent=2, sort_keys=True)
    except (EncodingError, UnicodeEncodeError):
        return text


def _standing(index: int | None, coverage: Coverage) -> tuple[str, str]:
    if index is None:
        return "waits for its place", "warn"
    seen = coverage.witnesses_of(index)
    if index >= coverage.signed:
        return "has its place, not signed yet", "busy"
    if not seen:
        return "in a signed checkpoint", "busy"
    return f"witnessed by {seen}", "good"


def time_of(*, entry: AuditEntry) -> dt.datetime | None:
    """Return when an entry says that it was written; None where somebody put what is no time."""
    try:
        return entry.at
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def is_own(*, user: User, entry: AuditEntry) -> bool:
    """Whether an entry is somebody's own action."""
    return entry.actor in (user.person_id, f"user:{user.person_id}")


def log_rows(*, found: list[Placed], user: User) -> list[LogRow]:
    """Show entries; whoever reads the whole log, or did what an entry says, may have its receipt."""
    coverage, everything = coverage_get(), reads_log(user=user)
    rows = []
    for one in found:
        standing, tone = _standing(one.index, coverage)
        ready = one.index is not None and one.index < coverage.signed
        rows.append(
            LogRow(
                entry=one.entry,
                at=time_of(entry=one.entry),
                index=one.index,
                tone=_TONES.get(one.entry.severity, "bad"),
                payload=_payload(one.entry.payload),
                standing=standing,
                standing_tone=tone,
                receipt=ready and (everything or is_own(user=user, entry=one.entry)),
            )
        )
    return rows


def case_log(*, request: TransactionRequest, user: User) -> list[LogRow]:
    """Return a case's whole life, in the order of the log; `CASE_ROWS` + 1 rows stand for more."""
    found = case_entries(subjects=case_subjects(request=request), most=CASE_ROWS + 1)
    return log_rows(found=found, user=user)


def receipt_entry(*, user: User, seq: int) -> AuditEntry | None:
    """Return an entry whose receipt somebody may have: their own, or any for whoever reads the whole log."""
    entry = AuditEntry.objects.filter(pk=seq).first()
    if entry is None or not (is_own(user=user, entry=entry) or reads_log(user=user)):
        return None
    return entry


def _said(payload: str) -> dict[str, str]:
    try:
        value = parse(payload.encode())
    except (EncodingError, UnicodeEncodeError):
        return {}
    return {str(name): str(word) for name, word in value.items()} if isinstance(value, dict) else {}


def consent_rows(*, user: User, before: int | None, most: int) -> list[ConsentRow]:
    """Return every consent that the log has in somebody's name, the newest first.

    Args:
        user: Whose.
        before: Only entries with a smaller number.
        most: So many at most.
    """
    found = consents_of(actor=user.person_id, tag=AuditTag.CONSENT_RECORDED, before=before, most=most)
    rows = log_rows(found=found, user=user)
    said = [_said(row.entry.payload) for row in rows]
    nonces = {words.get("nonce", "") for words in said}
    # By what was signed, not by columns beside it.
    stored = {
        (record_digest(record=record), record.subject, record.decision)
        for record in ConsentRecord.objects.filter(actor=user.person_id, nonce__in=nonces)
    }
    digests = {row.entry.subject for row in rows}
    seen = requests_visible(user=user).filter(mandate_digest__in=digests)
    references = dict(seen.values_list("mandate_digest", "reference"))
    return [
        ConsentRow(
            row=row,
            decision=words.get("decision", ""),
            kind=words.get("subject_type", ""),
            stored=(words.get("consent"), row.entry.subject, words.get("decision")) in stored,
            reference=references.get(row.entry.subject, ""),
        )
        for row, words in zip(rows, said, strict=True)
    ]


def consents_unlogged(*, user: User, most: int) -> list[ConsentRecord]:
    """Return consents that this server has in somebody's name, of which the log says nothing, the newest first.

    Args:
        user: Whose.
        most: So many of the newest are compared.
    """
    records = list(ConsentRecord.objects.filter(actor=user.person_id).order_by("-pk")[:most])
    entries = AuditEntry.objects.filter(
        tag=AuditTag.CONSENT_RECORDED,
        actor=user.person_id,
        subject__in={record.subject for record in records},
    )
    logged = {entry_digest(payload=entry.payload) for entry in entries} - {""}
    return [record for record in records if record_digest(record=record) not in logged]
