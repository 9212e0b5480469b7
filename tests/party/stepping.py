"""A relay in a process of its own that stops after every step until it is told to go on, so that all can be seen.

``python -m tests.party.stepping found plan.json --party …`` or ``… sign case.json``; it says each step's name on
stdout, waits for a line on stdin, and ends by saying what came out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.documents.roster import Wallet
from core.schema import read_struct
from courier import found
from courier.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = 60.0


class Stepping(Relay):
    """Stops after each step."""

    def ask(self, requests: Mapping[str, dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
        """As `Relay.ask`, and wait."""
        answers = super().ask(requests)
        sys.stdout.write(f"step {next(iter(requests.values()))['op']}\n")
        sys.stdout.flush()
        sys.stdin.readline()
        return answers


def main() -> int:
    """Make a key, or have a case signed."""
    what, *arguments = sys.argv[1:]
    if what == "found":
        setattr(found, "Relay", Stepping)  # noqa: B010 - the same relay, only slower
        return found.main(arguments)
    case = json.loads(Path(arguments[0]).read_text())
    with Stepping(case["sockets"], SECONDS) as relay:
        signature, _ = relay.sign(case["bundle"], read_struct(Wallet, case["wallet"], "wallet"))
    sys.stdout.write(json.dumps(signature) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
