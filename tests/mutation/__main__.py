"""Hunt by hand: ``python -m tests.mutation core/quorum.py …`` (none: all). Prints survivors that nobody explained."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.mutation.equivalents import EXPLAINED
from tests.mutation.runner import hunt
from tests.mutation.targets import TARGETS

if __name__ == "__main__":
    left = 0
    for module in sys.argv[1:] or TARGETS:
        with tempfile.TemporaryDirectory(prefix="cs-mutants-") as folder:
            tally = hunt(module, TARGETS[module], Path(folder))
        open_ones = [mutant for mutant in tally.survivors if mutant.name not in EXPLAINED]
        left += len(open_ones)
        sys.stdout.write(
            f"{module}: {tally.total} mutants, {tally.killed} killed ({tally.timed_out} by time), "
            f"{len(tally.survivors) - len(open_ones)} explained, {len(open_ones)} open\n"
        )
        for mutant in open_ones:
            sys.stdout.write(f"  {mutant.function}:{mutant.line}: {mutant.original}  →  {mutant.mutated}\n")
        sys.stdout.flush()
    sys.exit(1 if left else 0)
