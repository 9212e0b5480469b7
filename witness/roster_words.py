"""What changes in a roster, in words that a holder of an offline key can read aloud."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from core.documents.roster import ConsentKey, Person


def fingerprint(key: ConsentKey) -> str:
    """Return the first 16 hex digits of SHA-256 over the security key's COSE public key."""
    return hashlib.sha256(key.public_key).hexdigest()[:16]


def _roles(person: Person) -> str:
    return ", ".join(role.replace("_", " ") for role in person.roles) or "no role"


def _keys(keys: Iterable[ConsentKey]) -> str:
    return ", ".join(fingerprint(key) for key in keys) or "none"


def _changed(old: Person, new: Person) -> Iterator[str]:
    for field in dataclasses.fields(old):
        was, now = getattr(old, field.name), getattr(new, field.name)
        if was == now:
            continue
        if field.name == "keys":
            yield f"keys {_keys(was)} become {_keys(now)}"
        elif field.name == "roles":
            yield f"roles {_roles(old)} become {_roles(new)}"
        else:
            yield f"{field.name} {was} becomes {now}"


def roster_change(before: Iterable[Person], after: Iterable[Person]) -> tuple[str, ...]:
    """Say who leaves, who comes and who changes.

    Args:
        before: The roster in force.
        after: The roster that is proposed.

    Returns:
        One line for each person.
    """
    old, new = {person.id: person for person in before}, {person.id: person for person in after}
    lines = [f"{p.id} ({p.name}; {_roles(p)}) leaves" for p in old.values() if p.id not in new]
    lines += [
        f"{p.id} ({p.name}; {_roles(p)}; desk {p.desk}, site {p.site}; keys {_keys(p.keys)}) comes"
        for p in new.values()
        if p.id not in old
    ]
    for person in new.values():
        if person.id in old and person != old[person.id]:
            lines.append(f"{person.id} ({person.name}): {'; '.join(_changed(old[person.id], person))}")
    return tuple(lines) or ("nobody comes, leaves or changes",)
