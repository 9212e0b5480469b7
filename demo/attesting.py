"""Who says what a transaction would do: an attester with a user, a key, a node and prices of its own.

The demonstration has one chain and one node; elsewhere an attester's nodes are not the web tier's.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from typing import TYPE_CHECKING, Any

import requests

from core.documents.bundle import FactValue, SignedAttestation
from core.names import native_asset, token_asset
from core.schema import read_struct
from demo.services.processes import ServiceError
from demo.steps import run_as

if TYPE_CHECKING:
    from core.documents.mandate import Intent
    from core.documents.policy import Policy
    from demo.layout import Layout
    from demo.services.anvil import Node

ATTESTER_ID, ATTESTER_PORT = "attester-1", 8003
_CHAIN = "eip155:31337"
_PRICE_SECONDS = 30 * 86_400
_ASK_SECONDS = 30


def attester_url() -> str:
    """Return where the attester answers."""
    return f"http://127.0.0.1:{ATTESTER_PORT}"


def attester_make(layout: Layout, node: Node, token: str) -> dict[str, str]:
    """Have the attester make its key, and set it up as its operator does.

    Args:
        layout: Prepared folders.
        node: The node that it looks at.
        token: The demo token's contract.

    Returns:
        What the policy's description leaves open: its public key.
    """
    uid = layout.accounts.attester
    key = run_as(uid, "-m", "attester", "keygen", "--state", layout.attester).strip()
    expires = int(time.time()) + _PRICE_SECONDS
    prices = "".join(
        f'[[prices]]\nasset = "{asset}"\ndecimals = {decimals}\nusd_e8 = {usd * 10**8}\nexpires = {expires}\n'
        for asset, decimals, usd in ((native_asset(_CHAIN), 18, 2_500), (token_asset(_CHAIN, token), 6, 1))
    )
    file = layout.attester / "attester.toml"
    file.write_text(
        f'name = "{ATTESTER_ID}"\n[[chains]]\nchain = "{_CHAIN}"\n'
        f'[[chains.nodes]]\nlabel = "own"\nurl = "{node.url}"\n{prices}',
        encoding="utf-8",
    )
    if uid is not None:
        os.chown(file, uid, uid)
    file.chmod(0o600)
    return {"attester_key": f"0x{key}"}


def attester_pin(layout: Layout, policy: Policy) -> None:
    """Tell the attester which deployment it works for."""
    pin = ("-m", "attester", "pin", "--state", layout.attester, "--deployment", policy.digest)
    run_as(layout.accounts.attester, *pin)


def attester_ask(intent: Intent) -> SignedAttestation:
    """Ask the attester, as the web tier does.

    Raises:
        ServiceError: If it does not attest.
    """
    question = json.dumps({"v": 1, "intent": intent.to_json(), "block": None})
    answer = requests.post(f"{attester_url()}/attest", data=question, timeout=_ASK_SECONDS)
    value: dict[str, Any] = answer.json()
    if answer.status_code != requests.codes.ok:
        raise ServiceError(f"the attester does not attest: {value}")
    return read_struct(SignedAttestation, value.get("attestation"), "attestation")


def rewritten(signed: SignedAttestation) -> SignedAttestation:
    """Say over the same signature that it would succeed: what a web tier does that lies."""
    better = tuple(
        FactValue(field=fact.field, values=("true",)) if fact.field == "simulation.success" else fact
        for fact in signed.document.facts
    )
    return dataclasses.replace(signed, document=dataclasses.replace(signed.document, facts=better))
