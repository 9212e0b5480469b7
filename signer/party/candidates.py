"""New shares beside those in use, until all parties are sure of them; and what is left over when they are.

A session's share lies under a name of its own, sealed for the epoch that it will be of. Which one counts, and from
when, the journal says; a file's name is for people.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

from signer.errors import ShareFileError
from signer.files import destroy_file, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mpc import Share
    from signer.party.shares import ShareName, ShareStore

SUFFIX = ".staged"
_SHARE = ".share"


def _stem(name: ShareName) -> str:
    return name.file.removesuffix(_SHARE)


class Candidates:
    """The new shares of one party, in the folder of its shares."""

    def __init__(self, shares: ShareStore) -> None:
        """Keep them beside these."""
        self._shares = shares

    def _path(self, name: ShareName, session: bytes) -> Path:
        return self._shares.folder / f"{_stem(name)}.{session.hex()}{SUFFIX}"

    def keep(self, name: ShareName, share: Share) -> None:
        """Write a session's share, durably.

        Raises:
            ConfigError: If this session's file exists already.
            HsmError: If the token does not do its part.
        """
        self._shares.keep_at(self._path(name, bytes(share.session)), name, share)

    def sessions(self, name: ShareName) -> list[bytes]:
        """Return the sessions whose shares lie here whole, for one wallet and epoch.

        Raises:
            HsmError: If the token does not do its part.
        """
        found = []
        for path in sorted(self._shares.folder.glob(f"{_stem(name)}.*{SUFFIX}")):
            try:
                share = self._shares.open_at(path, name)
            except ShareFileError:
                # What does not open is no share: this party gives no word on it.
                continue
            found.append(bytes(share.session))
            share.wipe()
        return found

    def wallets(self, epoch: int, party: str) -> Iterator[ShareName]:
        """Yield what the shares of an epoch say that they are, of whatever wallet; what is damaged is left out."""
        folder = self._shares.folder
        for path in sorted([*folder.glob(f"*.{epoch}.*{SUFFIX}"), *folder.glob(f"*.{epoch}{_SHARE}")]):
            try:
                name = self._shares.says(path)
            except ShareFileError:
                continue
            if (name.epoch, name.party) == (epoch, party):
                yield name

    def drop(self, name: ShareName) -> None:
        """Destroy the new shares of a wallet and epoch that were not put into use."""
        destroy_all(sorted(self._shares.folder.glob(f"{_stem(name)}.*{SUFFIX}")))

    def open(self, name: ShareName, session: bytes) -> Share:
        """Open a session's share; whoever asked wipes it.

        Raises:
            ShareFileError: If it is missing, damaged or another session's.
            HsmError: If the token does not do its part.
        """
        share = self._shares.open_at(self._path(name, session), name)
        if bytes(share.session) != session:
            share.wipe()
            raise ShareFileError(f"{self._path(name, session).name}: holds the share of another session")
        return share

    def adopt(self, name: ShareName, session: bytes) -> None:
        """Move a session's share to where the one in use is looked for.

        Raises:
            ShareFileError: If it is not here, or another file lies there.
        """
        path, target = self._path(name, session), self._shares.folder / name.file
        if not path.exists():
            raise ShareFileError(f"{path.name}: there is no such share")
        if target.exists():
            raise ShareFileError(f"{target.name}: is there already, and is none of this ceremony's shares")
        path.rename(target)
        sync_folder(target.parent)

    def superseded(self, name: ShareName) -> list[Path]:
        """Return the files of this wallet's shares that are not of this epoch or a higher one, new shares included.

        Beside the share in use, what other sessions made for the same epoch counts as well.
        """
        start = _stem(dataclasses.replace(name, epoch=0)).removesuffix("0")
        found = []
        for path in sorted(self._shares.folder.glob("*")):
            bare = path.name.removeprefix(".").removesuffix(".draft")
            epoch, _, rest = bare.removeprefix(start).partition(".")
            if not bare.startswith(start) or not epoch.isdecimal():
                continue
            left_over = path.name.startswith(".") or rest.endswith(SUFFIX)
            if int(epoch) < name.epoch or (int(epoch) == name.epoch and left_over):
                found.append(path)
        return found


def fingerprints(paths: list[Path]) -> dict[str, str]:
    """Return the SHA-256 of files, hex, by their names: what a list of what was destroyed is made of."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def destroy_all(paths: list[Path]) -> None:
    """Overwrite files and remove them, one after the other; a second name of a file that stays is only removed."""
    for path in paths:
        others = (one.lstat().st_ino for one in path.parent.iterdir() if one not in paths)
        if path.lstat().st_ino in set(others):
            path.unlink()
        else:
            destroy_file(path)
