"""What a signer is shown of the log: that it holds the decision and the consents, under a witnessed checkpoint.

Until the log has them there, the case waits: a second or two after the last consent, longer while the log's signer or
a witness is away. Nothing else is wrong with it.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from django.conf import settings

from audit.errors import AuditError, ProofMissingError
from audit.models import AuditEntry, AuditLeaf
from audit.notes import best_note
from audit.receipts import recorded_of
from audit.selectors import proof_inclusion
from core.documents.lease import LoggedEntry, LogProof
from core.errors import MerkleError
from core.inclusion import CONSENT_TAG, DECISION_TAG
from custody.errors import SignerWaitsError

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from core.documents.bundle import Bundle
    from core.documents.consent import SignedConsent

CODE = "log"
_LINES = 2
"""Under a checkpoint that a witness has seen: the log's own line and the witness's."""
WAITING = "waiting for the log: what was decided and consented is not in a witnessed checkpoint yet"


def bundle_with_log(*, bundle: Bundle) -> Bundle:
    """Return a case with the proof that the log holds what it rests on.

    Where no witnesses are configured nothing is added: whether one is needed is for the signer to say.

    Raises:
        SignerWaitsError: `log`, while the log is not there yet, or what is stored does not prove it.
    """
    if not settings.COUNTERSIGN_WITNESSES:
        return bundle
    try:
        return dataclasses.replace(bundle, log=_proof(_entries(bundle)))
    except ProofMissingError as error:
        raise SignerWaitsError(CODE, WAITING) from error
    except (AuditError, MerkleError) as error:
        raise SignerWaitsError(CODE, f"the stored log does not prove the case: {error}") from error


def _entries(bundle: Bundle) -> list[AuditEntry]:
    if bundle.cancel is not None:
        return [_consent_entry(one) for one in bundle.cancel.consents]
    return [_decision_entry(bundle), *(_consent_entry(one) for one in bundle.consents)]


def _consent_entry(signed: SignedConsent) -> AuditEntry:
    statement = signed.statement
    rows = AuditEntry.objects.filter(subject=statement.subject, tag=CONSENT_TAG, actor=statement.actor)
    return _find(rows.order_by("seq"), {"consent": statement.digest})


def _decision_entry(bundle: Bundle) -> AuditEntry:
    rows = AuditEntry.objects.filter(subject=bundle.intent.digest, tag=DECISION_TAG)
    wanted = {"mandate": bundle.mandate.digest, "policy": bundle.policy, "allowed": True}
    return _find(rows.order_by("-seq"), wanted)


def _find(rows: QuerySet[AuditEntry], wanted: dict[str, object]) -> AuditEntry:
    for row in rows:
        payload = _payload(row)
        if all(payload.get(name) == value for name, value in wanted.items()):
            return row
    raise ProofMissingError("the log has no such entry")


def _payload(row: AuditEntry) -> dict[str, object]:
    try:
        payload = json.loads(row.payload)
    except ValueError:
        return {}
    return payload if isinstance(payload, dict) else {}


def _proof(entries: list[AuditEntry]) -> LogProof:
    places = dict(AuditLeaf.objects.filter(entry_id__in=[row.pk for row in entries]).values_list("entry_id", "index"))
    if len(places) != len({row.pk for row in entries}):
        raise ProofMissingError("an entry has no place in the log yet")
    note = best_note(index=max(places.values()))
    if len(note.signatures) < _LINES:
        raise ProofMissingError("no witness has cosigned a checkpoint with these entries yet")
    rows = []
    for row in entries:
        proof = proof_inclusion(seq=row.pk, size=note.checkpoint.size)
        rows.append(LoggedEntry(entry=recorded_of(row=row).raw(), index=proof.index, path=proof.path))
    return LogProof(checkpoint=note.to_bytes(), entries=tuple(rows))
