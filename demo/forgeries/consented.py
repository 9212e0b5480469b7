"""Something about the transaction is changed after people have consented, and everything is recomputed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from core.calldata import encode_transfer
from core.documents.mandate import Mandate, SingleOrder
from core.errors import Refusal
from demo.forgeries.case import GWEI, PAYMENT, shown
from demo.forgeries.catalogue import Attack, Setting, edited, forgery, raw, sign

if TYPE_CHECKING:
    from core.documents.bundle import Bundle
    from core.documents.consent import SignedConsent
    from core.documents.mandate import Intent
    from demo.forgeries.case import Case


def rebuilt(case: Case, bundle: Bundle, intent: Intent, **changes: Any) -> Bundle:  # noqa: ANN401 - Mandate's fields
    """Rebuild a whole case over another intent.

    The attacker asks and approves anew with the two keys that he owns, and rewrites the honest approval's statement
    so that it names the new mandate; its assertion he can only copy.
    """
    order = SingleOrder(kind="intent", intent=shown(intent))
    mandate = dataclasses.replace(bundle.mandate, order=order, **changes)
    honest = next(one for one in bundle.consents if one.statement.actor == case.cast.honest)
    consents = (case.ask(mandate), relabelled(honest, mandate), case.consent(mandate.digest, case.cast.accomplice))
    return dataclasses.replace(bundle, mandate=mandate, intent=order.intent, consents=consents)


def relabelled(signed: SignedConsent, mandate: Mandate) -> SignedConsent:
    """Make an honest consent's statement name another mandate; the assertion stays."""
    return dataclasses.replace(signed, statement=dataclasses.replace(signed.statement, subject=mandate.digest))


def changed(case: Case, **fields: Any) -> Attack:  # noqa: ANN401 - Intent's fields
    """Change fields of the intent after consent."""
    honest = case.bundle()
    return Attack(
        forged=sign(rebuilt(case, honest, dataclasses.replace(honest.intent, **fields))), control=sign(honest)
    )


_REBUILT = "A rebuilt case has every digest right except the one inside the honest approver's assertion."


@forgery("amount-changed-after-consent", Refusal.ASSERTION, why=_REBUILT)
def _amount(case: Case) -> Attack:
    return changed(case, value=PAYMENT * 10)


@forgery("destination-changed-after-consent", Refusal.ASSERTION, why=_REBUILT)
def _destination(case: Case) -> Attack:
    return changed(case, to=case.stranger)


@forgery("gas-changed-after-consent", Refusal.ASSERTION, why=_REBUILT)
def _gas(case: Case) -> Attack:
    return changed(case, gas=5_000_000)


@forgery("fee-cap-raised-after-consent", Refusal.ASSERTION, why="The fee is money too: the cap is consented to.")
def _fee_cap(case: Case) -> Attack:
    return changed(case, max_fee_per_gas=4_000 * GWEI)


@forgery("priority-fee-cap-raised-after-consent", Refusal.ASSERTION, why="A tip can be paid to the attacker.")
def _priority_cap(case: Case) -> Attack:
    return changed(case, max_priority_fee_per_gas=100 * GWEI)


@forgery("data-added-after-consent", Refusal.ASSERTION, why=_REBUILT)
def _data(case: Case) -> Attack:
    return changed(case, data=bytes.fromhex("095ea7b3") + bytes(64))


@forgery("token-amount-changed-after-consent", Refusal.ASSERTION, why="The amount stands in the calldata.")
def _token_amount(case: Case) -> Attack:
    honest = case.bundle(case.mandate(case.token_intent()))
    forged = dataclasses.replace(honest.intent, data=encode_transfer(case.listed, 10**9))
    return Attack(forged=sign(rebuilt(case, honest, forged)), control=sign(honest))


@forgery("token-recipient-changed-after-consent", Refusal.ASSERTION, why="The recipient stands in the calldata.")
def _token_recipient(case: Case) -> Attack:
    honest = case.bundle(case.mandate(case.token_intent()))
    forged = dataclasses.replace(honest.intent, data=encode_transfer(case.stranger, 10**6))
    return Attack(forged=sign(rebuilt(case, honest, forged)), control=sign(honest))


@forgery("token-contract-changed-after-consent", Refusal.ASSERTION, why="Another contract, another token.")
def _token_contract(case: Case) -> Attack:
    honest = case.bundle(case.mandate(case.token_intent()))
    return Attack(
        forged=sign(rebuilt(case, honest, dataclasses.replace(honest.intent, to=case.stranger))), control=sign(honest)
    )


@forgery("expiry-moved-after-consent", Refusal.ASSERTION, why="A consent is for a time.")
def _expiry(case: Case) -> Attack:
    honest = case.bundle()
    header = dataclasses.replace(honest.mandate.header, expires=case.now + 10**7)
    return Attack(forged=sign(rebuilt(case, honest, honest.intent, header=header)), control=sign(honest))


@forgery("purpose-changed-after-consent", Refusal.ASSERTION, why="Why they pay is part of what they consented to.")
def _purpose(case: Case) -> Attack:
    honest = case.bundle()
    return Attack(forged=sign(rebuilt(case, honest, honest.intent, purpose="Gift")), control=sign(honest))


@forgery("new-id-for-a-second-payment", Refusal.ASSERTION, why="A copy under a new id is another intent.")
def _new_id(case: Case) -> Attack:
    honest = case.bundle()
    return Attack(
        forged=sign(rebuilt(case, honest, dataclasses.replace(honest.intent, header=case.header("intent")))),
        control=sign(honest),
    )


@forgery("wallet-changed-after-consent", Refusal.ASSERTION, why=_REBUILT, setting=Setting.TWO_WALLETS)
def _wallet(case: Case) -> Attack:
    other = next(wallet.id for wallet in case.policy.wallets if wallet.id != case.wallet)
    return changed(case, wallet=other)


@forgery("wallet-that-no-policy-knows", Refusal.UNKNOWN_WALLET, why="Only the policy's wallets are signed for.")
def _unknown_wallet(case: Case) -> Attack:
    return changed(case, wallet=f"{case.chain}:{case.stranger}")


@forgery("chain-changed-after-consent", Refusal.UNKNOWN_WALLET, why="A wallet is an account on one chain.")
def _chain(case: Case) -> Attack:
    return changed(case, wallet=f"eip155:1:{case.wallet.rpartition(':')[2]}", chain="eip155:1")


@forgery("chain-without-its-wallet", Refusal.MALFORMED, why="An intent that contradicts itself is none.")
def _chain_alone(case: Case) -> Attack:
    honest = case.bundle()
    value = edited(honest, "intent", "chain", to="eip155:1")
    value["mandate"]["order"]["intent"]["chain"] = "eip155:1"
    return Attack(forged=raw(value), control=sign(honest))


@forgery("intent-beside-its-mandate", Refusal.INTENT_MISMATCH, why="What is signed is what the mandate holds.")
def _beside(case: Case) -> Attack:
    honest = case.bundle()
    other = shown(dataclasses.replace(honest.intent, to=case.stranger))
    return Attack(forged=sign(dataclasses.replace(honest, intent=other)), control=sign(honest))


@forgery("old-approval-kept-beside-a-new-mandate", Refusal.CONSENT_MISMATCH, why="It names the old mandate.")
def _kept(case: Case) -> Attack:
    honest = case.bundle()
    forged = rebuilt(case, honest, dataclasses.replace(honest.intent, value=PAYMENT * 10))
    old = next(one for one in honest.consents if one.statement.actor == case.cast.honest)
    consents = tuple(old if one.statement.actor == case.cast.honest else one for one in forged.consents)
    return Attack(forged=sign(dataclasses.replace(forged, consents=consents)), control=sign(honest))


@forgery("honest-approver-left-out", Refusal.QUORUM, why="Two keys that he owns are not the quorum.")
def _left_out(case: Case) -> Attack:
    honest = case.bundle()
    forged = rebuilt(case, honest, dataclasses.replace(honest.intent, value=PAYMENT * 10))
    consents = tuple(one for one in forged.consents if one.statement.actor != case.cast.honest)
    return Attack(forged=sign(dataclasses.replace(forged, consents=consents)), control=sign(honest))


_DECEIVED = "Everybody was shown the lie and signed it; the signer decodes the calldata for itself."


@forgery("movements-that-show-less", Refusal.MOVEMENTS, why=_DECEIVED)
def _movements_less(case: Case) -> Attack:
    honest = case.intent()
    lie = tuple(dataclasses.replace(one, least=1, most=1) for one in honest.movements)
    return _deceived(case, dataclasses.replace(honest, movements=lie))


@forgery("movements-to-somebody-else", Refusal.MOVEMENTS, why=_DECEIVED)
def _movements_elsewhere(case: Case) -> Attack:
    honest = case.token_intent()
    lie = tuple(dataclasses.replace(one, destination=case.cooling) for one in honest.movements)
    return _deceived(case, dataclasses.replace(honest, movements=lie))


@forgery("movements-left-out", Refusal.MOVEMENTS, why=_DECEIVED)
def _movements_none(case: Case) -> Attack:
    return _deceived(case, case.intent(movements=()))


@forgery("movements-with-loose-bounds", Refusal.MOVEMENTS, why=_DECEIVED)
def _movements_loose(case: Case) -> Attack:
    honest = case.intent()
    lie = tuple(dataclasses.replace(one, least=0) for one in honest.movements)
    return _deceived(case, dataclasses.replace(honest, movements=lie))


@forgery("movements-claimed-for-an-unknown-call", Refusal.MOVEMENTS, why=_DECEIVED)
def _movements_claimed(case: Case) -> Attack:
    harmless = case.token_intent().movements
    return _deceived(
        case, case.intent(to=case.token, value=0, data=bytes.fromhex("095ea7b3") + bytes(64), movements=harmless)
    )


def _deceived(case: Case, intent: Intent) -> Attack:
    return Attack(forged=sign(case.bundle(case.mandate(intent))), control=sign(case.bundle()))
