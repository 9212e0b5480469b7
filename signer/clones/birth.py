"""A key is made together with its clone, at the console of the signer that will use it.

The ceremony is verified and journalled as any other. The clone's file is written before the token keeps the key, and
the journal's step comes last: a run that was killed before leaves a key that nobody was told of, which the next one
destroys before it makes another. After it, the same file is handed out again.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from core.canonical import canonical_of_codecs
from core.ceremonies import begun, check_ceremony
from core.documents.control import CeremonyKind
from core.documents.roster import SignerRole
from core.records import CeremonyStep
from signer import failpoints
from signer.backends import HsmBackend
from signer.clones.kept import CLONE, FOLDER, KEPT, CloneFile, Clones, Kept, keep, label_of, read_clone, read_kept
from signer.clones.keys import discard, make_clonable
from signer.config import load_config
from signer.console import check_start, open_hsm
from signer.errors import ConfigError
from signer.files import write_new
from signer.pinned import read_pins
from signer.recovery.opening_key import fingerprint
from signer.recovery.orders import read_order
from signer.steps import note_step

if TYPE_CHECKING:
    from pathlib import Path

    from pkcs11 import Session

    from core.documents.control import Ceremony
    from core.records import CeremonyRecord
    from signer.hsm import Hsm
    from signer.store import JournalStore


def make_with_clone(state: Path, raw: bytes, *, now: int) -> CloneFile:
    """Make a key and its clone as a ceremony orders; asked again, return the same.

    Args:
        state: The signer's folder; the caller holds its lock.
        raw: What `signer.recovery.orders.read_order` reads.
        now: Unix seconds.

    Returns:
        The clone's file, to be carried to the second token.

    Raises:
        CoreError: If the ceremony does not convince.
        SignerError: If pins, host, token, journal or disk do not let it.
    """
    config = load_config(state)
    if config.role is not SignerRole.HSM:
        raise ConfigError("role: only an HSM's key is cloned; shares are backed up")
    given = read_order(raw).signed
    pin_file = read_pins(state)
    hsm = open_hsm(config)
    try:
        pins, store = check_start(config, pin_file, hsm, HsmBackend(hsm, Clones(state)))
        store.failpoint = failpoints.arm(pin_file.profile, os.environ.get(failpoints.ENVIRONMENT, ""))
        try:
            hsm.check_closed()
            ordained = check_ceremony(given, pins, store.journal, now=now, held=None)
            if ordained is not None:
                store.append(ordained)
            digest = given.document.digest
            step = store.journal.ceremonies.done(digest).get(CeremonyStep.BACKED_UP)
            if step is not None:
                return _made_before(state, digest, step.evidence)
            record = begun(digest, CeremonyKind.CLONE, pins, store.journal, now=now)
            return _Birth(state, pins.deployment, hsm, store).make(record, given.document, now=now)
        finally:
            store.close()
    finally:
        hsm.close()


def _path(state: Path, ceremony: str) -> Path:
    return state / FOLDER / f"{ceremony}.clone"


def _made_before(state: Path, ceremony: str, evidence: str | None) -> CloneFile:
    kept = read_kept(state, ceremony)
    path = _path(state, ceremony)
    if kept is None or not path.exists():
        raise ConfigError("this ceremony has made its key, and the clone's file is gone: people order another one")
    clone = read_clone(path.read_bytes())
    if not clone.digest == evidence == kept.clone:
        raise ConfigError("the clone's file is not the one that the journal names")
    return clone


class _Birth:
    """One run that makes a key with its clone."""

    def __init__(self, state: Path, deployment: str, hsm: Hsm, store: JournalStore) -> None:
        self._state, self._deployment = state, deployment
        self._hsm, self._store = hsm, store
        self._written: CloneFile | None = None

    def make(self, record: CeremonyRecord, document: Ceremony, *, now: int) -> CloneFile:
        (transport,) = record.recovery
        label = label_of(record.ceremony)

        def work(session: Session) -> None:
            # Also where the token failed half way and is asked once more: a key that nobody was told of goes.
            discard(session, label)
            make_clonable(
                session, label, transport.public_key, lambda *made: self._write(record, *made), self._store.failpoint
            )

        self._hsm.run(work)
        if self._written is None:
            raise ConfigError("the token made no key")
        self._hsm.check_closed()
        clone = self._written
        self._hsm.check_key(clone.public_key, cloned=True)
        keep(self._state, Kept(kind=KEPT, ceremony=document, name=clone.name, clone=clone.digest))
        self._store.failpoint("signer.clone_kept")
        note_step(self._store, record, CeremonyStep.BACKED_UP, clone.digest, now=now)
        return clone

    def _write(self, record: CeremonyRecord, point: bytes, wrapped_key: bytes, wrapped: bytes) -> None:
        (transport,) = record.recovery
        clone = CloneFile(
            kind=CLONE,
            deployment=self._deployment,
            ceremony=record.ceremony,
            signer=transport.signer,
            transport=fingerprint(transport.public_key),
            public_key=point,
            wrapped_key=wrapped_key,
            wrapped=wrapped,
        )
        path = _path(self._state, record.ceremony)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.unlink(missing_ok=True)
        write_new(path, canonical_of_codecs(clone.json), mode=0o400)
        self._written = clone
