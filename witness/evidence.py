"""`python -m witness evidence DIR --log NAME=HEX`: checks offline that a stretch of the log is whole.

A package holds two checkpoints of the log and every entry between them. The right edge of the tree at the first one,
with those entries behind it, has to give both roots: so none is missing, changed, added or out of place. A witness's
time on each says whether the stretch covers the period that was asked for. Exit codes: 0 it holds, 1 it does not,
2 unrooted, unreadable, or the command line is wrong.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from core.checkpoint import parse_signed_checkpoint
from core.errors import CheckpointError, MerkleError, ReceiptError
from core.merkle import EMPTY_ROOT, Frontier
from core.receipt import MAX_BYTES, hashes_from_json, is_count, one_spelling, recorded_from_json
from witness.log_source import UnreadableError
from witness.pinned_log import UNROOTED, add_arguments, pinned_of, shown, unpinned, utc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from core.checkpoint import SignedCheckpoint
    from core.receipt import Recorded
    from witness.pinned_log import PinnedLog

HOLDS, FAILS, UNUSABLE = 0, 1, 2
KIND = "countersign.evidence.v1"
PERIOD, LEAVES, FIRST, LAST = "period.json", "leaves.jsonl", "first.checkpoint", "last.checkpoint"
_NUMBERS = ("from_us", "to_us", "first", "last")
_NOTE_BYTES = 64 * 1024
_SECOND = 1_000_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Package:
    """What the small files of a package say. Times in microseconds, UTC; `begin` is None for the log's own start."""

    folder: Path
    from_us: int
    to_us: int
    first: int
    last: int
    edge: tuple[bytes, ...]
    begin: SignedCheckpoint | None
    end: SignedCheckpoint


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stretch:
    """What the entries came to: how many, how many of them in the period, and the root behind them."""

    entries: int
    within: int
    root: bytes


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(most + 1)
    except OSError as error:
        raise UnreadableError(f"{path.name}: {error.strerror}") from error
    if len(raw) > most:
        raise UnreadableError(f"{path.name}: larger than any that we write")
    return raw


def _period(raw: bytes) -> tuple[dict[str, int], tuple[bytes, ...]]:
    value = one_spelling(raw, ("v", "kind", *_NUMBERS, "edge"))
    numbers = {name: count for name in _NUMBERS if is_count(count := value[name]) and isinstance(count, int)}
    if value["kind"] != KIND or value["v"] != 1 or type(value["v"]) is not int or len(numbers) != len(_NUMBERS):
        raise ReceiptError("it is no evidence package of a version that is known here")
    if numbers["first"] > numbers["last"] or numbers["from_us"] > numbers["to_us"]:
        raise ReceiptError("it ends before it begins")
    return numbers, hashes_from_json(value["edge"])


def package_read(folder: Path) -> Package:
    """Read what a package says of itself. Nothing is proven here.

    Raises:
        UnreadableError: If a file is missing or not what we write.
    """
    try:
        numbers, edge = _period(_read(folder / PERIOD, MAX_BYTES))
    except ReceiptError as error:
        raise UnreadableError(f"{PERIOD}: {error}") from error
    return Package(
        folder=folder,
        edge=edge,
        begin=_note(folder / FIRST, numbers["first"]) if numbers["first"] else None,
        end=_note(folder / LAST, numbers["last"]),
        **numbers,
    )


def _note(path: Path, size: int) -> SignedCheckpoint:
    try:
        signed = parse_signed_checkpoint(_read(path, _NOTE_BYTES))
    except CheckpointError as error:
        raise UnreadableError(f"{path.name}: {error}") from error
    if signed.checkpoint.size != size:
        raise UnreadableError(f"{path.name}: a checkpoint of another size than {PERIOD} names")
    return signed


def _entries(folder: Path) -> Iterator[tuple[object, Recorded]]:
    try:
        with (folder / LEAVES).open("rb") as file:
            while line := file.readline(MAX_BYTES + 1):
                value = one_spelling(line, ("index", "entry"))
                yield value["index"], recorded_from_json(value["entry"])
    except OSError as error:
        raise UnreadableError(f"{LEAVES}: {error.strerror}") from error


def stretch_read(package: Package) -> Stretch:
    """Go on from the edge with every entry.

    Raises:
        UnreadableError: The file cannot be read.
        ReceiptError: The edge does not give the first root, or an entry is missing, added or out of place.
    """
    try:
        frontier = Frontier(package.first, package.edge)
    except MerkleError as error:
        raise ReceiptError(f"the edge: {error}") from error
    start = EMPTY_ROOT if package.begin is None else package.begin.checkpoint.root
    if frontier.root() != start:
        raise ReceiptError(f"the edge does not give the root of the first {package.first} leaves")
    within = 0
    for index, entry in _entries(package.folder):
        if index != frontier.size or type(index) is not int or index >= package.last:
            raise ReceiptError(f"leaf {frontier.size} should come next, not {shown(str(index))}")
        frontier.append(entry.leaf())
        within += package.from_us <= entry.at_us < package.to_us
    if frontier.size != package.last:
        raise ReceiptError(f"leaf {frontier.size} is not there; the stretch goes to leaf {package.last - 1}")
    return Stretch(entries=frontier.size - package.first, within=within, root=frontier.root())


def package_checks(package: Package, pinned: PinnedLog) -> Iterator[str]:
    """Yield what holds, one sentence each, until something does not.

    Args:
        package: What was read.
        pinned: The keys that count.

    Raises:
        UnreadableError: A file cannot be read.
        ReceiptError: The entries are not the stretch between the checkpoints, or the period is not covered.
        CheckpointError: The log or the witnesses do not stand behind a checkpoint.
    """
    stretch = stretch_read(package)
    if stretch.root != package.end.checkpoint.root:
        raise ReceiptError(
            f"the entries do not lead to the root of {package.last} leaves: one of them was changed, or the edge was"
        )
    yield f"from leaf {package.first} on {stretch.entries} entries, none missing, none added, none changed"
    if package.begin is not None and package.begin.checkpoint.origin != package.end.checkpoint.origin:
        raise ReceiptError("the two checkpoints are of two logs")
    seen = {}
    for name, signed in (("first", package.begin), ("last", package.end)):
        if signed is None:
            yield "the stretch begins with the log's very first entry"
            continue
        seen[name] = [one.time for one in pinned.check(signed)]
        if pinned.log is not None:
            yield f"{pinned.log[0]} signed the {name} checkpoint"
        if seen[name]:
            yield f"{len(seen[name])} witnesses saw it, at {', '.join(utc(time) for time in sorted(seen[name]))}"
    yield from _coverage(package, seen, max(pinned.threshold, 1))
    yield f"{stretch.within} of the entries say that they were written in the period"


def _coverage(package: Package, seen: dict[str, list[int]], agreeing: int) -> Iterator[str]:
    """Hold witnesses' times against the period, so many of them agreeing.

    A time is a whole second, and what it stamps happened within it.
    """
    if package.begin is None:
        yield "nothing of the period can stand before the stretch"
    elif seen["first"]:
        if (sorted(seen["first"])[agreeing - 1] + 1) * _SECOND > package.from_us:
            raise ReceiptError(
                "the period begins before witnesses saw the first checkpoint: earlier entries may lack"
            )
        yield "the first checkpoint was witnessed before the period began"
    if seen["last"]:
        if sorted(seen["last"], reverse=True)[agreeing - 1] * _SECOND < package.to_us:
            raise ReceiptError("the period ends after witnesses saw the last checkpoint: later entries may lack")
        yield "the last checkpoint was witnessed after the period ended"


def _not_shown(package: Package, pinned: PinnedLog) -> Iterator[str]:
    others = sorted({name for one in (package.begin, package.end) if one for name in unpinned(one, pinned)})
    if others:
        yield f"signed also by names whose keys were not given, so not checked: {', '.join(others)}"
    if not pinned.witnesses:
        yield "without --witness nobody else says when the checkpoints were made, nor so that the period is covered"
    yield "not shown: entries that were written in the period and got their place after the last checkpoint"
    yield f"what else lies in the folder besides {PERIOD}, {FIRST}, {LAST} and {LEAVES} is no evidence"


def main(argv: Sequence[str] | None = None) -> int:
    """Check one package; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m witness evidence", description="Check an evidence package.")
    parser.add_argument("folder", type=Path, help="the package, unpacked")
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    try:
        pinned = pinned_of(arguments)
        package = package_read(arguments.folder)
        _say(f"period {utc(*divmod(package.from_us, _SECOND))} to {utc(*divmod(package.to_us, _SECOND))}")
        for check in package_checks(package, pinned):
            _say(f"ok     {check}")
    except UnreadableError as error:
        _say(f"UNREADABLE {error}")
        return UNUSABLE
    except (ReceiptError, CheckpointError) as error:
        _say(f"FAIL   {error}")
        _say("REFUSED: this package does not hold")
        return FAILS
    for note in _not_shown(package, pinned):
        _say(f"note   {note}")
    if pinned.log is None:
        _say(UNROOTED)
        return UNUSABLE
    _say("VERIFIED: the stretch is whole")
    return HOLDS
