"""From what a person typed to exactly one transaction: every field checked, every message for its own field."""

from __future__ import annotations

import dataclasses
import re
import secrets
from typing import TYPE_CHECKING

from core.calldata import encode_transfer, movements_of
from core.documents.base import Header
from core.documents.mandate import Asker, AskerKind, Intent, Mandate, SingleOrder
from core.errors import DocumentError
from core.names import ADDRESS, NATIVE_SUFFIX, SENTENCE, checksum_address
from core.schema import UINT256_MAX
from oms.errors import FormError

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from core.documents.roster import AssetEntry, Wallet

LIFETIME_SECONDS = 4 * 60 * 60
"""How long a request may wait for people."""
HELD_LIFETIME_SECONDS = 30 * 24 * 60 * 60
"""How long one may wait that is held once people have approved it: no longer than witnesses name a veto of it."""
NATIVE_GAS, TOKEN_GAS = 21_000, 120_000
"""Gas limits where a failed simulation names none; the request is then shown and goes no further."""
# Commas only where they group thousands: "1,5" must never become 15.
_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,2}(?:,[0-9]{3})+|[1-9][0-9]*)(?:\.[0-9]+)?", re.ASCII)
_ZERO_ADDRESS = "0x" + "0" * 40


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draft:
    """What was typed, understood. `amount` in base units; `held`: it waits for an operator once it is approved."""

    wallet: Wallet
    asset: AssetEntry
    destination: str
    amount: int
    purpose: str
    held: bool = False


def amount_parse(text: str, decimals: int) -> int:
    """Read an amount in the asset's units, for instance ``1,250.5``, into base units.

    Raises:
        ValueError: With what to do about it.
    """
    if _NUMBER.fullmatch(text.strip()) is None:
        msg = "Enter a number such as 1,250.5: digits, with a point before the decimals."
        raise ValueError(msg)
    whole, _, fraction = text.strip().replace(",", "").partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > decimals:
        msg = f"This asset has {decimals} decimal places; {len(fraction)} were given."
        raise ValueError(msg)
    amount = int(whole + fraction.ljust(decimals, "0"))
    if amount == 0:
        msg = "Enter an amount greater than 0."
        raise ValueError(msg)
    if amount > UINT256_MAX:
        msg = "This is more than any asset can have."
        raise ValueError(msg)
    return amount


def amount_format(amount: int, decimals: int) -> str:
    """Write base units in the asset's units, exactly, with thousands separators."""
    digits = str(amount).rjust(decimals + 1, "0")
    whole, fraction = digits[: len(digits) - decimals], digits[len(digits) - decimals :].rstrip("0")
    return f"{int(whole):,}" + (f".{fraction}" if fraction else "")


def destination_parse(text: str) -> str:
    """Read a destination address in its EIP-55 spelling.

    Raises:
        ValueError: With what to do about it.
    """
    address = text.strip()
    try:
        spelled = checksum_address(address)
    except DocumentError:
        msg = "Enter an address: 0x and 40 hex digits. Names are not looked up."
        raise ValueError(msg) from None
    if address == spelled:
        if address == _ZERO_ADDRESS:
            msg = "This is the zero address: what is sent there is gone."
            raise ValueError(msg)
        return spelled
    digits = address[2:]
    if digits in (digits.lower(), digits.upper()):
        msg = f"This spelling has no checksum. Compare with the source; if it is right, paste {spelled}"
        raise ValueError(msg)
    msg = "The checksum is wrong: at least one character is mistyped. Copy the address again from its source."
    raise ValueError(msg)


def _wallet(policy: Policy, name: str, errors: dict[str, list[str]]) -> Wallet | None:
    wallet = next((w for w in policy.wallets if w.id == name), None)
    if wallet is None:
        errors.setdefault("wallet", []).append("Choose one of the wallets that the policy names.")
    return wallet


def _asset(policy: Policy, name: str, wallet: Wallet | None, errors: dict[str, list[str]]) -> AssetEntry | None:
    asset = next((a for a in policy.assets if a.id == name), None)
    if asset is None:
        errors.setdefault("asset", []).append("Choose one of the assets that the policy names.")
    elif wallet is not None and not asset.id.startswith(wallet.chain + "/"):
        errors.setdefault("asset", []).append(f"{asset.symbol} is on another chain than {wallet.label}.")
    return asset


def draft_parse(
    *, policy: Policy, wallet: str, asset: str, destination: str, amount_text: str, purpose: str
) -> Draft:
    """Understand what was typed.

    Raises:
        FormError: With the messages of every wrong field at once.
    """
    errors: dict[str, list[str]] = {}
    own = _wallet(policy, wallet, errors)
    entry = _asset(policy, asset, own, errors)
    address, amount = "", 0
    try:
        address = destination_parse(destination)
    except ValueError as error:
        errors.setdefault("destination", []).append(str(error))
    if entry is not None:
        try:
            amount = amount_parse(amount_text, entry.decimals)
        except ValueError as error:
            errors.setdefault("amount", []).append(str(error))
    if own is not None and address == own.address:
        errors.setdefault("destination", []).append("The destination is the paying wallet itself.")
    if address and any(a.id.endswith(f"erc20:{address}") for a in policy.assets):
        errors.setdefault("destination", []).append("This is a token's contract; what is sent there is lost.")
    try:
        SENTENCE.read(purpose.strip(), "purpose")
    except DocumentError:
        errors.setdefault("purpose", []).append("At most 280 visible characters, in one line.")
    if errors or own is None or entry is None:
        raise FormError(errors)
    return Draft(wallet=own, asset=entry, destination=address, amount=amount, purpose=purpose.strip())


def lifetime_of(*, held: bool) -> int:
    """Return for how long a request may wait, seconds."""
    return HELD_LIFETIME_SECONDS if held else LIFETIME_SECONDS


def header_new(kind: str, deployment: str, *, now: int, lifetime: int = LIFETIME_SECONDS) -> Header:
    """Make a header with a fresh random id. `now` in Unix seconds, `lifetime` in seconds."""
    return Header(
        type=kind,
        version=1,
        deployment=deployment,
        id=secrets.token_hex(16),
        created=now,
        expires=now + lifetime,
    )


def intent_build(
    *, draft: Draft, policy: Policy, gas: int, max_fee_per_gas: int, max_priority_fee_per_gas: int, now: int
) -> Intent:
    """Build the exact transaction. Fees in wei per gas, `now` in Unix seconds."""
    native = draft.asset.id.endswith(NATIVE_SUFFIX)
    intent = Intent(
        header=header_new("intent", policy.deployment, now=now, lifetime=lifetime_of(held=draft.held)),
        wallet=draft.wallet.id,
        chain=draft.wallet.chain,
        to=draft.destination if native else str(ADDRESS.read(draft.asset.id.rpartition(":")[2], "asset")),
        value=draft.amount if native else 0,
        data=b"" if native else encode_transfer(draft.destination, draft.amount),
        gas=gas,
        max_fee_per_gas=max_fee_per_gas,
        max_priority_fee_per_gas=max_priority_fee_per_gas,
        movements=(),
    )
    return dataclasses.replace(intent, movements=movements_of(intent) or ())


def mandate_build(
    *, intent: Intent, policy: Policy, person: str, purpose: str, now: int, nonce: int | None = None
) -> Mandate:
    """Build what people consent to; it lives as long as its intent. `now` in Unix seconds.

    `nonce`: the only one at which it may be signed; None where signers place it.
    """
    lifetime = intent.header.expires - intent.header.created
    return Mandate(
        header=header_new("mandate", policy.deployment, now=now, lifetime=lifetime),
        policy=policy.digest,
        asker=Asker(kind=AskerKind.PERSON, id=person),
        purpose=purpose,
        order=SingleOrder(kind="intent", intent=intent),
        nonce=nonce,
    )
