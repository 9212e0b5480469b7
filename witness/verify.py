"""`countersign-verify CASE.json --genesis DIGEST`: re-verifies a signed case offline and prints each check.

The root must come from outside the case: without one the verdict is UNROOTED. With `--inclusion FILE` it also checks
that the signed transaction is in a block and how it ended; that block's hash must come from outside too, from the
reader's own node (`--block-hash`). Exit codes: 0 everything holds, 1 it does not, 2 unrooted, unreadable, or the
command line is wrong.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from core.canonical import parse
from core.casefile import check_case, read_case
from core.chain_proof import InclusionEvidence, check_inclusion
from core.errors import CoreError
from core.schema import read_struct

if TYPE_CHECKING:
    from core.documents.bundle import CaseFile

HOLDS, FAILS, UNUSABLE = 0, 1, 2
_MOST_BYTES = 64 * 1024 * 1024
_WHAT_A_CASE_CANNOT_SHOW = (
    "not shown by a case file: windows over other transactions, other uses of the nonce, halts (the signer's own "
    "journal), leases of witnesses, and so a policy newer than the last one in the file; and, where its policy names "
    "no witnesses, whether the log recorded it (countersign-fsck)"
)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="countersign-verify", description=__doc__)
    parser.add_argument("case", type=Path, help="the kept case, JSON")
    parser.add_argument("--inclusion", type=Path, help="the kept evidence that the transaction was mined, JSON")
    parser.add_argument("--block-hash", help="the block's hash, from the reader's own node: 64 hex digits")
    parser.add_argument("--genesis", help="the deployment's genesis digest, from outside the case: 64 hex digits")
    return parser


def _parsed(path: Path) -> object:
    with path.open("rb") as file:
        return parse(file.read(_MOST_BYTES + 1), max_bytes=_MOST_BYTES)


def _inclusion(evidence: InclusionEvidence, case: CaseFile, block_hash: str | None) -> int:
    """Check that the case's transaction is in the block that the reader names, and say how it ended."""
    known = "" if block_hash is None else block_hash.strip().lower().removeprefix("0x")
    try:
        shown = check_inclusion(evidence)
    except CoreError as error:
        _say(f"FAIL  {error}")
        _say("REFUSED: this evidence does not hold")
        return FAILS
    if shown.raw != case.raw:
        _say("FAIL  the transaction in the block is not the case's")
        _say("REFUSED: this evidence does not hold")
        return FAILS
    ended = "succeeded" if shown.succeeded else "was reverted"
    _say(f"ok    the transaction is in block {shown.header.number} ({shown.header.hash.hex()}) and {ended}")
    _say(f"ok    it used {shown.gas_used} gas at {shown.gas_price} wei each")
    if block_hash is None:
        _say("UNROOTED: in a block that only the evidence names; compare its hash with your own node (--block-hash)")
        return UNUSABLE
    if known != shown.header.hash.hex():
        _say("FAIL  that is another block than the one that your node has")
        _say("REFUSED: this evidence does not hold")
        return FAILS
    _say("ok    that block is the one that your node has")
    return HOLDS


def _verdict(
    case: CaseFile, evidence: InclusionEvidence | None, genesis: str, *, is_rooted: bool, block_hash: str | None
) -> int:
    """Check and say everything; return the exit code."""
    report = check_case(case, genesis)
    for check in report.checks:
        _say(f"ok    {check}")
    if report.failure is not None:
        _say(f"FAIL  {report.failure}")
        _say("REFUSED: this case does not hold")
        return FAILS
    mined = HOLDS if evidence is None else _inclusion(evidence, case, block_hash)
    if mined == FAILS:
        return FAILS
    _say(f"note  {_WHAT_A_CASE_CANNOT_SHOW}")
    if not is_rooted:
        _say(f"UNROOTED: consistent, but only with the genesis that it brings itself ({genesis})")
        return UNUSABLE
    if mined != HOLDS:
        return mined
    _say("VERIFIED")
    return HOLDS


def main(arguments: list[str] | None = None) -> int:
    """Verify one case file; return the exit code."""
    options = _parser().parse_args(arguments)
    if options.block_hash is not None and options.inclusion is None:
        _say("UNUSABLE: --block-hash is for --inclusion")
        return UNUSABLE
    try:
        case = read_case(_parsed(options.case))
        evidence = None
        if options.inclusion is not None:
            evidence = read_struct(InclusionEvidence, _parsed(options.inclusion), "inclusion")
    except (OSError, CoreError) as error:
        _say(f"UNREADABLE {options.case.name}: {error}")
        return UNUSABLE
    claimed = case.policies[0].policy.digest
    # An empty root is no root: a shell variable that is not set must not fall back to what the case brings.
    genesis = claimed if options.genesis is None else options.genesis.replace(" ", "").lower()
    if re.fullmatch(r"[0-9a-f]{64}", genesis) is None:
        _say("UNROOTED: a genesis digest has 64 hex digits")
        return UNUSABLE
    return _verdict(case, evidence, genesis, is_rooted=options.genesis is not None, block_hash=options.block_hash)
