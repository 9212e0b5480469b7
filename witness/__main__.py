"""`python -m witness verify …`, `fsck …`, `receipt …`, `evidence …`, `serve …` and more: what outsiders run."""

from __future__ import annotations

import sys
from importlib import import_module

COMMANDS = {
    "fsck": "fsck.main",
    "verify": "verify.main",
    "receipt": "receipt.main",
    "evidence": "evidence.main",
    "anchors": "anchors.main",
    "hand": "hand.main",
    "recovery": "recovery.main",
    "words": "words.main",
    "init": "serve.init",
    "watch": "serve.watch",
    "pin": "serve.pin",
    "serve": "serve.serve",
}
"""Each command's module and function. Imported when asked for: workers of `fsck` start from here too."""


def main() -> int:
    """Run the named command; return its exit code."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in COMMANDS:
        sys.stderr.write(f"usage: python -m witness {{{'|'.join(COMMANDS)}}} …\n")
        return 2
    module, _, function = COMMANDS[name].partition(".")
    return int(getattr(import_module(f"witness.{module}"), function)(sys.argv[2:]))


if __name__ == "__main__":
    sys.exit(main())
