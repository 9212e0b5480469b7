"""A draft's problems, each with the row that it is about, so that a page can lead there. Pure."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from policies.editor.body import CODECS, GENERAL, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from policies.editor.body import Body, Row

_NAMES = {
    "people": ("person", "id"),
    "clients": ("client", "id"),
    "signers": ("signer", "id"),
    "wallets": ("wallet", "label"),
    "assets": ("asset", "id"),
    "contracts": ("contract", "label"),
    "addresses": ("address", "id"),
    "prices": ("price of", "asset"),
    "guards": ("guard", "id"),
    "grants": ("grant", "id"),
    "escalations": ("escalation", "id"),
    "limits": ("limit", "id"),
    "witnesses": ("witness", "id"),
    "attesters": ("attester", "id"),
    "recovery": ("recovery", "id"),
    "zones": ("zone", "name"),
    "properties": ("property", "id"),
}
"""How `core.policy_check` begins what it says about a row of each section."""
_SHAPE = re.compile(r"([a-z_]+)\[([0-9]{1,5})\]")
_WORD = re.compile(r"[a-z_]+")
_SINGLE = {
    "controls": "controls",
    "quorum": "controls",
    "witness": GENERAL,
    "attester": GENERAL,
    "recovery": GENERAL,
    "witness_threshold": GENERAL,
    "attester_threshold": GENERAL,
    "recovery_threshold": GENERAL,
    "consent": GENERAL,
    "institution": GENERAL,
    "header": GENERAL,
}
_ENDS = (":", " ", ".", "[", "")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
    """A problem and where it is mended: a row, a section, or (None) only the document as a whole."""

    text: str
    section: str | None
    index: int | None


def _named(body: Body) -> Iterator[tuple[str, str, int]]:
    for section, (word, field) in _NAMES.items():
        for index, row in enumerate(rows_of(body, section)):
            yield f"{word} {row.get(field)}", section, index
            # One id names a rule of whichever section, or a person or client.
            if section in ("guards", "grants", "escalations", "limits"):
                yield f"rule {row.get('id')}", section, index
            if section == "clients":
                yield f"person {row.get('id')}", section, index
            if section == "prices":
                yield f"price {row.get('asset')}", section, index
                yield f"price: unknown asset {row.get('asset')}", section, index
            if section in ("contracts", "addresses"):
                yield f"{word} {row.get('address')}", section, index


def problem_places(body: Body, problems: Iterable[str]) -> list[Problem]:
    """Find the row of each problem.

    Args:
        body: The draft that the problems are about.
        problems: What `draft_read` said.
    """
    # The longest name first: 'grant a b' is not about 'grant a'.
    names = sorted(_named(body), key=lambda name: len(name[0]), reverse=True)
    return [_place(names, problem) for problem in problems]


def _place(names: list[tuple[str, str, int]], text: str) -> Problem:
    shape = _SHAPE.match(text)
    if shape is not None and shape[1] in CODECS:
        return Problem(text=text, section=shape[1], index=int(shape[2]))
    for name, section, index in names:
        if text.startswith(name) and text[len(name) : len(name) + 1] in _ENDS:
            return Problem(text=text, section=section, index=index)
    word = _WORD.match(text)
    first = word[0] if word is not None else ""
    if first in _NAMES:
        return Problem(text=text, section=first, index=None)
    known = next((section for section, (name, _) in _NAMES.items() if name.partition(" ")[0] == first), None)
    return Problem(text=text, section=_SINGLE.get(first, known), index=None)


def row_name(section: str, row: Row) -> str:
    """Name a row for messages: its label and its id."""
    label = next((str(row[name]) for name in ("label", "symbol", "name") if isinstance(row.get(name), str)), "")
    name = next((str(row[key]) for key in ("id", "asset", "address", "name") if isinstance(row.get(key), str)), "")
    return f"{label} ({name})" if label and name and label != name else label or name or f"a row of {section}"
