"""The facts of a case as the web tier knows them, and the snapshot of them that a decision keeps."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from core.canonical import canonical, parse
from core.documents.bundle import Provenance
from core.errors import CoreError
from core.facts import derive_facts, with_claims
from core.limits import Draw
from core.registry import REGISTRY, Fact, FactMap, FactType, field_of, fits
from core.schema import read_struct, write_struct
from policies.errors import StoredPolicyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.documents.mandate import Intent
    from core.documents.policy import Policy
    from core.facts import Initiative

FactValue = Fact


def facts_gather(
    *,
    intent: Intent,
    policy: Policy,
    who: Initiative,
    claims: Mapping[str, FactValue],
    order: str,
    now: int,
    attested: Mapping[str, FactValue] = MappingProxyType({}),
) -> tuple[FactMap, Draw]:
    """Derive what follows from the case and its attesters, and add what this server claims.

    Args:
        intent: The exact transaction.
        policy: The policy that decides.
        who: The resolved asker.
        claims: What this server claims. What the registry does not know under claimed fields, or is of a wrong type,
            is left out: unknown, never guessed.
        order: The digest of the mandate.
        now: Unix seconds.
        attested: What attesters said, as `core.attested` lets it count under this policy.
    """
    facts, draw = derive_facts(intent, policy, who, order=order, now=now, attested=attested)
    claimed = {
        name: value
        for name, value in claims.items()
        if name in REGISTRY and fits(name, value) and REGISTRY[name].provenance is Provenance.CLAIMED
    }
    return with_claims(facts, claimed), draw


def snapshot_write(*, facts: FactMap) -> str:
    """Return the facts as canonical JSON; numbers as decimal strings, so that 256 bits stay exact.

    Where the registry leaves the type to the contract's ABI, and inside lists, each value says what it is.
    """
    return canonical({name: _plain(name, fact) for name, fact in facts.items()}).decode()


def snapshot_read(*, text: str) -> FactMap:
    """Read a snapshot; a field that the registry no longer knows, or of another type, is unknown."""
    value = parse(text.encode())
    return _fields(value) if isinstance(value, dict) else {}


def _is_tagged(name: str) -> bool:
    field = field_of(name)
    return field is None or field.type in (FactType.ANY, FactType.LIST)


def _plain(name: str, fact: Fact) -> object:
    if _is_tagged(name):
        return _tagged(fact)
    if isinstance(fact, int) and not isinstance(fact, bool):
        return str(fact)
    return sorted(fact) if isinstance(fact, frozenset) else fact


def _tagged(fact: Fact) -> object:
    if isinstance(fact, bool):
        return fact
    if isinstance(fact, int):
        return {"number": str(fact)}
    if isinstance(fact, tuple):
        return [_tagged(part) for part in fact]
    if isinstance(fact, frozenset):
        return {"texts": sorted(fact)}
    if isinstance(fact, dict):
        return {"facts": {name: _plain(name, part) for name, part in fact.items()}}
    return fact


def _fields(value: dict[str, object]) -> FactMap:
    read = {name: _untagged(fact) if _is_tagged(name) else _typed(name, fact) for name, fact in value.items()}
    return {name: fact for name, fact in read.items() if fact is not None and fits(name, fact)}


def _typed(name: str, value: object) -> Fact | None:
    field = field_of(name)
    if field is not None and field.type is FactType.NUMBER:
        return _number(value)
    if field is not None and field.type is FactType.TEXTS:
        return frozenset(str(item) for item in value) if isinstance(value, list) else None
    return value if isinstance(value, str | bool) else None


def _untagged(value: object) -> Fact | None:
    if isinstance(value, str | bool):
        return value
    if isinstance(value, list):
        parts = tuple(_untagged(part) for part in value)
        known = tuple(part for part in parts if part is not None)
        # A list with a part that cannot be read is not a shorter list: it is unknown.
        return known if len(known) == len(parts) else None
    if not isinstance(value, dict) or len(value) != 1:
        return None
    ((tag, inner),) = value.items()
    if tag == "facts" and isinstance(inner, dict):
        return _fields(inner)
    if tag == "texts" and isinstance(inner, list):
        return frozenset(str(item) for item in inner)
    return _number(inner) if tag == "number" else None


def _number(value: object) -> int | None:
    found = isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,78}", value, re.ASCII)
    return int(value) if isinstance(value, str) and found else None


def draw_write(*, draw: Draw) -> str:
    """Return a draw as canonical JSON."""
    return canonical(write_struct(draw, "draw")).decode()


def draw_read(*, text: str) -> Draw:
    """Read what `draw_write` wrote.

    Raises:
        StoredPolicyError: It is no draw: somebody changed the database.
    """
    try:
        return read_struct(Draw, parse(text.encode()), "draw")
    except CoreError as error:
        msg = f"a stored draw cannot be read: {error}"
        raise StoredPolicyError(msg) from error
