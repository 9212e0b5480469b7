"""Founds the demonstration's institution as its people would: key, policy, signatures, pins, accounts."""

from __future__ import annotations

import dataclasses
import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from eth_abi.abi import encode

from core.calldata import encode_transfer
from core.documents.base import GENESIS_DEPLOYMENT
from core.documents.consent import Decision, SubjectType
from core.documents.policy import Policy
from core.names import checksum_address
from core.schema import write_struct
from demo.anchoring import LABEL as ANCHOR
from demo.anchoring import anchor_client_make
from demo.attesting import attester_make, attester_pin
from demo.cast import CONSENT_ORIGIN, DESCRIPTION, Cast
from demo.keepers import keepers_make, keepers_pin
from demo.layout import ROOT, Layout
from demo.parties import LABEL, parties_make, parties_pin
from demo.steps import Console, Consoles, run_as

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from demo.services.anvil import Node
    from demo.telling import Teller

SIGNER_ID = "hsm-1"
WALLETS = ("Treasury", "Drill", ANCHOR)
"""Wallets of the HSM; the parties' is `demo.parties.LABEL`."""
POLICY_ADMINS = ("adam", "anna")
_TOKEN_SUPPLY = 1_000_000_000 * 10**6
_WALLET_TOKENS = 5_000_000 * 10**6
_WALLET_ETHER, _FEES_ETHER = 1_000 * 10**18, 10**18


@dataclasses.dataclass(frozen=True)
class Institution:
    """What was founded."""

    layout: Layout
    cast: Cast
    policy: Policy
    token: str
    node: Node

    @property
    def deployment(self) -> str:
        """The genesis digest."""
        return self.policy.digest

    @property
    def socket(self) -> Path:
        """Where the signer listens."""
        return self.layout.socket_dir / "signer.sock"


def _deploy_token(node: Node) -> str:
    """Deploy the demo's ERC-20 token and return its address."""
    artifact = json.loads((ROOT / "demo" / "contracts" / "DemoToken.json").read_text(encoding="utf-8"))
    arguments = encode(("string", "string", "uint8", "uint256"), ("Demo USD Coin", "USDC", 6, _TOKEN_SUPPLY))
    code = artifact["bytecode"].removeprefix("0x") + arguments.hex()
    issuer = node.call("eth_accounts")[0]
    sent = node.call("eth_sendTransaction", {"from": issuer, "data": "0x" + code, "gas": hex(3_000_000)})
    node.call("anvil_mine", "0x1")
    receipt = node.call("eth_getTransactionReceipt", sent)
    return checksum_address(receipt["contractAddress"])


def _fund(node: Node, token: str, wallet: str, label: str) -> None:
    """Give a wallet ether and tokens; the one for anchors what its fees take, and nothing else."""
    if label == ANCHOR:
        node.call("anvil_setBalance", wallet, hex(_FEES_ETHER))
        return
    issuer = node.call("eth_accounts")[0]
    node.call("anvil_setBalance", wallet, hex(_WALLET_ETHER))
    data = "0x" + encode_transfer(wallet, _WALLET_TOKENS).hex()
    node.call("eth_sendTransaction", {"from": issuer, "to": token, "data": data})


def _make_keys(layout: Layout, consoles: Consoles, callers: list[int]) -> list[dict[str, str]]:
    """Have the signer make its token and the wallets' keys."""
    uid = layout.accounts.signer
    allowed = [word for caller in callers for word in ("--allow-uid", str(caller))]
    consoles.run(
        *("signer", uid),
        *("-m", "signer", "init", "--state", layout.signer, "--signer-id", SIGNER_ID, "--role", "hsm"),
        *("--socket", layout.socket_dir / "signer.sock", *allowed),
    )
    keys = []
    for label in WALLETS:
        printed = consoles.run("signer", uid, "-m", "signer", "keygen", "--state", layout.signer, "--label", label)
        keys.append({**json.loads(printed.strip().splitlines()[-1]), "label": label})
    return keys


def _sign_genesis(policy: Policy, cast: Cast, layout: Layout) -> list[Path]:
    files = []
    for admin in POLICY_ADMINS:
        signed = cast.sign(
            admin,
            Decision.APPROVE,
            subject_type=SubjectType.POLICY,
            subject=policy.digest,
            policy=policy.digest,
            deployment=GENESIS_DEPLOYMENT,
        )
        file = layout.papers / f"genesis-{admin}.json"
        file.write_text(json.dumps(write_struct(signed, "consent")), encoding="utf-8")
        files.append(file)
    return files


def _install_pins(layout: Layout, consoles: Consoles, cast: Cast, policy: Policy, signed: Path) -> None:
    """Install the pins where people would compare the digest: at the signers' and the consent host's console."""
    accounts, digest = layout.accounts, policy.digest
    with ThreadPoolExecutor(3) as beside:
        others = (
            beside.submit(keepers_pin, layout, consoles, policy, signed),
            beside.submit(attester_pin, layout, policy),
            beside.submit(parties_pin, layout, consoles, policy, signed),
        )
        pin = ("-m", "signer", "pin", "--state", layout.signer, signed, "--expect", digest)
        consoles.run("signer", accounts.signer, *pin)
        run_as(accounts.consent, "-m", "consent", "pin", "--root", layout.consent, signed, "--expect", digest)
        for other in others:
            other.result()
    cast.consent_keys_write(layout.consent / "demo-keys.json")
    config = {"allowed_return_origins": [web_origin()], "rp_id": "localhost"}
    (layout.consent / "config.json").write_text(json.dumps(config), encoding="utf-8")


def web_origin() -> str:
    """Return where the demonstration's site is."""
    return "http://localhost:8000"


def _all_keys(
    layout: Layout, consoles: Consoles, node: Node, token: str, *, caller: int | None, tell: Teller
) -> tuple[list[Mapping[str, str]], dict[str, str]]:
    """Have everybody make their keys at once; return those of wallets, and what the description leaves open."""
    callers = [os.geteuid() if caller is None else caller]
    with ThreadPoolExecutor(3) as beside:
        kept = beside.submit(keepers_make, layout, consoles, callers)
        shared = beside.submit(parties_make, layout, consoles, callers, caller, DESCRIPTION)
        attested = beside.submit(attester_make, layout, node, token)
        keys: list[Mapping[str, str]] = [*_make_keys(layout, consoles, callers)]
        tell.step("the signer makes its token and the wallets' keys (secp256k1, not extractable)")
        replacements = {"token": token, **anchor_client_make(layout), **attested.result(), **kept.result()}
        tell.step("the log's signer makes its token and key (Ed25519), the witness and the attester their keys")
        made = shared.result()
    tell.step("five parties, each with a token of its own, make the key of wallet Warm: 3 of 5 sign, nobody holds it")
    return [*keys, made.wallet_key], {**replacements, **made.replacements}


def _fund_all(layout: Layout, node: Node, token: str, keys: list[Mapping[str, str]], tell: Teller) -> list[Path]:
    """Give every wallet ether and tokens on the demo chain; return the files that name their keys."""
    files = []
    for key in keys:
        _fund(node, token, key["address"], key["label"])
        files.append(layout.papers / f"wallet-{key['label'].lower()}.json")
        files[-1].write_text(json.dumps(key), encoding="utf-8")
        kind = "five parties" if key["label"] == LABEL else "HSM"
        tell.step(f"wallet {key['label']} ({kind}): {key['address']}, funded on the demo chain")
    return files


def _agree(layout: Layout, cast: Cast, web: Console, compiling: list[object], tell: Teller) -> Policy:
    """Compile the first policy, have it signed, and hand the signed one to the web tier."""
    file = layout.papers / "genesis.json"
    web.run("manage.py", "genesis", "compile", *compiling, "--out", file)
    policy = Policy.from_bytes(file.read_bytes())
    tell.step(f"first policy compiled; {' and '.join(POLICY_ADMINS)} compare and sign {policy.digest[:16]}…")
    consents = _sign_genesis(policy, cast, layout)
    importing = ("manage.py", "genesis", "sign-import", "--policy", file, "--digest", policy.digest)
    web.run(*importing, "--out", _signed(layout), "--consents", *consents)
    return policy


def _signed(layout: Layout) -> Path:
    return layout.papers / "genesis-signed.json"


def _seed(layout: Layout, cast: Cast, node: Node, web: Console) -> None:
    people, uid = layout.web / "people.json", layout.accounts.web
    cast.people_write(people)
    if uid is not None:
        os.chown(people, uid, uid)
    people.chmod(0o600)
    web.run("-m", "demo.seed", "--people", people, "--node", node.url)
    people.unlink()


def found(
    layout: Layout,
    node: Node,
    *,
    caller: int | None,
    web: Callable[[], Console],
    tell: Teller,
) -> Institution:
    """Found the institution.

    Args:
        layout: Prepared folders.
        node: The chain.
        caller: The user that may reach the signers' sockets; None: our own.
        web: Returns the web tier's console once its tables are there.
        tell: Where progress is told.
    """
    cast, token = Cast(), _deploy_token(node)
    with Consoles(layout.logs) as consoles:
        keys, replacements = _all_keys(layout, consoles, node, token, caller=caller, tell=tell)
        key_files = _fund_all(layout, node, token, keys, tell)
        enrolments = cast.enrolment_write(layout.papers)
        sets = [word for name, value in replacements.items() for word in ("--set", f"{name}={value}")]
        console = web()
        compiling = ["--description", DESCRIPTION, *sets, "--wallet-key", *key_files, "--enrolment", *enrolments]
        policy = _agree(layout, cast, console, compiling, tell)
        with ThreadPoolExecutor(1) as beside:
            seeded = beside.submit(_seed, layout, cast, node, console)
            _install_pins(layout, consoles, cast, policy, _signed(layout))
            seeded.result()
    tell.step("pins installed at every signer's and at the consent host's console; the witness told its log's name")
    return Institution(layout=layout, cast=cast, policy=policy, token=token, node=node)


__all__ = ["CONSENT_ORIGIN", "Institution", "found", "web_origin"]
