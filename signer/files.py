"""Files that must not be lost or read by others: written whole, fsynced with their folder, never through a link."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from signer.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK_FILE = "lock"
GOING = ".going"
"""What the name of a file that is being destroyed ends with."""


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_new(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file that does not exist yet, durably and all or nothing.

    Raises:
        ConfigError: If it exists.
    """
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        write_all(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        # Unlike a rename, a link never replaces what is there.
        os.link(draft, path)
    except FileExistsError as error:
        raise ConfigError(f"{path}: exists already") from error
    finally:
        draft.unlink()
    sync_folder(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Add a line to a file, durably; the file is made if it is not there, and half a line of a crash is cut off."""
    made = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        known = path.read_bytes()
        os.ftruncate(handle, known.rfind(b"\n") + 1)
        write_all(handle, line + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
    if made:
        sync_folder(path.parent)


def destroy_file(path: Path) -> None:
    """Overwrite a file and remove it. What a disk may still hold of it is sealed, or was never a secret.

    It loses its name first: half of it, left behind by a process that was stopped, would be taken for a damaged file
    of that name, and nothing beside it could be read any more. `finish_destroying` does the rest.
    """
    going = path.with_name(f".{path.name}{GOING}")
    if going.exists():
        _wipe(going)
    path.rename(going)
    sync_folder(path.parent)
    _wipe(going)


def finish_destroying(folder: Path) -> None:
    """Overwrite and remove what a process was destroying in a folder when it was stopped."""
    for path in sorted(folder.glob(f".*{GOING}")):
        _wipe(path)


def _wipe(path: Path) -> None:
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    sync_folder(path.parent)


def write_all(handle: int, content: bytes) -> None:
    """Write every byte, or raise OSError."""
    left = memoryview(content)
    while left:
        left = left[os.write(handle, left) :]


@contextmanager
def exclusive(state: Path) -> Iterator[None]:
    """Hold a signer's state folder: one process at a time reads or writes it.

    Raises:
        ConfigError: If another process holds it.
    """
    handle = os.open(state / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(f"{state}: another signer process holds this folder") from error
        yield
    finally:
        os.close(handle)
