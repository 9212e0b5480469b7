"""The facts of a case as the web tier knows them, and the snapshot of them that a decision keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.canonical import canonical, parse
from core.documents.bundle import Provenance
from core.facts import REGISTRY, FactMap, FactType, derive_facts, with_claims

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.documents.mandate import Intent
    from core.documents.policy import Policy
    from core.facts import Initiative
    from core.limits import Draw

FactValue = str | int | bool | frozenset[str]

_TYPES: dict[FactType, type] = {
    FactType.TEXT: str,
    FactType.TEXTS: frozenset,
    FactType.NUMBER: int,
    FactType.FLAG: bool,
}


def _fits(name: str, value: object) -> bool:
    field = REGISTRY.get(name)
    return field is not None and type(value) is _TYPES[field.type]


def facts_gather(
    *, intent: Intent, policy: Policy, who: Initiative, claims: Mapping[str, FactValue], now: int
) -> tuple[FactMap, Draw]:
    """Derive what follows from the case, and add what this server claims.

    A claim that the registry does not know, or of the wrong type, is left out: unknown, never guessed.
    """
    facts, draw = derive_facts(intent, policy, who, now=now)
    claimed = {
        name: value
        for name, value in claims.items()
        if _fits(name, value) and REGISTRY[name].provenance is Provenance.CLAIMED
    }
    return with_claims(facts, claimed), draw


def snapshot_write(*, facts: FactMap) -> str:
    """Return the facts as canonical JSON; numbers as decimal strings, so that 256 bits stay exact."""
    value: dict[str, object] = {}
    for name, fact in facts.items():
        if isinstance(fact, bool):
            value[name] = fact
        elif isinstance(fact, int):
            value[name] = str(fact)
        else:
            value[name] = sorted(fact) if isinstance(fact, frozenset) else str(fact)
    return canonical(value).decode()


def snapshot_read(*, text: str) -> FactMap:
    """Read a snapshot; a field that the registry no longer knows, or of another type, is unknown."""
    value = parse(text.encode())
    facts: FactMap = {}
    for name, fact in value.items() if isinstance(value, dict) else ():
        field = REGISTRY.get(name)
        if field is None:
            continue
        read: object = fact
        if field.type is FactType.NUMBER and isinstance(fact, str) and fact.isascii() and fact.isdigit():
            read = int(fact)
        elif field.type is FactType.TEXTS and isinstance(fact, list):
            read = frozenset(str(item) for item in fact)
        if _fits(name, read):
            facts[name] = read  # type: ignore[assignment]  # `_fits` has just established it
    return facts
