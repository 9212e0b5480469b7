"""What a document does, in one sentence: the same words as the consent page says, from another implementation.

Whoever compares two devices compares these. `tests/vectors` hold both to the same sentences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.books import books_of
from core.calldata import CallKind
from core.calls import open_calls
from core.documents.control import Cancel, Ceremony, CeremonyKind, Halt, Resume
from core.documents.enrolment import Enrolment
from core.documents.mandate import AskerKind, Mandate, SingleOrder
from core.documents.policy import Policy
from core.errors import DocumentError
from core.names import native_asset

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.calls import Allowance, Calls, Made
    from core.documents.base import Document
    from core.documents.mandate import Asker, Intent

_LEAST_PLACES = 2
_CEREMONIES = {
    CeremonyKind.KEY_GENERATION: "Generate a new wallet key on",
    CeremonyKind.REFRESH: "Refresh the key shares of",
    CeremonyKind.RESTORE: "Restore key shares to",
    CeremonyKind.BAN: "Ban for ever from signing:",
    CeremonyKind.JOURNAL_START: "Start the journal anew on",
    CeremonyKind.BACKUP: "Wrap to recovery keys the keys or shares of",
    CeremonyKind.DRILL: "Prove by a drill that the backups open, of",
    CeremonyKind.DEGRADED: "Sign without the other parties of the wallet, under divided limits, by",
    CeremonyKind.DESTROY: "Destroy for ever the keys or shares of",
    CeremonyKind.CLONE: "Make a new key with a clone in a second token, on",
}


def in_units(amount: int, decimals: int) -> str:
    """Write base units as a decimal number, nothing rounded; at least two places where the asset has them."""
    digits = str(amount).rjust(decimals + 1, "0")
    whole, places = digits[: len(digits) - decimals], digits[len(digits) - decimals :].rstrip("0")
    places = places.ljust(min(_LEAST_PLACES, decimals), "0")
    grouped = f"{int(whole):,}"
    return f"{grouped}.{places}" if places else grouped


def amount_words(policy: Policy, asset: str, amount: int) -> str:
    """Write an amount with its asset's symbol and decimals, as the policy knows them."""
    entry = next((one for one in policy.assets if one.id == asset), None)
    if entry is None:
        return f"{amount:,} base units of an unknown asset"
    return f"{in_units(amount, entry.decimals)} {entry.symbol}"


def name_of(policy: Policy, chain: str, address: str) -> str | None:
    """Return what the policy calls an address: a destination, an own wallet, a registered contract, a token."""
    books = books_of(policy)
    entry, contract = books.addresses.get((chain, address)), books.contract(chain, address)
    wallet = books.wallets.get(f"{chain}:{address}")
    token = next((one.name for one in policy.assets if one.id == f"{chain}/erc20:{address}"), None)
    labels = (one.label for one in (entry, wallet, contract) if one is not None)
    return next(labels, token)


def _place(policy: Policy, chain: str, address: str) -> str:
    return name_of(policy, chain, address) or f"unlisted address {address}"


def _wallet(policy: Policy, wallet: str) -> str:
    return next((one.label for one in policy.wallets if one.id == wallet), "an unknown wallet")


def _asker(policy: Policy, asker: Asker) -> str:
    known = policy.people if asker.kind is AskerKind.PERSON else policy.clients
    return next((one.name for one in known if one.id == asker.id), "somebody unknown")


def _allowance(policy: Policy, chain: str, given: Allowance, wallet: str) -> str:
    entry = next((one for one in policy.assets if one.id == given.asset), None)
    contract = _place(policy, chain, given.asset.rpartition(":")[2])
    spender = _place(policy, chain, given.spender)
    if not given.amount:
        return f"Take back what {spender} may take of {entry.symbol if entry else contract} from {wallet}"
    if given.unlimited:
        all_of_it = f"ALL {entry.symbol}" if entry else f"EVERYTHING of {contract}"
        return f"Allow {spender} to take {all_of_it}, without limit, from {wallet}"
    return f"Allow {spender} to take up to {amount_words(policy, given.asset, given.amount)} from {wallet}"


def _function(policy: Policy, made: Made) -> str:
    functions = made.contract.functions if made.contract is not None else ()
    signature = next(one.signature for one in functions if one.selector == made.selector)
    return f"{signature.partition('(')[0]} of {_place(policy, made.chain, made.to)}"


def _does(policy: Policy, intent: Intent, calls: Calls) -> str:
    outer, wallet = calls.outer, _wallet(policy, intent.wallet)
    if not calls.understood:
        return f"Unknown call of {_place(policy, intent.chain, intent.to)} from {wallet}"
    if outer.kind is CallKind.NOTE:
        return f"Note of {len(intent.data)} bytes from {wallet} to itself, moving nothing"
    if outer.flow is not None and outer.kind in (CallKind.NATIVE, CallKind.TOKEN):
        amount = amount_words(policy, outer.flow.asset, outer.flow.amount)
        return f"Transfer {amount} from {wallet} to {_place(policy, intent.chain, outer.flow.destination)}"
    sending = (
        f", sending {amount_words(policy, native_asset(intent.chain), intent.value)} along" if intent.value else ""
    )
    if outer.allowance is not None:
        return _allowance(policy, intent.chain, outer.allowance, wallet) + sending
    if outer.is_batch:
        count = sum(not one.is_batch for one in calls.made)
        calls_words = f"{count} call" if count == 1 else f"{count} calls"
        return f"Batch of {calls_words} through {_function(policy, outer)} from {wallet}{sending}"
    return f"Call {_function(policy, outer)} from {wallet}{sending}"


def mandate_sentence(mandate: Mandate, policy: Policy) -> str:
    """Say what a mandate does, and who asks.

    Args:
        mandate: A mandate over one intent.
        policy: The policy whose names and decimals are used.

    Raises:
        DocumentError: For a parent order, which no signer signs yet.
    """
    order = mandate.order
    if not isinstance(order, SingleOrder):
        msg = "a parent order: no signer signs one yet, so there is no sentence for it"
        raise DocumentError(msg)
    intent = order.intent
    calls = open_calls(intent.chain, intent.to, intent.value, intent.data, books_of(policy), sender=intent.sender)
    only = "" if mandate.nonce is None else f", at nonce {mandate.nonce} only"
    return f"{_does(policy, intent, calls)}{only} — asked by {_asker(policy, mandate.asker)}"


def _signers(names: tuple[str, ...]) -> str:
    return ", ".join(names) if names else "all signers"


def _cancel(document: Cancel, policy: Policy) -> str:
    return f"Cancel a transaction from {_wallet(policy, document.wallet)}: a transfer of 0 to itself replaces it"


def _enrolment(document: Enrolment, policy: Policy) -> str:
    owner = next((one.name for one in policy.people if one.id == document.person), document.person)
    return f"Enrol a security key of {owner}"


def _policy(document: Policy, _: Policy) -> str:
    about = f"of {document.institution} ({document.profile} profile)"
    if document.is_genesis:
        return f"First policy {about}"
    return f"Policy {document.number} {about} — follows policy {document.number - 1}"


def _ceremony(document: Ceremony, policy: Policy) -> str:
    # A journal is a signer's, whichever wallets it has; everything else is about one wallet, or makes a key for one.
    if document.wallet is None or document.kind is CeremonyKind.JOURNAL_START:
        about = ""
    else:
        about = f", wallet {_wallet(policy, document.wallet)}"
    return f"{_CEREMONIES[document.kind]} {_signers(document.signers)}{about}"


_SENTENCES: dict[type[Document], Callable[[Any, Policy], str]] = {
    Mandate: mandate_sentence,
    Policy: _policy,
    Cancel: _cancel,
    Halt: lambda document, _: f"Halt: {_signers(document.signers)} sign nothing from now on",
    Resume: lambda document, _: f"Resume: {_signers(document.signers)} may sign again",
    Ceremony: _ceremony,
    Enrolment: _enrolment,
}
DOCUMENTS: dict[str, type[Document]] = {cls.TYPE: cls for cls in _SENTENCES}
"""What people sign, by type."""


def sentence_of(document: Document, policy: Policy) -> str:
    """Say what any document does that people sign.

    Raises:
        DocumentError: If there is no sentence for it.
    """
    sentence = _SENTENCES.get(type(document))
    if sentence is None:
        msg = f"there is no sentence for a {document.TYPE}"
        raise DocumentError(msg)
    return sentence(document, policy)
