"""When anchors are due, what became of those that were asked for, and the alarm when there is none for too long."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

from audit.alarms import alarm_follow, alarm_raise
from audit.errors import TreeBrokenError
from audit.models import Severity
from audit.selectors import root_at
from audit.services import entry_append
from audit.tags import AuditTag
from audit.watch import round_claim
from chains.errors import ChainsError
from chains.reads import transaction_prove
from core.anchor import anchor_of
from core.chain_proof import check_inclusion
from core.errors import CoreError
from core.evm import decode_signed, sender_of
from core.lifecycle import FINAL, State
from custody.selectors import job_find, sighting_of
from oms.anchoring import AnchorError, anchor_ask, anchoring_on, head_to_anchor
from oms.models import LogAnchor

if TYPE_CHECKING:
    from custody.models import Confirmation

ACTOR = "system:anchor"
PACE = dt.timedelta(seconds=2)
AGAIN = dt.timedelta(minutes=2)
"""How long to wait after an anchor that came to nothing, or could not be asked for."""
_ROUND, _ASK = "oms.anchor", "oms.anchor.ask"
_ALARM = "log"
_PROBLEM_MOST = 400
_logger = logging.getLogger(__name__)


class AnchorWrongError(AnchorError):
    """The chain holds something else than was asked for, or than the log says of itself."""


def anchors_sweep(*, now: dt.datetime) -> int:
    """Follow anchors, and ask for the next one when it is due; called by the workers' sweep.

    Returns:
        How many were asked for or came to an end.
    """
    if not anchoring_on() or round_claim(name=_ROUND, every=PACE, now=now) is None:
        return 0
    steps = sum(_follow(anchor, now) for anchor in LogAnchor.objects.filter(verified_at__isnull=True, problem=""))
    if anchor_due(now=now) and round_claim(name=_ASK, every=AGAIN, now=now) is not None:
        try:
            anchor_ask(now=now)
            steps += 1
        except AnchorError as error:
            _logger.warning("no anchor can be asked for: %s", error)
    late_watch(now=now)
    return steps


def _every() -> dt.timedelta:
    return dt.timedelta(seconds=settings.COUNTERSIGN_ANCHOR_SECONDS)


def anchor_due(*, now: dt.datetime) -> bool:
    """Whether the tree has grown and it is time: none is under way, and time or new leaves are enough.

    Args:
        now: The current time.
    """
    last, head = LogAnchor.objects.order_by("-pk").first(), head_to_anchor()
    if head is None or (last is not None and last.verified_at is None and not last.problem):
        return False
    good = LogAnchor.objects.filter(verified_at__isnull=False).order_by("-pk").first()
    if good is None:
        return True
    grown = head.size - good.size
    return grown > 0 and (now - good.asked_at >= _every() or grown >= settings.COUNTERSIGN_ANCHOR_LEAVES)


def _follow(anchor: LogAnchor, now: dt.datetime) -> bool:
    """Look at one that is under way; whether it came to an end."""
    state = State(anchor.request.state)
    if state not in FINAL:
        return False
    if state is not State.CONFIRMED:
        _end(anchor, f"its request ended as {state.value}: {anchor.request.sub_status}")
        return True
    try:
        anchor_verify(anchor=anchor, now=now)
    except ChainsError as error:
        # Nodes are away or do not agree: asked again by the next sweep.
        _logger.warning("anchor at %s cannot be read back: %s", anchor.size, error)
        return False
    except AnchorWrongError as error:
        _wrong(anchor, str(error))
    return True


def _end(anchor: LogAnchor, why: str) -> None:
    anchor.problem = why[:_PROBLEM_MOST]
    anchor.save(update_fields=["problem"])


def _wrong(anchor: LogAnchor, why: str) -> None:
    with transaction.atomic():
        _end(anchor, why)
        alarm_raise(
            tag=AuditTag.ANCHOR_WRONG,
            severity=Severity.CRITICAL,
            subject=anchor.request.intent_digest,
            message=why,
            payload={"size": str(anchor.size), "root": anchor.root},
            actor=ACTOR,
        )


def anchor_verify(*, anchor: LogAnchor, now: dt.datetime) -> None:
    """Read an anchor back from the chain and hold it against the tree. Asks nodes: no open transaction.

    Args:
        anchor: One whose request is confirmed.
        now: The current time.

    Raises:
        AnchorWrongError: The chain holds something else, or the tree has another root at this size.
        ChainsError: Nodes cannot prove the transaction now.
    """
    job = job_find(intent_digest=anchor.request.intent_digest)
    seen = None if job is None else sighting_of(job=job)
    if seen is None:
        raise AnchorWrongError("its request is confirmed, but custody knows no block that it is in")
    _hold_against(anchor, seen)
    with transaction.atomic():
        anchor.transaction_hash = seen.transmission.transaction_hash
        anchor.block_number = seen.block_number
        anchor.verified_at = now
        anchor.save(update_fields=["transaction_hash", "block_number", "verified_at"])
        entry_append(
            actor=ACTOR,
            tag=AuditTag.ANCHOR_VERIFIED,
            subject=anchor.request.intent_digest,
            payload={
                "size": str(anchor.size),
                "root": anchor.root,
                "transaction": "0x" + anchor.transaction_hash,
                "block": str(anchor.block_number),
                "chain": anchor.request.chain,
            },
        )


def _hold_against(anchor: LogAnchor, seen: Confirmation) -> None:
    evidence = transaction_prove(
        chain=anchor.request.chain,
        transaction_hash=bytes.fromhex(seen.transmission.transaction_hash),
        block_number=seen.block_number,
    )
    try:
        mined = check_inclusion(evidence)
        note, _ = decode_signed(mined.raw)
        found = anchor_of(note, sender_of(mined.raw))
        root = root_at(size=found.size)
    except (CoreError, TreeBrokenError) as error:
        raise AnchorWrongError(f"what the chain holds is no anchor of this log: {error}") from error
    own = note.to == anchor.request.wallet.rpartition(":")[2]
    if not own or not mined.succeeded or (found.size, found.root.hex()) != (anchor.size, anchor.root):
        raise AnchorWrongError(f"the chain holds an anchor of {found.size} leaves that was not asked for")
    if root != found.root:
        raise AnchorWrongError(f"the chain holds another root of {found.size} leaves than the log has now")


def late_watch(*, now: dt.datetime) -> None:
    """Raise or clear the alarm over a log that was not anchored for too long: twice the pace.

    Args:
        now: The current time.
    """
    good = LogAnchor.objects.filter(verified_at__isnull=False).order_by("-pk").first()
    first = LogAnchor.objects.order_by("pk").first()
    head = head_to_anchor()
    since = good.asked_at if good is not None else (first.asked_at if first is not None else None)
    if since is None and head is not None:
        since = dt.datetime.fromtimestamp(head.at_us / 1_000_000, tz=dt.UTC)
    grown = head is not None and (good is None or head.size > good.size)
    late = grown and since is not None and now - since > 2 * _every() + AGAIN
    alarm_follow(
        holds=late,
        tag=AuditTag.ANCHOR_LATE,
        severity=Severity.ALARM,
        subject=_ALARM,
        message="no checkpoint of the log was confirmed on chain for too long" if late else "it is anchored again",
        actor=ACTOR,
    )
