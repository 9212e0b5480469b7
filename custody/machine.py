"""What to do next with a job, and what nodes' answers mean. Pure: the simulator and the services call the same code.

Every version of a nonce (attempts with raised fees, a cancel) is watched, because any of them may be mined.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING

from core.custody_lifecycle import JOB_FINAL, JOB_LIVE, JOB_MINED, JobEvent, JobState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Kind(StrEnum):
    """What signed bytes at a job's nonce do."""

    PAYMENT = "payment"
    CANCEL = "cancel"


class Step(StrEnum):
    """The next thing to do with a job."""

    PIN = "pin"
    SIGN = "sign"
    CANCEL = "cancel"
    DOUBT = "doubt"
    SEND = "send"
    WATCH = "watch"
    FOLLOW = "follow"
    GUARD = "guard"
    REST = "rest"


_STEPS: dict[JobState, Step] = {
    JobState.QUEUED: Step.PIN,
    JobState.PINNED: Step.SIGN,
    JobState.WAITING: Step.SIGN,
    JobState.DOUBTED: Step.DOUBT,
    JobState.SIGNED: Step.SEND,
    JobState.LIVE: Step.WATCH,
    JobState.INCLUDED: Step.FOLLOW,
}
_CANCELLED_IN = frozenset({JobState.PINNED, JobState.WAITING, JobState.SIGNED, JobState.LIVE})


def step_of(state: JobState, *, cancel_due: bool) -> Step:
    """Return the next step of a job.

    Args:
        state: Where it stands.
        cancel_due: People ordered a cancel that is not signed yet.
    """
    if state in JOB_MINED:
        return Step.GUARD
    if cancel_due and state in _CANCELLED_IN:
        return Step.CANCEL
    return _STEPS.get(state, Step.REST)


def is_due_again(state: JobState) -> bool:
    """Say whether a job in this state has anything left to be done: the sweep, not a queue, comes back to it."""
    return state not in JOB_FINAL or state in JOB_MINED


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sight:
    """One node's receipt of one of the versions, in a block that is canonical there."""

    transaction_hash: str
    block_number: int
    block_hash: str
    succeeded: bool
    gas_used: int = 0
    gas_price: int = 0
    depth: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Look:
    """What one node shows of a nonce.

    `spent`: the nonce is consumed. `spent_finally`: consumed at the block that counts as final there. `known`: the
    versions that this node has, mined or not.
    """

    sights: tuple[Sight, ...]
    spent: bool
    spent_finally: bool
    known: frozenset[str]


class Finding(StrEnum):
    """What all nodes' answers together say of a nonce."""

    INCLUDED = "included"
    SUPERSEDED = "superseded"
    TAKEN = "taken"
    DROPPED = "dropped"
    PENDING = "pending"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """A finding; with `INCLUDED`, the sighting and who showed it."""

    finding: Finding
    sight: Sight | None = None
    node: str = ""


def versions_watched(versions: Sequence[str]) -> tuple[str, ...]:
    """Return the hashes to look for: every one that was ever signed at the nonce."""
    return tuple(versions)


def look_judge(looks: Mapping[str, Look], *, silent: int) -> Found:
    """Say what became of a nonce.

    Args:
        looks: What each node that answered shows.
        silent: How many gave no answer: silence is no vote for what the others say.
    """
    for label, look in looks.items():
        if look.sights:
            return Found(finding=Finding.INCLUDED, sight=look.sights[0], node=label)
    most = len(looks) > silent
    if most and all(look.spent_finally for look in looks.values()):
        return Found(finding=Finding.SUPERSEDED)
    if most and all(look.spent for look in looks.values()):
        return Found(finding=Finding.TAKEN)
    if most and not any(look.known for look in looks.values()):
        return Found(finding=Finding.DROPPED)
    return Found(finding=Finding.PENDING)


class Act(StrEnum):
    """What to do about a nonce that nothing of ours has consumed yet."""

    RAISE = "raise"
    SEND = "send"
    WAIT = "wait"


def unmined_act(*, finding: Finding, unsent: bool, can_raise: bool, raise_due: bool, resend_due: bool) -> Act:
    """Say what to do about bytes that are not mined.

    Args:
        finding: `DROPPED`, `PENDING` or `TAKEN`.
        unsent: A version is stored and was never sent: nothing was learned from it yet.
        can_raise: The caps leave room for higher fees, no cancel outbids them, and nothing before it in the lane is
            what it waits for.
        raise_due: The newest version has waited for its time.
        resend_due: The bytes were last sent a while ago.
    """
    if unsent:
        return Act.SEND
    if finding is not Finding.TAKEN and raise_due and can_raise:
        return Act.RAISE
    return Act.SEND if finding is Finding.DROPPED or resend_due else Act.WAIT


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recheck:
    """What one node says of a sighting: whether it stands, whether its block is final there, blocks on top."""

    stands: bool
    final: bool
    depth: int


class Standing(StrEnum):
    """What all nodes together say of a sighting."""

    GONE = "gone"
    YOUNG = "young"
    FINAL = "final"
    APART = "apart"
    SILENT = "silent"


def recheck_judge(rechecks: Mapping[str, Recheck], *, silent: int) -> Standing:
    """Say whether a sighting is gone, still young, or final. Final takes a majority of all, and nobody against.

    Args:
        rechecks: What each node that answered says.
        silent: How many gave no answer.
    """
    against = [one for one in rechecks.values() if not one.stands]
    if against:
        return Standing.GONE if 2 * len(against) > len(rechecks) + silent else Standing.APART
    if not any(one.final for one in rechecks.values()):
        return Standing.YOUNG
    agreeing = sum(one.final for one in rechecks.values())
    if 2 * agreeing > len(rechecks) + silent:
        return Standing.FINAL
    return Standing.SILENT if silent else Standing.YOUNG


def is_deep(*, head: int, block: int, depth: int, tagged: int | None) -> bool:
    """Say whether a block is final on one node.

    Args:
        head: The newest block's number.
        block: The block's number.
        depth: How many blocks, its own included, have to be there.
        tagged: The number of the chain's `safe` or `finalized` block where that decides; then depth is needed too.
    """
    return head - block + 1 >= depth and (tagged is None or block <= tagged)


def end_of(kind: Kind, *, succeeded: bool) -> JobEvent:
    """Return how a job ends whose version of that kind is final."""
    if kind is Kind.CANCEL:
        return JobEvent.CANCEL
    return JobEvent.FINALISE if succeeded else JobEvent.REVERT


def sends_of(versions: Iterable[tuple[str, Kind]], *, state: JobState) -> tuple[str, ...]:
    """Return the versions that are sent (again): all of them while the nonce is open, oldest first."""
    return tuple(transaction_hash for transaction_hash, _ in versions) if state in JOB_LIVE else ()
