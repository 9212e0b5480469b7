"""What a recovery site does with backups, each by a ceremony that it verifies and with both halves of its PIN.

drill    open a backup, see that it is the share that it says, prove it to the party, and keep nothing
release  seal a backup's data key anew, to the transport key that the ceremony names; the share stays sealed
destroy  remove a backup, and the recovery key too if people say so
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.canonical import canonical_of_codecs, tagged_digest
from core.documents.control import CeremonyKind
from core.documents.roster import WalletKind
from signer.errors import BackupError, TokenKeyError
from signer.files import destroy_file
from signer.recovery.backup_file import (
    DRILL,
    RELEASED,
    Attestation,
    Released,
    check_about,
    drill_proof,
    open_sealed,
    read_backup,
    wipe,
)
from signer.recovery.opening_key import (
    RECOVERY,
    OpeningKey,
    destroy_opening_key,
    fingerprint,
    holds_opening_key,
    seal_data_key,
)
from signer.recovery.orders import check_order, note
from signer.recovery.token import open_site, read_site

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from core.canonical import Json
    from signer.hsm import Hsm
    from signer.recovery.backup_file import Backup
    from signer.recovery.orders import Order

DESTROYED = "countersign.destroyed.v1"


class RecoverySite:
    """A recovery token whose two halves were brought, in its folder."""

    def __init__(self, state: Path, halves: Sequence[str], *, now: int) -> None:
        """Open the token.

        Args:
            state: The site's folder; the caller holds its lock.
            halves: Both operators' halves of the PIN.
            now: Unix seconds, read once for what is done.

        Raises:
            ConfigError: If these are not the halves.
            HsmError: If the token does not hold its key, or is away.
        """
        self._state, self._now = state, now
        self._hsm: Hsm = open_site(state, halves)

    def close(self) -> None:
        """Close the token."""
        self._hsm.close()

    def drill(self, raw: bytes, order: bytes) -> Attestation:
        """See that a backup opens and is what it says; nothing of it leaves.

        Args:
            raw: The backup's file.
            order: The ceremony's file.

        Raises:
            BackupError: If it is damaged, another's, or for another recovery key.
            RefusedError: If the ceremony does not convince.
            SignerError: If pins or token do not fit.
        """
        from mpc import Share, ShareError  # noqa: PLC0415 - a release and a destruction take no extension
        from signer.party.fitting import check_fits  # noqa: PLC0415 - as above

        backup = read_backup(raw)
        given = self._order(order, CeremonyKind.DRILL, backup)
        clear = self._open(backup)
        try:
            share = Share.load(clear)
            try:
                check_fits(share, given.wallet, backup.party, backup.epoch)
            finally:
                share.wipe()
            said = Attestation(
                kind=DRILL,
                deployment=backup.deployment,
                ceremony=given.record.ceremony,
                wallet=backup.wallet,
                party=backup.party,
                epoch=backup.epoch,
                backup=backup.digest,
                recovery=backup.recovery,
                time=self._now,
                proof=bytes(32),
            )
            said = dataclasses.replace(said, proof=drill_proof(clear, said.statement))
        except (ShareError, TokenKeyError) as error:
            raise BackupError(f"what was backed up is not that share: {error}") from error
        finally:
            wipe(clear)
        note(self._state, given, backup.party, said.digest, now=self._now)
        return said

    def release(self, raw: bytes, order: bytes) -> Released:
        """Seal a backup's data key to the transport key that a ceremony names. The share itself is not opened.

        Args:
            raw: The backup's file.
            order: The ceremony's file.

        Raises:
            BackupError: As `drill`, or if nothing can be sealed to that key.
            RefusedError: If the ceremony does not convince.
            SignerError: If pins or token do not fit.
        """
        backup = read_backup(raw)
        given = self._order(order, CeremonyKind.RESTORE, backup)
        (transport,) = given.record.recovery
        data_key = self._key(backup).open(backup.wrapped_key)
        try:
            wrapped = seal_data_key(transport.public_key, data_key)
        finally:
            wipe(data_key)
        released = Released(
            kind=RELEASED,
            ceremony=given.record.ceremony,
            transport=fingerprint(transport.public_key),
            wrapped_key=wrapped,
            backup=backup,
        )
        note(self._state, given, backup.party, backup.digest, now=self._now)
        return released

    def destroy(self, path: Path, order: bytes, *, key: bool) -> Json:
        """Remove a backup; with `key`, destroy the recovery key as well, so that no copy ever opens again.

        Returns:
            What was destroyed, as evidence, with its digest.

        Raises:
            BackupError: If it is another's, or of a later epoch than the ceremony's.
            RefusedError: If the ceremony does not convince.
            SignerError: If pins or token do not fit.
        """
        backup = read_backup(path.read_bytes())
        given = self._order(order, CeremonyKind.DESTROY, backup)
        if not key or holds_opening_key(self._hsm, RECOVERY):
            self._key(backup)
        if key:
            destroy_opening_key(self._hsm, RECOVERY)
        # Last: where this was cut short, the file is there to be brought again.
        destroy_file(path)
        evidence: Json = {
            "kind": DESTROYED,
            "deployment": backup.deployment,
            "ceremony": given.record.ceremony,
            "wallet": backup.wallet,
            "by": read_site(self._state).name,
            "backup": backup.digest,
            "key": backup.recovery if key else None,
            "time": self._now,
        }
        digest = tagged_digest("destroyed", canonical_of_codecs(evidence))
        note(self._state, given, backup.party, digest, now=self._now)
        return {**evidence, "digest": digest}

    def _order(self, raw: bytes, kind: CeremonyKind, backup: Backup) -> Order:
        given = check_order(self._state, raw, kind, backup.party, now=self._now)
        check_about(backup, given.record, given.policy.deployment)
        if given.wallet.kind is not WalletKind.MPC:
            raise BackupError("only shares of threshold wallets are backed up here")
        over = kind is CeremonyKind.DESTROY
        if backup.epoch > given.record.epoch or (backup.epoch != given.record.epoch and not over):
            raise BackupError(f"this backup is of epoch {backup.epoch}, the ceremony of {given.record.epoch}")
        return given

    def _key(self, backup: Backup) -> OpeningKey:
        key = OpeningKey(self._hsm, RECOVERY)
        if fingerprint(key.public) != backup.recovery:
            raise BackupError("this backup was sealed to another recovery key than this token's")
        return key

    def _open(self, backup: Backup) -> bytearray:
        data_key = self._key(backup).open(backup.wrapped_key)
        try:
            return open_sealed(backup, data_key)
        finally:
            wipe(data_key)
