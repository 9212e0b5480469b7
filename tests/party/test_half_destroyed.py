"""A party that is stopped while it destroys a file: what is left is no file of that name, and is destroyed later."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

import pytest

from core.canonical import canonical_of_codecs
from core.schema import write_struct
from signer.files import GOING, destroy_file, finish_destroying, write_new
from signer.party.backups import FOLDER as BACKUPS
from signer.party.backups import SUFFIX, Backups
from signer.party.candidates import Candidates
from signer.party.shares import FOLDER as SHARES
from signer.party.shares import KIND, ShareFile, ShareName, ShareStore
from signer.recovery.backup_file import BACKUP, Backup, BackupName, as_text
from tests.factories.world import CHAIN

if TYPE_CHECKING:
    from pathlib import Path

DEPLOYMENT = "d" * 64
WALLETS = tuple(f"{CHAIN}:0x{digit * 40}" for digit in "12")


class StoppedError(Exception):
    """Stands for the moment in which a process ends."""


@pytest.fixture
def shares(tmp_path: Path) -> ShareStore:
    """Shares of two wallets, two epochs each, as they lie on a disk."""
    store = ShareStore(tmp_path, cast("Any", None))
    store.folder.mkdir(mode=0o700)
    for wallet in WALLETS:
        for epoch in (0, 1):
            name = ShareName(deployment=DEPLOYMENT, wallet=wallet, party="party-1", epoch=epoch)
            fields: dict[str, Any] = {"deployment": DEPLOYMENT, "wallet": wallet, "party": "party-1", "epoch": epoch}
            sealed: dict[str, Any] = {
                "kind": KIND,
                "key_nonce": bytes(12),
                "nonce": bytes(12),
                "wrapped_key": b"1",
                "sealed": b"1",
            }
            file = ShareFile(**fields, **sealed)
            write_new(store.folder / name.file, canonical_of_codecs(write_struct(file, "share")), mode=0o400)
    return store


def stop_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """End the process at an fsync: of the folder first, then of the file when it is overwritten."""
    calls = []

    def fsync(_: int) -> None:
        calls.append(1)
        if len(calls) == number:
            raise StoppedError

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_share_that_is_half_destroyed_keeps_nobody_from_the_others(
    shares: ShareStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    old = ShareName(deployment=DEPLOYMENT, wallet=WALLETS[0], party="party-1", epoch=0)
    before = (shares.folder / old.file).read_bytes()
    with monkeypatch.context() as patch:
        stop_at(patch, number)
        with pytest.raises(StoppedError):
            shares.destroy(old)
    # A new process reads the folder anew.
    again = ShareStore(shares.folder.parent, cast("Any", None))
    assert again.epochs(DEPLOYMENT, WALLETS[0], "party-1") == [1]
    assert again.epochs(DEPLOYMENT, WALLETS[1], "party-1") == [0, 1]
    assert {one.wallet for one in Candidates(again).wallets(0, "party-1")} == {WALLETS[1]}
    # At the third it has gone already.
    left = list(shares.folder.glob(f".*{GOING}"))
    assert len(left) == (number < 3)
    assert (number == 1) == any(path.read_bytes() == before for path in left)
    finish_destroying(shares.folder)
    assert len(list(shares.folder.iterdir())) == 3


def test_a_backup_that_is_half_destroyed_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / BACKUPS
    folder.mkdir(mode=0o700)
    for number, wallet in enumerate(WALLETS):
        name: dict[str, Any] = {"deployment": DEPLOYMENT, "wallet": wallet, "party": "party-1", "epoch": 0}
        named = BackupName(**name, ceremony=str(number) * 64, recovery="a" * 64)
        fields = {
            one: getattr(named, one) for one in ("deployment", "wallet", "party", "epoch", "ceremony", "recovery")
        }
        backup = Backup(**fields, kind=BACKUP, wrapped_key=b"1", nonce=bytes(12), sealed=b"1")
        write_new(folder / f"{backup.ceremony}{SUFFIX}", as_text(backup).encode(), mode=0o400)
    backups = Backups(tmp_path, cast("Any", None), cast("Any", None))
    (first,) = backups.kept(WALLETS[0], 0)
    with monkeypatch.context() as patch:
        stop_at(patch, 2)
        with pytest.raises(StoppedError):
            destroy_file(first)
    assert backups.kept(WALLETS[0], 0) == {}
    assert len(backups.kept(WALLETS[1], 0)) == 1


def test_what_an_earlier_run_left_behind_is_destroyed_before_its_name_is_used_again(tmp_path: Path) -> None:
    path = tmp_path / SHARES
    left = tmp_path / f".{SHARES}{GOING}"
    second = tmp_path / "kept"
    left.write_bytes(b"an old share")
    second.hardlink_to(left)
    path.write_bytes(b"a new one")
    destroy_file(path)
    assert [one.name for one in tmp_path.iterdir()] == ["kept"]
    # The second name shows what was there: it was overwritten, not only lost its name.
    assert second.read_bytes() != b"an old share"
