"""``python -m courier.ordain ceremony.json --signer hsm-1=/run/hsm-1.sock …``: hand a ceremony to signers.

Each of them verifies it for itself and says which of its steps are done there. With ``--step`` the signers that the
ceremony names are also asked for the step that they do alone:

backup   each party's backup is written into ``--into``; it opens at its recovery site only
drilled  the recovery site's word (``--attestation``) is handed to its party
destroy  what was destroyed is written into ``--into``, as evidence
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.canonical import parse
from core.documents.consent import SIGNED_CONSENTS
from core.documents.control import Ceremony, CeremonyKind, SignedCeremony
from core.errors import CoreError, EncodingError
from core.schema import read_struct, write_struct
from courier.client import CourierError, exchange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EXIT_REFUSED = 1
EXIT_USAGE = 2
FILE_BYTES = 16 * 1024 * 1024
STEPS = {"backup": CeremonyKind.BACKUP, "drilled": CeremonyKind.DRILL, "destroy": CeremonyKind.DESTROY}
_SECONDS = 60.0

Answer = dict[str, Any]


def read_ceremony(raw: bytes) -> SignedCeremony:
    """Read a ceremony with its consents, in the form that custody hands out or in that of the consoles.

    Raises:
        CoreError: If it is none.
    """
    value = parse(raw, max_bytes=FILE_BYTES)
    if isinstance(value, dict) and set(value) == {"ceremony", "consents", "policies"}:
        ceremony = Ceremony.from_json(value["ceremony"])
        return SignedCeremony(document=ceremony, consents=SIGNED_CONSENTS.read(value["consents"], "consents"))
    return read_struct(SignedCeremony, value, "ceremony")


def ask(sockets: Mapping[str, str], request: Mapping[str, object], seconds: float = _SECONDS) -> dict[str, Answer]:
    """Ask signers the same, side by side; whoever gives no answer in time is said to be away.

    Args:
        sockets: Where each signer listens, by its roster id.
        request: What they are asked, without the protocol's version.
        seconds: For each answer.

    Returns:
        What each of them answered, in the order in which they were named.
    """

    def one(path: str) -> Answer:
        try:
            return exchange(path, {"v": 1, **request}, seconds)
        except CourierError as error:
            return {"ok": False, "error": {"code": error.code, "message": error.message}}

    with ThreadPoolExecutor(max_workers=max(1, len(sockets))) as pool:
        return dict(zip(sockets, pool.map(one, sockets.values()), strict=True))


def _say(answers: Mapping[str, Answer], words: str) -> bool:
    """Show what each one answered; whether all did it."""
    for name, answer in answers.items():
        result = answer.get("result")
        if answer.get("ok") is True and isinstance(result, dict):
            steps = result.get("steps")
            done = ", ".join(map(str, steps)) if isinstance(steps, list) else ""
            sys.stdout.write(f"{name} {words}" + (f" (done there: {done})" if done else "") + "\n")
        else:
            error = answer.get("error")
            said = (
                error if isinstance(error, dict) else {"code": "answer", "message": "neither a result nor an error"}
            )
            sys.stderr.write(f"ordain: {name} says no: {said.get('code')}: {said.get('message')}\n")
    return all(answer.get("ok") is True and isinstance(answer.get("result"), dict) for answer in answers.values())


def _keep(folder: Path, answers: Mapping[str, Answer], digest: str, field: str) -> None:
    for name, answer in answers.items():
        result = answer.get("result")
        if answer.get("ok") is not True or not isinstance(result, dict) or field not in result:
            continue
        path = folder / f"{name}.{digest[:16]}.{field}"
        text = json.dumps(result[field], separators=(",", ":")).encode()
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(text)
        sys.stdout.write(f"{name}: {path} {result.get('digest')}\n")


def _step(options: argparse.Namespace, signed: SignedCeremony, sockets: Mapping[str, str]) -> bool:
    digest = signed.document.digest
    named = {name: sockets[name] for name in signed.document.signers if name in sockets}
    if options.step == "drilled":
        said = parse(options.attestation.read_bytes(), max_bytes=FILE_BYTES)
        if not isinstance(said, dict) or said.get("party") not in named:
            raise EncodingError("the attestation names no party of this ceremony whose socket is said")
        own = {str(said["party"]): named[str(said["party"])]}
        return _say(ask(own, {"op": "drilled", "attestation": said}), "took the drill")
    answers = ask(named, {"op": options.step, "ceremony": digest})
    _keep(options.into, answers, digest, "backup" if options.step == "backup" else "evidence")
    return _say(answers, f"did it: {options.step}")


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m courier.ordain", description="Hand a ceremony to signers")
    parser.add_argument("ceremony", type=Path, help="the ceremony with its consents, JSON")
    parser.add_argument(
        "--signer", action="append", required=True, metavar="ID=SOCKET", help="where a signer listens"
    )
    parser.add_argument("--step", choices=sorted(STEPS), help="what the signers that it names do then")
    parser.add_argument("--into", type=Path, help="the folder for backups or evidence")
    parser.add_argument("--attestation", type=Path, help="what the recovery site said of a drill")
    options = parser.parse_args(arguments)
    if options.step in ("backup", "destroy") and options.into is None:
        parser.error(f"--step {options.step} takes --into")
    if options.step == "drilled" and options.attestation is None:
        parser.error("--step drilled takes --attestation")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; every failure is one sentence on stderr and an exit code of its own."""
    options = _arguments(arguments)
    sockets = dict(one.partition("=")[::2] for one in options.signer)
    try:
        signed = read_ceremony(options.ceremony.read_bytes())
        if options.step is not None and signed.document.kind is not STEPS[options.step]:
            sys.stderr.write(f"ordain: {options.step} is no step of a {signed.document.kind}\n")
            return EXIT_USAGE
        taken = _say(ask(sockets, {"op": "ceremony", "ceremony": write_struct(signed, "ceremony")}), "knows it")
        done = options.step is None or _step(options, signed, sockets)
    except (OSError, CoreError) as error:
        sys.stderr.write(f"ordain: {error}\n")
        return EXIT_USAGE
    return 0 if taken and done else EXIT_REFUSED


if __name__ == "__main__":
    sys.exit(main())
