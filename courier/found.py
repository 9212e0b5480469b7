"""``python -m courier.found plan.json --party party-1=/run/party-1.sock …``: relay the making of a key among parties.

Each party runs ``python -m signer found`` at its own console, after two people compared the plan there. This carries
what they tell each other, and shows what each of them says came out; people compare that as well.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from core.canonical import parse
from core.documents.base import GENESIS_DEPLOYMENT
from core.errors import CoreError
from core.founding import FoundingPlan, check_plan
from core.schema import read_struct, write_struct
from core.sessions import session_id
from courier.relay import Relay, RelayError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EXIT_REFUSED = 1
EXIT_USAGE = 2
_SECONDS = 30.0
_PLAN_BYTES = 64 * 1024


def found(plan: FoundingPlan, sockets: Mapping[str, str], seconds: float = _SECONDS) -> dict[str, dict[str, str]]:
    """Carry one key generation.

    Args:
        plan: What was compared at every console.
        sockets: Where the parties listen, by roster id.
        seconds: For each step of each party.

    Returns:
        What each party says came out, by its roster id.

    Raises:
        RelayError: If a party refused, or they do not all say the same.
    """
    with Relay(sockets, seconds) as relay:
        terms = write_struct(plan.terms, "terms")
        hellos = relay.ask_all("greet", {party.id: {"op": "greet", "terms": terms} for party in plan.parties})
        name = session_id(plan.terms, GENESIS_DEPLOYMENT)
        answers = relay.rounds("0x" + name.hex(), hellos)
    made = {party: dict(answer["made"]) for party, answer in answers.items()}
    if len({tuple(sorted(one.items())) for one in made.values()}) != 1:
        raise RelayError("the parties do not say the same: nobody may use this key", {})
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; every failure is one sentence on stderr and an exit code of its own."""
    parser = argparse.ArgumentParser(prog="python -m courier.found", description="Relay the making of a key")
    parser.add_argument("plan", type=Path, help="the plan that was compared at every console, JSON")
    parser.add_argument("--party", action="append", required=True, metavar="ID=SOCKET", help="where a party listens")
    options = parser.parse_args(arguments)
    sockets = dict(one.partition("=")[::2] for one in options.party)
    try:
        plan = read_struct(FoundingPlan, parse(options.plan.read_bytes(), max_bytes=_PLAN_BYTES), "plan")
        check_plan(plan)
        missing = sorted({party.id for party in plan.parties} - set(sockets))
        if missing:
            sys.stderr.write(f"found: where is {', '.join(missing)}? Say --party ID=SOCKET for every party\n")
            return EXIT_USAGE
        for party, made in found(plan, sockets).items():
            sys.stdout.write(f"{party} says {made['address']}\n")
    except (OSError, CoreError) as error:
        sys.stderr.write(f"found: {error}\n")
        return EXIT_USAGE
    except RelayError as error:
        sys.stderr.write(f"found: {error}\n")
        for party, refusal in error.refusals.items():
            sys.stderr.write(f"  {party}: {refusal['code']}: {refusal['message']}\n")
        return EXIT_REFUSED
    sys.stdout.write(json.dumps(made) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
