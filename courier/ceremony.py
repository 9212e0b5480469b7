"""``python -m courier.ceremony order.json --party party-1=/run/party-1.sock …``: carry a ceremony among parties.

A refresh takes the signed policy, which names the wallet's key; the making of a further key takes its plan. Whoever
runs this is believed nothing: every party checks the order and every other party's word for itself. Run it again
after any stop: it asks each party where it stands, and goes on from there.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from core.canonical import parse
from core.ceremony_script import Renewal, refresh_script
from core.documents.control import CeremonyKind, SignedCeremony
from core.documents.policy import SignedPolicy
from core.errors import CoreError, DocumentError
from core.founding import FoundingPlan
from core.generation_script import Generation, generate_script
from core.schema import read_struct
from courier.relay import Relay, RelayError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.party_script import Script

EXIT_REFUSED = 1
EXIT_USAGE = 2
_SECONDS = 60.0
_ORDER_BYTES = 1024 * 1024
_POLICY_BYTES = 8 * 1024 * 1024
_Made = TypeVar("_Made")


def told(script: Script[_Made]) -> Script[_Made]:
    """Write each step to stderr as it is begun; the script itself is the same."""
    try:
        batch = next(script)
        while True:
            sys.stderr.write(f"ceremony: {batch.step}: {', '.join(batch.frames)}\n")
            heard = yield batch
            batch = script.send(heard)
    except StopIteration as end:
        return cast("_Made", end.value)


def _refresh(order: SignedCeremony, policy: Path | None, relay: Relay) -> dict[str, object]:
    if policy is None:
        message = "a refresh takes --policy FILE, the signed policy that names the wallet"
        raise DocumentError(message)
    signed = read_struct(SignedPolicy, parse(policy.read_bytes(), max_bytes=_POLICY_BYTES), "policy")
    wallet = next((one for one in signed.policy.wallets if one.id == order.document.wallet), None)
    if wallet is None:
        message = "the policy knows no such wallet"
        raise DocumentError(message)
    renewal = Renewal(signed=order, wallet=wallet, chance=secrets.token_bytes(32))
    done = relay.drive(told(refresh_script(renewal)))
    return {"wallet": wallet.id, "epoch": done.epoch, "words": done.words}


def _generate(order: SignedCeremony, plan: Path | None, relay: Relay) -> dict[str, object]:
    if plan is None:
        message = "the making of a key takes --plan FILE, the plan that the ceremony names"
        raise DocumentError(message)
    read = read_struct(FoundingPlan, parse(plan.read_bytes(), max_bytes=_ORDER_BYTES), "plan")
    made = relay.drive(told(generate_script(Generation(signed=order, plan=read, chance=secrets.token_bytes(32)))))
    for party, one in made.items():
        sys.stdout.write(f"{party} says {str(one['wallet']).rpartition(':')[2]}\n")
    return dict(next(iter(made.values())))


def run(order: SignedCeremony, relay: Relay, *, policy: Path | None, plan: Path | None) -> dict[str, object]:
    """Carry one ceremony to its end.

    Args:
        order: The ceremony with its consents.
        relay: Connections to its parties.
        policy: The signed policy, for a refresh.
        plan: The plan, for the making of a key.

    Returns:
        What came of it.

    Raises:
        CoreError: If a file does not hold what it should.
        RelayError: Saying at which step it stopped, and what each party that refused answered.
    """
    kind = order.document.kind
    if kind is CeremonyKind.REFRESH:
        return _refresh(order, policy, relay)
    if kind is CeremonyKind.KEY_GENERATION:
        return _generate(order, plan, relay)
    message = f"a {kind} is not carried among parties: each signer does its part alone"
    raise DocumentError(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; every failure is one sentence on stderr and an exit code of its own."""
    parser = argparse.ArgumentParser(prog="python -m courier.ceremony", description="Carry a ceremony among parties")
    parser.add_argument("order", type=Path, help="the ceremony with its consents, JSON")
    parser.add_argument("--party", action="append", required=True, metavar="ID=SOCKET", help="where a party listens")
    parser.add_argument("--policy", type=Path, help="the signed policy, JSON (refresh)")
    parser.add_argument("--plan", type=Path, help="the key's plan, JSON (key generation)")
    options = parser.parse_args(arguments)
    sockets = dict(one.partition("=")[::2] for one in options.party)
    try:
        order = read_struct(SignedCeremony, parse(options.order.read_bytes(), max_bytes=_ORDER_BYTES), "ceremony")
        missing = sorted(set(order.document.signers) - set(sockets))
        if missing:
            sys.stderr.write(f"ceremony: where is {', '.join(missing)}? Say --party ID=SOCKET for every party\n")
            return EXIT_USAGE
        with Relay({name: sockets[name] for name in order.document.signers}, _SECONDS) as relay:
            done = run(order, relay, policy=options.policy, plan=options.plan)
    except (OSError, CoreError) as error:
        sys.stderr.write(f"ceremony: {error}\n")
        return EXIT_USAGE
    except RelayError as error:
        sys.stderr.write(f"ceremony: {error}. Run it again when the reason is gone: it goes on from there\n")
        for party, refusal in error.refusals.items():
            sys.stderr.write(f"  {party}: {refusal['code']}: {refusal['message']}\n")
        return EXIT_REFUSED
    sys.stdout.write(json.dumps(done) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
