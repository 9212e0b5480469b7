"""`python -m witness receipt FILE --log NAME=HEX`: checks offline that an entry is in the log.

The log's name and key must come from outside the file: without them the verdict is UNROOTED. Exit codes: 0 it is in
the log, 1 it does not hold, 2 unrooted, unreadable, or the command line is wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import CheckpointError, ReceiptError
from core.receipt import MAX_BYTES, receipt_from_bytes
from witness.log_source import UnreadableError
from witness.pinned_log import UNROOTED, add_arguments, pinned_of, shown, unpinned, utc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from core.receipt import Receipt
    from witness.pinned_log import PinnedLog

HOLDS, FAILS, UNUSABLE = 0, 1, 2
_NOT_SHOWN = (
    "not shown by a receipt: whether what the entry says is true (a case is checked by countersign-verify), and "
    "whether the log holds further entries (countersign-fsck, or an evidence package)"
)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m witness receipt", description="Check a receipt offline.")
    parser.add_argument("file", type=Path, help="the receipt, as the site gave it")
    add_arguments(parser)
    return parser


def receipt_checks(receipt: Receipt, pinned: PinnedLog) -> Iterator[str]:
    """Yield what holds, one sentence each, until something does not.

    Args:
        receipt: What was read.
        pinned: The keys that count.

    Raises:
        ReceiptError: The entry is not at its place under the checkpoint.
        CheckpointError: The log or the witnesses do not stand behind the checkpoint.
    """
    entry, checkpoint = receipt.recorded, receipt.signed.checkpoint
    yield f"the entry's bytes give leaf {entry.leaf().hex()}"
    if not receipt.included():
        raise ReceiptError(f"this entry is not leaf {receipt.index} of the {checkpoint.size} under the checkpoint")
    yield f"leaf {receipt.index} of {checkpoint.size} leads to root {checkpoint.root.hex()}"
    seen = pinned.check(receipt.signed)
    if pinned.log is not None:
        yield f"{pinned.log[0]} signed this root"
    yield from (f"witness {one.witness} saw it at {utc(one.time)}" for one in seen)


def _tell_entry(receipt: Receipt) -> None:
    entry = receipt.recorded
    _say(f"who    {shown(entry.actor)}")
    _say(f"what   {shown(entry.tag)}, {shown(entry.severity)}")
    _say(f"about  {shown(entry.subject) or '-'}")
    _say(f"when   {utc(*divmod(entry.at_us, 1_000_000))}, by the server's clock")
    _say(f"says   {shown(entry.payload)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Check one receipt; return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        pinned = pinned_of(arguments)
        with arguments.file.open("rb") as file:
            receipt = receipt_from_bytes(file.read(MAX_BYTES + 1))
    except UnreadableError as error:
        _say(f"UNUSABLE {error}")
        return UNUSABLE
    except (OSError, ReceiptError) as error:
        _say(f"UNREADABLE {shown(arguments.file.name)}: {error}")
        return UNUSABLE
    _tell_entry(receipt)
    try:
        for check in receipt_checks(receipt, pinned):
            _say(f"ok     {check}")
    except (ReceiptError, CheckpointError) as error:
        _say(f"FAIL   {error}")
        _say("REFUSED: this receipt does not hold")
        return FAILS
    others = unpinned(receipt.signed, pinned)
    if others:
        _say(f"note   signed also by names whose keys were not given, so not checked: {', '.join(others)}")
    _say(f"note   {_NOT_SHOWN}")
    if pinned.log is None:
        _say(UNROOTED)
        return UNUSABLE
    _say("VERIFIED: this entry is in the log")
    return HOLDS
