"""The log's key and the witnesses, in the institutions that name some. The keys are made from their names.

`leases_of` is what honest witnesses answer to a signer's challenge, `proof_of` what the log can prove of a case.
"""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.auditlog import entry_bytes, entry_leaf
from core.canonical import canonical
from core.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    cosignature_message,
    log_origin,
    log_signature,
    witness_signature,
)
from core.documents.base import VERSION, Header
from core.documents.lease import Lease, LoggedEntry, LogProof, SignedLease
from core.documents.roster import NamedKey, SignerEntry, SignerRole
from core.inclusion import CONSENT_TAG, DECISION_TAG
from core.lease import LONGEST
from core.merkle import Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from core.canonical import Json
    from core.documents.bundle import Bundle
    from core.documents.consent import SignedConsent

WITNESSES = ("w-1", "w-2", "w-3")
THRESHOLD = 2
LOG = "log-1"
OTHER_ENTRIES = 5
"""How many entries of others stand in the log before a case's own."""


def key_of(name: str) -> Ed25519PrivateKey:
    """Return a keeper's key; the same for the same name."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"keeper {name}".encode("ascii")).digest())


def public_of(name: str) -> bytes:
    """Return a keeper's public key."""
    return key_of(name).public_key().public_bytes_raw()


def watched(signers: tuple[SignerEntry, ...]) -> dict[str, Any]:
    """Return what a policy names: three witnesses of whom two have to agree, and the log's key."""
    log = SignerEntry(
        id=LOG,
        role=SignerRole.LOG,
        public_key=public_of(LOG),
        host="host-2",
        site="zurich",
        administrator="olga",
        vendor="softhsm",
    )
    return {
        "signers": (*signers, log),
        "witnesses": tuple(NamedKey(id=name, public_key=public_of(name), host=name) for name in WITNESSES),
        "witness_threshold": THRESHOLD,
    }


def lease(
    asked: Json,
    /,
    *,
    witness: str,
    deployment: str,
    signer: str,
    policy: str,
    now: int,
    **changes: Any,  # noqa: ANN401 - Lease's fields
) -> Lease:
    """Make what a witness that knows nothing newer says to a challenge."""
    fields: dict[str, Any] = {
        "header": Header(
            type=Lease.TYPE,
            version=VERSION,
            deployment=deployment,
            id=secrets.token_hex(16),
            created=now,
            expires=now + LONGEST,
        ),
        "witness": witness,
        "signer": signer,
        "challenge": bytes.fromhex(str(asked["challenge"])[2:]),
        "journal_size": asked["size"],
        "journal_root": bytes.fromhex(str(asked["root"])[2:]),
        "policy": policy,
        "halts": (),
        "vetoes": (),
    }
    return Lease(**(fields | changes))


def sign_lease(made: Lease, by: str | None = None) -> SignedLease:
    """Have a witness sign a lease, or somebody else in its name."""
    key = key_of(by or made.witness)
    return SignedLease(document=made, signature=key.sign(bytes.fromhex(made.digest)))


def entry_of_consent(signed: SignedConsent, *, at: int) -> bytes:
    """Return the entry that the web tier writes of a consent, as the log holds it."""
    statement = signed.statement
    payload = {
        "consent": statement.digest,
        "decision": statement.decision.value,
        "nonce": statement.header.id,
        "policy": statement.policy,
        "reason": statement.reason,
        "subject_type": statement.subject_type.value,
    }
    return _entry(statement.actor, CONSENT_TAG, statement.subject, payload, at)


def entry_of_decision(bundle: Bundle, *, at: int, **changes: object) -> bytes:
    """Return the entry of the decision about a case."""
    payload = {"allowed": True, "mandate": bundle.mandate.digest, "policy": bundle.policy} | changes
    return _entry("system:policies", DECISION_TAG, bundle.intent.digest, payload, at)


def _entry(actor: str, tag: str, subject: str, payload: Mapping[str, object], at: int) -> bytes:
    return entry_bytes(
        at_us=at * 1_000_000,
        actor=actor,
        session="",
        tag=tag,
        subject=subject,
        severity="info",
        payload=canonical(dict(payload)).decode(),
    )


def entries_of(bundle: Bundle, *, at: int) -> list[bytes]:
    """Return the entries that a case rests on: of its decision and each consent; of a cancel, its consents only."""
    if bundle.cancel is not None:
        return [entry_of_consent(one, at=at) for one in bundle.cancel.consents]
    return [entry_of_decision(bundle, at=at), *(entry_of_consent(one, at=at) for one in bundle.consents)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Log:
    """A log with these entries behind some of others', as its keepers sign it."""

    deployment: str
    entries: tuple[bytes, ...]
    at: int
    signed_by: str = LOG
    cosigned_by: tuple[str, ...] = WITNESSES[:THRESHOLD]

    def tree(self) -> Tree:
        """Return the whole tree."""
        others = (b"entry %d of others" % number for number in range(OTHER_ENTRIES))
        return Tree(entry_leaf(raw) for raw in (*others, *self.entries))

    def checkpoint(self, size: int | None = None) -> SignedCheckpoint:
        """Return the signed checkpoint of the first `size` leaves (None: of all)."""
        tree = self.tree()
        size = tree.size if size is None else size
        made = Checkpoint(origin=log_origin(self.deployment), size=size, root=tree.root(size))
        lines = [log_signature(made, public_of(self.signed_by), key_of(self.signed_by).sign(made.note()))]
        for name in self.cosigned_by:
            signature = key_of(name).sign(cosignature_message(made, self.at))
            lines.append(witness_signature(made, name, public_of(name), self.at, signature))
        return SignedCheckpoint(checkpoint=made, signatures=tuple(lines))

    def proof(self, wanted: Iterable[bytes] | None = None) -> LogProof:
        """Prove these entries (None: all of this case)."""
        tree = self.tree()
        rows = []
        for raw in self.entries if wanted is None else wanted:
            index = OTHER_ENTRIES + self.entries.index(raw)
            rows.append(LoggedEntry(entry=raw, index=index, path=tuple(tree.inclusion(index))))
        return LogProof(checkpoint=self.checkpoint().to_bytes(), entries=tuple(rows))


def log_of(bundle: Bundle, *, deployment: str, now: int, **changes: Any) -> Log:  # noqa: ANN401 - Log's fields
    """Return the log that holds what a case rests on."""
    fields: dict[str, Any] = {
        "deployment": deployment,
        "entries": tuple(entries_of(bundle, at=now)),
        "at": now,
    }
    return Log(**(fields | changes))


def logged(bundle: Bundle, *, deployment: str, now: int) -> Bundle:
    """Return a case with the proof that the log holds what it rests on."""
    proof = log_of(bundle, deployment=deployment, now=now).proof()
    return dataclasses.replace(bundle, log=proof)
