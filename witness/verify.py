"""`countersign-verify CASE.json --genesis DIGEST`: re-verifies a signed case offline and prints each check.

The root must come from outside the case: without one the verdict is UNROOTED. Exit codes: 0 everything holds, 1 it
does not, 2 unrooted, unreadable, or the command line is wrong.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from core.canonical import parse
from core.casefile import check_case, read_case
from core.errors import CoreError

HOLDS, FAILS, UNUSABLE = 0, 1, 2
_MOST_BYTES = 64 * 1024 * 1024
_WHAT_A_CASE_CANNOT_SHOW = (
    "not shown by a case file: windows over other transactions, other uses of the nonce, halts (the signer's own "
    "journal), a policy newer than the last one in the file, and whether the log recorded it (countersign-fsck)"
)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="countersign-verify", description=__doc__)
    parser.add_argument("case", type=Path, help="the kept case, JSON")
    parser.add_argument("--genesis", help="the deployment's genesis digest, from outside the case: 64 hex digits")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Verify one case file; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        with options.case.open("rb") as file:
            case = read_case(parse(file.read(_MOST_BYTES + 1), max_bytes=_MOST_BYTES))
    except (OSError, CoreError) as error:
        _say(f"UNREADABLE {options.case.name}: {error}")
        return UNUSABLE
    claimed = case.policies[0].policy.digest
    # An empty root is no root: a shell variable that is not set must not fall back to what the case brings.
    genesis = claimed if options.genesis is None else options.genesis.replace(" ", "").lower()
    if re.fullmatch(r"[0-9a-f]{64}", genesis) is None:
        _say("UNROOTED: a genesis digest has 64 hex digits")
        return UNUSABLE
    report = check_case(case, genesis)
    for check in report.checks:
        _say(f"ok    {check}")
    if report.failure is not None:
        _say(f"FAIL  {report.failure}")
        _say("REFUSED: this case does not hold")
        return FAILS
    _say(f"note  {_WHAT_A_CASE_CANNOT_SHOW}")
    if options.genesis is None:
        _say(f"UNROOTED: consistent, but only with the genesis that it brings itself ({claimed})")
        return UNUSABLE
    _say("VERIFIED")
    return HOLDS
