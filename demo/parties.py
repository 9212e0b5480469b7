"""The threshold wallet: five parties, each with a folder, token, socket, pins and journal of its own, hold one key.

Their failure domains stand in the policy's description, so that what people compare at the parties' consoles before
there is a policy, and what the policy names, are the same.
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from core.canonical import canonical
from core.documents.roster import Profile, SignerRole
from core.founding import KIND, FoundingParty, FoundingPlan, check_plan
from core.schema import write_struct
from demo.layout import PARTIES, ROOT
from demo.services.processes import reachable, running
from demo.steps import run_as

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from core.documents.policy import Policy
    from demo.layout import Layout
    from demo.steps import Consoles

LABEL, THRESHOLD = "Warm", 3
_CHAIN = "eip155:31337"
_DOMAINS = ("host", "site", "administrator", "vendor")
Made = TypeVar("Made")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PartiesMade:
    """What the policy's description leaves open of the parties, and the key that they made."""

    replacements: Mapping[str, str]
    wallet_key: Mapping[str, str]


def at_each(step: Callable[[str], Made]) -> dict[str, Made]:
    """Take one step at every party's console at the same time; return what came of it by the party's name."""
    with ThreadPoolExecutor(len(PARTIES)) as consoles:
        return dict(zip(PARTIES, consoles.map(step, PARTIES), strict=True))


def plan_make(keys: Mapping[str, str], description: str) -> FoundingPlan:
    """Plan the key as the policy will name its parties.

    Args:
        keys: Each party's Ed25519 key, 0x hex.
        description: The policy's, TOML.

    Raises:
        PolicyError: If a failure domain would hold a signature's worth of shares.
    """
    rows = {row["id"]: row for row in tomllib.loads(description)["signers"] if row["role"] == SignerRole.PARTY}
    plan = FoundingPlan(
        kind=KIND,
        profile=Profile.DEMO,
        label=LABEL,
        chain=_CHAIN,
        threshold=THRESHOLD,
        parties=tuple(
            FoundingParty(
                id=name,
                public_key=bytes.fromhex(keys[name].removeprefix("0x")),
                **{domain: rows[name][domain] for domain in _DOMAINS},
            )
            for name in PARTIES
        ),
        nonce=secrets.token_bytes(32),
    )
    check_plan(plan)
    return plan


def parties_make(
    layout: Layout, consoles: Consoles, callers: Sequence[int], carrier: int | None, description: Path
) -> PartiesMade:
    """Have the parties make their tokens and keys, and then the wallet's key together.

    Args:
        layout: Prepared folders.
        consoles: Where people take the steps.
        callers: Users that may reach the parties' sockets.
        carrier: The user that carries what the parties tell each other.
        description: The policy's, which names their failure domains.

    Raises:
        ServiceError: If a party refuses, or they do not all say the same address.
    """
    keys = at_each(lambda name: _keys_make(layout, consoles, name, callers))
    plan = plan_make(keys, description.read_text(encoding="utf-8"))
    file = layout.papers / "founding-plan.json"
    file.write_bytes(canonical(write_struct(plan, "plan")))
    with ExitStack() as stack:
        at_each(lambda name: stack.enter_context(_founding(layout, name, file, plan.digest)))
        places = [f"--party={name}={layout.party_socket(name)}" for name in PARTIES]
        # It ends with an error unless all of them say the same.
        said = run_as(carrier, "-m", "courier.found", file, *places).strip().splitlines()
    made = json.loads(said[-1])
    return PartiesMade(
        replacements={f"{name.replace('-', '_')}_key": key for name, key in keys.items()},
        wallet_key={"public_key": made["public_key"], "address": made["address"], "label": LABEL},
    )


def _keys_make(layout: Layout, consoles: Consoles, name: str, callers: Sequence[int]) -> str:
    """Make a party's token, its own key and the one that wraps its share; return the former's public half."""
    uid, state = layout.accounts.party(name), layout.party(name)
    allowed = [word for caller in callers for word in ("--allow-uid", str(caller))]
    consoles.run(
        *(name, uid),
        *("-m", "signer", "init", "--state", state, "--signer-id", name, "--role", "party"),
        *("--socket", layout.party_socket(name), *allowed),
    )
    made = consoles.run(name, uid, "-m", "signer", "keygen", "--state", state)
    public_key: str = json.loads(made.strip().splitlines()[-1])["public_key"]
    return public_key


def _founding(layout: Layout, name: str, plan: Path, digest: str) -> AbstractContextManager[object]:
    """Run what makes the key at one party's console, where the plan's digest was compared."""
    return running(
        [
            *(sys.executable, "-m", "signer", "found", "--state", layout.party(name)),
            *(plan, "--expect", digest),
        ],
        ready=partial(reachable, layout.party_socket(name)),
        log=layout.logs / f"{name}-founding.log",
        user=layout.accounts.party(name),
        env={**os.environ, "HOME": "/nonexistent"},
        directory=ROOT,
    )


def parties_pin(layout: Layout, consoles: Consoles, policy: Policy, signed: Path) -> None:
    """Install the genesis at every party's console, where each share is sealed again under the deployment's name."""

    def pin(name: str) -> str:
        command = ("-m", "signer", "pin", "--state", layout.party(name), signed, "--expect", policy.digest)
        return consoles.run(name, layout.accounts.party(name), *command)

    at_each(pin)
