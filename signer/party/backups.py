"""A party's part in backing up its share, by a ceremony: it seals the share, and later takes the proof of a drill.

A backup is written into the party's folder, then journalled; an answer that was lost is given again, byte for byte.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from core.ceremonies import begun
from core.documents.base import SKEW
from core.documents.control import CeremonyKind
from core.errors import Refusal, RefusedError, require
from core.names import DIGEST
from core.records import CeremonyStep
from core.schema import read_struct, write_struct
from core.verify import own_wallet
from signer.config import check_private
from signer.errors import BackupError, ConfigError
from signer.files import destroy_file, write_new
from signer.recovery.backup_file import (
    Attestation,
    BackupName,
    as_text,
    drill_proof,
    read_backup,
    seal_backup,
    wipe,
)
from signer.recovery.opening_key import fingerprint, read_public_key
from signer.steps import note_step

if TYPE_CHECKING:
    from pathlib import Path

    from core.canonical import Json
    from core.documents.roster import Wallet
    from core.pins import Pins
    from core.records import CeremonyRecord
    from mpc import Share
    from signer.party.backend import PartyBackend
    from signer.recovery.backup_file import Backup
    from signer.store import JournalStore

FOLDER = "backups"
SUFFIX = ".backup"


class Backups:
    """The backups that a party made of its own shares."""

    def __init__(self, state: Path, store: JournalStore, shares: PartyBackend) -> None:
        """Say where they lie.

        Args:
            state: The party's folder.
            store: Its journal.
            shares: Its shares.
        """
        self.folder = state / FOLDER
        self._store, self._shares = store, shares

    def seal(self, digest: object, pins: Pins, *, now: int) -> Json:
        """Back up the share that a ceremony names, once; asked again, answer the same.

        Args:
            digest: The ceremony's.
            pins: This party's pins.
            now: Unix seconds.

        Returns:
            The backup and its digest. It opens for the ceremony's recovery key only; anybody may carry it.

        Raises:
            RefusedError: `ceremony` if it is about another epoch, or its recovery key is none; or as `begun`.
            SignerError: If token, share or disk do not let the party do its part.
        """
        record = begun(DIGEST.read(digest, "ceremony"), CeremonyKind.BACKUP, pins, self._store.journal, now=now)
        done = self._store.journal.ceremonies.done(record.ceremony).get(CeremonyStep.BACKED_UP)
        path = self.folder / f"{record.ceremony}{SUFFIX}"
        if done is not None:
            return _told(_kept(path, done.evidence))
        (public_key,) = (key.public_key for key in record.recovery if key.signer == pins.signer)
        try:
            read_public_key(public_key)
        except BackupError as error:
            raise RefusedError(Refusal.CEREMONY, str(error)) from error
        wallet = self._wallet(record, pins, now)
        clear = self._opened(wallet, record)
        try:
            name = BackupName(
                deployment=pins.deployment,
                wallet=wallet.id,
                party=pins.signer,
                epoch=record.epoch,
                ceremony=record.ceremony,
                recovery=fingerprint(public_key),
            )
            backup = seal_backup(name, public_key, clear)
        finally:
            wipe(clear)
        self._write(path, backup)
        note_step(self._store, record, CeremonyStep.BACKED_UP, backup.digest, now=now)
        return _told(backup)

    def drilled(self, value: object, pins: Pins, *, now: int) -> Json:
        """Take what a recovery site says after a drill of a backup that this party made.

        Raises:
            RefusedError: `ceremony` if it proves nothing about such a backup, or as `begun`.
            SignerError: If token or share do not let the party check it.
        """
        said = read_struct(Attestation, value, "attestation")
        journal = self._store.journal
        record = begun(said.ceremony, CeremonyKind.DRILL, pins, journal, now=now)
        about = (said.deployment, said.wallet, said.party, said.epoch)
        mine = about == (pins.deployment, record.wallet, pins.signer, record.epoch)
        require(mine, Refusal.CEREMONY, "this drill is of another share than the ceremony's")
        require(said.time <= now + SKEW, Refusal.CEREMONY, "this drill is dated ahead")
        require(
            self._made(said, pins.signer), Refusal.CEREMONY, "this party made no such backup for that recovery key"
        )
        clear = self._opened(self._wallet(record, pins, now), record)
        try:
            proof = drill_proof(clear, said.statement)
        finally:
            wipe(clear)
        proven = hmac.compare_digest(proof, said.proof)
        require(proven, Refusal.CEREMONY, "this does not prove that the share was opened")
        done = journal.ceremonies.done(record.ceremony).get(CeremonyStep.DRILLED)
        if done is None:
            note_step(self._store, record, CeremonyStep.DRILLED, said.digest, now=now)
        return {"drilled": said.digest, "records": int(done is None)}

    def _made(self, said: Attestation, party: str) -> bool:
        ceremonies = self._store.journal.ceremonies
        for known in ceremonies.about(said.wallet, CeremonyKind.BACKUP):
            step = ceremonies.done(known.ceremony).get(CeremonyStep.BACKED_UP)
            keys = {fingerprint(key.public_key) for key in known.recovery if key.signer == party}
            if known.epoch == said.epoch and step is not None and step.evidence == said.backup:
                return said.recovery in keys
        return False

    def _wallet(self, record: CeremonyRecord, pins: Pins, now: int) -> Wallet:
        policy = pins.policy(self._store.journal.policy_at(now))
        return own_wallet(record.wallet or "", policy, pins)

    def _opened(self, wallet: Wallet, record: CeremonyRecord) -> bytearray:
        epoch = self._shares.epoch(wallet)
        about = f"the ceremony is about epoch {record.epoch}, this party's share is of {epoch}"
        require(epoch == record.epoch, Refusal.CEREMONY, about)
        share: Share = self._shares.open(wallet)
        try:
            return share.serialise()
        finally:
            share.wipe()

    def _write(self, path: Path, backup: Backup) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if path.exists():
            # One that was never journalled: this party was stopped in between, and nobody was answered with it.
            destroy_file(path)
        write_new(path, as_text(backup).encode(), mode=0o400)

    def kept(self, wallet: str, newest: int) -> dict[Path, str]:
        """Return the backups of a wallet up to an epoch that lie here, with their digests.

        Raises:
            RefusedError: `ceremony`, if one cannot be read.
        """
        found = {path: _kept(path, None) for path in sorted(self.folder.glob(f"*{SUFFIX}"))}
        return {path: one.digest for path, one in found.items() if one.wallet == wallet and one.epoch <= newest}


def _kept(path: Path, digest: str | None) -> Backup:
    """Read a backup, and hold it against the journal's digest of it, if that is known."""
    try:
        check_private(path, most=0o400)
        backup = read_backup(path.read_bytes())
    except (BackupError, ConfigError, OSError) as error:
        raise RefusedError(
            Refusal.CEREMONY, f"the backup that was made does not lie here any more: {error}"
        ) from error
    whole = digest is None or backup.digest == digest
    require(whole, Refusal.CEREMONY, "what lies here is not the backup that was made")
    return backup


def _told(backup: Backup) -> Json:
    return {"backup": write_struct(backup, "backup"), "digest": backup.digest}
