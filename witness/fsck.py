"""`countersign-fsck`: re-verifies an audit log from its stored records alone.

Reads a SQLite file, a PostgreSQL database or an export; imports nothing of the server. Exit codes: 0 the log holds,
1 it does not (the first bad leaf is named), 2 it could not be read or the command line is wrong. What it is held
against comes from whoever runs it: checkpoints that were kept, anchors on chain, the log's key, witnesses' keys.
Without any of these the answer says UNROOTED: a log that was rewritten whole would look the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from core.checkpoint import parse_signed_checkpoint
from core.errors import CheckpointError
from witness.anchor_file import anchors_read
from witness.log_source import UnreadableError, source_of
from witness.log_verify import Roots, log_verify

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from witness.log_verify import Verified

HOLDS, BROKEN, UNREADABLE = 0, 1, 2
_KEY_BYTES = 32
_KEY_LEAST = 50
_BAR = 30
UNROOTED = "UNROOTED: nothing from elsewhere was given, and a log that was rewritten whole would look the same"


def named_key(text: str) -> tuple[str, bytes]:
    """Read NAME=HEX from the command line.

    Raises:
        argparse.ArgumentTypeError: If it is not a name and a key of 32 bytes.
    """
    name, _, value = text.rpartition("=")
    try:
        key = bytes.fromhex(value)
    except ValueError:
        key = b""
    if not name or len(key) != _KEY_BYTES:
        raise argparse.ArgumentTypeError("NAME=HEX expected, 32 bytes")
    return name, key


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--database", metavar="FILE_OR_URL", help="a SQLite file, or postgresql://…")
    source.add_argument("--export", metavar="FILE", type=Path, help="what `manage.py audit_export` wrote")
    parser.add_argument(
        "--checkpoint",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="a checkpoint that was kept elsewhere",
    )
    parser.add_argument(
        "--anchors", metavar="FILE", type=Path, help="anchors as `python -m witness anchors` read them from the chain"
    )
    parser.add_argument("--log", metavar="NAME=HEX", type=named_key, help="the log's name and Ed25519 key")
    parser.add_argument(
        "--witness", metavar="NAME=HEX", type=named_key, action="append", default=[], help="a witness and its key"
    )
    parser.add_argument("--threshold", metavar="K", type=int, help="so many witnesses must agree (default: all)")
    parser.add_argument(
        "--key-file", metavar="FILE", type=Path, help="the application's key: checks who wrote entries"
    )
    parser.add_argument("--processes", metavar="N", type=int, default=2, help="read with so many processes (2)")
    parser.add_argument("--json", action="store_true", help="print one JSON line")


def _file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"{path}: {error.strerror}") from error


def roots_of(arguments: argparse.Namespace) -> Roots:
    """Return what the command line brings from elsewhere.

    Raises:
        UnreadableError: If a file cannot be used, or the numbers make no sense.
    """
    try:
        noted = tuple(parse_signed_checkpoint(_file(path)) for path in arguments.checkpoint)
    except CheckpointError as error:
        raise UnreadableError(f"--checkpoint: {error}") from error
    anchors = () if arguments.anchors is None else anchors_read(_file(arguments.anchors), str(arguments.anchors))
    witnesses = dict(arguments.witness)
    threshold = len(witnesses) if arguments.threshold is None else arguments.threshold
    if not 0 <= threshold <= len(witnesses) or len(witnesses) != len(arguments.witness):
        raise UnreadableError("--threshold: between 0 and the number of witnesses, each named once")
    if witnesses and arguments.log is None:
        raise UnreadableError("--witness: needs --log, whose checkpoints they cosign")
    if not 1 <= arguments.processes <= 64:  # noqa: PLR2004 - more than any machine that runs this
        raise UnreadableError("--processes: from 1 to 64")
    key = None if arguments.key_file is None else _file(arguments.key_file).strip()
    if key is not None and len(key) < _KEY_LEAST:
        raise UnreadableError("--key-file: too short to be the application's key")
    return Roots(noted=noted, anchors=anchors, log=arguments.log, witnesses=witnesses, threshold=threshold, key=key)


def _bar(total: int) -> Callable[[int], None]:
    """Return what draws progress on a terminal, and nothing elsewhere."""
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        if sys.stderr.isatty() and total:
            filled = _BAR * done // total
            end = "\n" if done >= total else ""
            sys.stderr.write(f"\r[{'#' * filled}{'.' * (_BAR - filled)}] {done:,} of {total:,}{end}")
            sys.stderr.flush()

    return tell


def verify(arguments: argparse.Namespace, roots: Roots) -> Verified:
    """Read and verify what the command line names.

    Raises:
        UnreadableError: If it cannot be read.
    """
    source = str(arguments.database) if arguments.export is None else f"export:{arguments.export}"
    extent = source_of(source).extent()
    return log_verify(source, roots, processes=arguments.processes, tell=_bar(extent.leaves), extent=extent)


def _tell(result: Verified, roots: Roots) -> None:
    broken = result.broken
    if broken is not None:
        sys.stdout.write(f"BROKEN at leaf {broken.index}: {broken.finding.value}; {broken.detail}\n")
        sys.stdout.write(f"{result.entries} leaves before it hold\n")
        return
    waits = f", {result.waiting} wait for their place" if result.waiting else ""
    waits += "" if result.requests is None else f"; {result.requests} requests stand as the log tells"
    waits += f"; {len(roots.anchors)} anchors on chain hold" if roots.anchors else ""
    sys.stdout.write(
        f"verified: {result.entries} entries, {result.checkpoints} checkpoints, root {result.root}{waits}\n"
    )
    if not roots.rooted:
        sys.stdout.write(UNROOTED + "\n")


def _tell_json(result: Verified, roots: Roots) -> None:
    broken = result.broken
    answer: dict[str, object] = {
        "audit": "verified" if broken is None else "broken",
        "entries": result.entries,
        "root": result.root,
        "chain": result.chain,
        "waiting": result.waiting,
        "checkpoints": result.checkpoints,
        "rooted": roots.rooted,
        "requests": result.requests,
        "anchors": len(roots.anchors),
    }
    if broken is not None:
        answer |= {"first_bad": broken.index, "looks": broken.finding.value, "detail": broken.detail}
    sys.stdout.write(json.dumps(answer) + "\n")


def run(arguments: argparse.Namespace) -> int:
    """Verify, print, and return the exit code."""
    try:
        roots = roots_of(arguments)
        result = verify(arguments, roots)
    except UnreadableError as error:
        sys.stderr.write(f"cannot be read: {error}\n")
        return UNREADABLE
    (_tell_json if arguments.json else _tell)(result, roots)
    return HOLDS if result.broken is None else BROKEN


def main(argv: Sequence[str] | None = None) -> int:
    """Run `countersign-fsck`."""
    parser = argparse.ArgumentParser(prog="countersign-fsck", description="Re-verify an audit log.")
    add_arguments(parser)
    return run(parser.parse_args(argv))
