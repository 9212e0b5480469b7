"""One institution's policy for the seed's cases, as its people would write it; modelled on `demo/policy.toml`.

Transfers to the whitelist take two risk officers, small ones (up to 10,000 dollars) one. An address that is not on
the whitelist takes a senior risk officer besides. From two million dollars in one payment, or beyond two million in a
day towards one beneficiary, the chief risk officer and two sites are asked too; beyond five million a day the answer
is no. No trader moves more than six million dollars a day. Of contracts, only the token's allowances to the router
are approved.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from coincurve import PrivateKey

from core.abi import selector_of
from core.documents.policy import Condition, ConditionOp, Dimension, Effect, Limit, Measure, Rule
from core.documents.roster import AddressEntry, AssetEntry, ReferencePrice, Role, Wallet, WalletKind
from core.evm import address_of
from core.names import address_from_bytes, token_asset
from tests.factories.contracts import APPROVE, BATCHES, MULTI_SEND, ROUTER, SEND_MANY, SWAP, contract
from tests.factories.documents import (
    CHAIN,
    COOLING,
    DAY,
    ETHER,
    LISTED,
    NATIVE,
    STRANGER,
    TOKEN,
    TOKEN_CONTRACT,
    compare,
    every,
    seats,
)
from tests.factories.world import World

if TYPE_CHECKING:
    from core.documents.mandate import Intent
    from core.documents.policy import Quorum

__all__ = [
    "COOLING",
    "CUSTODIAN",
    "DAY",
    "ETHER",
    "ETHER_USD",
    "LAPSED",
    "LISTED",
    "MILLION",
    "NATIVE",
    "SECOND_DEPOSIT",
    "STALE",
    "STRANGER",
    "TOKEN",
    "UNPRICED",
    "pay",
    "seed_fields",
    "seed_world",
]

MILLION = 10**6
"""Dollars."""
_E8 = 10**8
ETHER_USD = 2_500
SECOND_DEPOSIT = address_from_bytes(bytes.fromhex("15d34aaf54267db7d7c367839aaf71a00a2c6a65"))
"""Another deposit address of the exchange that owns `LISTED`."""
CUSTODIAN = address_from_bytes(bytes.fromhex("9965507d1a55bcc2695c58ba16fb37d819b0a4dc"))
LAPSED = address_from_bytes(bytes.fromhex("976ea74026e726554db657fa54763abd0c3a0aa9"))
"""On the whitelist, but its entry has expired."""
STALE_CONTRACT = address_from_bytes(bytes.fromhex("14dc79964da2c08b23698b3d3cc7ca32193d9955"))
STALE = token_asset(CHAIN, STALE_CONTRACT)
"""A token whose reference price has expired."""
UNPRICED_CONTRACT = address_from_bytes(bytes.fromhex("23618e81e3f5cdf7f54c3d65f7fbc0abf5b21e8f"))
UNPRICED = token_asset(CHAIN, UNPRICED_CONTRACT)
"""A token that the policy knows, without any price."""
_TOKENS = {TOKEN: TOKEN_CONTRACT, STALE: STALE_CONTRACT, UNPRICED: UNPRICED_CONTRACT}

_EQ, _IN, _LE, _GE, _HAS = ConditionOp.EQ, ConditionOp.IN, ConditionOp.LE, ConditionOp.GE, ConditionOp.HAS
_TRANSFER = compare("call.kind", _IN, "native_transfer", "token_transfer")
_LISTED = compare("destination.listed", _EQ, "true")
_UNLISTED = compare("destination.listed", _EQ, "false")
_BY_TRADER = compare("initiator.roles", _HAS, "trader")
_BY_CLIENT = compare("initiator.kind", _EQ, "client")
_SMALL = compare("usd", _LE, str(10_000 * _E8))


def _any(*parts: Condition) -> Condition:
    return Condition(op=ConditionOp.ANY, field=None, values=(), parts=parts)


def _rule(name: str, label: str, order: int, when: Condition, quorum: Quorum | None) -> Rule:
    effect = Effect.BLOCK if quorum is None else Effect.ALLOW
    return Rule(id=name, label=label, order=order, when=when, effect=effect, quorum=quorum)


def _guards() -> tuple[Rule, ...]:
    known = compare("destination", _IN, LISTED, SECOND_DEPOSIT, CUSTODIAN, COOLING, LAPSED)
    return (
        _rule("not-understood", "Calls that are not understood", 1, compare("calls.unknown", _EQ, "true"), None),
        _rule("not-usable", "On the whitelist, but not usable now", 2, every(_TRANSFER, known, _UNLISTED), None),
    )


def _grants() -> tuple[Rule, ...]:
    approved = compare("contract", _EQ, TOKEN_CONTRACT)
    allowance = every(
        compare("selector", _EQ, "0x" + selector_of(APPROVE).hex()), compare("approve.spender", _EQ, ROUTER)
    )
    batch = compare("selector", _IN, *("0x" + selector_of(one).hex() for one in BATCHES))
    each = Condition(op=ConditionOp.EVERY, field="calls", values=(), parts=(every(approved, _any(allowance, batch)),))
    understood = compare("call.kind", _EQ, "contract_call")
    one, two = seats((Role.RISK_OFFICER, 1)), seats((Role.RISK_OFFICER, 2))
    return (
        _rule("never-from-the-router", "Nothing is paid to the router", 1,
              every(_TRANSFER, compare("destination", _EQ, ROUTER)), None),
        _rule("listed-small", "Small transfers to the whitelist", 2,
              every(_TRANSFER, _LISTED, _SMALL, _any(_BY_TRADER, _BY_CLIENT)), one),
        _rule("listed", "Transfers to the whitelist", 3, every(_TRANSFER, _LISTED, _BY_TRADER), two),
        _rule("unlisted", "Transfers to new addresses", 4, every(_TRANSFER, _UNLISTED, _BY_TRADER), one),
        _rule("allowance", "Allowances to approved contracts", 5, every(_BY_TRADER, understood, each), two),
    )  # fmt: skip


def _escalations() -> tuple[Rule, ...]:
    large = seats((Role.RISK_OFFICER, 2), (Role.CRO, 1), sites=2)
    return (
        _rule("new-address", "New addresses need a senior risk officer", 1, every(_TRANSFER, _UNLISTED),
              seats((Role.SENIOR_RISK_OFFICER, 1))),
        _rule("large", "Large payments need the CRO and two sites", 2,
              compare("usd", _GE, str(2 * MILLION * _E8)), large),
    )  # fmt: skip


def _limit(
    name: str, label: str, order: int, per: Dimension, most: int, *, quorum: Quorum | None = None,
    measure: Measure = Measure.USD,
) -> Limit:  # fmt: skip
    return Limit(
        id=name, label=label, order=order, when=None, per=(per,), measure=measure, asset=None, window=DAY,
        most=most, quorum=quorum,
    )  # fmt: skip


def _limits() -> tuple[Limit, ...]:
    large = seats((Role.RISK_OFFICER, 2), (Role.CRO, 1), sites=2)
    return (
        _limit("trader-day", "Dollars a day for each trader", 1, Dimension.INITIATOR, 6 * MILLION * _E8),
        _limit("beneficiary-day", "Dollars a day to one beneficiary", 2, Dimension.BENEFICIARY,
               2 * MILLION * _E8, quorum=large),
        _limit("beneficiary-most", "The most to one beneficiary in a day", 3, Dimension.BENEFICIARY,
               5 * MILLION * _E8),
        _limit("fees-day", "Fees a day", 4, Dimension.WALLET, ETHER, measure=Measure.FEE),
    )  # fmt: skip


def _address(now: int, name: str, address: str, beneficiary: str | None, *, usable: int, good: int) -> AddressEntry:
    return AddressEntry(
        id=name, chain=CHAIN, address=address, label=name.replace("-", " ").title(), reason="onboarded",
        usable_from=now + usable, expires=now + good, beneficiary=beneficiary,
    )  # fmt: skip


def _wallet(label: str, public_key: bytes, signer: str) -> Wallet:
    name = f"{CHAIN}:{address_of(public_key)}"
    return Wallet(
        id=name, label=label, kind=WalletKind.HSM, public_key=public_key, signers=(signer,), threshold=1
    )  # fmt: skip


def seed_fields(*, now: int, hot: bytes, cold: bytes, signer: str = "hsm-1") -> dict[str, Any]:
    """Return the policy's fields that differ from the factories' institution.

    Args:
        now: Unix seconds.
        hot: Public key of the first wallet.
        cold: Public key of the second one, which the same signer holds.
        signer: Its id.
    """
    return {
        "wallets": (_wallet("Treasury Hot", hot, signer), _wallet("Treasury Cold", cold, signer)),
        "assets": (
            AssetEntry(id=NATIVE, symbol="ETH", name="Ether", decimals=18),
            AssetEntry(id=TOKEN, symbol="USDC", name="USD Coin", decimals=6),
            AssetEntry(id=STALE, symbol="OLD", name="Old Coin", decimals=6),
            AssetEntry(id=UNPRICED, symbol="NEW", name="New Coin", decimals=6),
        ),
        "prices": (
            ReferencePrice(asset=NATIVE, usd_e8=ETHER_USD * _E8, expires=now + 30 * DAY),
            ReferencePrice(asset=TOKEN, usd_e8=_E8, expires=now + 60 * DAY),
            ReferencePrice(asset=STALE, usd_e8=_E8, expires=now - 1),
        ),
        "contracts": (
            contract(TOKEN_CONTRACT, "Token", APPROVE, *BATCHES),
            contract(ROUTER, "Router", SWAP, protocol="uniswap"),
            contract(MULTI_SEND, "MultiSend", SEND_MANY, protocol="safe"),
        ),
        "addresses": (
            _address(now, "exchange", LISTED, "exchange", usable=-DAY, good=90 * DAY),
            _address(now, "exchange-second", SECOND_DEPOSIT, "exchange", usable=-DAY, good=90 * DAY),
            _address(now, "custodian", CUSTODIAN, None, usable=-DAY, good=90 * DAY),
            _address(now, "newcomer", COOLING, None, usable=DAY, good=90 * DAY),
            _address(now, "lapsed", LAPSED, None, usable=-30 * DAY, good=-1),
        ),
        "guards": _guards(),
        "grants": _grants(),
        "escalations": _escalations(),
        "limits": _limits(),
    }


def seed_world(*, now: int | None = None) -> World:
    """Make the institution with keys of its own."""
    at = int(time.time()) if now is None else now
    hot, cold = (PrivateKey().public_key.format(compressed=False) for _ in range(2))
    return World(now=at, wallet_public_key=hot, overrides=seed_fields(now=at, hot=hot, cold=cold))


def pay(world: World, dollars: int, *, to: str = LISTED, asset: str = TOKEN, **changes: Any) -> Intent:  # noqa: ANN401
    """Make a payment worth so many dollars, at the policy's prices; `changes` are fields of the intent."""
    if asset == NATIVE:
        return world.intent(**({"to": to, "value": dollars * ETHER // ETHER_USD} | changes))
    return world.token_intent(dollars * 10**6, to, **({"to": _TOKENS[asset]} | changes))
