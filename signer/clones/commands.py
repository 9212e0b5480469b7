"""``python -m signer clone …``: an HSM's key with a clone in a second token, at either console."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from core.canonical import parse
from core.clones import CloneDrill, check_drill
from core.evm import address_of
from core.schema import read_struct, write_struct
from signer import failpoints
from signer.clones.birth import make_with_clone
from signer.clones.kept import FILE_BYTES
from signer.clones.service import Entering, enter_service
from signer.clones.site import TYPED_DIGITS, CloneSite
from signer.config import load_config
from signer.console import in_groups
from signer.errors import ConfigError
from signer.files import exclusive, write_new
from signer.hardening import harden, lock_memory
from signer.pinned import read_signed_policy
from signer.recovery.commands import confirm_policy, halves_of, say
from signer.recovery.opening_key import CLONING
from signer.recovery.orders import pin_site, pinned_profile
from signer.recovery.token import describe_key, init_site

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.canonical import Json

_HELP = {
    "make": "at the signer: make a new key together with its clone, by a ceremony",
    "init": "make the second token, and give two operators a half of its PIN each",
    "pin": "at the second token: install the signed genesis policy whose people it obeys",
    "key": "at the second token: make the transport key of the next clone, or print it",
    "take": "at the second token: take a clone, by the ceremony that made it, and destroy the transport key",
    "drill": "at the second token: sign that it holds the key, by a drill's ceremony",
    "enter": "at the second token: make it the signer whose token is lost, by a policy and a ceremony",
    "check": "anywhere: hold a drill's answer against the wallet of a signed policy",
}
_AT_SITE = ("key", "take", "drill", "enter")


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """Read the command line after ``clone``."""
    parser = argparse.ArgumentParser(prog="python -m signer clone", description="A key with a clone")
    commands = parser.add_subparsers(dest="command", required=True)
    parsers = {name: commands.add_parser(name, help=text, description=text) for name, text in _HELP.items()}
    for name, command in parsers.items():
        if name != "check":
            whose = "the signer's" if name == "make" else "the second token's"
            command.add_argument("--state", type=Path, required=True, help=f"{whose} own folder, mode 0700")
        if name in ("make", "take", "drill"):
            command.add_argument("--ceremony", type=Path, required=True, help="ceremony with consents, JSON")
            command.add_argument("--out", type=Path, required=True, help="where the answer goes; a new file")
        if name in _AT_SITE:
            help_text = "an operator's half; twice; without it each operator types theirs"
            command.add_argument("--half", type=Path, action="append", default=[], help=help_text)
        if name in ("pin", "take", "enter"):
            command.add_argument("--expect", help="the digest that was compared, instead of typing it")
    help_text = "where an operator's half goes; twice, in two folders"
    parsers["init"].add_argument("--half", type=Path, action="append", required=True, help=help_text)
    parsers["init"].add_argument("--name", required=True, help="what people call this token")
    parsers["pin"].add_argument("policy", type=Path, help="the signed policy, JSON")
    parsers["take"].add_argument("--clone", type=Path, required=True, help="the clone's file")
    bringing = {
        "into": "the signer's new state folder",
        "genesis": "the signed genesis policy, JSON",
        "start": "the ceremony that starts the journal, with the policies after the genesis, JSON",
    }
    for name, text in bringing.items():
        parsers["enter"].add_argument(f"--{name}", type=Path, required=True, help=text)
    parsers["enter"].add_argument("--socket", help="where to listen; by default signer.sock in the new folder")
    parsers["enter"].add_argument("--allow-uid", type=int, action="append", default=[], help="user of a courier")
    parsers["enter"].add_argument("--socket-group", help="group of the socket; its mode is then 0660")
    parsers["check"].add_argument("--policy", type=Path, required=True, help="a signed policy, JSON")
    parsers["check"].add_argument("drill", type=Path, help="what the second token answered, JSON")
    return parser.parse_args(given)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(FILE_BYTES + 1)


def _write(options: argparse.Namespace, value: Json) -> None:
    write_new(options.out, json.dumps(value, separators=(",", ":")).encode(), mode=0o400)


def _confirm_clone(expect: str | None) -> Callable[[str], str]:
    def compared(digest: str) -> str:
        say(f"clone digest\n  {in_groups(digest)}")
        if expect is not None:
            return expect
        try:
            return input(f"As the signer's console printed it? Type its first {TYPED_DIGITS} digits: ")
        except EOFError:
            return ""

    return compared


def _make(options: argparse.Namespace, now: int) -> None:
    harden(network=load_config(options.state).network)
    lock_memory()
    with exclusive(options.state):
        clone = make_with_clone(options.state, options.ceremony.read_bytes(), now=now)
        _write(options, clone.json)
    public = "0x" + clone.public_key.hex()
    told = {"public_key": public, "address": address_of(clone.public_key), "clone": clone.ceremony}
    say(f"{json.dumps(told)}\nclone digest\n  {in_groups(clone.digest)}")


def _at_site(options: argparse.Namespace, now: int) -> None:
    at = failpoints.arm(pinned_profile(options.state), os.environ.get(failpoints.ENVIRONMENT, ""))
    site = CloneSite(options.state, halves_of(options), now=now, at=at)
    try:
        if options.command == "key":
            say(describe_key(site.key()))
            return
        order = options.ceremony.read_bytes()
        if options.command == "take":
            said = site.take(_read(options.clone), order, _confirm_clone(options.expect))
        else:
            said = write_struct(site.drill(order), "drill")
        _write(options, said)
        say(f"{options.command}: written to {options.out}")
    finally:
        site.close()


def _enter(options: argparse.Namespace, now: int) -> None:
    given = Entering(
        into=options.into.absolute(),
        genesis=options.genesis.read_bytes(),
        start=options.start.read_bytes(),
        socket_path=options.socket,
        allowed_uids=options.allow_uid,
        group=options.socket_group,
    )
    say(enter_service(options.state, halves_of(options), given, confirm_policy(options.expect), now=now))


def _check(options: argparse.Namespace) -> None:
    policy = read_signed_policy(options.policy.read_bytes()).policy
    drill = read_struct(CloneDrill, parse(_read(options.drill), max_bytes=FILE_BYTES), "drill")
    wallet = next((one for one in policy.wallets if one.id == drill.wallet), None)
    if wallet is None:
        raise ConfigError("this policy names no such wallet")
    check_drill(drill, wallet, policy.deployment)
    say(f"holds: {wallet.label} ({wallet.address}), drilled by ceremony {drill.ceremony} at {drill.time}")


def run(given: Sequence[str]) -> int:
    """Run one command.

    Raises:
        SignerError: If it cannot be done.
        CoreError: If a ceremony or a policy does not convince.
    """
    options = arguments(given)
    now = int(time.time())
    if options.command == "check":
        _check(options)
        return 0
    options.state = options.state.absolute()
    if getattr(options, "out", None) is not None and options.out.exists():
        raise ConfigError(f"{options.out}: exists already")
    if options.command == "init":
        init_site(options.state, options.name, options.half, CLONING)
        say("made; its transport key is printed by `clone key` once the genesis is pinned")
    elif options.command == "make":
        _make(options, now)
    else:
        # Before a half of the PIN is read.
        harden(network=False)
        lock_memory()
        with exclusive(options.state):
            if options.command == "pin":
                confirm = confirm_policy(options.expect)
                say(f"pinned: {pin_site(options.state, options.policy.read_bytes(), confirm, now=now)}")
            elif options.command == "enter":
                _enter(options, now)
            else:
                _at_site(options, now)
    return 0
