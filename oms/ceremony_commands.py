"""What is typed at which console for a ceremony whose steps people do there. The playbook says the same, with why."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.documents.control import CeremonyKind
from custody.ceremony_export import EXPORT_NAME
from custody.ceremony_selectors import ceremony_document
from oms.ceremony_kinds import KINDS

if TYPE_CHECKING:
    from custody.models import KeyCeremony


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command:
    """One command: where it is typed, by whom, and what it prints when all is well."""

    where: str
    text: str
    prints: str


_ORDAIN = "python -m courier.ordain {file} {signers} --step"
_AT_SITE = "python -m signer recovery"
_CARRIER = "Where the signers' sockets are, an operator"
_SITE = "Each recovery site's console, two operators"
_STEPS: dict[CeremonyKind, tuple[Command, ...]] = {
    CeremonyKind.BACKUP: (
        Command(
            where=_CARRIER,
            text=f"{_ORDAIN} backup --into FOLDER",
            prints="for each signer the backup's file and its digest, and: did it: backup",
        ),
    ),
    CeremonyKind.DRILL: (
        Command(
            where=_SITE,
            text=f"{_AT_SITE} drill --state SITE --backup BACKUP --ceremony {{file}} --out PROOF",
            prints="drill: written to PROOF",
        ),
        Command(
            where=_CARRIER,
            text=f"{_ORDAIN} drilled --attestation PROOF",
            prints="the signer's name, and: took the drill",
        ),
    ),
    CeremonyKind.RESTORE: (
        Command(
            where=_SITE,
            text=f"{_AT_SITE} release --state SITE --backup BACKUP --ceremony {{file}} --out RELEASE",
            prints="release: written to RELEASE",
        ),
        Command(
            where="The restored signer's console, two people",
            text=(
                "python -m signer restore --state STATE --genesis GENESIS --start START --ceremony {file}"
                " --released RELEASE"
            ),
            prints="what was installed: pins, journal and share together",
        ),
    ),
    CeremonyKind.DESTROY: (
        Command(
            where=_CARRIER,
            text=f"{_ORDAIN} destroy --into FOLDER",
            prints="for each signer the evidence's file and its digest, and: did it: destroy",
        ),
        Command(
            where=f"{_SITE}, for every backup of what is destroyed",
            text=f"{_AT_SITE} destroy --state SITE --backup BACKUP --ceremony {{file}}",
            prints="what was removed, with its digest",
        ),
    ),
}


def commands_of(*, ceremony: KeyCeremony) -> list[Command]:
    """Return the commands of an ordered ceremony, in their order; none for kinds that are not done at consoles."""
    kind = CeremonyKind(ceremony.kind)
    if not KINDS[kind].console or not ceremony.consents:
        return []
    file = EXPORT_NAME.format(digest=ceremony.digest[:8])
    named = ceremony_document(ceremony=ceremony).signers
    signers = " ".join(f"--signer {name}=SOCKET" for name in named)
    export = Command(
        where="At any machine with this deployment's settings",
        text=f"python manage.py ceremony_export {ceremony.digest} --out {file}",
        prints=f"the file's name, {file}: the ceremony with its consents, to be carried to the consoles",
    )
    told = [
        dataclasses.replace(one, text=one.text.format(file=file, signers=signers)) for one in _STEPS.get(kind, ())
    ]
    return [export, *told]
