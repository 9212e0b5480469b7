"""Handing ordered ceremonies to signers, and reading back what each of them has done.

Pulled by the sweep: a signer's row is claimed with a lease and a fencing number, the signer is asked outside every
transaction, and its answer is written only by whoever still holds the claim. Whoever dies in between leaves a lease
that ends; a signer answers a repetition as it did before. What a signer answers comes through couriers that nobody
trusts: it is shown, and decides nothing but when people are told that a ceremony is done.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, Q

from chains.guards import outside_transaction
from core.ceremony_lifecycle import (
    CEREMONY_GOING,
    STEPS,
    TAKE,
    VETO,
    CeremonyEvent,
    CeremonyState,
)
from core.documents.control import CeremonyKind
from core.errors import DocumentError, EncodingError
from core.records import CeremonyStep
from custody.answers import VERSION, Refused, result_read
from custody.backoff import backoff
from custody.ceremony_runs import run_begin
from custody.ceremony_selectors import ceremony_document
from custody.ceremony_services import is_past_return, signed_ceremony, veto_order
from custody.ceremony_transitions import ACTOR, ceremony_lock, ceremony_move, step_done, step_postponed
from custody.damaged_rows import row_damaged
from custody.errors import SignerAnswerError, SignerWaitsError
from custody.failpoints import failpoint
from custody.models_ceremonies import CeremonyProgress, KeyCeremony, ProgressState
from custody.ports import signer_port
from custody.witnesses import document_hand_in

if TYPE_CHECKING:
    from core.documents.control import Ceremony

LEASE = dt.timedelta(seconds=60)
"""Longer than a signer may take to answer."""
LOOK_AGAIN = dt.timedelta(seconds=10)
"""How often a signer is asked whether a step that is done elsewhere is done."""
TRIALS_LEAST = 3
"""Refusals by every signer after which a ceremony comes to nothing: one may be about the moment."""
STEPS_MOST = 64
_ASKED = (ProgressState.OPEN.value, ProgressState.REFUSED.value, ProgressState.AWAY.value)
_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Told:
    """What a signer said about a ceremony. `steps`: those that it has done, by its own book."""

    steps: frozenset[str]
    said: dict[str, object]


def ceremony_frame(*, signed: dict[str, object]) -> dict[str, object]:
    """Ask a signer to take a ceremony, or how far it has come with it."""
    return {"v": VERSION, "op": "ceremony", "ceremony": signed}


def read_told(answer: dict[str, object], *, digest: str) -> Told | Refused:
    """Read the answer to `ceremony_frame`.

    Args:
        answer: What came back.
        digest: The ceremony that was asked about.

    Raises:
        SignerWaitsError: If there is no decision.
        SignerAnswerError: If the answer is about another ceremony, or cannot be read.
    """
    result = result_read(answer)
    if isinstance(result, Refused):
        return result
    steps = result.get("steps")
    if result.get("ceremony") != digest or not isinstance(steps, list):
        raise SignerAnswerError("answer", "the signer does not say that it took this ceremony")
    known = {step.value for step in CeremonyStep}
    return Told(steps=frozenset(one for one in steps if isinstance(one, str) and one in known), said=result)


def row_claim_next(*, now: dt.datetime) -> CeremonyProgress | None:
    """Claim the row that has been due for longest, or None; `fence` is then the claim's number."""
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    due = CeremonyProgress.objects.filter(free, due_at__lte=now, state__in=_ASKED)
    for row in due.select_related("ceremony").order_by("due_at", "pk")[:STEPS_MOST]:
        taken = CeremonyProgress.objects.filter(free, pk=row.pk, fence=row.fence, state__in=_ASKED)
        if taken.update(fence=F("fence") + 1, lease_until=now + LEASE, asked_at=now, attempts=F("attempts") + 1):
            row.fence += 1
            row.attempts += 1
            return row
    return None


def rows_wake(*, signer: str, now: dt.datetime) -> None:
    """Have a signer that was away asked now about whatever it has not done yet.

    Args:
        signer: Its roster id.
        now: The current time.
    """
    waiting = CeremonyProgress.objects.filter(signer=signer, state__in=_ASKED, due_at__gt=now)
    waiting.update(due_at=now)


def row_try(*, row: CeremonyProgress, now: dt.datetime) -> bool:
    """Ask the signer of a claimed row, and write down what it says; whether its step is done.

    Asks a signer, so not inside a transaction.

    Args:
        row: Claimed by `row_claim_next`.
        now: The current time.
    """
    outside_transaction("a signer asked")
    answer: Told | Refused | SignerWaitsError
    try:
        answer = _ask(row)
    except SignerWaitsError as error:
        answer = error
    failpoint("custody.ceremony.after_answer")
    with transaction.atomic():
        ceremony = ceremony_lock(digest=row.ceremony.digest)
        kept = CeremonyProgress.objects.select_for_update().filter(pk=row.pk, fence=row.fence).first()
        if kept is None or kept.state not in _ASKED:
            return False
        kept.ceremony = ceremony
        if isinstance(answer, Told):
            return _told(kept, answer, now)
        away = isinstance(answer, SignerWaitsError)
        due_at = now + backoff(kept.attempts)
        step_postponed(row=kept, away=away, code=str(answer.code), message=answer.message, due_at=due_at, now=now)
        _follow(ceremony, now)
        return False


def _ask(row: CeremonyProgress) -> Told | Refused:
    port = signer_port()
    if row.step == VETO:
        order = veto_order(ceremony=row.ceremony)
        # Witnesses too: from then on no signer of theirs goes on without it, whoever stands before it.
        document_hand_in(document=order)
        result = result_read(port.request(row.signer, {"v": VERSION, "op": "control", "order": order}))
        return result if isinstance(result, Refused) else Told(steps=frozenset(), said=result)
    signed = signed_ceremony(ceremony=row.ceremony)
    return read_told(port.request(row.signer, ceremony_frame(signed=signed)), digest=row.ceremony.digest)


def _told(row: CeremonyProgress, told: Told, now: dt.datetime) -> bool:
    """Take a good answer to a locked row into account."""
    ceremony = row.ceremony
    if row.step in (TAKE, VETO):
        words = "took it" if row.step == TAKE else "heard the rejection"
        step_done(row=row, now=now, words=words, said=told.said)
        # From now on it can be asked how far it is.
        later = CeremonyProgress.objects.filter(ceremony=ceremony, signer=row.signer, state=ProgressState.OPEN.value)
        later.update(due_at=now)
    _steps_take(ceremony, row.signer, told, now)
    row.refresh_from_db()
    if row.state in _ASKED:
        # Alive, and not there yet: that is no trouble.
        row.state, row.code, row.message = ProgressState.OPEN.value, "", ""
        row.due_at, row.lease_until = now + LOOK_AGAIN, None
        row.save()
    if row.step == TAKE and ceremony.state == CeremonyState.ORDERED:
        ceremony_move(ceremony=ceremony, event=CeremonyEvent.BEGIN, actor=ACTOR, now=now)
    run_begin(ceremony=ceremony, now=now)
    given_up = CeremonyStep.ABANDONED.value in told.steps and not is_past_return(ceremony)
    if given_up and CeremonyState(ceremony.state) in CEREMONY_GOING:
        why = f"{row.signer} says that it was abandoned there"
        ceremony_move(ceremony=ceremony, event=CeremonyEvent.FAIL, actor=ACTOR, now=now, why=why)
    _follow(ceremony, now)
    return row.state == ProgressState.DONE


def _steps_take(ceremony: KeyCeremony, signer: str, told: Told, now: dt.datetime) -> None:
    rows = CeremonyProgress.objects.select_for_update().filter(
        ceremony=ceremony, signer=signer, step__in=sorted(told.steps), state__in=_ASKED
    )
    for row in rows:
        row.ceremony = ceremony
        step_done(row=row, now=now, words="done, by this signer's own book", said=told.said)


def _follow(ceremony: KeyCeremony, now: dt.datetime) -> None:
    """Move a locked ceremony on where its rows say so."""
    state = CeremonyState(ceremony.state)
    if state not in CEREMONY_GOING:
        return
    rows = list(CeremonyProgress.objects.filter(ceremony=ceremony))
    taking = [row for row in rows if row.step == TAKE]
    if all(row.state == ProgressState.REFUSED and row.attempts >= TRIALS_LEAST for row in taking):
        first = taking[0]
        why = f"every signer refused it; {first.signer} says {first.code}: {first.message}"
        ceremony_move(ceremony=ceremony, event=CeremonyEvent.FAIL, actor=ACTOR, now=now, why=why)
    elif state is CeremonyState.RUNNING and is_finished(document=ceremony_document(ceremony=ceremony), rows=rows):
        ceremony_move(ceremony=ceremony, event=CeremonyEvent.FINISH, actor=ACTOR, now=now, why=_ended_words(rows))


def is_finished(*, document: Ceremony, rows: list[CeremonyProgress]) -> bool:
    """Whether all was done that a ceremony needs.

    Steps have to be done by everybody whom it names. A ban and a degraded mode have none: they hold at whoever took
    them. A degraded mode goes on until its time is over or somebody rejects it, so it is never finished before.
    """
    if STEPS[document.kind]:
        return all(row.state == ProgressState.DONE for row in rows if row.step not in (TAKE, VETO))
    taking = [row for row in rows if row.step == TAKE]
    if any(row.state == ProgressState.OPEN for row in taking):
        return False
    if document.kind is CeremonyKind.DEGRADED:
        return False
    left = [row for row in taking if row.signer not in document.signers]
    holding = sum(row.state == ProgressState.DONE for row in left)
    refused = any(row.state == ProgressState.REFUSED for row in left)
    return not refused and holding >= document.threshold


def _ended_words(rows: list[CeremonyProgress]) -> str:
    away = [row.signer for row in rows if row.step == TAKE and row.state != ProgressState.DONE]
    return f"asked again for as long as it lasts: {', '.join(away)}" if away else ""


def rows_close(*, now: dt.datetime) -> int:
    """Ask nobody any more for a ceremony whose time is over; return how many rows that closed.

    Whoever was away while a degraded mode lasted is asked on: by its ceremony it learns what was signed meanwhile.
    """
    over = CeremonyProgress.objects.filter(
        ceremony__expires_at__lte=now, ceremony__state=CeremonyState.DONE.value, state__in=_ASKED
    ).exclude(ceremony__kind=CeremonyKind.DEGRADED.value)
    return over.update(state=ProgressState.MISSED.value, due_at=None, lease_until=None)


def orders_advance(*, now: dt.datetime, most: int = STEPS_MOST) -> int:
    """Ask signers about what is due, each by itself; return how many were asked.

    Args:
        now: The current time.
        most: Questions after which it ends anyhow.
    """
    for asked in range(most):
        row = row_claim_next(now=now)
        if row is None:
            return asked
        failpoint("custody.ceremony.after_claim")
        try:
            row_try(row=row, now=now)
        except (DocumentError, EncodingError) as error:
            row_damaged(what="ceremony", key=row.ceremony.digest[:16], error=error)
        except Exception:  # one signer's or one ceremony's trouble does not keep the others waiting
            _logger.exception("ceremony %s: %s could not be asked", row.ceremony.digest, row.signer)
    return most
