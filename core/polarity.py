"""What a smaller table can do to a condition: each way in which its truth may change, and no way left out.

A policy's tables (addresses, assets, contracts, prices, wallets) feed facts, so removing a row can turn a rule
around: a guard over a listed address stops to match, a grant over one that is not listed begins to. This module
follows such changes through a condition tree, without looking at any case.

A *shift* is a pair (truth before, truth after) with `NO` < `UNKNOWN` < `YES`. A comparison's shifts are known from
its field; what is not known is taken for all nine. *All* is the least of its parts and *any* the greatest (Kleene),
so the shifts of a join are exactly the parts' shifts joined in pairs, if its parts shift independently of each
other, and a superset of them if they do not. Hence a shift that `shifts` does not name happens in no case.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from core.documents.policy import Condition, ConditionOp

if TYPE_CHECKING:
    from collections.abc import Callable

NO, UNKNOWN, YES = 0, 1, 2
Shift = tuple[int, int]
STILL: frozenset[Shift] = frozenset((truth, truth) for truth in (NO, UNKNOWN, YES))
ANYHOW: frozenset[Shift] = frozenset((b, a) for b in (NO, UNKNOWN, YES) for a in (NO, UNKNOWN, YES))
LOST: frozenset[Shift] = STILL | {(NO, UNKNOWN), (YES, UNKNOWN)}
"""A known value may become unknown."""


class Table(StrEnum):
    """The lists of a policy from which facts are derived, and that a tightening may make smaller."""

    ADDRESSES = "addresses"
    ASSETS = "assets"
    CONTRACTS = "contracts"
    PRICES = "prices"
    WALLETS = "wallets"


class Loss(StrEnum):
    """What fewer rows of a table can do to a field: lose its value, turn a flag from true to false, or anything."""

    LOSES = "loses"
    FALLS = "falls"
    ANYTHING = "anything"


INDEPENDENT = frozenset(
    {
        "initiator",
        "initiator.roles",
        "initiator.kind",
        "desk",
        "wallet",
        "chain",
        "selector",
        "value",
        "fee",
        "gas",
        "time.now",
        "time.minute",
        "time.weekday",
        "time.zones",
        "simulation.success",
        "effects.received",
        "effects.received.asset",
        "effects.sent",
        "effects.sent.asset",
        "effects.allowances",
        "code.unchanged",
        "implementation.unchanged",
        "breaker.closed",
        "price.deviation_bps",
        "price.quotes",
        "sanctions.clear",
        "risk.score",
        "web.simulation",
        "web.first_use",
    }
)
"""Fields that follow from the transaction, its asker, an attester or a claim: no table feeds them."""

_CALL = {Table.ASSETS: Loss.ANYTHING, Table.CONTRACTS: Loss.ANYTHING}
"""Which assets and contracts are known decides what a call is taken for."""
FED: dict[str, dict[Table, Loss]] = {
    "wallet.kind": {Table.WALLETS: Loss.LOSES},
    "asset": _CALL,
    "amount": _CALL,
    "usd": _CALL | {Table.PRICES: Loss.LOSES},
    "destination": _CALL,
    "destination.own": _CALL | {Table.WALLETS: Loss.FALLS},
    "destination.listed": _CALL | {Table.ADDRESSES: Loss.FALLS},
    "destination.entry": _CALL | {Table.ADDRESSES: Loss.LOSES},
    "destination.label": _CALL | {Table.ADDRESSES: Loss.LOSES},
    "call.kind": _CALL,
    "contract": _CALL,
    "contract.known": _CALL,
    "contract.protocol": _CALL,
    "calls": _CALL,
    "calls.count": _CALL,
    "calls.depth": _CALL,
    "calls.unknown": _CALL,
    "calls.delegate": _CALL,
    "approve.any": _CALL,
    "approve.unlimited": _CALL,
    "approve.asset": _CALL,
    "approve.spender": _CALL,
    "approve.amount": _CALL,
}
"""Fields that only these tables feed, and how. A field that is named nowhere here may do anything."""
_PARTS = ("arg", "item")
"""Arguments, and elements of a list: what feeds the call feeds them."""


def _closed(found: frozenset[Shift]) -> frozenset[Shift]:
    """Join shifts end to end: two tables may move one comparison one after the other."""
    while True:
        more = found | {(b, d) for b, c in found for e, d in found if c == e}
        if more == found:
            return found
        found = more


def _field(field: str, shrunk: frozenset[Table], *, flag: str | None) -> frozenset[Shift]:
    """Return how a comparison over a field can shift; `flag` is the value that an `eq` compares a flag with."""
    if not shrunk or field in INDEPENDENT:
        return STILL
    fed = _CALL if field.partition(".")[0] in _PARTS else FED.get(field)
    if fed is None:
        return ANYHOW
    found = STILL
    for table, loss in fed.items():
        if table not in shrunk:
            continue
        if loss is Loss.LOSES:
            found |= LOST
        elif loss is Loss.FALLS:
            found |= {"true": {(YES, NO)}, "false": {(NO, YES)}}.get(flag or "", ANYHOW)
        else:
            found |= ANYHOW
    return _closed(found)


def _comparison(condition: Condition, shrunk: frozenset[Table]) -> frozenset[Shift]:
    fields = [condition.field or ""]
    op = condition.op
    flag = condition.values[0] if op is ConditionOp.EQ and condition.values else None
    found = STILL
    if op is ConditionOp.FLOOR:
        fields += condition.values[:1]
    if op is ConditionOp.OWN_WALLET and Table.WALLETS in shrunk:
        found |= {(YES, NO)}
    for field in fields:
        found |= _field(field, shrunk, flag=flag)
    return _closed(found)


def _joined(left: frozenset[Shift], right: frozenset[Shift], pick: Callable[[int, int], int]) -> frozenset[Shift]:
    return frozenset((pick(b, c), pick(a, d)) for b, a in left for c, d in right)


def shifts(condition: Condition, shrunk: frozenset[Table]) -> frozenset[Shift]:
    """Return every way in which a condition's truth may change when these tables lose rows.

    Args:
        condition: A tree that `core.policy_check` accepts.
        shrunk: The tables that lost rows, or whose rows are good for a shorter time; none gained any.

    Returns:
        Pairs (before, after); at least the three that change nothing.
    """
    op = condition.op
    if op is ConditionOp.NOT:
        return frozenset((YES - b, YES - a) for b, a in shifts(condition.parts[0], shrunk))
    if op in (ConditionOp.ALL, ConditionOp.ANY):
        pick = min if op is ConditionOp.ALL else max
        found = shifts(condition.parts[0], shrunk)
        for other in condition.parts[1:]:
            found = _joined(found, shifts(other, shrunk), pick)
        return found
    if op in (ConditionOp.SOME, ConditionOp.EVERY):
        # A list that itself depends on a table may gain and lose elements.
        if _field(condition.field or "", shrunk, flag=None) != STILL:
            return ANYHOW
        pick = min if op is ConditionOp.EVERY else max
        each = shifts(condition.parts[0], shrunk)
        # Any number of elements, or none: joined until nothing new comes of it.
        found = each | STILL
        while (more := found | _joined(found, each, pick)) != found:
            found = more
        return found
    return _comparison(condition, shrunk)
