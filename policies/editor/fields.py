"""How the fields and operators of the registry are asked for: in which group, in which words, by which widget."""

from __future__ import annotations

import dataclasses
from enum import StrEnum

from core.conditions import operators_of as operators_taken
from core.documents.bundle import Provenance
from core.documents.policy import ConditionOp
from core.registry import REGISTRY, SELF, FactField, FactType, field_of

OPERATOR_WORDS: dict[ConditionOp, str] = {
    ConditionOp.EQ: "is",
    ConditionOp.IN: "is one of",
    ConditionOp.LE: "is at most",
    ConditionOp.GE: "is at least",
    ConditionOp.HAS: "includes any of",
    ConditionOp.SOME: "some element meets",
    ConditionOp.EVERY: "every element meets",
    ConditionOp.WITHIN: "is within",
    ConditionOp.OWN_WALLET: "is a wallet of ours",
    ConditionOp.FLOOR: "is at least, less a tolerance, the attested",
}
TREES = frozenset({ConditionOp.ALL, ConditionOp.ANY, ConditionOp.NOT, ConditionOp.SOME, ConditionOp.EVERY})
"""Operators that hold conditions of their own: edited as a tree."""
MANY = frozenset({ConditionOp.IN, ConditionOp.HAS})
ARGUMENT = "arg."
"""How the fields of a call's decoded arguments begin: their place follows, for instance ``arg.0``."""
_PROVENANCE_WORDS = {
    Provenance.DERIVED: "derived: every signer works it out for itself",
    Provenance.ATTESTED: "attested: signed by a key that the policy names",
    Provenance.CLAIMED: "claimed by this server: a web rule, no guarantee",
}
_GROUPS = (
    ("Who asks", ("initiator", "desk")),
    ("From where", ("wallet", "chain")),
    ("What moves", ("asset", "amount", "usd", "value")),
    ("Where to", ("destination",)),
    ("The call", ("call", "calls", "contract", "selector", "arg", "approve", "permit", "delegatecall")),
    ("Cost", ("fee", "gas")),
    ("When", ("time",)),
)
_OTHER = "Other"


class Kind(StrEnum):
    """By which widget a value is asked for."""

    FLAG = "flag"
    CHOICE = "choice"
    LISTED = "listed"
    TEXT = "text"
    NUMBER = "number"
    USD = "usd"
    NATIVE = "native"
    AMOUNT = "amount"
    DURATION = "duration"
    WINDOW = "window"
    FLOOR = "floor"
    NOTHING = "nothing"


CHOICES = frozenset(
    {
        "initiator", "initiator.roles", "initiator.kind", "desk", "wallet", "wallet.kind", "asset",
        "destination.entry", "call.kind", "web.simulation", "contract.protocol", "approve.asset",
        "effects.received.asset", "effects.sent.asset",
    }
)  # fmt: skip
"""Fields whose values the draft or the registry lists in full; anything else would never be met."""
LISTED = frozenset(
    {
        "chain", "destination", "contract", "selector", "destination.beneficiary", "destination.label",
        "approve.spender", "wallets.named",
    }
)  # fmt: skip
"""Fields whose values the draft lists, and that may take others."""
_UNITS = {
    "usd": Kind.USD,
    "value": Kind.NATIVE,
    "fee": Kind.NATIVE,
    "amount": Kind.AMOUNT,
    "approve.amount": Kind.AMOUNT,
    "effects.received": Kind.AMOUNT,
    "effects.sent": Kind.AMOUNT,
    "destination.age": Kind.DURATION,
}
UNIT_FIELDS = {
    "effects.received": "effects.received.asset",
    "effects.sent": "effects.sent.asset",
    "amount": "asset",
    "approve.amount": "approve.asset",
}
"""Which field says in whose units an amount is."""
_BY_OPERATOR = {
    ConditionOp.WITHIN: Kind.WINDOW,
    ConditionOp.FLOOR: Kind.FLOOR,
    ConditionOp.OWN_WALLET: Kind.NOTHING,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class FieldOption:
    """A field in the list to choose from."""

    name: str
    help: str
    provenance: Provenance
    provenance_words: str


def field_find(name: str) -> FactField | None:
    """Return what the registry says of a field that a row can look at, or None."""
    # A list's element has a meaning only inside of `some` and `every`, which are trees.
    return None if name.partition(".")[0] == SELF else field_of(name)


def operators_of(name: str) -> tuple[ConditionOp, ...]:
    """Return the operators that a field takes and that fit in a row, the usual one first."""
    if field_find(name) is None:
        return ()
    taken = [op for op in ConditionOp if op in operators_taken(name) and op not in TREES]
    return tuple(sorted(taken, key=lambda op: op is not ConditionOp.WITHIN))


def kind_of(name: str, op: ConditionOp) -> Kind:
    """Return the widget for a field under an operator."""
    if op in _BY_OPERATOR:
        return _BY_OPERATOR[op]
    field = field_find(name)
    if field is not None and field.type is FactType.FLAG:
        return Kind.FLAG
    if field is not None and field.type is FactType.NUMBER:
        return _UNITS.get(name, Kind.NUMBER)
    if field is not None and field.type is FactType.ANY and op in (ConditionOp.LE, ConditionOp.GE):
        return Kind.NUMBER
    if name in CHOICES:
        return Kind.CHOICE
    return Kind.LISTED if name in LISTED else Kind.TEXT


def _group_name(name: str, field: FactField) -> str:
    if field.provenance is Provenance.ATTESTED:
        return "Attested by others"
    if field.provenance is Provenance.CLAIMED:
        return "Claimed by this server"
    stem = name.partition(".")[0]
    return next((title for title, stems in _GROUPS if stem in stems), _OTHER)


def field_groups() -> tuple[tuple[str, tuple[FieldOption, ...]], ...]:
    """Return all fields that a row can ask for, grouped, in the registry's order."""
    found: dict[str, list[FieldOption]] = {title: [] for title, _ in _GROUPS}
    for name, field in REGISTRY.items():
        if operators_of(name):
            found.setdefault(_group_name(name, field), []).append(field_option(name, field))
    return tuple((title, tuple(options)) for title, options in found.items() if options)


def field_option(name: str, field: FactField) -> FieldOption:
    """Return a field as the list shows it."""
    return FieldOption(
        name=name,
        help=field.help,
        provenance=field.provenance,
        provenance_words=_PROVENANCE_WORDS[field.provenance],
    )


def attested_amounts() -> tuple[str, ...]:
    """Return the fields that an amount can be held against with a tolerance."""
    return tuple(
        name
        for name, field in REGISTRY.items()
        if field.type is FactType.NUMBER and field.provenance is Provenance.ATTESTED
    )
