"""Hands a request to a signer's socket as its courier would, and prints the answer: `python -m demo.carry SOCKET`."""

from __future__ import annotations

import json
import sys

from courier.client import exchange

SECONDS = 10.0


def main() -> None:
    """Carry the request on standard input."""
    sys.stdout.write(json.dumps(exchange(sys.argv[1], json.load(sys.stdin), SECONDS)) + "\n")


if __name__ == "__main__":
    main()
