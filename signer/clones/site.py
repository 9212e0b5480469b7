"""What the second token does with a clone: take it once, prove in a drill that it is there, and nothing else.

Its folder is a recovery site's: a PIN in two operators' hands, the genesis that people compared, a ledger. It checks
a ceremony as the signer would whose journal began with the policy that the ceremony names. Once a clone is taken, the
transport key is destroyed: the file that travelled opens nowhere any more.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.canonical import canonical_of_codecs, tagged_digest
from core.clones import CloneDrill, allow_drill, check_named
from core.documents.control import CeremonyKind
from core.schema import write_struct
from signer.clones.kept import KEPT, Kept, keep, label_of, read_clone, read_kept
from signer.clones.keys import discard, labelled, take_clone
from signer.errors import BackupError, ConfigError
from signer.recovery.opening_key import (
    CLONING,
    OpeningKey,
    destroy_opening_key,
    fingerprint,
    holds_opening_key,
    make_opening_key,
)
from signer.recovery.orders import check_order, note, read_ledger, read_order
from signer.recovery.token import open_site, read_site
from signer.token_keys import public_point

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pkcs11 import Session

    from core.canonical import Json
    from signer.clones.kept import CloneFile
    from signer.recovery.orders import Order

TAKEN = "countersign.clone-taken.v1"
TYPED_DIGITS = 16
"""How much of a clone's digest people type at least: its maker can be somebody who chooses it."""


class CloneSite:
    """A second token whose two halves were brought, in its folder."""

    def __init__(self, state: Path, halves: Sequence[str], *, now: int, at: Callable[[str], None]) -> None:
        """Open the token.

        Args:
            state: The site's folder; the caller holds its lock.
            halves: Both operators' halves of the PIN.
            now: Unix seconds, read once for what is done.
            at: Failpoints.

        Raises:
            ConfigError: If these are not the halves.
            HsmError: If the token is away.
        """
        self._state, self._now, self._at = state, now, at
        self._hsm = open_site(state, halves)

    def close(self) -> None:
        """Close the token."""
        self._hsm.close()

    def key(self) -> bytes:
        """Make a transport key for the next clone, or find it; return its SubjectPublicKeyInfo."""
        return make_opening_key(self._hsm, CLONING)

    def take(self, raw: bytes, order: bytes, confirm: Callable[[str], str]) -> Json:
        """Take a clone into the token and destroy the transport key. Cut short anywhere, asked again, it goes on.

        Args:
            raw: The clone's file.
            order: The ceremony's file.
            confirm: Shows the file's digest and returns what people compared: it whole, or its first sixteen digits.

        Returns:
            What was taken, as evidence, with its digest.

        Raises:
            BackupError: If it is damaged, another's, or for another transport key.
            RefusedError: If the ceremony does not convince.
            SignerError: If pins or token do not fit.
        """
        clone = read_clone(raw)
        given = check_order(self._state, order, CeremonyKind.CLONE, clone.signer, now=self._now)
        check_named(clone, given.record, given.policy.deployment)
        (transport,) = given.record.recovery
        if clone.transport != fingerprint(transport.public_key):
            raise BackupError("this clone was wrapped to another transport key than the ceremony's")
        compared = confirm(clone.digest).replace(" ", "").lower()
        if compared not in (clone.digest, clone.digest[:TYPED_DIGITS]):
            raise ConfigError("that is not this clone's digest: nothing was taken")
        kept = read_kept(self._state, clone.ceremony)
        if kept is not None and kept.clone != clone.digest:
            raise BackupError("another clone was taken in this ceremony")
        self._hold(clone)
        document = read_order(order).signed.document
        keep(self._state, Kept(kind=KEPT, ceremony=document, name=clone.name, clone=clone.digest))
        self._at("clone.kept")
        if holds_opening_key(self._hsm, CLONING) and self._transport() == clone.transport:
            destroy_opening_key(self._hsm, CLONING)
        self._at("clone.transport_destroyed")
        return self._evidence(clone, given)

    def _hold(self, clone: CloneFile) -> None:
        """Have the clone in the token, whole, once: taken now or by a run that was stopped."""
        label = label_of(clone.ceremony)

        def is_whole(session: Session) -> bool:
            private, public = labelled(session, label)
            return len(private) == len(public) == 1 and public_point(public[0]) == clone.public_key

        if not self._hsm.run(is_whole):
            key = OpeningKey(self._hsm, CLONING)
            if fingerprint(key.public) != clone.transport:
                raise BackupError("this clone was wrapped to another token's transport key")

            def work(session: Session) -> None:
                discard(session, label)
                take_clone(session, label, key.handle(session), clone, self._at)

            self._hsm.run(work)
        self._hsm.check_key(clone.public_key, cloned=True)
        self._hsm.check_closed()

    def _transport(self) -> str:
        return fingerprint(OpeningKey(self._hsm, CLONING).public)

    def _evidence(self, clone: CloneFile, given: Order) -> Json:
        evidence: Json = {
            "kind": TAKEN,
            **write_struct(clone.name, "name"),
            "clone": clone.digest,
            "by": read_site(self._state).name,
        }
        digest = tagged_digest("clone-taken", canonical_of_codecs(evidence))
        if all(line.evidence != digest for line in read_ledger(self._state)):
            note(self._state, given, clone.signer, digest, now=self._now)
        return {**evidence, "digest": digest}

    def drill(self, order: bytes) -> CloneDrill:
        """Sign, once, that this token holds the key: a message that core makes of the drill's ceremony.

        Args:
            order: The ceremony's file.

        Raises:
            RefusedError: If the ceremony does not convince, or is about another key.
            SignerError: If pins or token do not fit.
        """
        document = read_order(order).signed.document
        given = check_order(self._state, order, CeremonyKind.DRILL, document.signers[0], now=self._now)
        kept = None if given.wallet.clone is None else read_kept(self._state, given.wallet.clone)
        if kept is None:
            raise ConfigError("this token has taken no clone of that wallet's key")
        statement, token = allow_drill(given.record, kept.name, given.policy, now=self._now)
        signature = token.finish(self._hsm.sign(token.public_key, token.spend(), cloned=True))
        said = CloneDrill(**dataclasses.asdict(statement), signature=signature)
        digest = tagged_digest("clone-drilled", canonical_of_codecs(write_struct(said, "drill")))
        note(self._state, given, kept.name.signer, digest, now=self._now)
        return said
