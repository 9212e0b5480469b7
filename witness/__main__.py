"""`python -m witness verify …`, `fsck …`, `receipt …`, `evidence …`, `serve …` and more: what outsiders run."""

from __future__ import annotations

import sys

from witness import anchors, evidence, fsck, hand, receipt, recovery, serve, verify, words

COMMANDS = {
    "fsck": fsck.main,
    "verify": verify.main,
    "receipt": receipt.main,
    "evidence": evidence.main,
    "anchors": anchors.main,
    "hand": hand.main,
    "recovery": recovery.main,
    "words": words.main,
    "init": serve.init,
    "watch": serve.watch,
    "pin": serve.pin,
    "serve": serve.serve,
}


def main() -> int:
    """Run the named command; return its exit code."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in COMMANDS:
        sys.stderr.write(f"usage: python -m witness {{{'|'.join(COMMANDS)}}} …\n")
        return 2
    return COMMANDS[name](sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
