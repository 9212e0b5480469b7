"""`countersign-recovery`: how holders of offline keys bring a lost quorum back. Runs on a machine without a network.

    keygen NAME --key FILE                      makes a holder's key; prints what the policy has to name
    draft CHAIN --out DRAFT [--remove ID …] [--people FILE]     drafts the new roster; nothing else can change
    sign CHAIN DRAFT --as NAME --key FILE --out CONSENT         shows the change in words, and signs it
    join CHAIN DRAFT CONSENT … --out SIGNED                     puts signatures together for the signers

CHAIN is a JSON list of signed policies, from the genesis to the one in force. It comes from a server, so it proves
nothing: each holder brings the genesis digest (`--genesis`), which was compared when the signers were installed. Exit
codes: 0 done, 1 refused, 2 unreadable, or the command line is wrong.
"""

from __future__ import annotations

import argparse
import dataclasses
import getpass
import os
import re
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from core.canonical import canonical, parse
from core.documents.base import Header
from core.documents.consent import Consent, Decision, Ed25519Proof, SignedConsent, SubjectType
from core.documents.policy import Policy, SignedPolicy
from core.documents.roster import Person
from core.errors import CoreError
from core.schema import read_struct, write_struct
from core.succession import check_follows, check_genesis, check_recovery_change, check_successor, signed_by
from witness.roster_words import roster_change

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DONE, REFUSED, UNUSABLE = 0, 1, 2
_MOST_BYTES = 64 * 1024 * 1024
_TYPED_DIGITS = 8
_LEAST_PASSPHRASE = 12
_CONSENT_DAYS = 14
_DAY = 86_400


class RecoveryError(Exception):
    """This cannot be done; the message says why."""


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _parse(path: Path) -> object:
    with path.open("rb") as file:
        return parse(file.read(_MOST_BYTES + 1), max_bytes=_MOST_BYTES)


def _write(path: Path, raw: bytes, mode: int) -> None:
    """Write a file that must not be there yet."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(raw)


def read_chain(path: Path, genesis: str) -> tuple[Policy, ...]:
    """Read the policies that led to the one in force, each accepted as a signer accepts it.

    Args:
        path: A JSON list of signed policies.
        genesis: The deployment's genesis digest, from outside the file.

    Raises:
        RecoveryError: If the list is empty or the digest is none.
        CoreError: If a policy does not follow.
    """
    value = _parse(path)
    if not isinstance(value, list) or not value:
        raise RecoveryError(f"{path.name}: a list of signed policies is expected")
    if re.fullmatch(r"[0-9a-f]{64}", genesis) is None:
        raise RecoveryError("a genesis digest has 64 hex digits")
    first, *rest = [read_struct(SignedPolicy, one, "chain") for one in value]
    check_genesis(first, genesis, now=signed_by(first))
    chain = [first.policy]
    for signed in rest:
        check_successor(signed, chain[-1], now=signed_by(signed))
        chain.append(signed.policy)
    return tuple(chain)


def read_draft(path: Path, current: Policy, *, now: int) -> Policy:
    """Read a draft, and refuse it if it is more than a recovery of the policy in force.

    Args:
        path: The draft, JSON.
        current: The policy in force.
        now: Unix seconds.

    Raises:
        CoreError: If it does not follow, or changes more than people.
    """
    draft = Policy.from_json(_parse(path))
    check_follows(draft, current, now=now)
    check_recovery_change(draft, current)
    return draft


def keygen(options: argparse.Namespace) -> None:
    """Make a holder's key, encrypted under a passphrase."""
    passphrase = getpass.getpass("passphrase for the new key: ")
    if len(passphrase) < _LEAST_PASSPHRASE:
        raise RecoveryError(f"a passphrase of {_LEAST_PASSPHRASE} characters at least")
    if getpass.getpass("once more: ") != passphrase:
        raise RecoveryError("these are two passphrases")
    key = Ed25519PrivateKey.generate()
    encryption = BestAvailableEncryption(passphrase.encode("utf-8"))
    _write(options.key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption), 0o400)
    _say(f'[[recovery]]\nid = "{options.name}"\npublic_key = "0x{key.public_key().public_bytes_raw().hex()}"')


def _load_key(path: Path) -> Ed25519PrivateKey:
    if path.stat().st_mode & 0o377:
        raise RecoveryError(f"{path.name}: only its owner may read it (mode 0400)")
    passphrase = getpass.getpass("passphrase: ")
    try:
        key = load_pem_private_key(path.read_bytes(), passphrase.encode("utf-8"))
    except (ValueError, TypeError) as error:
        raise RecoveryError(f"{path.name}: no such key under this passphrase") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise RecoveryError(f"{path.name}: no Ed25519 key")
    return key


def draft(options: argparse.Namespace) -> None:
    """Draft a recovery: the policy in force with another roster."""
    current = read_chain(options.chain, options.genesis)[-1]
    unknown = set(options.remove) - {person.id for person in current.people}
    if unknown:
        raise RecoveryError(f"not on the roster: {', '.join(sorted(unknown))}")
    value = _parse(options.people) if options.people is not None else []
    if not isinstance(value, list):
        raise RecoveryError(f"{options.people}: a list of people is expected")
    brought = {person.id: person for person in (read_struct(Person, one, "people") for one in value)}
    left = [brought.pop(p.id, p) for p in current.people if p.id not in options.remove]
    now = int(time.time())
    header = Header(
        type=Policy.TYPE,
        version=current.header.version,
        deployment=current.deployment,
        id=secrets.token_hex(16),
        created=now,
        expires=now + current.header.expires - current.header.created,
    )
    new = dataclasses.replace(
        current,
        header=header,
        number=current.number + 1,
        previous=current.digest,
        people=(*left, *brought.values()),
        evidence=(),
    )
    check_follows(new, current, now=now)
    check_recovery_change(new, current)
    _write(options.out, new.to_bytes(), 0o644)
    _show(new, current)


def _show(new: Policy, current: Policy) -> None:
    _say(f"policy {new.number} of {new.institution}, after policy {current.number}; nothing but people changes:")
    for line in roster_change(current.people, new.people):
        _say(f"  {line}")
    _say(f"it is good until {time.strftime('%Y-%m-%d %H:%M', time.gmtime(new.header.expires))} UTC")
    digest = new.digest
    _say("digest " + " ".join(digest[i : i + 4] for i in range(0, len(digest), 4)))


def sign(options: argparse.Namespace) -> None:
    """Show a recovery in words, and sign it with a holder's key."""
    now = int(time.time())
    current = read_chain(options.chain, options.genesis)[-1]
    new = read_draft(options.draft, current, now=now)
    listed = next((key for key in current.recovery if key.id == options.name), None)
    if listed is None:
        raise RecoveryError(f"the policy in force names no recovery key {options.name}")
    _show(new, current)
    typed = input(f"type the first {_TYPED_DIGITS} digits that another holder reads out: ").replace(" ", "").lower()
    if typed not in (new.digest, new.digest[:_TYPED_DIGITS]):
        raise RecoveryError("that is not this draft's digest: nothing was signed")
    key = _load_key(options.key)
    if key.public_key().public_bytes_raw() != listed.public_key:
        raise RecoveryError(f"{options.key.name} is not the key of {options.name}")
    statement = Consent(
        header=Header(
            type=Consent.TYPE,
            version=current.header.version,
            deployment=current.deployment,
            id=secrets.token_hex(16),
            created=now,
            expires=now + _CONSENT_DAYS * _DAY,
        ),
        subject_type=SubjectType.POLICY,
        subject=new.digest,
        policy=current.digest,
        decision=Decision.APPROVE,
        actor=options.name,
        reason="",
    )
    proof = Ed25519Proof(kind="ed25519", signature=key.sign(statement.challenge))
    consent = SignedConsent(statement=statement, proof=proof)
    _write(options.out, canonical(write_struct(consent, "consent")), 0o644)
    _say(f"signed; {current.recovery_threshold} of {len(current.recovery)} holders are needed")


def join(options: argparse.Namespace) -> None:
    """Put a draft and its signatures together, and check the whole as a signer will."""
    now = int(time.time())
    current = read_chain(options.chain, options.genesis)[-1]
    new = read_draft(options.draft, current, now=now)
    consents = tuple(read_struct(SignedConsent, _parse(path), path.name) for path in options.consents)
    signed = SignedPolicy(policy=new, consents=consents)
    accession = check_successor(signed, current, now=now)
    _write(options.out, canonical(write_struct(signed, "signed_policy")), 0o644)
    days = (accession.effective - now) // _DAY
    _say(f"a {accession.kind}: in force {days} days after a signer receives it, unless one person rejects it")


_COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "keygen": keygen,
    "draft": draft,
    "sign": sign,
    "join": join,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="countersign-recovery", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    made = commands.add_parser("keygen")
    made.add_argument("name")
    made.add_argument("--key", type=Path, required=True)
    for name in ("draft", "sign", "join"):
        command = commands.add_parser(name)
        command.add_argument("chain", type=Path)
        command.add_argument("--genesis", required=True)
        command.add_argument("--out", type=Path, required=True)
        if name == "draft":
            command.add_argument("--remove", action="append", default=[], metavar="ID")
            command.add_argument("--people", type=Path)
            continue
        command.add_argument("draft", type=Path)
        if name == "sign":
            command.add_argument("--as", dest="name", required=True)
            command.add_argument("--key", type=Path, required=True)
        else:
            command.add_argument("consents", type=Path, nargs="+")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    options = _parser().parse_args(arguments)
    if "genesis" in options:
        options.genesis = options.genesis.replace(" ", "").lower()
    try:
        _COMMANDS[options.command](options)
    except OSError as error:
        _say(f"UNREADABLE {error.filename}: {error.strerror}")
        return UNUSABLE
    except (CoreError, RecoveryError) as error:
        _say(f"REFUSED: {error}")
        return REFUSED
    return DONE
