"""``python -m signer recovery …``: what two operators do at a recovery site's console."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from signer.console import in_groups
from signer.errors import ConfigError
from signer.files import exclusive, write_new
from signer.hardening import harden, lock_memory
from signer.recovery.backup_file import FILE_BYTES, as_text
from signer.recovery.opening_key import RECOVERY, OpeningKey
from signer.recovery.orders import pin_site
from signer.recovery.site import RecoverySite
from signer.recovery.token import HALVES, check_half, describe_key, init_site, open_site, read_half

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HELP = {
    "init": "make the recovery token and its key, and give two operators a half of its PIN each",
    "pin": "install the signed genesis policy whose people this site obeys, after comparing its digest",
    "key": "print the public recovery key, as a ceremony names it",
    "drill": "open a backup, prove it to its party, and keep nothing",
    "release": "seal a backup's data key to the transport key that a restore's ceremony names",
    "destroy": "remove a backup, by a ceremony, and say so",
}


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """Read the command line after ``recovery``."""
    parser = argparse.ArgumentParser(prog="python -m signer recovery", description="A recovery site")
    commands = parser.add_subparsers(dest="command", required=True)
    parsers = {name: commands.add_parser(name, help=text, description=text) for name, text in _HELP.items()}
    for name, command in parsers.items():
        command.add_argument("--state", type=Path, required=True, help="the site's own folder, mode 0700")
        if name == "init":
            help_text = "where an operator's half goes; twice, in two folders"
            command.add_argument("--half", type=Path, action="append", required=True, help=help_text)
        elif name != "pin":
            help_text = "an operator's half; twice; without it each operator types theirs"
            command.add_argument("--half", type=Path, action="append", default=[], help=help_text)
        if name in ("drill", "release", "destroy"):
            command.add_argument("--backup", type=Path, required=True, help="the backup's file")
            command.add_argument("--ceremony", type=Path, required=True, help="ceremony with consents, JSON")
    parsers["init"].add_argument("--name", required=True, help="what people call this site")
    parsers["pin"].add_argument("policy", type=Path, help="the signed policy, JSON")
    parsers["pin"].add_argument("--expect", help="the digest that was compared, instead of typing it")
    for name in ("drill", "release"):
        parsers[name].add_argument("--out", type=Path, required=True, help="where the answer goes; a new file")
    parsers["destroy"].add_argument("--key", action="store_true", help="destroy the recovery key as well")
    return parser.parse_args(given)


def say(text: str) -> None:
    """Write a line to the console at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def halves_of(options: argparse.Namespace) -> list[str]:
    """Return both operators' halves, from their files or as they type them.

    Raises:
        ConfigError: If there are not two.
    """
    if options.half:
        if len(options.half) != HALVES:
            raise ConfigError("two operators bring a half each")
        return [read_half(path) for path in options.half]
    if not sys.stdin.isatty():
        raise ConfigError("two operators bring a half each: --half twice, or type them at a terminal")
    return [check_half(getpass.getpass(f"Operator {place}, your half: ")) for place in range(1, HALVES + 1)]


def confirm_policy(expect: str | None) -> Callable[[str], str]:
    """Return what shows a policy's digest, and asks what people compared unless that is said already."""

    def compared(digest: str) -> str:
        say(f"policy digest\n  {in_groups(digest)}")
        if expect is not None:
            return expect
        try:
            return input("Two people have compared it with theirs. Type its first eight digits: ")
        except EOFError:
            return ""

    return compared


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(FILE_BYTES + 1)


def _key(options: argparse.Namespace) -> str:
    hsm = open_site(options.state, halves_of(options))
    try:
        return describe_key(OpeningKey(hsm, RECOVERY))
    finally:
        hsm.close()


def _at_site(options: argparse.Namespace, now: int) -> str:
    if options.command != "destroy" and options.out.exists():
        raise ConfigError(f"{options.out}: exists already")
    order = options.ceremony.read_bytes()
    site = RecoverySite(options.state, halves_of(options), now=now)
    try:
        if options.command == "destroy":
            return json.dumps(site.destroy(options.backup, order, key=options.key))
        raw = _read(options.backup)
        said = site.drill(raw, order) if options.command == "drill" else site.release(raw, order)
        write_new(options.out, as_text(said).encode(), mode=0o400)
        return f"{options.command}: written to {options.out}"
    finally:
        site.close()


def run(given: Sequence[str]) -> int:
    """Run one command.

    Raises:
        SignerError: If it cannot be done.
        CoreError: If a ceremony or a policy does not convince.
    """
    options = arguments(given)
    now = int(time.time())
    options.state = options.state.absolute()
    if options.command == "init":
        say(describe_key(init_site(options.state, options.name, options.half)))
        return 0
    # Before a half of the PIN is read.
    harden(network=False)
    lock_memory()
    with exclusive(options.state):
        if options.command == "pin":
            confirm = confirm_policy(options.expect)
            say(f"pinned: {pin_site(options.state, options.policy.read_bytes(), confirm, now=now)}")
        else:
            say(_key(options) if options.command == "key" else _at_site(options, now))
    return 0
