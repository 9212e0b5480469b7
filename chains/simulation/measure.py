"""Measuring by balances what events only say: a token that keeps a fee, rebases or lies is seen for what it does.

The calls run again in one simulated block, with the sender's balances and allowances asked before, between and after.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from eth_abi.abi import encode

from chains.simulation.effects import NATIVE_LOG_ADDRESS, allowances_of, deltas_of
from chains.simulation.methods import Ran, bundle_run
from chains.simulation.result import AssetDelta, Call
from core.names import native_asset, token_asset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chains.nodes.client import NodeClient
    from chains.nodes.wire import Block
    from chains.simulation.result import AllowanceChange

MOST_PROBES = 24
"""A transaction that touches more tokens and allowances than that is not measured whole."""
_PROBE_GAS = 150_000
_BALANCE_OF = bytes.fromhex("70a08231")
_ALLOWANCE = bytes.fromhex("dd62ed3e")
_WORD = 32
_NOBODY = NATIVE_LOG_ADDRESS
"""Who asks: the sender's own nonce must be the same as without questions."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """One call's effects. `whole` and `notes` as in `Simulation`."""

    deltas: tuple[AssetDelta, ...]
    allowances: tuple[AllowanceChange, ...]
    notes: tuple[str, ...]
    whole: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Probes:
    tokens: tuple[str, ...]
    allowances: tuple[tuple[str, str], ...]
    cut: bool

    def calls(self, account: str) -> list[Call]:
        asked = [(token, _BALANCE_OF + encode(["address"], [account])) for token in self.tokens]
        asked += [
            (token, _ALLOWANCE + encode(["address", "address"], [account, spender]))
            for token, spender in self.allowances
        ]
        return [Call(sender=_NOBODY, to=to, value=0, data=data, gas=_PROBE_GAS) for to, data in asked]


def _probes(chain: str, account: str, ran: Sequence[Ran], watched: Sequence[str]) -> _Probes:
    """Choose what to measure: each token that spoke up or is watched, and each allowance that an event is about."""
    spoke = {log.address for one in ran for log in one.logs if log.address != NATIVE_LOG_ADDRESS}
    tokens = sorted(spoke | set(watched))
    pairs = sorted(
        {
            (change.asset.rpartition(":")[2], change.spender)
            for one in ran
            for change in allowances_of(chain, one.logs)
            if change.owner == account and not change.through
        }
    )
    cut = len(tokens) + len(pairs) > MOST_PROBES
    kept = tuple(pairs[:MOST_PROBES])
    return _Probes(tokens=tuple(tokens[: MOST_PROBES - len(kept)]), allowances=kept, cut=cut)


def _number(ran: Ran) -> int | None:
    return int.from_bytes(ran.returned[:_WORD], "big") if ran.succeeded and len(ran.returned) >= _WORD else None


def effects_measure(
    node: NodeClient, parent: Block, chain: str, calls: Sequence[Call], *, ran: Sequence[Ran], watched: Sequence[str]
) -> list[Measured]:
    """Return each call's effects, the sender's own measured.

    Args:
        node: Whom to ask.
        parent: On top of which block.
        chain: CAIP-2.
        calls: One after the other, all by one sender.
        ran: What they did when they ran by themselves.
        watched: Tokens (EIP-55) that are measured even if they stay silent.

    Raises:
        NodeError: If there is no usable answer.
    """
    account = calls[0].sender
    probes = _probes(chain, account, ran, watched)
    asked = probes.calls(account)
    again: list[Call] = list(asked)
    for call in calls:
        again += [call, *asked]
    found = bundle_run(node, parent, again) if asked else []
    if isinstance(found, str):
        found = []
    step = len(asked) + 1
    measured = []
    for place, one in enumerate(ran):
        start = place * step
        before = [_number(probe) for probe in found[start : start + len(asked)]]
        after = [_number(probe) for probe in found[start + step : start + step + len(asked)]]
        same = not asked or (bool(found) and _alike(found[start + len(asked)], one))
        measured.append(_weigh(chain, account, one, probes, (before, after), same=same))
    return measured


def _alike(again: Ran, before: Ran) -> bool:
    return (again.succeeded, again.logs) == (before.succeeded, before.logs)


def _weigh(
    chain: str,
    account: str,
    ran: Ran,
    probes: _Probes,
    numbers: tuple[list[int | None], list[int | None]],
    *,
    same: bool,
) -> Measured:
    before, after = numbers
    notes = []
    if probes.cut:
        notes.append("it touches more tokens than are measured")
    if not same:
        notes.append("it does something else when it is watched")
    said = {delta.asset: delta.change for delta in deltas_of(chain, ran.logs) if delta.account == account}
    kept = [delta for delta in deltas_of(chain, ran.logs) if delta.account != account]
    own = {asset: change for asset, change in said.items() if asset == native_asset(chain)}
    for token, old, new in zip(probes.tokens, before, after, strict=False):
        asset = token_asset(chain, token)
        change = None if old is None or new is None else new - old
        if change is None and asset in said:
            notes.append(f"{token} does not tell balances")
        elif change is not None and change != said.get(asset, 0):
            notes.append(f"{token} moves {change} by its balances and {said.get(asset, 0)} by its events")
        counted = said.get(asset, 0) if change is None else change
        if counted:
            own[asset] = counted
    deltas = [*kept, *(AssetDelta(asset=a, account=account, change=c) for a, c in own.items() if c)]
    known = dict(
        zip(
            probes.allowances,
            zip(before[len(probes.tokens) :], after[len(probes.tokens) :], strict=False),
            strict=False,
        )
    )
    return Measured(
        deltas=tuple(sorted(deltas, key=lambda delta: (delta.asset, delta.account))),
        allowances=tuple(_sharper(change, account, known) for change in allowances_of(chain, ran.logs)),
        notes=tuple(notes),
        whole=not notes,
    )


def _sharper(
    change: AllowanceChange, account: str, known: dict[tuple[str, str], tuple[int | None, int | None]]
) -> AllowanceChange:
    """Take an allowance as it was asked for, where that worked, instead of what an event says."""
    pair = known.get((change.asset.rpartition(":")[2], change.spender))
    if pair is None or change.owner != account or change.through or pair[0] is None or pair[1] is None:
        return change
    return dataclasses.replace(change, before=pair[0], after=pair[1])
