"""The difference between two policies in plain sentences, section by section."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from core.canonical import canonical
from core.documents.policy import Limit, Property, Quorum, Rule
from core.quorum import describe
from core.schema import write_struct
from policies.row_words import row_words, time_words
from policies.units import USD_DECIMALS, units_show
from policies.words import duration_words, limit_words, rule_words

if TYPE_CHECKING:
    from core.documents.policy import ControlQuorums, Policy

_MOST_SHOWN = 200
_IN_WORDS = frozenset({"addresses", "prices", "zones", "properties"})
_MOMENTS = frozenset({"usable_from", "expires"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class SectionDifference:
    """A section that differs, with one sentence for each difference."""

    title: str
    sentences: tuple[str, ...]


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f"'{value[:_MOST_SHOWN]}'"
    text = canonical(value).decode()
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"


def _name(row: Any) -> str:  # noqa: ANN401 - a row of any section
    for field in ("id", "asset", "address", "name"):
        if hasattr(row, field):
            return str(getattr(row, field))
    return str(row)


def _key(row: Any) -> str:  # noqa: ANN401 - a row of any section
    """Return what makes two rows of two versions the same row."""
    return f"{row.chain}/{row.address}" if not hasattr(row, "id") and hasattr(row, "chain") else _name(row)


def _title(row: Any) -> str:  # noqa: ANN401 - a row of any section
    label = next((getattr(row, field) for field in ("label", "name", "symbol") if hasattr(row, field)), "")
    return f"{_name(row)} ({label})" if label else _name(row)


def _symbolled(policy: Policy, row: Any) -> str:  # noqa: ANN401 - a row of any section
    """Name a row; a price also by its asset's symbol."""
    symbol = next((asset.symbol for asset in policy.assets if asset.id == getattr(row, "asset", None)), "")
    return f"{symbol} ({row.asset})" if symbol and hasattr(row, "usd_e8") else _title(row)


def _row_words(policy: Policy, section: str, row: Any) -> str:  # noqa: ANN401 - a row of any section
    if isinstance(row, Rule):
        return rule_words(policy, row, adds=section == "escalations")
    if isinstance(row, Limit):
        return limit_words(policy, row)
    if section in _IN_WORDS:
        return row_words(policy, section, row)
    fields = write_struct(row, "row")
    return ", ".join(f"{name} {_shown(value)}" for name, value in fields.items() if name not in ("id", "keys"))


def _changes(before: object, after: object) -> str:
    old, new = write_struct(before, "row"), write_struct(after, "row")
    # A field that was added to the document later is not written where it says nothing.
    changed = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return "; ".join(
        f"{name.replace('_', ' ')} was {_spelt(before, name, old.get(name))},"
        f" becomes {_spelt(after, name, new.get(name))}"
        for name in changed
    )


def _spelt(row: object, name: str, written: object) -> str:
    """Say a field's value: moments as times and prices as dollars, the rest as it is written."""
    value = getattr(row, name)
    if name in _MOMENTS:
        return time_words(value)
    return f"{units_show(value, decimals=USD_DECIMALS)} USD" if name == "usd_e8" else _shown(written)


def _changed(before: Policy, after: Policy, section: str, old: Any, new: Any) -> str:  # noqa: ANN401 - rows
    if not isinstance(old, Rule | Limit | Property):
        return f"Changed {_symbolled(after, new)}: {_changes(old, new)}."
    was, becomes = _row_words(before, section, old), _row_words(after, section, new)
    sentences = [f"Changed {_title(new)}."]
    if was != becomes:
        sentences.append(f"Was: {was}. Becomes: {becomes}.")
    if not isinstance(old, Property) and old.order != new.order:
        sentences.append(f"Its place was {old.order}, becomes {new.order}.")
    if old.label != new.label:
        sentences.append(f"It was called {_shown(old.label)}.")
    # What words cannot tell apart is still a difference.
    return " ".join(sentences) if len(sentences) > 1 else f"{sentences[0]} {_changes(old, new)}."


def _rows(before: Policy, after: Policy, section: str) -> list[str]:
    old = {_key(row): row for row in getattr(before, section)}
    new = {_key(row): row for row in getattr(after, section)}
    sentences = [
        f"Added {_symbolled(after, row)}: {_row_words(after, section, row)}."
        for key, row in new.items()
        if key not in old
    ]
    sentences += [
        f"Removed {_symbolled(before, row)}: {_row_words(before, section, row)}."
        for key, row in old.items()
        if key not in new
    ]
    sentences += [
        _changed(before, after, section, old[key], row) for key, row in new.items() if key in old and old[key] != row
    ]
    return sentences


def _controls(before: ControlQuorums, after: ControlQuorums) -> list[str]:
    sentences = []
    for field in dataclasses.fields(before):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old == new:
            continue
        name = field.name.replace("_", " ").capitalize()
        if isinstance(old, Quorum):
            sentences.append(f"{name} took {describe(old)}, will take {describe(new)}.")
        else:
            sentences.append(f"{name} was {duration_words(old)}, becomes {duration_words(new)}.")
    return sentences


def _general(before: Policy, after: Policy) -> list[str]:
    sentences = [
        f"{what} was {_shown(str(old))}, becomes {_shown(str(new))}."
        for what, old, new in (
            ("Institution", before.institution, after.institution),
            ("Profile", before.profile, after.profile),
            ("Witness threshold", before.witness_threshold, after.witness_threshold),
            ("Attester threshold", before.attester_threshold, after.attester_threshold),
            ("Recovery threshold", before.recovery_threshold, after.recovery_threshold),
        )
        if old != new
    ]
    if before.consent != after.consent:
        sentences.append(f"Consent: {_changes(before.consent, after.consent)}.")
    if before.header.expires != after.header.expires:
        ends = [time_words(p.header.expires) for p in (before, after)]
        sentences.append(f"It ended on {ends[0]}, will end on {ends[1]}.")
    return sentences


_SECTIONS = (
    ("people", "People"),
    ("clients", "API clients"),
    ("signers", "Signers"),
    ("wallets", "Wallets"),
    ("assets", "Assets"),
    ("contracts", "Contracts"),
    ("addresses", "Whitelist"),
    ("prices", "Reference prices"),
    ("guards", "Guards"),
    ("grants", "Grants"),
    ("escalations", "Escalations"),
    ("limits", "Limits"),
    ("witnesses", "Witnesses"),
    ("attesters", "Attesters"),
    ("recovery", "Recovery keys"),
    ("zones", "Time zones"),
    ("properties", "Properties"),
)


def policy_difference(*, before: Policy, after: Policy) -> tuple[SectionDifference, ...]:
    """Return the sections in which two policies differ; empty when they say the same."""
    found = [("General", _general(before, after))]
    found += [(title, _rows(before, after, section)) for section, title in _SECTIONS]
    found.append(("Who must agree to what is not a payment", _controls(before.controls, after.controls)))
    return tuple(SectionDifference(title=title, sentences=tuple(lines)) for title, lines in found if lines)
