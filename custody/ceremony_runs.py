"""Driving what parties do together: custody carries the scripts of a refresh and a new key, and is believed nothing.

Pulled by the sweep, with a lease and a fencing number for each ceremony. Every batch is a line of the transcript,
written before the next one is sent, which also renews the lease. Killed anywhere, the script begins by asking each
party where it stands and goes on from there; a party that is away, or says no, stops it until it is tried again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import secrets
from typing import TYPE_CHECKING, TypeVar, cast

from django.db import transaction
from django.db.models import F, Q

from core.canonical import canonical, parse
from core.ceremony_lifecycle import TAKE, CeremonyState
from core.ceremony_script import Renewal, refresh_script
from core.documents.consent import SIGNED_CONSENTS
from core.documents.control import CeremonyKind, SignedCeremony
from core.errors import DocumentError, EncodingError
from core.founding import FoundingPlan
from core.generation_script import Generation, generate_script
from core.party_script import ScriptError
from core.schema import read_struct
from custody.backoff import backoff
from custody.ceremony_selectors import ceremony_document
from custody.ceremony_transitions import ACTOR, ceremony_lock, has_room, line_append, words_fit
from custody.damaged_rows import row_damaged
from custody.errors import CeremonyMissingError, LeaseLostError
from custody.failpoints import failpoint
from custody.models_ceremonies import CeremonyPlan, CeremonyProgress, KeyCeremony, ProgressState
from custody.parties.line import parties_ask
from custody.selectors import wallet_find

if TYPE_CHECKING:
    from core.canonical import Json
    from core.party_script import Batch, Heard, Script

_Came = TypeVar("_Came")
LEASE = dt.timedelta(seconds=120)
"""Longer than any batch may take; each one renews it."""
RUNS_MOST = 4
TOLD_TRIALS = 3
"""Trials in a row whose every batch is a line of the transcript."""
_ASKING = ("order", "ask")
_BATCH = "batch"
RUN = "run"
_DRIVEN = frozenset({CeremonyKind.REFRESH.value, CeremonyKind.KEY_GENERATION.value})
_logger = logging.getLogger(__name__)


def run_begin(*, ceremony: KeyCeremony, now: dt.datetime) -> None:
    """Let a locked ceremony's steps be driven, once every signer that it names has taken it."""
    if ceremony.kind not in _DRIVEN or ceremony.due_at is not None:
        return
    if ceremony.kind == CeremonyKind.KEY_GENERATION and not CeremonyPlan.objects.filter(pk=ceremony.pk).exists():
        # Brought here by a file, without its plan: it is carried with `courier.ceremony`.
        return
    named = ceremony_document(ceremony=ceremony).signers
    taking = CeremonyProgress.objects.filter(ceremony=ceremony, step=TAKE, signer__in=named)
    if not taking.exclude(state=ProgressState.DONE.value).exists():
        # Carried to its end and still not done by everybody's own book: again, and not at once.
        ceremony.due_at = now + backoff(ceremony.trials) if ceremony.trials else now
        ceremony.save(update_fields=["due_at"])


def run_claim_next(*, now: dt.datetime) -> KeyCeremony | None:
    """Claim the ceremony that has been due for longest, or None; `fence` is then the claim's number."""
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    due = KeyCeremony.objects.filter(free, state=CeremonyState.RUNNING.value, due_at__lte=now)
    for ceremony in due.order_by("due_at", "pk")[:RUNS_MOST]:
        taken = KeyCeremony.objects.filter(
            free, pk=ceremony.pk, fence=ceremony.fence, state=CeremonyState.RUNNING.value
        )
        if taken.update(fence=F("fence") + 1, lease_until=now + LEASE):
            ceremony.fence += 1
            return ceremony
    return None


def _held(ceremony: KeyCeremony) -> KeyCeremony:
    """Lock a claimed ceremony in the caller's transaction.

    Raises:
        LeaseLostError: If somebody else has claimed it since, or it is over.
    """
    kept = ceremony_lock(digest=ceremony.digest)
    if kept.fence != ceremony.fence or kept.state != CeremonyState.RUNNING:
        msg = f"ceremony {ceremony.digest[:8]}: fence {ceremony.fence} is over"
        raise LeaseLostError(msg)
    return kept


def run_try(*, ceremony: KeyCeremony, now: dt.datetime) -> bool:
    """Drive a claimed ceremony as far as it goes now; whether it came to its end.

    Asks parties, so not inside a transaction.

    Args:
        ceremony: Claimed by `run_claim_next`.
        now: The current time.

    Raises:
        LeaseLostError: If somebody else has claimed it since.
    """
    try:
        script = _script(ceremony)
    except CeremonyMissingError as error:
        return _stopped(ceremony, str(error), {}, now)
    except (DocumentError, EncodingError) as error:
        row_damaged(what="ceremony", key=ceremony.digest[:16], error=error)
        return _stopped(ceremony, "what is stored of it cannot be read", {}, now)
    try:
        words, said = _drive(ceremony, script, now)
    except ScriptError as error:
        return _stopped(ceremony, str(error), error.refusals, now)
    with transaction.atomic():
        kept = _held(ceremony)
        if not kept.lines.filter(what=RUN, good=True, words=words_fit(words)).exists():
            line_append(ceremony=kept, who=ACTOR, what=RUN, good=True, now=now, words=words, said=said)
        kept.why, kept.due_at, kept.lease_until, kept.trials = "", None, None, kept.trials + 1
        kept.save(update_fields=["why", "due_at", "lease_until", "trials"])
        # Each one's own book says the same: it is asked at once.
        waiting = CeremonyProgress.objects.filter(ceremony=kept).exclude(state=ProgressState.DONE.value)
        waiting.update(due_at=now, lease_until=None)
    return True


def _script(ceremony: KeyCeremony) -> Script[tuple[str, dict[str, object]]]:
    """Return what has to be carried, ending in what came of it: in words, and each party's answer."""
    consents = SIGNED_CONSENTS.read(parse(ceremony.consents.encode()), "consents")
    signed = SignedCeremony(document=ceremony_document(ceremony=ceremony), consents=consents)
    if ceremony.kind == CeremonyKind.KEY_GENERATION:
        kept = CeremonyPlan.objects.get(pk=ceremony.pk)
        plan = read_struct(FoundingPlan, parse(kept.plan.encode()), "plan")
        return _generation(Generation(signed=signed, plan=plan, chance=secrets.token_bytes(32)))
    wallet = wallet_find(caip10=ceremony.wallet)
    if wallet is None:
        raise CeremonyMissingError("custody holds no such wallet")
    return _renewal(Renewal(signed=signed, wallet=wallet.roster, chance=secrets.token_bytes(32)))


def _renewal(renewal: Renewal) -> Script[tuple[str, dict[str, object]]]:
    made = yield from refresh_script(renewal)
    return f"every party uses epoch {made.epoch}, and says that its old share is gone", dict(made.words)


def _generation(generation: Generation) -> Script[tuple[str, dict[str, object]]]:
    made = yield from generate_script(generation)
    wallets = sorted({str(one.get("wallet")) for one in made.values()})
    return f"every party says {', '.join(wallets)}: compare it with each of them", dict(made)


def _drive(ceremony: KeyCeremony, script: Script[_Came], now: dt.datetime) -> _Came:
    """Carry out a script's requests, each batch a line of the transcript.

    Raises:
        ScriptError: If it came to nothing now.
        LeaseLostError: If somebody else has claimed it since.
    """
    try:
        batch = next(script)
        while True:
            batch = script.send(_carry(ceremony, batch, now))
    except StopIteration as end:
        return cast("_Came", end.value)


def _carry(ceremony: KeyCeremony, batch: Batch, now: dt.datetime) -> Heard:
    good, bad = parties_ask(batch.frames)
    failpoint("custody.ceremony.after_batch")
    told: dict[str, object] = {name: _digest(answer) for name, answer in good.items()}
    told |= {name: {"code": no.code, "message": no.message} for name, no in bad.items()}
    with transaction.atomic():
        kept = _held(ceremony)
        # Whoever is away for days fills no transcript: that it was tried again is not told each time.
        told_on = kept.trials < TOLD_TRIALS or not (bad or batch.step in _ASKING)
        if told_on and has_room(ceremony=kept):
            line_append(ceremony=kept, who=ACTOR, what=_BATCH, good=not bad, now=now, words=batch.step, said=told)
        KeyCeremony.objects.filter(pk=kept.pk).update(lease_until=now + LEASE)
    return good, {name: {"code": no.code, "message": no.message, "retry": True} for name, no in bad.items()}


def _digest(answer: dict[str, object]) -> str:
    """Return an answer's digest: envelopes are sealed for their receivers and too large to keep."""
    try:
        return hashlib.sha256(canonical(answer)).hexdigest()
    except (EncodingError, UnicodeEncodeError):
        return hashlib.sha256(repr(answer).encode("utf-8", "backslashreplace")).hexdigest()


def _stopped(ceremony: KeyCeremony, why: str, refusals: dict[str, Json], now: dt.datetime) -> bool:
    said = {name: {"code": str(no.get("code")), "message": str(no.get("message"))} for name, no in refusals.items()}
    named = "; ".join(f"{name}: {no['message']}" for name, no in said.items())
    with transaction.atomic():
        kept = _held(ceremony)
        words = f"{why}. {named}" if named else why
        words = words_fit(words)
        # Once for each new trouble, not once for each trial.
        if words != kept.why and has_room(ceremony=kept):
            line_append(ceremony=kept, who=ACTOR, what=RUN, good=False, now=now, words=words, said=dict(said))
        kept.why = words
        kept.due_at, kept.lease_until = now + backoff(kept.trials), None
        kept.trials += 1
        kept.save(update_fields=["why", "due_at", "lease_until", "trials"])
    return False


def runs_advance(*, now: dt.datetime) -> int:
    """Drive what is due, each by itself; return how many were driven.

    Args:
        now: The current time.
    """
    for done in range(RUNS_MOST):
        ceremony = run_claim_next(now=now)
        if ceremony is None:
            return done
        try:
            run_try(ceremony=ceremony, now=now)
        except LeaseLostError as error:
            _logger.info("%s", error)
        except Exception:  # one ceremony's trouble does not keep the others waiting
            _logger.exception("ceremony %s could not be driven", ceremony.digest)
    return RUNS_MOST
