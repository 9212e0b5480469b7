"""One party gets its share back, at its own console, after it lost its disk or its token.

Its new token makes a transport key, which the quorum's ceremony names; the recovery site seals the backup's data key
to it. Here the pins are installed again, a journal begins by a ceremony of its own (every window full, its lanes as
that ceremony says), the restore's ceremony is verified and journalled, and the share is sealed under the new token.

Cut short anywhere, the same command goes on where it was.
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

from core.ceremonies import begun, check_ceremony
from core.documents.control import CeremonyKind
from core.documents.roster import SignerRole
from core.journal import Journal
from core.records import CeremonyStep
from core.verify import own_wallet
from mpc import Share, ShareError
from signer import failpoints
from signer.backends import own_wallets
from signer.beginning import begin, check_beginning
from signer.config import load_config
from signer.console import open_hsm
from signer.errors import BackupError, ConfigError, ShareFileError, TokenKeyError
from signer.host import check_host
from signer.party.backend import PartyBackend
from signer.party.console import check_named
from signer.party.fitting import check_fits
from signer.party.party_key import PartyKey
from signer.party.shares import ShareName, ShareStore
from signer.recovery.backup_file import check_about, open_sealed, read_released, wipe
from signer.recovery.opening_key import TRANSPORT, OpeningKey, destroy_opening_key, fingerprint, make_opening_key
from signer.recovery.orders import read_order
from signer.steps import note_step

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from core.documents.control import SignedCeremony
    from core.documents.roster import Wallet
    from core.pins import Pins
    from core.records import CeremonyRecord
    from signer.config import SignerConfig
    from signer.hsm import Hsm
    from signer.recovery.backup_file import Released
    from signer.store import JournalStore


@dataclasses.dataclass(frozen=True, kw_only=True)
class Brought:
    """What people bring to the console, each a file's content.

    Attributes:
        genesis: The signed genesis.
        start: The ceremony that starts the party's journal, with the policies after the genesis.
        ceremony: The restore's ceremony.
        released: What the recovery site sealed to this token's transport key.
    """

    genesis: bytes
    start: bytes
    ceremony: bytes
    released: bytes


def transport_key(config: SignerConfig) -> bytes:
    """Make the transport key of a party's new token, or find it; return its SubjectPublicKeyInfo.

    Raises:
        ConfigError: If this is no party.
        HsmError: If the token does not make what was asked for.
    """
    if config.role is not SignerRole.PARTY:
        raise ConfigError("role: only a party gets a share back")
    hsm = open_hsm(config)
    try:
        return make_opening_key(hsm, TRANSPORT)
    finally:
        hsm.close()


def restore(state: Path, brought: Brought, confirm: Callable[[str], str], *, now: int) -> str:
    """Restore a party's share.

    Args:
        state: The party's folder, with its token and its own keys; the caller holds its lock.
        brought: The files.
        confirm: Shows the genesis digest and returns what people compared.
        now: Unix seconds.

    Returns:
        What happened, in a sentence.

    Raises:
        CoreError: If a policy or a ceremony does not hold.
        SignerError: If settings, token, backup or disk do not let it.
    """
    config = load_config(state)
    if config.role is not SignerRole.PARTY:
        raise ConfigError("role: only a party gets a share back")
    beginning = check_beginning(state, (brought.genesis, brought.start), (config.signer, config.role), confirm, now)
    released = read_released(brought.released)
    hsm = open_hsm(config)
    try:
        policy = beginning.chain[-1].policy
        check_named(policy, config.signer, PartyKey(hsm))
        check_host(policy.profile, config, maker=hsm.maker)
        # All of it once without a trace: what does not hold installs nothing.
        journal = Journal()
        journal.apply(journal.encode(beginning.start))
        signed = read_order(brought.ceremony).signed
        record = _ordained(signed, beginning.pins, journal, lambda one: journal.apply(journal.encode(one)), now)
        wallet = own_wallet(record.wallet or "", policy, beginning.pins)
        _check_released(released, record, beginning.pins)
        shares = ShareStore(state, hsm)
        share = _opened(shares, released, record, wallet, hsm)
        try:
            store = begin(state, beginning, hsm)
            store.failpoint = failpoints.arm(policy.profile, os.environ.get(failpoints.ENVIRONMENT, ""))
            try:
                _ordained(signed, beginning.pins, store.journal, store.append, now)
                _finish(store, shares, share, released, beginning.pins, now=now)
            finally:
                store.close()
        finally:
            share.wipe()
        if all(shares.epochs(policy.deployment, one.id, config.signer) for one in own_wallets(policy, config.signer)):
            # The last share that was missing: the transport key has done its work.
            destroy_opening_key(hsm, TRANSPORT)
    finally:
        hsm.close()
    late = beginning.start.not_before
    return f"restored: {wallet.address}, epoch {record.epoch}; mandates from before {late} are refused"


def _ordained(
    signed: SignedCeremony, pins: Pins, journal: Journal, take: Callable[[CeremonyRecord], object], now: int
) -> CeremonyRecord:
    record = check_ceremony(signed, pins, journal, now=now, held=None)
    if record is not None:
        take(record)
    return begun(signed.document.digest, CeremonyKind.RESTORE, pins, journal, now=now)


def _check_released(released: Released, record: CeremonyRecord, pins: Pins) -> None:
    check_about(released.backup, record, pins.deployment)
    (transport,) = record.recovery
    if released.ceremony != record.ceremony or released.transport != fingerprint(transport.public_key):
        raise BackupError("this was released for another ceremony, or to another transport key")
    if released.backup.epoch != record.epoch:
        raise BackupError(f"this backup is of epoch {released.backup.epoch}, the ceremony of {record.epoch}")


def _opened(shares: ShareStore, released: Released, record: CeremonyRecord, wallet: Wallet, hsm: Hsm) -> Share:
    """Open what was released, or the share that an earlier run sealed here already."""
    name = _name(released)
    newer = [epoch for epoch in shares.epochs(name.deployment, name.wallet, name.party) if epoch > record.epoch]
    if newer:
        raise ShareFileError(f"a share of epoch {newer[-1]} is here: an older one does not take its place")
    share = shares.open(name) if shares.has(name) else _unsealed(released, hsm)
    try:
        check_fits(share, wallet, name.party, record.epoch)
    except TokenKeyError:
        share.wipe()
        raise
    return share


def _name(released: Released) -> ShareName:
    backup = released.backup
    return ShareName(deployment=backup.deployment, wallet=backup.wallet, party=backup.party, epoch=backup.epoch)


def _unsealed(released: Released, hsm: Hsm) -> Share:
    key = OpeningKey(hsm, TRANSPORT)
    if fingerprint(key.public) != released.transport:
        raise BackupError("this was released to another token's transport key")
    data_key = key.open(released.wrapped_key)
    try:
        clear = open_sealed(released.backup, data_key)
    finally:
        wipe(data_key)
    try:
        return Share.load(clear)
    except ShareError as error:
        raise BackupError(f"what was backed up is no share: {error}") from error
    finally:
        wipe(clear)


def _finish(
    store: JournalStore, shares: ShareStore, share: Share, released: Released, pins: Pins, *, now: int
) -> None:
    """Seal the share under this token, journal that it is back, and see it as every later start will."""
    name, journal = _name(released), store.journal
    if not shares.has(name):
        shares.keep(name, share)
    record = begun(released.ceremony, CeremonyKind.RESTORE, pins, journal, now=now)
    if CeremonyStep.RESTORED not in journal.ceremonies.done(record.ceremony):
        note_step(store, record, CeremonyStep.RESTORED, released.backup.digest, now=now)
    backend = PartyBackend(shares, deployment=pins.deployment, party=pins.signer)
    backend.follow(journal)
    backend.open(own_wallet(name.wallet, pins.policy(journal.policy_at(now)), pins)).wipe()
