"""Carries a case among the parties of a wallet as a courier would: `python -m demo.relay ID=SOCKET …`.

The case and the wallet's entry come on standard input; the signature and its certificate go to standard output.
"""

from __future__ import annotations

import json
import sys

from core.documents.roster import Wallet
from core.schema import read_struct
from courier.relay import Relay

SECONDS = 30.0


def main() -> None:
    """Have the case signed."""
    given = json.load(sys.stdin)
    wallet = read_struct(Wallet, given["wallet"], "wallet")
    with Relay(dict(one.split("=", 1) for one in sys.argv[1:]), SECONDS) as relay:
        signature, certificate = relay.sign(given["bundle"], wallet)
    sys.stdout.write(json.dumps({"signature": signature, "certificate": certificate}) + "\n")


if __name__ == "__main__":
    main()
