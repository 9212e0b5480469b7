"""Signing waits for the log: what a case rests on has to stand in a checkpoint that witnesses cosigned.

The log is not believed for what it says, only for having said it in public: whoever obtains a signature has left an
entry of the decision and of each consent, which nobody can take back without k witnesses.

Source: RFC 9162 (inclusion), C2SP tlog-checkpoint and tlog-cosignature; entries as in `core.auditlog`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.auditlog import entry_leaf, fields_of
from core.canonical import canonical, parse
from core.checkpoint import check_log, cosignatures, log_origin, parse_signed_checkpoint
from core.documents.roster import SignerRole
from core.errors import CheckpointError, CoreError, Refusal, RefusedError, require
from core.lease import CLOCK_BOUND
from core.merkle import verify_inclusion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.checkpoint import Checkpoint
    from core.documents.bundle import Bundle
    from core.documents.consent import SignedConsent
    from core.documents.lease import LoggedEntry, LogProof
    from core.documents.policy import Policy

CONSENT_TAG = "approvals:consent:recorded"
DECISION_TAG = "policies:decision:made"
_PAYLOAD_BYTES = 128 * 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class Proven:
    """What a proven entry says."""

    actor: str
    tag: str
    subject: str
    payload: dict[str, object]


def check_logged(
    bundle: Bundle, consents: Iterable[SignedConsent], policy: Policy, *, deployment: str, decided: bool, now: int
) -> str:
    """Refuse a case whose decision and consents are not proven to stand in the witnessed log.

    Args:
        bundle: The case with its proof.
        consents: Each of these needs its entry.
        policy: The newest policy in force: it names the log's key, the witnesses, and how many must agree (k).
        deployment: The genesis digest; the log's name holds it.
        decided: Whether an entry of the decision is needed too. Nobody decides about a cancel but people.
        now: The verifier's clock, Unix seconds.

    Returns:
        What was checked, in a sentence.

    Raises:
        RefusedError: `inclusion`.
    """
    if not policy.witness_threshold:
        return "the policy names no witnesses, so no entry of the log is needed"
    if bundle.log is None:
        raise RefusedError(Refusal.INCLUSION, "the case brings no proof that the log holds what it rests on")
    try:
        checkpoint, names = _checkpoint(bundle.log, policy, deployment, now)
        entries = [_proven(one, checkpoint) for one in bundle.log.entries]
    except CheckpointError as error:
        raise RefusedError(Refusal.INCLUSION, str(error)) from error
    count = 0
    for signed in consents:
        _require_consent(signed, entries)
        count += 1
    if decided:
        _require_decision(bundle, entries)
    what = f"{count} consents" + (" and the decision" if decided else "")
    return f"{what} stand in the log of {checkpoint.size} entries, cosigned by {', '.join(names)}"


def _checkpoint(proof: LogProof, policy: Policy, deployment: str, now: int) -> tuple[Checkpoint, tuple[str, ...]]:
    signed = parse_signed_checkpoint(proof.checkpoint)
    keys = [entry.public_key for entry in policy.signers if entry.role is SignerRole.LOG and entry.public_key]
    require(keys, Refusal.INCLUSION, "the policy names no key of a log")
    check_log(signed, log_origin(deployment), keys[0])
    seen = cosignatures(signed, {witness.id: witness.public_key for witness in policy.witnesses})
    require(
        all(one.time <= now + CLOCK_BOUND for one in seen),
        Refusal.INCLUSION,
        "a witness cosigned the checkpoint in the future",
    )
    needed = policy.witness_threshold
    require(
        len(seen) >= needed,
        Refusal.INCLUSION,
        f"the checkpoint has to be cosigned by {needed} of the witnesses that the policy names; it is by {len(seen)}",
    )
    return signed.checkpoint, tuple(one.witness for one in seen)


def _proven(logged: LoggedEntry, checkpoint: Checkpoint) -> Proven:
    leaf = entry_leaf(logged.entry)
    stands = verify_inclusion(leaf, logged.index, checkpoint.size, logged.path, checkpoint.root)
    require(stands, Refusal.INCLUSION, f"an entry is not at place {logged.index} of the log")
    try:
        fields = fields_of(logged.entry)
        payload = parse(fields["payload"].encode(), max_bytes=_PAYLOAD_BYTES)
        spelt = isinstance(payload, dict) and canonical(payload).decode() == fields["payload"]
    except CoreError as error:
        raise RefusedError(Refusal.INCLUSION, f"an entry cannot be read: {error}") from error
    if not spelt or not isinstance(payload, dict):
        raise RefusedError(Refusal.INCLUSION, "an entry's payload is not canonical JSON")
    return Proven(actor=fields["actor"], tag=fields["tag"], subject=fields["subject"], payload=payload)


def _require_consent(signed: SignedConsent, entries: Iterable[Proven]) -> None:
    statement = signed.statement
    wanted = (CONSENT_TAG, statement.actor, statement.subject, statement.digest)
    found = any((one.tag, one.actor, one.subject, one.payload.get("consent")) == wanted for one in entries)
    require(found, Refusal.INCLUSION, f"the consent of {statement.actor} is not proven to be in the witnessed log")


def _require_decision(bundle: Bundle, entries: Iterable[Proven]) -> None:
    wanted = {"mandate": bundle.mandate.digest, "policy": bundle.policy, "allowed": True}
    found = any(
        one.tag == DECISION_TAG
        and one.subject == bundle.intent.digest
        and all(
            type(one.payload.get(name)) is type(value) and one.payload[name] == value
            for name, value in wanted.items()
        )
        for one in entries
    )
    require(found, Refusal.INCLUSION, "the decision is not proven to be in the witnessed log")
