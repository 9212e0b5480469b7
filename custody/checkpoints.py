"""Having the log's checkpoints signed and cosigned: by the log's own signer, then by witnesses who remember.

The roots come from the database and are not believed by anybody who signs: each gets a proof that this log continues
the one that it signed last. What comes back is kept under the checkpoint; whoever reads it checks it.
"""

from __future__ import annotations

import logging
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from django.conf import settings

from audit.alarms import alarm_follow
from audit.errors import AuditError, ProofMissingError, TreeBrokenError
from audit.models import AuditCheckpoint, AuditSignature, Severity
from audit.notes import note_of
from audit.selectors import proof_consistency
from audit.services import signature_store
from audit.tags import AuditTag
from core.checkpoint import SignedCheckpoint
from core.errors import MerkleError
from core.witnessing import CONFLICT, Addition
from custody.errors import CustodyError
from custody.ports import signer_port

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

ACTOR = "system:checkpoints"
_ANSWER_BYTES = 4096
_SECONDS = 5.0
_logger = logging.getLogger(__name__)


class PublishError(CustodyError):
    """A checkpoint was not signed. `refused`: whoever should sign says that this log does not continue."""

    def __init__(self, message: str, *, refused: bool) -> None:
        super().__init__(message)
        self.refused = refused


def checkpoints_sweep(*, now: dt.datetime) -> int:
    """Have the newest checkpoint signed and cosigned by all who have not yet; called by the workers' sweep.

    Returns:
        How many signatures were added.
    """
    log_signer: str = settings.COUNTERSIGN_LOG_SIGNER
    newest = AuditCheckpoint.objects.order_by("-size").first()
    if not log_signer or newest is None:
        return 0
    added = 0
    try:
        added += _log_sign(log_signer, newest, now)
    except (PublishError, AuditError, MerkleError) as error:
        _alarm(AuditTag.LOG_UNSIGNED, log_signer, error)
        return added
    _over(AuditTag.LOG_UNSIGNED, log_signer)
    witnesses: Mapping[str, str] = settings.COUNTERSIGN_WITNESSES
    for name, url in witnesses.items():
        try:
            added += _cosign(name, url, newest, now)
        except (PublishError, AuditError, MerkleError) as error:
            _alarm(AuditTag.LOG_UNWITNESSED, name, error)
        else:
            _over(AuditTag.LOG_UNWITNESSED, name)
    return added


def _last_signed(name: str, before: int) -> int:
    """Return the size of the newest checkpoint below `before` that somebody signed; 0 if none."""
    found = AuditSignature.objects.filter(name=name, checkpoint__size__lt=before).order_by("-checkpoint_id").first()
    return 0 if found is None else int(found.checkpoint_id)


def _origin() -> str:
    """Return the log's name as its signer wrote it; empty before the first signature."""
    # The log's own line is the first under a checkpoint; witnesses sign what it signed.
    first = AuditSignature.objects.order_by("pk").first()
    return "" if first is None else str(first.name)


def _log_sign(signer: str, newest: AuditCheckpoint, now: dt.datetime) -> int:
    origin = _origin()
    if origin and AuditSignature.objects.filter(checkpoint=newest, name=origin).exists():
        return 0
    old = _last_signed(origin, newest.size) if origin else 0
    result = _ask_log(signer, newest, old)
    if isinstance(result, int):
        # It signed more than we know of: an answer was lost, or this database is an old copy.
        if not 0 <= result <= newest.size:
            raise PublishError(f"it signed {result} entries, {newest.size} are here", refused=True)
        result = _ask_log(signer, newest, result)
    if isinstance(result, int):
        raise PublishError(f"it signed {result} entries meanwhile", refused=False)
    return signature_store(size=newest.size, line=result, now=now)


def _ask_log(signer: str, newest: AuditCheckpoint, old: int) -> str | int:
    """Return the log's signature line, or the size that it says it signed last."""
    proof = ["0x" + hashed.hex() for hashed in proof_consistency(first=old, second=newest.size)]
    asked: dict[str, object] = {"size": newest.size, "root": newest.root, "old": old, "proof": proof}
    try:
        answer = signer_port().request(signer, {"v": 1, "op": "checkpoint", "checkpoint": asked})
    except CustodyError as error:
        raise PublishError(str(error), refused=False) from error
    result, error_of = answer.get("result"), answer.get("error")
    if answer.get("ok") is True and isinstance(result, dict) and isinstance(result.get("line"), str):
        return str(result["line"])
    message = str(error_of.get("message", "")) if isinstance(error_of, dict) else ""
    status, _, size = message.partition(": ")
    if status == str(CONFLICT) and size.isascii() and size.isdigit() and int(size) != old:
        return int(size)
    raise PublishError(message[:200] or "no usable answer", refused=status.isdigit())


def signed_checkpoint(newest: AuditCheckpoint) -> SignedCheckpoint:
    """Return a stored checkpoint with the lines under it.

    Raises:
        PublishError: If the log has not signed it, or what is stored is garbled.
    """
    try:
        return note_of(checkpoint=newest)
    except ProofMissingError as error:
        raise PublishError(str(error), refused=False) from error
    except TreeBrokenError as error:
        raise PublishError(str(error), refused=True) from error


def _cosign(name: str, url: str, newest: AuditCheckpoint, now: dt.datetime) -> int:
    if AuditSignature.objects.filter(checkpoint=newest, name=name).exists():
        return 0
    signed = signed_checkpoint(newest)
    own = SignedCheckpoint(checkpoint=signed.checkpoint, signatures=signed.signatures[:1])
    old = _last_signed(name, newest.size)
    status, body = _post(url, _addition(own, old))
    size = body.decode("ascii", "replace").strip()
    if status == CONFLICT and size.isdigit() and int(size) != old and int(size) <= newest.size:
        status, body = _post(url, _addition(own, int(size)))
    if status != 200:  # noqa: PLR2004 - HTTP's own
        raise PublishError(f"answered {status}: {body[:200].decode('utf-8', 'replace').strip()}", refused=True)
    return signature_store(size=newest.size, line=body.decode("utf-8", "replace"), now=now)


def _addition(signed: SignedCheckpoint, old: int) -> bytes:
    proof = proof_consistency(first=old, second=signed.checkpoint.size)
    return Addition(old=old, proof=proof, signed=signed).to_bytes()


def _post(url: str, body: bytes) -> tuple[int, bytes]:
    request = urllib.request.Request(url.rstrip("/") + "/add-checkpoint", data=body, method="POST")  # noqa: S310 - settings name it, and the reader of settings takes http(s) only
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - as above
            return int(answer.status), answer.read(_ANSWER_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(_ANSWER_BYTES)
    except (OSError, ValueError) as error:
        raise PublishError(f"cannot be reached: {error}", refused=False) from error


def _alarm(tag: AuditTag, who: str, error: Exception) -> None:
    """Raise an alarm, once until it is over: a refusal is critical, silence is not."""
    _logger.warning("%s: %s: %s", tag.value, who, error)
    refused = getattr(error, "refused", True)
    alarm_follow(
        holds=True,
        tag=tag,
        severity=Severity.CRITICAL if refused else Severity.WARNING,
        subject=who,
        message=str(error)[:400],
        actor=ACTOR,
    )


def _over(tag: AuditTag, who: str) -> None:
    alarm_follow(holds=False, tag=tag, severity=Severity.WARNING, subject=who, message="it signs again", actor=ACTOR)
