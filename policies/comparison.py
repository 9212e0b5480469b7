"""Two policies side by side: for each section what it said before and what it says after, in plain sentences."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from core.documents.policy import Quorum
from core.quorum import describe
from core.schema import write_struct
from policies.row_words import row_key, row_title, row_words, time_words
from policies.words import duration_words

if TYPE_CHECKING:
    from core.documents.policy import ControlQuorums, Policy

_SECTIONS = (
    ("people", "People"),
    ("clients", "API clients"),
    ("signers", "Signers"),
    ("wallets", "Wallets"),
    ("assets", "Assets"),
    ("prices", "Reference prices"),
    ("contracts", "Contracts"),
    ("addresses", "Whitelist"),
    ("zones", "Time zones"),
    ("guards", "Guards"),
    ("grants", "Grants"),
    ("escalations", "Escalations"),
    ("limits", "Limits"),
    ("witnesses", "Witnesses"),
    ("attesters", "Attesters"),
    ("recovery", "Recovery keys"),
    ("properties", "Properties"),
)
_CONTROLS = {
    "succession": "A new version takes",
    "cancel": "Cancelling takes",
    "resume": "Resuming takes",
    "ceremony": "A key ceremony takes",
    "succession_delay": "What loosens waits",
    "recovery_delay": "A recovery waits",
}
_MOST_SHOWN = 200


@dataclasses.dataclass(frozen=True, kw_only=True)
class Side:
    """One row of the comparison. An empty side: it was not there, or is not there any more."""

    title: str
    before: str
    after: str

    @property
    def mark(self) -> str:
        """What happened, in one word."""
        if not self.before:
            return "added"
        return "changed" if self.after else "removed"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SectionSides:
    """A section that differs."""

    title: str
    rows: tuple[Side, ...]


def _said(policy: Policy, section: str, row: Any) -> str:  # noqa: ANN401 - a row of any section
    words = row_words(policy, section, row)
    return f"{row.order}. {words}" if hasattr(row, "order") else words


def _told_apart(before: Any, after: Any, old: str, new: str) -> tuple[str, str]:  # noqa: ANN401 - rows
    """Add the fields that differ where the sentences do not show it."""
    if old != new:
        return old, new
    was, becomes = write_struct(before, "row"), write_struct(after, "row")
    # A field that was added to the document later is not written where it says nothing.
    changed = [name for name in {**was, **becomes} if was.get(name) != becomes.get(name)]
    return (
        f"{old} ({'; '.join(f'{name}: {str(was.get(name))[:_MOST_SHOWN]}' for name in changed)})",
        f"{new} ({'; '.join(f'{name}: {str(becomes.get(name))[:_MOST_SHOWN]}' for name in changed)})",
    )


def _rows(before: Policy, after: Policy, section: str) -> list[Side]:
    old = {row_key(row): row for row in getattr(before, section)}
    new = {row_key(row): row for row in getattr(after, section)}
    sides = []
    for key in [*new, *(key for key in old if key not in new)]:
        was, becomes = old.get(key), new.get(key)
        if was == becomes:
            continue
        first = "" if was is None else _said(before, section, was)
        second = "" if becomes is None else _said(after, section, becomes)
        if was is not None and becomes is not None:
            first, second = _told_apart(was, becomes, first, second)
        title = row_title(before, was) if becomes is None else row_title(after, becomes)
        sides.append(Side(title=title, before=first, after=second))
    return sides


def _control_words(value: object) -> str:
    return describe(value) if isinstance(value, Quorum) else duration_words(int(str(value)))


def _controls(before: ControlQuorums, after: ControlQuorums) -> list[Side]:
    pairs = ((title, getattr(before, name), getattr(after, name)) for name, title in _CONTROLS.items())
    sides = []
    for title, old, new in pairs:
        if old != new:
            was, becomes = _control_words(old), _control_words(new)
            # Turns and the like that the words leave out.
            if was == becomes:
                was, becomes = f"{was} ({old})"[:_MOST_SHOWN], f"{becomes} ({new})"[:_MOST_SHOWN]
            sides.append(Side(title=title, before=was, after=becomes))
    return sides


def _general(before: Policy, after: Policy) -> list[Side]:
    models = [", ".join(model.hex() for model in p.consent.aaguids) or "none" for p in (before, after)]
    pairs = (
        ("Institution", before.institution, after.institution),
        ("Profile", str(before.profile), str(after.profile)),
        ("Ends on", time_words(before.header.expires), time_words(after.header.expires)),
        ("Consent origin", before.consent.origin, after.consent.origin),
        ("Relying party", before.consent.rp_id, after.consent.rp_id),
        ("Authenticator models", *models),
        ("Witnesses needed", str(before.witness_threshold), str(after.witness_threshold)),
        ("Attesters needed", str(before.attester_threshold), str(after.attester_threshold)),
        ("Recovery keys needed", str(before.recovery_threshold), str(after.recovery_threshold)),
    )
    return [Side(title=title, before=old, after=new) for title, old, new in pairs if old != new]


def policy_comparison(*, before: Policy, after: Policy) -> tuple[SectionSides, ...]:
    """Return the sections in which two policies differ, each row with what it said and what it says."""
    found = [("General", _general(before, after))]
    found += [(title, _rows(before, after, section)) for section, title in _SECTIONS]
    found.append(("Who must agree to what is not a payment", _controls(before.controls, after.controls)))
    return tuple(SectionSides(title=title, rows=tuple(rows)) for title, rows in found if rows)
