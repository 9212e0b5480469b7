"""From a model of z3 back to a concrete case, which the real engine then decides.

What was left free (lists, arguments, floors) is filled in by trying values and asking the real evaluator; where
nothing fits, there is no case to show, and nothing is proven by it either.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.calldata import CallKind
from core.keccak import keccak256
from core.limits import AssetDraw, Draw, ScopeKey, amount_of, scope_of
from core.names import address_from_bytes, native_asset, token_asset
from core.policy import Decision, decide
from core.schema import UINT256_MAX
from policies.proof.axioms import worth_of
from policies.proof.inventing import invent
from policies.proof.moments import clock_facts
from policies.proof.terms import FlagTerm, NumberTerm, SetTerm, TextTerm
from policies.proof.universe import NEW, is_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import z3

    from core.documents.policy import Limit, Policy
    from core.documents.roster import AddressEntry
    from core.registry import Fact, FactMap
    from policies.proof.model import Model

_ADDRESSES = frozenset({"destination", "contract", "approve.spender", "destination.beneficiary"})
_ASSETS = frozenset({"asset", "approve.asset", "effects.received.asset", "effects.sent.asset"})
_MAY_BE_NOTHING = frozenset({"value", "calls.depth", "destination.age", "effects.allowances"})
_OF_ENTRY: dict[str, Callable[[AddressEntry], str]] = {
    "destination": lambda entry: entry.address,
    "destination.entry": lambda entry: entry.id,
    "destination.label": lambda entry: entry.label,
    "destination.beneficiary": lambda entry: entry.beneficiary or entry.address,
}
_NO_ORDER = "0" * 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """A concrete case: facts as each version would derive them, what it draws, and what windows already hold."""

    asker: str
    now: int
    facts: Mapping[str, FactMap]
    draw: Draw
    spent: Mapping[tuple[object, int | None], int]

    def used(self, limit: Limit, key: ScopeKey, *, now: int) -> int:
        """Return what a limit's window already holds (`core.limits.Totals`)."""
        del key, now
        return self.spent.get((scope_of(limit), limit.window), 0)

    def decide(self, policy: Policy, version: str) -> Decision:
        """Have the real engine decide it as a signer does."""
        return decide(policy, self.facts[version], self.draw, self, now=self.now, enforce=True)


def _stranger(seed: str) -> str:
    """Return an address that nobody knows."""
    return address_from_bytes(keccak256(f"countersign proof {seed}".encode())[12:])


def _least_worth(worth: Callable[[int], int], least: int) -> int:
    """Return the smallest amount that is worth at least so much, by bisection: more is never worth less."""
    first, last = 0, UINT256_MAX
    while first < last:
        middle = (first + last) // 2
        if worth(middle) >= least:
            last = middle
        else:
            first = middle + 1
    return first


class Trials:
    """Makes cases from models."""

    def __init__(self, model: Model) -> None:
        """Take what the questions are asked about."""
        self._model = model
        self._policies = model.policies

    def make(self, found: z3.ModelRef) -> Trial | None:
        """Return the case that a model of z3 stands for, or None where free comparisons cannot all be met."""
        asker = self._model.askers.read(found)
        now = self._model.moments.read(found)
        facts = {version: self._facts(found, version, now) for version in self._policies}
        if not all(self._valued(known, self._ranges(found, version)) for version, known in facts.items()):
            return None
        filled: dict[str, FactMap] = {}
        for version, known in facts.items():
            wanted = {
                free.leaf: self._wanted(found, free.truth.yes, free.truth.no)
                for free in self._model.universe.free
                if free.version in ("", version) and not is_clock(free.leaf)
            }
            done = invent(known, wanted, self._ranges(found, version))
            if done is None:
                return None
            filled[version] = done
        draw = self._draw(filled[NEW], asker, now)
        return Trial(asker=asker, now=now, facts=filled, draw=draw, spent=self._spent(found, draw))

    def _valued(self, facts: FactMap, ranges: Mapping[str, tuple[int, int]]) -> bool:
        """Make a transfer's amount, its value and what it sends along agree; whether they can."""
        kind, asset = facts.get("call.kind"), facts.get("asset")
        if kind not in (CallKind.NATIVE.value, CallKind.TOKEN.value) or not isinstance(asset, str):
            return True
        worth = worth_of(self._policies[NEW], asset)
        if "usd" in ranges and worth is not None:
            (first, last), (least, most) = ranges["amount"], ranges["usd"]
            enough = max(first, _least_worth(worth, least))
            # One whole unit, or a tenth of it and so on, reads better than the smallest part of one.
            fine = (max(enough, size) for size in self._sizes(asset))
            amount = next((one for one in fine if one <= last and worth(one) <= most), enough)
            if amount > last or not least <= worth(amount) <= most:
                return False
            facts |= {"amount": amount, "usd": worth(amount)}
        if kind == CallKind.NATIVE.value:
            facts["value"] = facts.get("amount", 0)
        return True

    def _sizes(self, asset: str) -> list[int]:
        """Return a whole unit of an asset and its decimal parts, base units."""
        decimals = next((one.decimals for one in self._policies[NEW].assets if one.id == asset), 0)
        return [10**places for places in range(decimals, -1, -1)]

    @staticmethod
    def _wanted(found: z3.ModelRef, yes: z3.BoolRef, no: z3.BoolRef) -> bool | None:
        if found.eval(yes, model_completion=True):
            return True
        return False if found.eval(no, model_completion=True) else None

    def _facts(self, found: z3.ModelRef, version: str, now: int) -> FactMap:
        universe = self._model.universe
        facts: FactMap = clock_facts(self._policies[version], now)
        for (field, owner), term in universe.terms.items():
            if field not in facts and owner in ("", version) and found.eval(term.known, model_completion=True):
                value = self._value(found, field, term)
                if value is not None:
                    facts[field] = value
        wallets = {wallet.id: wallet.kind.value for wallet in self._policies[version].wallets}
        if facts.get("wallet") in wallets:
            facts["wallet.kind"] = wallets[str(facts["wallet"])]
        # The asker as the roster has them, not only what conditions name of them.
        return facts | self._model.askers.facts(found, version)

    def _value(self, found: z3.ModelRef, field: str, term: object) -> Fact | None:
        if isinstance(term, FlagTerm):
            return bool(found.eval(term.on, model_completion=True))
        if isinstance(term, SetTerm):
            return frozenset(name for name, on in term.members.items() if found.eval(on, model_completion=True))
        if isinstance(term, NumberTerm):
            first, last = term.limits(term.choice.read(found))
            return 0 if first == 0 and field in _MAY_BE_NOTHING else first or min(last, 1)
        if not isinstance(term, TextTerm):
            return None
        return term.read(found) or self._other(found, field, term)

    def _other(self, found: z3.ModelRef, field: str, term: TextTerm) -> str | None:
        """Return a value that no condition names, as real as there is one."""
        entry, chain = self._model.books.entry(found), self._model.universe.text("chain").read(found)
        policy = self._policies[NEW]
        if entry is not None and field in _OF_ENTRY:
            return _OF_ENTRY[field](entry)
        candidates: list[str] = []
        if field == "chain":
            candidates = [wallet.chain for wallet in policy.wallets]
        elif field == "wallet":
            candidates = [wallet.id for wallet in policy.wallets if chain in (None, wallet.chain)]
        elif field in _ASSETS:
            candidates = [asset.id for asset in policy.assets if chain is None or asset.id.startswith(f"{chain}/")]
            candidates.append(token_asset(chain or "eip155:1", _stranger(field)))
        elif field in _ADDRESSES:
            candidates = [_stranger(field)]
        return next((value for value in candidates if not term.names(value)), f"other-{field.rpartition('.')[2]}")

    def _ranges(self, found: z3.ModelRef, version: str) -> dict[str, tuple[int, int]]:
        """Return for each known number the region that it may move in without turning any comparison."""
        return {
            field: term.limits(term.choice.read(found))
            for (field, owner), term in self._model.universe.terms.items()
            if isinstance(term, NumberTerm)
            and owner in ("", version)
            and found.eval(term.known, model_completion=True)
        }

    def _draw(self, facts: FactMap, asker: str, now: int) -> Draw:
        """Return what such a transaction draws, as `core.facts` would say it."""

        def number(field: str) -> int | None:
            value = facts.get(field)
            return value if isinstance(value, int) and not isinstance(value, bool) else None

        def text(field: str) -> str | None:
            value = facts.get(field)
            return value if isinstance(value, str) else None

        wallets = self._policies[NEW].wallets
        chain = text("chain") or "eip155:1"
        amounts = {native_asset(chain): (number("value") or 0) + (number("fee") or 0)}
        asset, destination, contract = text("asset"), text("destination"), text("contract")
        if asset is not None and asset != native_asset(chain):
            amounts[asset] = number("amount") or 0
        names = facts.get("initiator")
        return Draw(
            time=now,
            order=_NO_ORDER,
            initiators=tuple(sorted(names)) if isinstance(names, frozenset) and names else (asker,),
            desk=text("desk") or "desk",
            wallet=text("wallet") or (wallets[0].id if wallets else f"{chain}:{_stranger('wallet')}"),
            chain=chain,
            assets=() if asset is None else (asset,),
            destinations=() if destination is None else (destination,),
            beneficiaries=() if destination is None else (text("destination.beneficiary") or destination,),
            contracts=() if contract is None else (contract,),
            protocols=() if (protocol := text("contract.protocol")) is None else (protocol,),
            amounts=tuple(AssetDraw(asset=name, amount=amount) for name, amount in sorted(amounts.items())),
            usd_e8=number("usd"),
            fee=number("fee") or 0,
        )

    def _spent(self, found: z3.ModelRef, draw: Draw) -> dict[tuple[object, int | None], int]:
        """Fill the windows just so far that the model's limits are exceeded, and no others."""
        spent: dict[tuple[object, int | None], int] = {}
        limits = [capped for encoding in self._model.encodings.values() for capped in encoding.limits]
        for capped in limits:
            limit = capped.limit
            if limit.window == 0 or not found.eval(capped.over, model_completion=True):
                continue
            amount = amount_of(limit.measure, limit.asset, draw)
            for other in limits:
                same = scope_of(other.limit) == scope_of(limit)
                if same and (other.limit.window is None or (limit.window or 0) <= (other.limit.window or 0)):
                    key = (scope_of(limit), other.limit.window)
                    wide = limit.window is None and other.limit.window is not None
                    spent[key] = max(spent.get(key, 0), 0 if wide else limit.most + 1 - amount)
        return spent
