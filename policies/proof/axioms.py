"""What certainly holds between the facts that `core.facts` derives, so that no impossible case refutes a property.

Only what follows from how facts are derived belongs here, and tests hold each of it against derived cases. Whatever
is left out merely lets more cases be tried.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import z3

from core.calldata import CallKind
from core.documents.policy import Limit, Measure
from core.facts import usd_value
from core.names import native_asset
from policies.proof.terms import FALSE, TRUE, both, either

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from core.documents.policy import Policy
    from policies.proof.encoding import Capped
    from policies.proof.universe import Universe

ALWAYS = frozenset(
    {
        "initiator",
        "initiator.roles",
        "initiator.kind",
        "desk",
        "wallet",
        "chain",
        "call.kind",
        "calls.unknown",
        "value",
        "fee",
        "gas",
    }
)
"""Facts that are derived for every transaction, whatever it is (those of the clock are in `moments`)."""
_TRANSFER = "0xa9059cbb"
_KINDS = (CallKind.NATIVE, CallKind.TOKEN, CallKind.CONTRACT, CallKind.NOTE, CallKind.UNKNOWN)


def call_axioms(universe: Universe, version: str) -> Iterator[z3.BoolRef]:
    """Yield what belongs together: what is derived always, and what follows from the kind of call."""
    for field in sorted(ALWAYS):
        yield universe.term(field, version).known
    kind = universe.text("call.kind")
    native, token, contract, note, unknown = (kind.equals(one.value) for one in _KINDS)
    transfer = z3.Or(native, token)
    yield either([native, token, contract, note, unknown])
    yield universe.text("destination").known == transfer
    yield universe.flag("calls.unknown").on == unknown
    callee, registered = universe.text("contract"), universe.flag("contract.known")
    protocol, selector = universe.text("contract.protocol"), universe.text("selector")
    yield callee.known == registered.known
    yield z3.Implies(protocol.known, z3.And(registered.known, registered.on))
    yield z3.Implies(native, z3.Not(z3.Or(callee.known, selector.known)))
    yield z3.Implies(token, both([callee.known, selector.known, selector.equals(_TRANSFER)]))
    yield z3.Implies(contract, both([callee.known, selector.known, registered.on]))
    yield z3.Implies(note, both([callee.known, registered.known, z3.Not(registered.on)]))
    yield z3.Implies(note, both([universe.number(field).at_most(0) for field in ("value", "usd")]))
    for field in ("calls.count", "calls.depth"):
        yield universe.term(field).known == z3.Not(unknown)
    yield z3.Implies(z3.Or(transfer, note), universe.term("wallets.named", version).known)
    yield z3.Implies(unknown, z3.Not(universe.term("wallets.named", version).known))
    yield z3.Implies(z3.Not(unknown), universe.flag("calls.delegate").known)
    for field in ("calls.delegate", "approve.any", "approve.unlimited"):
        flag = universe.flag(field)
        yield z3.Implies(z3.Or(transfer, note), z3.And(flag.known, z3.Not(flag.on)))
    yield z3.Implies(universe.flag("approve.unlimited").on, universe.flag("approve.any").on)
    yield z3.Implies(token, universe.number("value").at_most(0))
    yield z3.Implies(
        z3.Or(transfer, note),
        z3.And(universe.number("calls.count").at_most(1), universe.number("calls.depth").at_most(0)),
    )
    yield from _chain_axioms(universe, native, token)


def _chain_axioms(universe: Universe, native: z3.BoolRef, token: z3.BoolRef) -> Iterator[z3.BoolRef]:
    chain, asset = universe.text("chain"), universe.text("asset")
    for field, separator in (("wallet", ":"), ("asset", "/"), ("approve.asset", "/")):
        term = universe.text(field)
        for value in term.values:
            where = value.rpartition(separator)[0]
            yield z3.Implies(z3.And(term.known, term.equals(value)), chain.equals(where))
    for value in asset.values:
        where = value.partition("/")[0]
        if value == native_asset(where):
            yield z3.Implies(z3.And(token, asset.known), z3.Not(asset.equals(value)))
            if chain.names(where):
                yield z3.Implies(z3.And(native, asset.known, chain.equals(where)), asset.equals(value))
        else:
            yield z3.Implies(z3.And(native, asset.known), z3.Not(asset.equals(value)))


def _over_amount(universe: Universe, limit: Limit) -> z3.BoolRef:
    """Whether the transaction's own amount goes over a limit for certain."""
    if limit.measure is Measure.USD:
        usd = universe.number("usd")
        return z3.Or(z3.Not(usd.known), z3.Not(usd.at_most(limit.most)))
    if limit.measure is Measure.FEE:
        return z3.Not(universe.number("fee").at_most(limit.most))
    if limit.measure is Measure.COUNT:
        return TRUE if limit.most < 1 else FALSE
    asset, amount = universe.text("asset"), universe.number("amount")
    parts = [z3.And(asset.known, amount.known, asset.equals(limit.asset), z3.Not(amount.at_most(limit.most)))]
    where = (limit.asset or "").partition("/")[0]
    if limit.asset == native_asset(where):
        own = universe.text("chain").equals(where)
        parts += [z3.And(own, z3.Not(universe.number(field).at_most(limit.most))) for field in ("value", "fee")]
    return either(parts)


def _window(limit: Limit) -> tuple[int, int]:
    return (1, 0) if limit.window is None else (0, limit.window)


def limit_axioms(universe: Universe, limits: Iterable[Capped]) -> Iterator[z3.BoolRef]:
    """Yield how going over limits follows from amounts, and over one limit from over another of the same scope."""
    groups: dict[object, list[Capped]] = {}
    for capped in limits:
        limit = capped.limit
        certain = _over_amount(universe, limit)
        yield z3.Implies(certain, capped.over)
        if limit.window == 0 and limit.measure is not Measure.ASSET:
            yield z3.Implies(capped.over, certain)
        groups.setdefault((limit.per, limit.measure, limit.asset), []).append(capped)
    for group in groups.values():
        yield from _ordered(group)


def _ordered(group: list[Capped]) -> Iterator[z3.BoolRef]:
    """A wider window holds no less, and a lower limit is exceeded no later."""
    windows: dict[tuple[int, int], list[Capped]] = {}
    for capped in sorted(group, key=lambda capped: (_window(capped.limit), -capped.limit.most)):
        windows.setdefault(_window(capped.limit), []).append(capped)
    for window, row in windows.items():
        for capped, lower in pairwise(row):
            same = capped.limit.most == lower.limit.most
            yield capped.over == lower.over if same else z3.Implies(capped.over, lower.over)
        for wider in (other for at, other in windows.items() if at > window):
            for capped in row:
                first = next((other for other in wider if other.limit.most <= capped.limit.most), None)
                if first is not None:
                    yield z3.Implies(capped.over, first.over)


def price_axioms(universe: Universe, policy: Policy) -> Iterator[z3.BoolRef]:
    """Yield how a transfer's amount and its value in USD go together, at every threshold of the amount.

    The reference price may have expired: then the value is unknown, and nothing follows. Attesters, where the policy
    names any, may raise a value, and never lower it.
    """
    kind, asset = universe.text("call.kind"), universe.text("asset")
    amount, usd = universe.number("amount"), universe.number("usd")
    transfer = either([kind.equals(CallKind.NATIVE.value), kind.equals(CallKind.TOKEN.value)])
    native = z3.And(kind.equals(CallKind.NATIVE.value), amount.known)
    yield z3.Implies(native, universe.number("value").choice.term == amount.choice.term)
    for value in asset.values:
        worth = worth_of(policy, value)
        if worth is None:
            yield z3.Implies(both([transfer, asset.known, asset.equals(value)]), z3.Not(usd.known))
            continue
        valued = both([transfer, asset.known, asset.equals(value), usd.known])
        for start in amount.starts[1:]:
            less = amount.at_most(start - 1)
            least = usd.region(worth(start))
            if not policy.attester_threshold:
                yield z3.Implies(z3.And(valued, less), usd.at_most(worth(start - 1)))
            if least:
                yield z3.Implies(z3.And(valued, z3.Not(less)), z3.Not(usd.choice.at_most(least - 1)))


def worth_of(policy: Policy, asset: str) -> Callable[[int], int] | None:
    """Return how an asset's base units are valued while its reference price is live; None without one."""
    price = next((one for one in policy.prices if one.asset == asset), None)
    if price is None or not any(one.id == asset for one in policy.assets):
        return None
    live = price.expires - 1

    def worth(amount: int) -> int:
        return usd_value(policy, asset, amount, now=live) or 0

    return worth


def table_axioms(universe: Universe, version: str, policy: Policy) -> Iterator[z3.BoolRef]:
    """Yield what a signer takes from the policy's lists: it refuses other wallets, and knows no other tokens."""
    wallet, chain = universe.text("wallet"), universe.text("chain")
    kind = universe.text("wallet.kind", version)
    wallets = {one.id: one for one in policy.wallets}
    for value in wallet.values:
        if value in wallets:
            yield z3.Implies(wallet.equals(value), z3.And(kind.known, kind.equals(wallets[value].kind.value)))
        elif wallets:
            yield z3.Not(wallet.equals(value))
    others = {(one.chain, one.kind.value) for one in policy.wallets if not wallet.names(one.id)}
    if wallets:
        rows = [both([chain.equals(where), kind.known, kind.equals(word)]) for where, word in sorted(others)]
        yield z3.Implies(wallet.equals(None), either(rows))
    asset = universe.text("asset")
    tokens = {one.id for one in policy.assets if one.id != native_asset(one.id.partition("/")[0])}
    token = universe.text("call.kind").equals(CallKind.TOKEN.value)
    for value in asset.values:
        if value not in tokens:
            yield z3.Implies(token, z3.Not(asset.equals(value)))
    chains = sorted({one.partition("/")[0] for one in tokens if not asset.names(one)})
    yield z3.Implies(z3.And(token, asset.equals(None)), either([chain.equals(where) for where in chains]))


RELATED: dict[str, tuple[str, ...]] = {"call.kind": tuple(kind.value for kind in CallKind), "selector": (_TRANSFER,)}
"""Values that the axioms name."""
