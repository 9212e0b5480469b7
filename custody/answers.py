"""Frames to a signer and how its answers are read. Courier and signer are input like any other: all is checked.

The shapes are `signer.wire`'s, version 1; custody does not import the signer, so a test holds the two together.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.cancel import CANCEL_GAS
from core.documents.bundle import Signature
from core.errors import CoreError, EncodingError, Refusal
from core.evm import Type2, address_of, decode_signed, recover
from core.keccak import keccak256
from core.names import DIGEST
from core.schema import read_struct
from custody.errors import SignerAnswerError, SignerWaitsError
from custody.nonces import LaneStatus

if TYPE_CHECKING:
    from core.documents.bundle import Bundle

STILL_POSSIBLE = frozenset({Refusal.HALTED, Refusal.CLOCK, Refusal.NOT_YET_VALID, Refusal.LEASE, Refusal.INCLUSION})
"""Refusals that say nothing about the case: it waits until the halt is lifted, the clock right, or witnesses come."""
VERSION = 1
"""Of the frames that signers read."""
_MESSAGE_MOST = 300
_CODE_MOST = 64
_NONCE_MOST = 2**53
"""No lane gets there."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Refused:
    """The signer looked at the case and says no."""

    code: Refusal
    message: str


def sign_frame(bundle: Bundle) -> dict[str, object]:
    """Ask for a signature."""
    return {"v": VERSION, "op": "sign", "bundle": bundle.to_json()}


def status_frame() -> dict[str, object]:
    """Ask for the lanes."""
    return {"v": VERSION, "op": "status"}


def result_read(answer: dict[str, object]) -> dict[str, object] | Refused:
    """Read an answer's outer shape: a result, or a refusal of the case.

    Raises:
        SignerWaitsError: If it is not about the case: HSM trouble, overload, a halt.
        SignerAnswerError: If it is malformed.
    """
    result, error = answer.get("result"), answer.get("error")
    if answer.get("v") != VERSION:
        raise SignerAnswerError("answer", f"not version {VERSION} of the protocol")
    if answer.get("ok") is True and isinstance(result, dict):
        return result
    if answer.get("ok") is not False or not isinstance(error, dict):
        raise SignerAnswerError("answer", "neither an answer nor an error")
    code, message = error.get("code"), error.get("message")
    if not isinstance(code, str) or not isinstance(message, str):
        raise SignerAnswerError("answer", "an error without code and message")
    code, message = _shown(code)[:_CODE_MOST], _shown(message)[:_MESSAGE_MOST]
    if code not in set(Refusal):
        raise SignerWaitsError(code, message)
    refusal = Refusal(code)
    if refusal in STILL_POSSIBLE:
        raise SignerWaitsError(refusal.value, message)
    return Refused(code=refusal, message=message)


def _shown(text: str) -> str:
    """Return somebody else's text as a database takes it and a page shows it: visible characters only."""
    return "".join(c if c.isprintable() else " " for c in text)


def _expected(bundle: Bundle) -> Type2:
    """Return the transaction that was asked for: the intent's, or the cancelling self-send at its nonce."""
    intent, attempt, cancels = bundle.intent, bundle.attempt, bundle.cancel is not None
    return Type2(
        chain_id=intent.chain_id,
        nonce=attempt.nonce,
        max_priority_fee_per_gas=attempt.max_priority_fee_per_gas,
        max_fee_per_gas=attempt.max_fee_per_gas,
        gas=CANCEL_GAS if cancels else intent.gas,
        to=intent.sender if cancels else intent.to,
        value=0 if cancels else intent.value,
        data=b"" if cancels else intent.data,
    )


def read_signature(answer: dict[str, object], *, bundle: Bundle) -> Signature | Refused:
    """Read the answer to `sign_frame`, and check that the bytes are what was asked for, by this wallet.

    Raises:
        SignerWaitsError: If there is no decision.
        SignerAnswerError: If the bytes are anything else than what was asked for.
    """
    result = result_read(answer)
    return result if isinstance(result, Refused) else signature_check(result, bundle=bundle)


def signature_check(result: object, *, bundle: Bundle) -> Signature:
    """Check that what a signer made is what was asked for, by this wallet.

    Raises:
        SignerAnswerError: If it is anything else.
    """
    try:
        signature = read_struct(Signature, result, "signature")
        transaction, seal = decode_signed(signature.raw)
        signed_by = address_of(recover(transaction.signing_hash, seal))
    except (CoreError, EncodingError) as error:
        raise SignerAnswerError("answer", f"unreadable signature: {error}") from error
    if transaction != _expected(bundle):
        raise SignerAnswerError("answer", "the signed bytes are another transaction")
    if signed_by != bundle.intent.sender:
        raise SignerAnswerError("answer", "signed by another key")
    if keccak256(signature.raw) != signature.transaction_hash:
        raise SignerAnswerError("answer", "the hash is not that of the bytes")
    return signature


def read_status(answer: dict[str, object], *, wallet: str) -> LaneStatus:
    """Read a wallet's lane from the answer to `status_frame`; a wallet that was never used has nothing yet.

    Raises:
        SignerWaitsError: If there is no usable answer.
    """
    result = result_read(answer)
    if isinstance(result, Refused):
        raise SignerAnswerError("answer", "the signer refuses to tell its lanes")
    return lane_read(result, wallet=wallet)


def lane_read(result: dict[str, object], *, wallet: str) -> LaneStatus:
    """Read a wallet's lane from a status.

    Raises:
        SignerAnswerError: If it cannot be read.
    """
    lanes = result.get("lanes")
    if not isinstance(lanes, dict):
        raise SignerAnswerError("answer", "a status without lanes")
    lane = lanes.get(wallet, {"next": 0, "held": {}})
    held = lane.get("held") if isinstance(lane, dict) else None
    next_nonce = lane.get("next") if isinstance(lane, dict) else None
    cancels = lane.get("cancels", 0) if isinstance(lane, dict) else None
    if not isinstance(held, dict) or type(next_nonce) is not int or type(cancels) is not int:
        raise SignerAnswerError("answer", "a lane without next and held")
    try:
        read = {int(nonce): DIGEST.read(digest, "held") for nonce, digest in held.items()}
    except (ValueError, CoreError) as error:
        raise SignerAnswerError("answer", f"a lane that cannot be read: {error}") from error
    if not all(0 <= number < _NONCE_MOST for number in (next_nonce, cancels, *read)):
        raise SignerAnswerError("answer", "a lane with nonces that there cannot be")
    return LaneStatus(next_nonce=next_nonce, held=read, cancels=cancels)
