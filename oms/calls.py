"""From typed arguments to exactly one contract call, and what it would do: previewed, never stored."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

from eth_abi.abi import encode
from eth_abi.exceptions import EncodingError

from chains.errors import ChainsError
from chains.simulating import calls_simulate, transaction_simulate
from chains.simulation import Call
from chains.simulation.slippage import Price, exchange_of
from core.abi import argument_types, components, selector_of
from core.attested import quoted
from core.documents.mandate import GAS_MOST, Intent
from core.errors import DocumentError
from core.names import CALLDATA, SENTENCE, native_asset, token_asset
from custody.fees import fees_capped
from custody.lanes import fees_ask
from oms.call_values import MOST_FIELDS, Leaf, Reader, leaves_of
from oms.call_words import call_lines
from oms.degraded import nonce_named
from oms.errors import FormError
from oms.evidence import evidence_gather
from oms.intents import NATIVE_GAS, amount_format, amount_parse, header_new, mandate_build
from policies.services import decision_preview

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chains.simulation import Simulation
    from core.documents.mandate import Mandate
    from core.documents.policy import Policy
    from core.documents.roster import AbiFunction, ContractEntry, Wallet
    from custody.fees import Fees
    from oms.evidence import Evidence
    from policies.explanation import DecisionView

CALL_GAS = 500_000
"""The gas limit where a failed simulation names none; the request is then shown and goes no further."""
APPROVE = "approve(address,uint256)"
_NATIVE_DECIMALS = 18


@dataclasses.dataclass(frozen=True, kw_only=True)
class Registered:
    """A function that the policy registers."""

    contract: ContractEntry
    function: AbiFunction

    @property
    def key(self) -> str:
        """How the form names it."""
        return f"{self.contract.chain}:{self.contract.address}:0x{self.function.selector.hex()}"

    @property
    def words(self) -> str:
        """How people find it."""
        return f"{self.contract.label} · {self.function.signature}"[:200]

    @property
    def leaves(self) -> list[Leaf]:
        """The fields that its arguments take; none where they are too many for a form."""
        found = leaves_of(argument_types(self.function.signature) or ())
        return found if len(found) <= MOST_FIELDS else []


@dataclasses.dataclass(frozen=True, kw_only=True)
class CallDraft:
    """What was typed, understood. `allowance`: let the contract take exactly so much (token, base units) before."""

    wallet: Wallet
    registered: Registered
    data: bytes
    value: int
    purpose: str
    allowance: tuple[str, int] | None


def registered_of(policy: Policy) -> list[Registered]:
    """Return every function that the policy registers and a form can ask for."""
    found = [Registered(contract=entry, function=one) for entry in policy.contracts for one in entry.functions]
    return [one for one in found if argument_types(one.function.signature) is not None]


def registered_find(policy: Policy, key: str) -> Registered | None:
    """Return the function that a form names."""
    return next((one for one in registered_of(policy) if one.key == key), None)


def call_parse(*, policy: Policy, wallet: str, function: str, typed: Mapping[str, str], now: int) -> CallDraft:
    """Understand what was typed.

    Args:
        policy: Whose contracts may be called.
        wallet: CAIP-10 account of a wallet that the policy names.
        function: As `Registered.key` names it.
        typed: The other fields: arguments by `Leaf.name`, ``value``, ``allowance`` and ``purpose``.
        now: Unix seconds.

    Raises:
        FormError: With the messages of every wrong field at once.
    """
    errors: dict[str, list[str]] = {}
    own = next((one for one in policy.wallets if one.id == wallet), None)
    chosen = registered_find(policy, function)
    if own is None:
        errors["wallet"] = ["Choose one of the wallets that the policy names."]
    if chosen is None:
        raise FormError(errors | {"function": ["Choose one of the functions that the policy registers."]})
    if own is not None and own.chain != chosen.contract.chain:
        errors["wallet"] = [f"{chosen.contract.label} is on another chain than {own.label}."]
    reader = Reader(policy, chosen.contract.chain, now=now)
    values: dict[tuple[int, ...], object] = {}
    for leaf in chosen.leaves:
        try:
            values[leaf.path] = reader.read(leaf.kind, typed.get(leaf.name, ""))
        except ValueError as error:
            errors[leaf.name] = [str(error)]
    value = _value(typed.get("value", ""), errors)
    allowance = _allowance(policy, chosen, typed.get("allowance", ""), errors)
    purpose = typed.get("purpose", "").strip()
    try:
        SENTENCE.read(purpose, "purpose")
    except DocumentError:
        errors["purpose"] = ["At most 280 visible characters, in one line."]
    if errors or own is None:
        raise FormError(errors)
    data = _encoded(chosen, values)
    return CallDraft(wallet=own, registered=chosen, data=data, value=value, purpose=purpose, allowance=allowance)


def _value(text: str, errors: dict[str, list[str]]) -> int:
    if not text.strip() or text.strip() == "0":
        return 0
    try:
        return amount_parse(text, _NATIVE_DECIMALS)
    except ValueError as error:
        errors["value"] = [str(error)]
        return 0


def _allowance(policy: Policy, chosen: Registered, text: str, errors: dict[str, list[str]]) -> tuple[str, int] | None:
    """Read ``1,000 USDC``: the token's contract and base units."""
    if not text.strip():
        return None
    amount, _, symbol = text.strip().rpartition(" ")
    tokens = {
        asset.symbol.lower(): asset
        for asset in policy.assets
        if asset.id == token_asset(chosen.contract.chain, asset.id.rpartition(":")[2])
    }
    asset = tokens.get(symbol.lower())
    try:
        if asset is None:
            errors["allowance"] = ["Enter an amount and one of the policy's tokens, for instance 1,250.5 USDC."]
            return None
        return asset.id.rpartition(":")[2], amount_parse(amount, asset.decimals)
    except ValueError as error:
        errors["allowance"] = [str(error)]
        return None


def _encoded(chosen: Registered, values: Mapping[tuple[int, ...], object]) -> bytes:
    def build(kind: str, path: tuple[int, ...]) -> object:
        if path in values:
            return values[path]
        return tuple(build(part, (*path, place)) for place, part in enumerate(components(kind) or ()))

    types = argument_types(chosen.function.signature) or ()
    try:
        arguments = encode(types, [build(kind, (place,)) for place, kind in enumerate(types)])
        return bytes(CALLDATA.read("0x" + (selector_of(chosen.function.signature) + arguments).hex(), "data"))
    except (EncodingError, ValueError, OverflowError) as error:
        raise FormError({"": ["These arguments do not fit the function's registered signature."]}) from error
    except DocumentError as error:
        raise FormError({"": ["These arguments are larger than a transaction may be."]}) from error


@dataclasses.dataclass(frozen=True, kw_only=True)
class CallPreview:
    """What the trader sees before asking for a call.

    Attributes:
        lines: What it does: the call itself, then each call inside it.
        sequence: With an exact allowance before it: what both would do, one after the other.
        loss: How much less is got than given, in per cent by the prices at hand; empty if it is no exchange.
        loss_source: Whose prices.
    """

    draft: CallDraft
    mandate: Mandate
    lines: tuple[str, ...]
    evidence: Evidence
    sequence: tuple[Simulation, ...]
    sequence_problem: str
    decision: DecisionView
    fee_most: str
    loss: str
    loss_source: str
    warnings: tuple[str, ...]

    @property
    def simulation(self) -> Simulation | None:
        """What this server's nodes say of the call; after its allowance, where one is asked for before."""
        return self.sequence[-1] if self.sequence else self.evidence.simulation


def _fees(chain: str) -> Fees:
    try:
        return fees_capped(fees_ask(chain=chain))
    except ChainsError as error:
        raise FormError({"": [f"No node of this chain answers, so nothing can be previewed: {error}"]}) from error


def _approve(draft: CallDraft) -> Call | None:
    if draft.allowance is None:
        return None
    token, amount = draft.allowance
    data = selector_of(APPROVE) + encode(["address", "uint256"], [draft.registered.contract.address, amount])
    return Call(sender=draft.wallet.address, to=token, value=0, data=data)


def _sequence(draft: CallDraft, gas: int | None) -> tuple[tuple[Simulation, ...], str]:
    first = _approve(draft)
    if first is None:
        return (), ""
    to = draft.registered.contract.address
    second = Call(sender=draft.wallet.address, to=to, value=draft.value, data=draft.data, gas=gas)
    try:
        return calls_simulate(chain=draft.wallet.chain, calls=[first, second]), ""
    except ChainsError as error:
        return (), str(error)


def _gas(draft: CallDraft, sequence: Sequence[Simulation]) -> int:
    """Find out how much gas is needed, with its margin."""
    outcome = sequence[-1] if sequence else None
    if outcome is None:
        try:
            outcome = transaction_simulate(
                chain=draft.wallet.chain,
                sender=draft.wallet.address,
                to=draft.registered.contract.address,
                value=draft.value,
                data=draft.data,
            )
        except ChainsError:
            return CALL_GAS
    if not outcome.succeeded or not outcome.gas_used:
        return CALL_GAS
    if outcome.gas_limit > GAS_MOST:
        raise FormError({"": [f"A node says that this takes {outcome.gas_used:,} gas, which is not believable."]})
    return max(outcome.gas_limit, NATIVE_GAS)


def prices_of(policy: Policy, evidence: Evidence, *, now: int) -> tuple[dict[str, Price], str]:
    """Return prices to weigh an exchange with: the attesters' where they quote, else the policy's references."""
    decimals = {asset.id: asset.decimals for asset in policy.assets}
    quotes = quoted(evidence.attested.facts)
    source = "by the attesters' prices" if quotes else "by the policy's reference prices"
    found = quotes or {price.asset: price.usd_e8 for price in policy.prices if now < price.expires}
    return {
        asset: Price(usd_e8=usd, decimals=decimals[asset]) for asset, usd in found.items() if asset in decimals
    }, source


def call_preview_build(*, draft: CallDraft, policy: Policy, person: str, first_use: bool, now: int) -> CallPreview:
    """Build, simulate and decide a call. Asks nodes, so not inside a database transaction.

    Args:
        draft: From `call_parse`.
        policy: The active policy.
        person: Roster id of who asks.
        first_use: Whether this contract was never called before.
        now: Unix seconds.

    Raises:
        FormError: If no node answers, or the gas is not believable.
    """
    chain, contract = draft.wallet.chain, draft.registered.contract
    at = dt.datetime.fromtimestamp(now, tz=dt.UTC)
    nonce = nonce_named(wallet=draft.wallet.id, policy=policy, held=False, now=at)
    fees = _fees(chain)
    sequence, problem = _sequence(draft, None)
    intent = Intent(
        header=header_new("intent", policy.deployment, now=now),
        wallet=draft.wallet.id,
        chain=chain,
        to=contract.address,
        value=draft.value,
        data=draft.data,
        gas=_gas(draft, sequence),
        max_fee_per_gas=fees.most,
        max_priority_fee_per_gas=fees.tip,
        movements=(),
    )
    mandate = mandate_build(intent=intent, policy=policy, person=person, purpose=draft.purpose, now=now, nonce=nonce)
    evidence = evidence_gather(intent=intent, policy=policy, now=now)
    shown = sequence[-1] if sequence else evidence.simulation
    prices, source = prices_of(policy, evidence, now=now)
    exchange = None if shown is None else exchange_of(shown, draft.wallet.address)
    loss = "" if exchange is None else exchange.loss_words(prices)
    return CallPreview(
        draft=draft,
        mandate=mandate,
        lines=call_lines(chain, contract.address, draft.value, draft.data, policy),
        evidence=evidence,
        sequence=sequence,
        sequence_problem=problem,
        decision=decision_preview(
            intent=intent,
            asker=mandate.asker,
            claims=evidence.claims(first_use=first_use),
            now=now,
            attested=evidence.attested.facts,
        ),
        fee_most=amount_format(intent.fee_most, _NATIVE_DECIMALS),
        loss=loss,
        loss_source=source if loss else "",
        warnings=_warnings(evidence, shown, sequence, first_use=first_use),
    )


def _warnings(
    evidence: Evidence, shown: Simulation | None, sequence: Sequence[Simulation], *, first_use: bool
) -> tuple[str, ...]:
    found = [evidence.missing] if evidence.missing else []
    if shown is not None and not shown.succeeded:
        found.append(f"The simulation says that this would fail: {shown.reason}")
    if shown is not None:
        found += [f"In the simulation, {note}." for note in shown.notes]
        if any(frame.reentered for frame in shown.frames or ()):
            found.append("A function is entered again while it still runs (re-entrancy).")
        if shown.created:
            found.append(f"It creates {len(shown.created)} contracts.")
    if sequence:
        found.append("This takes two requests: the allowance first, and the call once that is confirmed.")
    if first_use:
        found.append("This contract was never called before from here.")
    return tuple(found)


def value_words(draft: CallDraft) -> str:
    """Say what is sent along."""
    return f"{amount_format(draft.value, _NATIVE_DECIMALS)} of the chain's coin ({native_asset(draft.wallet.chain)})"
