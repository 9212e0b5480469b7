"""`python -m demo [--once] [--full]`: see `make demo`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from core.documents.roster import WalletKind
from demo.institution import web_origin
from demo.layout import ROOT
from demo.place import UnfitError
from demo.services.processes import ServiceError
from demo.site import CONSENT_PORT, site_running
from demo.story import Story
from demo.telling import Teller

if TYPE_CHECKING:
    from core.documents.roster import Wallet
    from demo.institution import Institution


_ENDING = (signal.SIGINT, signal.SIGTERM)
_EXIT_INTERRUPTED = 130
"""As a shell says it of whoever was ended by Ctrl-C."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description="Countersign's demonstration.")
    parser.add_argument("--once", action="store_true", help="play the story in the terminal and exit")
    parser.add_argument("--full", action="store_true", help="on PostgreSQL and Redis, with Celery and couriers")
    parser.add_argument("--state", type=Path, help="where everything goes; emptied first (default var/demo)")
    return parser


def held_by(wallet: Wallet) -> str:
    """Say in words who holds a wallet's key."""
    if wallet.kind is WalletKind.MPC:
        return f"held by {', '.join(wallet.signers)}: {wallet.threshold} of {len(wallet.signers)} sign"
    return f"in the token of {', '.join(wallet.signers)}"


def _stay(tell: Teller, institution: Institution) -> None:
    tell.chapter("The site is up; Ctrl-C ends it")
    print(f"\n  site          {web_origin()}\n  consent page  http://localhost:{CONSENT_PORT}\n")
    print("  Sign in with the DEMO software key of one of these (they protect nothing):\n")
    for member in institution.cast.members.values():
        print(f"    {member.id:8} {member.name:26} {', '.join(member.roles)}")
    print("\n  Wallets, funded on the demo chain:\n")
    for wallet in institution.policy.wallets:
        print(f"    {wallet.label:8} {wallet.address}  {held_by(wallet)}")
    print(flush=True)
    try:
        while True:
            signal.pause()
    except KeyboardInterrupt:
        return


def _interrupt(*_: object) -> None:
    """Have the first Ctrl-C or request to end stop the processes in order; further ones change nothing."""
    for number in _ENDING:
        signal.signal(number, lambda *_: None)
    sys.stderr.write("\nStopping what runs, in order …\n")
    raise KeyboardInterrupt


def main() -> int:
    """Run the demonstration; return the exit code."""
    options = _parser().parse_args()
    tell = Teller()
    for number in _ENDING:
        signal.signal(number, _interrupt)
    base = (options.state or ROOT / "var" / "demo").absolute()
    tell.chapter("An institution is founded" + (" (PostgreSQL, Redis, Celery)" if options.full else ""))
    try:
        with site_running(base, full=options.full, tell=tell) as (institution, site):
            if options.once:
                last = Story(institution=institution, site=site, tell=tell, full=options.full).play()
                print(json.dumps(last), flush=True)
                return 0
            _stay(tell, institution)
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED
    except UnfitError as error:
        print(f"\nThe demonstration cannot start: {error}", file=sys.stderr)
        return 1
    except ServiceError as error:
        print(f"\nThe demonstration stopped: {error}", file=sys.stderr)
        print(f"What its processes said is in {base}/logs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
