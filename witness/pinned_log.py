"""What whoever checks a receipt or an evidence package brings along: the log's key, and witnesses'."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

from core.checkpoint import check_log, cosignatures
from core.errors import CheckpointError
from witness.fsck import named_key
from witness.log_source import UnreadableError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from core.checkpoint import Cosignature, SignedCheckpoint

UNROOTED = "UNROOTED: consistent in itself, but without --log whoever wrote the file could have written the log too"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PinnedLog:
    """The log's name and Ed25519 key, and the witnesses of whom `threshold` have to have seen a checkpoint."""

    log: tuple[str, bytes] | None
    witnesses: Mapping[str, bytes]
    threshold: int

    def check(self, signed: SignedCheckpoint) -> tuple[Cosignature, ...]:
        """Return who of the witnesses saw a checkpoint that the log signed.

        Raises:
            CheckpointError: If the log did not sign it, a line under a pinned key does not hold, or too few saw it.
        """
        if self.log is None:
            return ()
        check_log(signed, *self.log)
        seen = cosignatures(signed, self.witnesses)
        if len(seen) < self.threshold:
            raise CheckpointError(f"{len(seen)} of the named witnesses saw this checkpoint, {self.threshold} must")
        return seen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what comes from outside the file."""
    parser.add_argument("--log", metavar="NAME=HEX", type=named_key, help="the log's name and Ed25519 key")
    parser.add_argument(
        "--witness", metavar="NAME=HEX", type=named_key, action="append", default=[], help="a witness and its key"
    )
    parser.add_argument("--threshold", metavar="K", type=int, help="so many witnesses must agree (default: all)")


def pinned_of(arguments: argparse.Namespace) -> PinnedLog:
    """Return what the command line brings.

    Raises:
        UnreadableError: If the numbers make no sense, or one key stands for two.
    """
    witnesses = dict(arguments.witness)
    if len(witnesses) != len(arguments.witness):
        raise UnreadableError("--witness: each is named once")
    if witnesses and arguments.log is None:
        raise UnreadableError("--witness: needs --log, whose checkpoints they cosign")
    keys = [*witnesses.values(), *([] if arguments.log is None else [arguments.log[1]])]
    if len(set(keys)) != len(keys):
        raise UnreadableError("--witness: one key stands for two names")
    threshold = len(witnesses) if arguments.threshold is None else arguments.threshold
    if not 0 <= threshold <= len(witnesses):
        raise UnreadableError("--threshold: between 0 and the number of witnesses")
    return PinnedLog(log=arguments.log, witnesses=witnesses, threshold=threshold)


def utc(seconds: int, microseconds: int = 0) -> str:
    """Write a time (Unix seconds and microseconds) as UTC; one that no calendar has, as a number."""
    try:
        at = dt.datetime.fromtimestamp(seconds, tz=dt.UTC) + dt.timedelta(microseconds=microseconds)
    except (OverflowError, OSError, ValueError):
        return f"{seconds} s after 1970"
    return at.isoformat(sep=" ", timespec="milliseconds" if microseconds else "seconds").replace("+00:00", " UTC")


def shown(text: str) -> str:
    """Return text for a terminal: what is not printable is escaped, so that it cannot draw a verdict of its own."""
    return text if text.isprintable() else ascii(text)[1:-1]


def unpinned(signed: SignedCheckpoint, pinned: PinnedLog) -> list[str]:
    """Return the names of lines under a checkpoint that nobody has checked."""
    known = set(pinned.witnesses) | ({pinned.log[0]} if pinned.log is not None else set())
    return sorted({line.name for line in signed.signatures} - known)
