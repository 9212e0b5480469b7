"""Handing a signed policy to a signer: one question, one checked answer. What it means is for those who ask."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

from chains.guards import outside_transaction
from core.canonical import MAX_BYTES
from core.errors import CoreError
from core.names import TIME
from core.records import AccessionKind
from core.schema import write_struct
from custody.answers import VERSION, Refused, result_read
from custody.errors import SignerAnswerError, SignerWaitsError
from custody.parties.line import together
from custody.ports import signer_port
from custody.witnesses import document_hand_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.documents.policy import SignedPolicy
    from custody.ports import SignerPort

_logger = logging.getLogger(__name__)
FRAME_BYTES = MAX_BYTES
"""The most that a signer reads at once: a policy that does not fit with its consents reaches nobody."""
PINNED = "pinned"
"""The signer's journal began under this policy, so it never received it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Accepted:
    """A signer took the policy: `kind` is one of `core.records.AccessionKind`, or `PINNED`.

    `effective`: when it comes into force there, Unix seconds by the signer's clock; 0 where it always was.
    """

    kind: str
    effective: int


def policy_frame(signed: SignedPolicy) -> dict[str, object]:
    """Ask a signer to accept a policy."""
    return {"v": VERSION, "op": "policy", "signed_policy": write_struct(signed, "signed_policy")}


def read_acceptance(answer: dict[str, object], *, digest: str) -> Accepted | Refused:
    """Read the answer to `policy_frame`.

    Args:
        answer: What came back.
        digest: The policy that was handed over.

    Raises:
        SignerWaitsError: If there is no decision.
        SignerAnswerError: If the answer is about another policy, or cannot be read.
    """
    result = result_read(answer)
    if isinstance(result, Refused):
        return result
    pending, accepted = result.get("pending"), result.get("accepted")
    waits = pending.get("policy") if isinstance(pending, dict) else None
    if accepted is None and result.get("policy") == digest:
        return Accepted(kind=PINNED, effective=0)
    kind = accepted.get("kind") if isinstance(accepted, dict) else None
    known = isinstance(kind, str) and kind in set(AccessionKind)
    if not isinstance(accepted, dict) or not known or digest not in (result.get("policy"), waits):
        raise SignerAnswerError("answer", "the signer does not say that it took this policy")
    try:
        effective = TIME.read(accepted.get("effective"), "effective")
    except CoreError as error:
        raise SignerAnswerError("answer", f"unreadable: {error}") from error
    return Accepted(kind=str(kind), effective=int(effective))


def policy_hand_over(*, signer: str, signed: SignedPolicy) -> Accepted | Refused:
    """Hand a signed policy to a signer. Idempotent there: one that it has gets the same answer.

    Args:
        signer: The signer's roster id.
        signed: The policy with the consents of its predecessor's quorum.

    Raises:
        SignerWaitsError: If there is no usable answer; ask again.
    """
    outside_transaction("a signer asked")
    return _hand_over(signer_port(), signer, signed)


def _hand_over(port: SignerPort, signer: str, signed: SignedPolicy) -> Accepted | Refused:
    # Witnesses first: from then on no signer of theirs signs without it, whoever stands before it.
    document_hand_in(document=write_struct(signed, "signed_policy"))
    answer = port.request(signer, policy_frame(signed))
    return read_acceptance(answer, digest=signed.policy.digest)


def policies_hand_over(*, asked: Iterable[tuple[str, SignedPolicy]]) -> list[Accepted | Refused | SignerWaitsError]:
    """Hand signed policies to several signers side by side, so that a silent one delays no other.

    Args:
        asked: Each signer's roster id, and the policy for it.

    Returns:
        What each of them said, in the order in which they were named; a question that could not be put waits.
    """
    outside_transaction("signers asked")
    # Made here: the way over a queue takes the app of the thread that makes it.
    port = signer_port()

    def one(question: tuple[str, SignedPolicy]) -> Accepted | Refused | SignerWaitsError:
        signer, signed = question
        try:
            return _hand_over(port, signer, signed)
        except SignerWaitsError as error:
            return error
        except Exception as error:  # whatever one signer makes of us, the others are asked all the same
            _logger.exception("policy %s could not be handed to %s", signed.policy.digest, signer)
            return SignerAnswerError("answer", f"could not be asked: {type(error).__name__}")

    return together(one, asked)
