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
from custody.parties.group import SILENT
from custody.parties.line import together
from custody.ports import signer_port
from custody.witnesses import document_hand_in

if TYPE_CHECKING:
    from collections.abc import Collection

    from core.documents.control import Ceremony
    from custody.ports import SignerPort

LEASE = dt.timedelta(seconds=60)
"""Longer than a signer may take to answer."""
LOOK_AGAIN = dt.timedelta(seconds=10)
"""How often a signer is asked whether a step that is done elsewhere is done."""
TRIALS_LEAST = 3
"""Refusals by every signer after which a ceremony comes to nothing: one may be about the moment."""
STEPS_MOST = 64
TOGETHER_MOST = 16
"""Signers that are asked side by side; what is left is asked when they have answered."""
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


def row_claim_next(*, now: dt.datetime, beside: Collection[str] = ()) -> CeremonyProgress | None:
    """Claim the row that has been due for longest, or None; `fence` is then the claim's number.

    Args:
        now: The current time.
        beside: Signers that are not to be asked now.
    """
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    due = CeremonyProgress.objects.filter(free, due_at__lte=now, state__in=_ASKED).exclude(signer__in=beside)
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


def _write_down(row: CeremonyProgress, answer: Told | Refused | SignerWaitsError, now: dt.datetime) -> bool:
    """Write down what the signer of a claimed row said, if the claim still holds; whether its step is done."""
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


def _question(row: CeremonyProgress) -> dict[str, object]:
    """Return what the signer of a row is asked."""
    if row.step == VETO:
        return {"v": VERSION, "op": "control", "order": veto_order(ceremony=row.ceremony)}
    return ceremony_frame(signed=signed_ceremony(ceremony=row.ceremony))


def _ask(port: SignerPort, row: CeremonyProgress, frame: dict[str, object]) -> Told | Refused | SignerWaitsError:
    """Ask one signer. Touches no database: others are asked beside it."""
    try:
        order = frame.get("order")
        if isinstance(order, dict):
            # Witnesses too: from then on no signer of theirs goes on without it, whoever stands before it.
            document_hand_in(document=order)
        answer = port.request(row.signer, frame)
        if row.step != VETO:
            return read_told(answer, digest=row.ceremony.digest)
        result = result_read(answer)
    except SignerWaitsError as error:
        return error
    except Exception as error:  # whatever one signer makes of us, the others are asked all the same
        _logger.exception("ceremony %s: %s could not be asked", row.ceremony.digest, row.signer)
        return SignerAnswerError("answer", f"could not be asked: {type(error).__name__}")
    return result if isinstance(result, Refused) else Told(steps=frozenset(), said=result)


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
    """Ask signers about what is due, side by side, each about one thing at once; return how many were asked.

    Each answer is written down by itself, in the order in which the rows were claimed. Whoever gives no answer at all
    is not asked about anything else by this run: it costs its time-out once, and nobody waits for it twice.

    Args:
        now: The current time.
        most: Questions after which it ends anyhow.
    """
    outside_transaction("signers asked")
    port, asked = signer_port(), 0
    silent: set[str] = set()
    while asked < most:
        rows = _rows_claim(now, silent, most - asked)
        if not rows:
            break
        asked += len(rows)
        questions = [(row, frame) for row in rows if (frame := _asked_of(row)) is not None]
        answers = together(lambda one: _ask(port, *one), questions)
        for (row, _), answer in zip(questions, answers, strict=True):
            if isinstance(answer, SignerWaitsError) and answer.code in SILENT:
                silent.add(row.signer)
            try:
                _write_down(row, answer, now)
            except (DocumentError, EncodingError) as error:
                row_damaged(what="ceremony", key=row.ceremony.digest[:16], error=error)
            except Exception:  # one signer's or one ceremony's trouble does not keep the others waiting
                _logger.exception("ceremony %s: what %s said is lost", row.ceremony.digest, row.signer)
    for signer in silent:
        _spare(signer, now)
    return asked


def _rows_claim(now: dt.datetime, silent: Collection[str], most: int) -> list[CeremonyProgress]:
    """Claim a row of each signer for which one is due."""
    rows: list[CeremonyProgress] = []
    beside = set(silent)
    while len(rows) < min(most, TOGETHER_MOST):
        row = row_claim_next(now=now, beside=beside)
        if row is None:
            break
        failpoint("custody.ceremony.after_claim")
        rows.append(row)
        beside.add(row.signer)
    return rows


def _asked_of(row: CeremonyProgress) -> dict[str, object] | None:
    """Return a claimed row's question; none where the row is damaged."""
    try:
        return _question(row)
    except (DocumentError, EncodingError) as error:
        row_damaged(what="ceremony", key=row.ceremony.digest[:16], error=error)
    except Exception:  # one ceremony's trouble does not keep the others waiting
        _logger.exception("ceremony %s: nothing can be asked of %s", row.ceremony.digest, row.signer)
    return None


def _spare(signer: str, now: dt.datetime) -> None:
    """Let what else a silent signer is to be asked about wait as long as what it was asked."""
    mine = CeremonyProgress.objects.filter(signer=signer, state__in=_ASKED, lease_until__isnull=True)
    last = mine.filter(due_at__gt=now).order_by("due_at").values_list("due_at", flat=True).first()
    if last is not None:
        mine.filter(due_at__lte=now).update(due_at=last)
