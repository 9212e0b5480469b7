"""What a request would be and do, before anything is asked of anybody. Nothing is stored."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

from chains.errors import ChainsError
from chains.reads import node_ask
from chains.simulating import transaction_simulate
from core.calldata import encode_transfer
from core.documents.mandate import GAS_MOST
from core.names import NATIVE_SUFFIX
from custody.fees import Fees, fees_capped
from oms.degraded import nonce_named
from oms.errors import FormError
from oms.evidence import evidence_gather
from oms.intents import NATIVE_GAS, TOKEN_GAS, Draft, amount_format, intent_build, mandate_build
from policies.services import decision_preview

if TYPE_CHECKING:
    from chains.nodes.client import NodeClient
    from chains.simulation import Simulation
    from core.documents.mandate import Mandate
    from core.documents.policy import Policy
    from oms.evidence import Evidence
    from policies.explanation import DecisionView


HELD_FEE_ROOM = 4
"""Caps of a held request are this many times those of one that goes to its signer at once."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preview:
    """What the trader sees before asking."""

    draft: Draft
    mandate: Mandate
    sentence: str
    evidence: Evidence
    decision: DecisionView
    fee_most: str
    warnings: tuple[str, ...]

    @property
    def simulation(self) -> Simulation | None:
        """What this server's nodes say; None where they say nothing."""
        return self.evidence.simulation

    @property
    def expires(self) -> dt.datetime:
        """When it ends whatever stands by then."""
        return dt.datetime.fromtimestamp(self.mandate.header.expires, tz=dt.UTC)

    @property
    def simulation_problem(self) -> str:
        """Why there is no simulation."""
        return self.evidence.problem


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Chain:
    """What nodes say that a preview needs: fees in wei per gas, balances in base units."""

    max_fee_per_gas: int
    max_priority_fee_per_gas: int
    native_balance: int
    asset_balance: int


def fees_wanted(suggested: Fees, *, held: bool) -> Fees:
    """Return the caps that people are asked to consent to: what is held is carried out at fees that nobody knows."""
    caps = fees_capped(suggested)
    return Fees(most=HELD_FEE_ROOM * caps.most, tip=HELD_FEE_ROOM * caps.tip) if held else caps


def _ask_chain(draft: Draft) -> _Chain:
    native = draft.asset.id.endswith(NATIVE_SUFFIX)

    def question(node: NodeClient) -> _Chain:
        fees = node.suggest_fees()
        balance = node.balance(draft.wallet.address)
        held = balance if native else node.token_balance(draft.asset.id.rpartition(":")[2], draft.wallet.address)
        caps = fees_wanted(Fees(most=fees.max_fee_per_gas, tip=fees.max_priority_fee_per_gas), held=draft.held)
        return _Chain(
            max_fee_per_gas=caps.most,
            max_priority_fee_per_gas=caps.tip,
            native_balance=balance,
            asset_balance=held,
        )

    try:
        return node_ask(chain=draft.wallet.chain, question=question)
    except ChainsError as error:
        raise FormError({"": [f"No node of this chain answers, so nothing can be previewed: {error}"]}) from error


def _check_balance(draft: Draft, chain: _Chain, gas: int) -> None:
    native = draft.asset.id.endswith(NATIVE_SUFFIX)
    fee = gas * chain.max_fee_per_gas
    if draft.amount > chain.asset_balance:
        held = amount_format(chain.asset_balance, draft.asset.decimals)
        raise FormError({"amount": [f"{draft.wallet.label} holds {held} {draft.asset.symbol}."]})
    if (draft.amount if native else 0) + fee > chain.native_balance:
        words = amount_format(fee, 18)
        field = "amount" if native else "wallet"
        raise FormError({field: [f"The wallet cannot pay the fee of up to {words} of the chain's coin as well."]})


def _gas(draft: Draft) -> int:
    """Find out how much gas is needed, with its margin; the plain figure where that cannot be known now."""
    native = draft.asset.id.endswith(NATIVE_SUFFIX)
    try:
        outcome = transaction_simulate(
            chain=draft.wallet.chain,
            sender=draft.wallet.address,
            to=draft.destination if native else draft.asset.id.rpartition(":")[2],
            value=draft.amount if native else 0,
            data=b"" if native else encode_transfer(draft.destination, draft.amount),
        )
    except ChainsError:
        return NATIVE_GAS if native else TOKEN_GAS
    if not outcome.succeeded:
        return NATIVE_GAS if native else TOKEN_GAS
    if outcome.gas_limit > GAS_MOST:
        raise FormError({"": [f"A node says that this takes {outcome.gas_used:,} gas, which is not believable."]})
    return max(outcome.gas_limit, NATIVE_GAS)


def sentence_of(draft: Draft, policy: Policy) -> str:
    """Say the request in one sentence, the destination by its label where the whitelist has one."""
    amount = f"{amount_format(draft.amount, draft.asset.decimals)} {draft.asset.symbol}"
    entries = (e for e in policy.addresses if (e.chain, e.address) == (draft.wallet.chain, draft.destination))
    label = next((entry.label for entry in entries), draft.destination)
    return f"Transfer {amount} from {draft.wallet.label} to {label}"


def preview_build(*, draft: Draft, policy: Policy, person: str, first_use: bool, now: int) -> Preview:
    """Build, simulate and decide a draft. Asks nodes, so not inside a database transaction.

    Args:
        draft: From `oms.intents.draft_parse`.
        policy: The active policy.
        person: Roster id of who asks.
        first_use: Whether this destination was never paid before.
        now: Unix seconds.

    Raises:
        FormError: If the wallet cannot pay, no node answers, or another request has to be signed first.
    """
    at = dt.datetime.fromtimestamp(now, tz=dt.UTC)
    nonce = nonce_named(wallet=draft.wallet.id, policy=policy, held=draft.held, now=at)
    chain = _ask_chain(draft)
    gas = _gas(draft)
    _check_balance(draft, chain, gas)
    intent = intent_build(
        draft=draft,
        policy=policy,
        gas=gas,
        max_fee_per_gas=chain.max_fee_per_gas,
        max_priority_fee_per_gas=chain.max_priority_fee_per_gas,
        now=now,
    )
    mandate = mandate_build(intent=intent, policy=policy, person=person, purpose=draft.purpose, now=now, nonce=nonce)
    evidence = evidence_gather(intent=intent, policy=policy, now=now)
    simulation = evidence.simulation
    warnings = [evidence.missing] if evidence.missing else []
    if simulation is not None and not simulation.succeeded:
        warnings.append(f"The simulation says that this would fail: {simulation.reason}")
    if first_use:
        warnings.append("This destination was never paid before from here.")
    return Preview(
        draft=draft,
        mandate=mandate,
        sentence=sentence_of(draft, policy),
        evidence=evidence,
        decision=decision_preview(
            intent=intent,
            asker=mandate.asker,
            claims=evidence.claims(first_use=first_use),
            now=now,
            attested=evidence.attested.facts,
        ),
        fee_most=amount_format(intent.fee_most, 18),
        warnings=tuple(warnings),
    )
