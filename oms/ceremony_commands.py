"""What is typed at which console for a ceremony whose steps people do there."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.documents.control import CeremonyKind
from custody.ceremony_export import EXPORT_NAME
from oms.ceremony_kinds import KINDS

if TYPE_CHECKING:
    from custody.models import KeyCeremony


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command:
    """One command: where it is typed, by whom, and what it prints when all is well."""

    where: str
    text: str
    prints: str


_SITE = "Each recovery site's console, two operators"
_EVERY: dict[CeremonyKind, tuple[Command, ...]] = {
    CeremonyKind.DRILL: (
        Command(
            where=_SITE,
            text="python -m signer recovery drill --state SITE --backup BACKUP --ceremony {file} --out PROOF",
            prints="drill: written to PROOF",
        ),
    ),
    CeremonyKind.RESTORE: (
        Command(
            where=_SITE,
            text="python -m signer recovery release --state SITE --backup BACKUP --ceremony {file} --out RELEASE",
            prints="release: written to RELEASE",
        ),
    ),
    CeremonyKind.DESTROY: (
        Command(
            where=f"{_SITE}, for backups of what is destroyed",
            text="python -m signer recovery destroy --state SITE --backup BACKUP --ceremony {file}",
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
    export = Command(
        where="Here, or at any machine with this deployment's settings",
        text=f"python manage.py ceremony_export {ceremony.digest} --out {file}",
        prints=f"{file}: the ceremony with its consents, to be carried to the consoles",
    )
    told = [dataclasses.replace(one, text=one.text.format(file=file)) for one in _EVERY.get(kind, ())]
    return [export, *told]
