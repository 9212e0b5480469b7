"""`manage.py genesis`: compile the first policy, import it when signed, and export it for the pins.

It only ever writes files and its own database. Pins are installed by people, at each console.
"""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from core.canonical import canonical, parse
from core.documents.consent import SignedConsent
from core.documents.policy import Policy, SignedPolicy
from core.errors import CoreError
from core.schema import read_struct, write_struct
from policies.errors import DescriptionError, PolicyAppError
from policies.genesis import description_parse, enrolments_read, genesis_compile, wallet_key_read
from policies.selectors import policy_chain
from policies.services import genesis_store

if TYPE_CHECKING:
    from argparse import ArgumentParser

_GROUP = 4


def in_groups(digest: str) -> str:
    """Spell a digest in groups of four, as people compare it."""
    return " ".join(digest[i : i + _GROUP] for i in range(0, len(digest), _GROUP))


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error


def _write(path: str, raw: bytes) -> None:
    try:
        Path(path).write_bytes(raw)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error


def _replacements(pairs: list[str]) -> dict[str, str]:
    replacements = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise CommandError(f"--set {pair}: NAME=VALUE expected")
        replacements[name] = value
    return replacements


def _consents(path: str) -> tuple[SignedConsent, ...]:
    """Read a file with one signed consent, a list of them, or an object that holds them under ``consents``."""
    value = parse(_read(path))
    if isinstance(value, dict):
        value = value.get("consents", value.get("consent", value))
    rows = value if isinstance(value, list) else [value]
    return tuple(read_struct(SignedConsent, row, path) for row in rows)


def _signed_bytes(signed: SignedPolicy) -> bytes:
    return canonical(write_struct(signed, "signed_policy"))


class Command(BaseCommand):
    """Compile, import and export the first policy."""

    help = "Compile the first policy from a description, import it when it is signed, export it for the pins."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the three steps."""
        steps = parser.add_subparsers(dest="step", required=True)
        make = steps.add_parser("compile", help="make the document that people compare and sign")
        make.add_argument("--description", required=True, help="a .toml or .json file")
        make.add_argument("--enrolment", nargs="+", default=[], help="files from the consent origin's enrol page")
        make.add_argument("--wallet-key", nargs="+", default=[], help="files that `python -m signer keygen` printed")
        make.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="fill ${NAME}")
        make.add_argument("--out", required=True)
        load = steps.add_parser("sign-import", help="check the consents and put the policy in force here")
        load.add_argument("--policy", required=True)
        load.add_argument("--consents", nargs="+", required=True)
        load.add_argument("--digest", help="what two people compared; refused if the file is another policy")
        load.add_argument("--out", required=True)
        save = steps.add_parser("export", help="write the signed first policy, for `signer pin` and `consent pin`")
        save.add_argument("--out", required=True)

    def handle(self, *_args: object, **options: Any) -> None:  # noqa: ANN401 - Django's own
        """Run one step."""
        steps = {"compile": self._compile, "sign-import": self._sign_import, "export": self._export}
        try:
            steps[options["step"]](options)
        except DescriptionError as error:
            listed = "\n".join(f"  - {problem}" for problem in error.problems)
            raise CommandError(f"the policy cannot be used:\n{listed}") from error
        except (PolicyAppError, CoreError) as error:
            raise CommandError(str(error)) from error

    def _show(self, policy: Policy) -> None:
        self.stdout.write(f"policy {policy.number} of {policy.institution}, profile {policy.profile}")
        self.stdout.write("digest, to be compared by two people:")
        self.stdout.write(f"  {in_groups(policy.digest)}")

    def _compile(self, options: dict[str, Any]) -> None:
        file = options["description"]
        try:
            text = _read(file).decode("utf-8")
        except UnicodeDecodeError as error:
            raise CommandError(f"{file}: not UTF-8 text") from error
        compiled = genesis_compile(
            description=description_parse(
                text=text, json_text=file.endswith(".json"), replacements=_replacements(options["set"])
            ),
            enrolments=[e for path in options["enrolment"] for e in enrolments_read(raw=_read(path), at=path)],
            wallet_keys=[wallet_key_read(raw=_read(path), at=path) for path in options["wallet_key"]],
            document_id=secrets.token_hex(16),
            now=int(time.time()),
        )
        _write(options["out"], compiled.policy.to_bytes())
        for note in compiled.notes:
            self.stderr.write(f"note: {note}")
        self._show(compiled.policy)

    def _sign_import(self, options: dict[str, Any]) -> None:
        policy = Policy.from_bytes(_read(options["policy"]))
        digest = str(options["digest"] or policy.digest).replace(" ", "").lower()
        consents = tuple(consent for path in options["consents"] for consent in _consents(path))
        signed = SignedPolicy(policy=policy, consents=consents)
        genesis_store(signed=signed, digest=digest, actor="system:manage", now=int(time.time()))
        _write(options["out"], _signed_bytes(signed))
        self._show(policy)
        names = ", ".join(sorted({consent.statement.actor for consent in consents}))
        self.stdout.write(f"signed by {names}; in force here. Pins are installed at each console, by people.")

    def _export(self, options: dict[str, Any]) -> None:
        chain = policy_chain()
        if not chain:
            raise CommandError("no policy is stored: run genesis sign-import first")
        _write(options["out"], _signed_bytes(chain[0]))
        self._show(chain[0].policy)
