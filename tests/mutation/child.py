"""What runs in a process of its own: some tests, over a copy of `core`. Imports nothing of ours itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PRELOADED = ["pytest", "hypothesis", "coincurve", "cryptography.hazmat.primitives.asymmetric.ec", "eth_abi", "rlp"]
"""What every child needs and no mutant touches: loaded once, in the process that children are forked from."""


def run_tests(copy: str, files: list[str]) -> None:
    """Run tests until the first failure, and exit with pytest's code.

    Args:
        copy: The folder that holds the mutated `core`.
        files: Test files, those that fail soonest first.
    """
    sys.dont_write_bytecode = True
    sys.path.insert(0, copy)
    # Bounded counts: a mutant either dies of those or is looked at by a person.
    os.environ.pop("COUNTERSIGN_SOAK", None)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    import pytest  # noqa: PLC0415 - loaded already, by the process that this one is forked from

    _search_without_shrinking()
    arguments = ["-x", "-q", "--noconftest", "-c", os.devnull, "--import-mode=importlib", f"--rootdir={Path.cwd()}"]
    plugins = [part for name in ("django", "cacheprovider", "xdist", "randomly") for part in ("-p", f"no:{name}")]
    os._exit(int(pytest.main([*arguments, *plugins, *files])))


def _search_without_shrinking() -> None:
    """Let Hypothesis stop at the first counterexample: nobody reads a mutant's smallest one."""
    from hypothesis import Phase, settings  # noqa: PLC0415 - see `run_tests`

    from tests import soak  # noqa: PLC0415 - reads the environment

    bounded = soak.bounded

    def brief(examples: int, **changes: int) -> settings:
        return settings(bounded(examples, **changes), phases=[Phase.explicit, Phase.generate])

    soak.bounded = brief
