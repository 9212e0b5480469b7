"""Carrying leases from witnesses to signers, before they are needed and off every request's path.

A signer that is named witnesses signs only under their leases (`core.lease`). Workers renew them at half their life.
Nothing here is believed by either side: the challenge is the signer's, the lease the witness's, and a document that
a witness names is handed to the signer as people signed it.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, cast

from django.conf import settings

from audit.alarms import alarm_follow
from audit.models import Severity
from audit.tags import AuditTag
from chains.guards import outside_transaction
from core.documents.lease import SignedLease
from core.errors import CoreError, Refusal
from core.schema import read_struct
from core.witnessing import CONFLICT, UNPROVEN
from custody.answers import VERSION, Refused, result_read
from custody.ceremony_orders import rows_wake
from custody.errors import CustodyError, SignerWaitsError
from custody.lanes import waiting_wake
from custody.parties.group import SILENT
from custody.parties.line import together
from custody.ports import signer_port
from custody.selectors import signers_asked
from custody.witnesses import OK, WitnessSilentError, refusal_words, witness_ask, witness_urls

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping

    from core.canonical import Json

RETRY_SECONDS = 2
SILENT_SECONDS = 10
"""How soon a signer is asked again that gave no answer at all: each question may cost a time-out."""
IDLE_SECONDS = 60
"""How often a signer is asked whose policy names no witnesses."""
_PAGES_MOST = 1000
_logger = logging.getLogger(__name__)


class LeaseMissingError(CustodyError):
    """No lease could be had. `refused`: a witness says that the signer's journal went back or forked."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


@dataclasses.dataclass
class _Standing:
    """What this worker remembers of one signer; losing it costs one more round of questions."""

    due: float = 0
    expires: float = 0
    seen: dict[str, int] = dataclasses.field(default_factory=dict)


_standings: dict[str, _Standing] = {}


def lease_forget(*, signer: str) -> None:
    """Ask for a new lease at once: the signer says that it has none."""
    _standings.pop(signer, None)


def leases_sweep(*, now: dt.datetime) -> int:
    """Renew what is due; called by the workers' sweep, before cases are carried.

    Returns:
        How many signers got new leases.
    """
    if not witness_urls():
        return 0
    at = now.timestamp()
    due: dict[str, _Standing] = {}
    for signer in signers_asked():
        standing = _standings.setdefault(signer, _Standing())
        if signer != settings.COUNTERSIGN_LOG_SIGNER and at >= standing.due:
            due[signer] = standing
    # At the same time: one that is silent keeps no other's lease from being renewed before it ends.
    answers = together(lambda signer: _try(signer, due[signer]), list(due))
    return sum(_renewed(signer, due[signer], answer, now) for signer, answer in zip(due, answers, strict=True))


def _try(signer: str, standing: _Standing) -> float | LeaseMissingError | SignerWaitsError | None:
    try:
        return lease_carry(signer=signer, seen=standing.seen)
    except (LeaseMissingError, SignerWaitsError) as error:
        return error
    except Exception as error:  # what one signer or witness answers keeps no other signer from being leased to
        _logger.exception("lease for %s", signer)
        return LeaseMissingError(f"what was answered about it cannot be read: {type(error).__name__}")


def _renewed(
    signer: str, standing: _Standing, expires: float | LeaseMissingError | SignerWaitsError | None, now: dt.datetime
) -> int:
    at = now.timestamp()
    if isinstance(expires, Exception):
        refused = getattr(expires, "refused", False)
        silent = getattr(expires, "code", "") in SILENT
        standing.due = at + (SILENT_SECONDS if silent else RETRY_SECONDS)
        _logger.warning("lease for %s: %s", signer, expires)
        _alarm(signer, str(expires), holds=refused or at >= standing.expires, refused=refused)
        return 0
    if expires is None:
        standing.due = at + IDLE_SECONDS
        return 0
    if at >= standing.expires:
        waiting_wake(signer=signer, now=now)
        rows_wake(signer=signer, now=now)
    standing.expires, standing.due = expires, at + max(1.0, (expires - at) / 2)
    _alarm(signer, "leased again", holds=False, refused=False)
    return 1


def _alarm(signer: str, message: str, *, holds: bool, refused: bool) -> None:
    alarm_follow(
        holds=holds,
        tag=AuditTag.SIGNER_UNLEASED,
        severity=Severity.CRITICAL if refused else Severity.ALARM,
        subject=signer,
        message=message[:400],
    )


def lease_carry(*, signer: str, seen: dict[str, int]) -> float | None:
    """Have every witness lease to a signer.

    Args:
        signer: The signer's roster id.
        seen: How far each witness saw the signer's journal, as far as it is known here; brought up to date.

    Returns:
        When the first of the leases ends, Unix seconds; None if the signer's policy names no witnesses.

    Raises:
        LeaseMissingError: Too few witnesses lease, or the signer does not take what they say.
        SignerWaitsError: The signer does not answer.
    """
    outside_transaction("a witness asked")
    handed = False
    for _ in range(4):
        asked = _ask(signer, {"op": "challenge", "known": [{"witness": w, "size": n} for w, n in seen.items()]})
        if asked.get("needed") == 0:
            return None
        leases, again, silent = _gather(asked, seen)
        if again:
            continue
        if not leases:
            raise LeaseMissingError("no witness leases: " + "; ".join(silent))
        try:
            return _expiry(_ask(signer, {"op": "lease", "leases": leases}))
        except SignerWaitsError as error:
            if error.code != Refusal.LEASE or handed:
                raise LeaseMissingError("; ".join([error.message, *silent])) from error
        # Something that witnesses know was not handed over: it is signed by people, so the signer can look itself.
        documents_carry(signer=signer)
        handed = True
    raise LeaseMissingError("the witnesses' memory of this signer's journal changes while it is asked for")


def _ask(signer: str, frame: dict[str, object]) -> dict[str, object]:
    answer = result_read(signer_port().request(signer, {"v": VERSION} | frame))
    if isinstance(answer, Refused):
        raise SignerWaitsError(answer.code.value, answer.message)
    return answer


def _gather(asked: Mapping[str, object], seen: dict[str, int]) -> tuple[list[Json], bool, list[str]]:
    """Ask each witness; return the leases, whether a new challenge is needed, and who did not lease and why."""
    leases: list[Json] = []
    silent: list[str] = []
    again = False
    for name, url in witness_urls().items():
        try:
            status, answer = witness_ask(url=url, path="/lease", body=_request(asked, name))
        except WitnessSilentError as error:
            silent.append(f"{name}: {error}")
            continue
        words = refusal_words(answer)
        if status == OK and _is_lease(answer):
            leases.append(answer)
            seen[name] = _count(asked.get("size"))
        elif status == CONFLICT and words.isascii() and words.isdigit() and _count(asked.get("size")) >= int(words):
            again = again or seen.get(name) != int(words)
            seen[name] = int(words)
        elif status in (CONFLICT, UNPROVEN):
            raise LeaseMissingError(
                f"{name} saw another journal of this signer ({words}): rolled back or forked", refused=True
            )
        else:
            silent.append(f"{name}: {words}")
    return leases, again, silent


def _is_lease(answer: Json) -> bool:
    """Whether it can be read as one: a signer is handed all of them at once, and one that is none spoils the rest."""
    try:
        read_struct(SignedLease, answer, "lease")
    except CoreError:
        return False
    return True


def _count(value: object) -> int:
    return value if type(value) is int else 0


def _request(asked: Mapping[str, object], witness: str) -> dict[str, object]:
    rows = asked.get("continues")
    own = next(
        (one for one in rows if isinstance(one, dict) and one.get("witness") == witness)
        if isinstance(rows, list)
        else iter(()),
        {"old": 0, "proof": []},
    )
    fields = {name: asked.get(name) for name in ("deployment", "signer", "challenge", "size", "root", "start")}
    return fields | {"old": own.get("old"), "proof": own.get("proof")}


def _expiry(result: Mapping[str, object]) -> float:
    live = result.get("live")
    ends = [end for end in live.values() if type(end) is int] if isinstance(live, dict) else []
    if not ends:
        raise LeaseMissingError("the signer does not say that it took the leases")
    return float(min(ends))


def documents_carry(*, signer: str) -> int:
    """Hand everything that witnesses were handed to a signer, which looks for itself; how much it took.

    Raises:
        SignerWaitsError: The signer does not answer.
    """
    taken = 0
    for name, url in witness_urls().items():
        try:
            for kind, document in _documents(url):
                taken += _hand(signer, kind, document)
        except WitnessSilentError as error:
            _logger.warning("witness %s: %s", name, error)
    return taken


def _documents(url: str) -> Iterator[tuple[str, Json]]:
    after = 0
    for _ in range(_PAGES_MOST):
        status, answer = witness_ask(url=url, path=f"/documents?after={after}")
        rows, following = answer.get("documents"), _count(answer.get("next"))
        if status != OK or not isinstance(rows, list) or not rows or following <= after:
            return
        for row in rows:
            if isinstance(row, dict) and isinstance(row.get("document"), dict):
                yield str(row.get("kind")), cast("Json", row["document"])
        after = following


def _hand(signer: str, kind: str, document: Json) -> int:
    frame: dict[str, object]
    if kind == "policy":
        frame = {"op": "policy", "signed_policy": document}
    elif kind in ("halt", "resume"):
        frame = {"op": "control", "order": document}
    elif kind == "veto":
        frame = {"op": "control", "order": {"kind": "veto", "consents": [document]}}
    else:
        return 0
    try:
        _ask(signer, frame)
    except SignerWaitsError as error:
        # What it has, or will not have, is its own affair; what could not be asked comes again with the next round.
        if error.code not in set(Refusal):
            raise
        return 0
    return 1
