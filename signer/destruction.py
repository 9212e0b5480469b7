"""Destroying keys and shares by a ceremony: what goes is written down first, then it goes, then the journal says so.

Never what a policy in force, or one that waits, still lets pay: a wallet's newest share, or its whole key, goes only
when no such policy names the wallet any more. Shares of epochs before the newest may always go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from core.canonical import canonical_of_codecs, parse, tagged_digest
from core.ceremonies import begun
from core.documents.control import CeremonyKind
from core.errors import CoreError, Refusal, RefusedError
from core.names import DIGEST
from core.records import CeremonyStep
from core.recovery import still_named, wallet_named
from signer.config import check_private
from signer.errors import ConfigError
from signer.files import write_new
from signer.steps import note_step

if TYPE_CHECKING:
    from pathlib import Path

    from core.canonical import Json
    from core.documents.roster import Wallet
    from core.pins import Pins
    from core.records import CeremonyRecord
    from signer.store import JournalStore

FOLDER = "destroyed"
KIND = "countersign.destroyed.v1"


class Holder(Protocol):
    """Whoever holds a wallet's key, or a share of it."""

    def holdings(self, wallet: Wallet, newest: int) -> dict[str, str]:
        """Return what would be destroyed: its name, and a digest or public key that tells it from others."""

    def drop(self, wallet: Wallet, newest: int) -> None:
        """Destroy it, and see that it is gone; what is gone already is no error."""

    def needed(self, wallet: Wallet) -> int:
        """Return the epoch from which on a wallet that may still pay needs what is held (0: all of it)."""


class Destruction:
    """What one signer destroys."""

    def __init__(self, state: Path, store: JournalStore, holder: Holder) -> None:
        """Say where evidence goes.

        Args:
            state: The signer's folder.
            store: Its journal.
            holder: Its key or shares.
        """
        self._folder = state / FOLDER
        self._store, self._holder = store, holder

    def run(self, digest: object, pins: Pins, *, now: int) -> Json:
        """Destroy what a ceremony names; asked again, answer the same.

        Args:
            digest: The ceremony's.
            pins: This signer's pins.
            now: Unix seconds.

        Returns:
            The evidence and its digest.

        Raises:
            RefusedError: `ceremony` where something would go that may still be needed; or as `begun`.
            SignerError: If token or disk do not do their part; asked again, the rest goes.
        """
        journal = self._store.journal
        record = begun(DIGEST.read(digest, "ceremony"), CeremonyKind.DESTROY, pins, journal, now=now)
        path = self._folder / f"{record.ceremony}.json"
        done = journal.ceremonies.done(record.ceremony).get(CeremonyStep.DESTROYED)
        if done is not None:
            return _told(_evidence(path, done.evidence))
        wallet = wallet_named(record.wallet, pins.policy(journal.policy_at(now)), pins)
        if still_named(wallet.id, pins, journal, now=now) and record.epoch >= self._holder.needed(wallet):
            raise RefusedError(Refusal.CEREMONY, "a policy still names this wallet: its key is not destroyed")
        if path.exists():
            # Written by a run that was stopped: some of what it names may be gone already.
            evidence = _evidence(path, None)
        else:
            evidence = self._list(record, wallet, pins, now)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_new(path, canonical_of_codecs(evidence), mode=0o400)
        self._store.failpoint("signer.before_destruction")
        self._holder.drop(wallet, record.epoch)
        note_step(self._store, record, CeremonyStep.DESTROYED, _digest(evidence), now=now)
        return _told(evidence)

    def _list(self, record: CeremonyRecord, wallet: Wallet, pins: Pins, now: int) -> Json:
        return {
            "kind": KIND,
            "deployment": pins.deployment,
            "ceremony": record.ceremony,
            "wallet": wallet.id,
            "by": pins.signer,
            "epoch": record.epoch,
            "time": now,
            "items": self._holder.holdings(wallet, record.epoch),
        }


def _digest(evidence: Json) -> str:
    return tagged_digest("destroyed", canonical_of_codecs(evidence))


def _told(evidence: Json) -> Json:
    return {"evidence": evidence, "digest": _digest(evidence)}


def _evidence(path: Path, digest: str | None) -> Json:
    """Read what was written down, and hold it against the journal's digest of it, if that is known."""
    try:
        check_private(path, most=0o400)
        value = parse(path.read_bytes())
    except (ConfigError, CoreError, OSError) as error:
        raise RefusedError(Refusal.CEREMONY, f"the evidence cannot be read: {error}") from error
    if not isinstance(value, dict) or (digest is not None and _digest(value) != digest):
        raise RefusedError(Refusal.CEREMONY, "the evidence is not what the journal names")
    return value
