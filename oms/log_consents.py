"""Comparing what the log says of consents with what this server has of them: forged and hidden ones show."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from approvals.models import ConsentRecord
from audit.models import AuditEntry
from audit.tags import AuditTag
from core.canonical import parse
from core.documents.consent import SIGNED_CONSENTS, SignedConsent
from core.errors import CoreError
from core.schema import read_struct
from custody.selectors import job_find

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oms.models import TransactionRequest


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """A consent that is in one place and not in another."""

    actor: str
    decision: str
    digest: str
    why: str


def record_digest(*, record: ConsentRecord) -> str:
    """Return the digest of what a stored consent says, from the signed text itself; empty if it cannot be read."""
    try:
        signed = read_struct(SignedConsent, parse(record.text.encode()), "consent")
    except (CoreError, AttributeError, UnicodeEncodeError):
        return ""
    return signed.statement.digest


def entry_digest(*, payload: str) -> str:
    """Return the digest that an entry of the log names; empty if it names none."""
    try:
        said = parse(payload.encode())
    except (CoreError, AttributeError, UnicodeEncodeError):
        return ""
    return str(said.get("consent", "")) if isinstance(said, dict) else ""


def _handed(request: TransactionRequest) -> Iterable[SignedConsent]:
    """Return the consents that were handed to a signer with the case."""
    job = job_find(intent_digest=request.intent_digest)
    if job is None:
        return ()
    try:
        return SIGNED_CONSENTS.read(parse(job.consents.encode()), "consents")
    except (CoreError, AttributeError, UnicodeEncodeError):
        return ()


def case_differences(*, request: TransactionRequest) -> list[Difference]:
    """Compare a case's consents in the log with those stored, and with those that a signer was given.

    Args:
        request: The case.

    Returns:
        What is missing where, each named; empty if all three agree.
    """
    subject = request.mandate_digest
    entries = AuditEntry.objects.filter(tag=AuditTag.CONSENT_RECORDED, subject=subject).order_by("seq")
    logged = {entry_digest(payload=entry.payload): entry for entry in entries}
    records = list(ConsentRecord.objects.filter(subject=subject).order_by("pk"))
    stored = {record_digest(record=record) for record in records}
    found = [
        Difference(
            actor=record.actor,
            decision=record.decision,
            digest=digest,
            why="stored here, and the log says nothing of it",
        )
        for record in records
        if (digest := record_digest(record=record)) not in logged or not digest
    ]
    found += [
        Difference(actor=entry.actor, decision="", digest=digest, why="in the log, and not stored here any more")
        for digest, entry in logged.items()
        if digest not in stored or not digest
    ]
    found += [
        Difference(
            actor=signed.statement.actor,
            decision=signed.statement.decision.value,
            digest=signed.statement.digest,
            why="given to a signer, and the log says nothing of it",
        )
        for signed in _handed(request)
        if signed.statement.digest not in logged
    ]
    return found
