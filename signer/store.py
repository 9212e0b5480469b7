"""The journal on disk: append, fsync, take into account, move the token's head; in this order, or not at all.

A line exists for the signer once it is fsynced. The token's head may then be one authority record behind, never
more: nothing is appended and nothing is signed until it has caught up. At start the two must fit together, else a
person has to look: missing, truncated, rolled back and other signers' journals all end there.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from core.errors import JournalError
from core.journal import MAX_LINE, Journal
from core.records import PolicyRecord, SignatureRecord, StartRecord
from signer.errors import ConfigError, JournalWriteError
from signer.files import sync_folder, write_all, write_new
from signer.head import Head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from core.records import Record
    from signer.head import HeadReading, TokenHead

JOURNAL_FILE = "journal"


def no_failpoint(name: str) -> None:
    """Do nothing."""


class JournalStore:
    """A journal that is open for appending, in step with its file and its token."""

    def __init__(self, handle: int, journal: Journal, head: TokenHead) -> None:
        """Use `open_journal`."""
        self._handle = handle
        self._head = head
        self._unsynced = False
        self._behind = False
        self._failed = False
        self.journal = journal
        self.policies: list[str] = []
        self.failpoint: Callable[[str], None] = no_failpoint

    def catch_up(self) -> None:
        """Bring the token's head up to the journal, if a token that was away left it behind.

        Raises:
            HsmUnavailableError: If the token is still away.
            JournalError: If the token came back as another.
            JournalWriteError: If this journal failed before.
        """
        if self._failed:
            raise JournalWriteError("the journal failed before")
        if self._behind:
            self._move_head()

    def append(self, record: Record) -> None:
        """Write an authority record durably, take it into account, and move the token's head to it.

        Raises:
            JournalWriteError: If the disk refuses; the process must end.
            HsmUnavailableError: If the token is away. The record counts all the same, and nothing is signed for it
                until the token has caught up.
        """
        self.catch_up()
        self._write(record)
        self.failpoint("signer.before_journal_fsync")
        self.sync()
        self.failpoint("signer.after_journal_fsync")
        if isinstance(record, PolicyRecord):
            self.policies.append(record.policy)
        self._behind = True
        self._move_head()
        self.failpoint("signer.after_head")

    def note(self, record: SignatureRecord) -> None:
        """Write a signature record; `sync` makes it durable, after the answer is out if need be.

        Losing it to a power cut costs a second signature of the same bytes (see `core.journal`).

        Raises:
            JournalWriteError: As `append`.
        """
        self._write(record)

    def sync(self) -> None:
        """Make every line durable that was written.

        Raises:
            JournalWriteError: If the disk refuses. A second fsync could report success over lost pages: not tried.
        """
        if not self._unsynced:
            return
        try:
            os.fdatasync(self._handle)
        except OSError as error:
            self._failed = True
            raise JournalWriteError(f"the journal cannot be made durable: {error.strerror}") from error
        self._unsynced = False

    def _write(self, record: Record) -> None:
        line = self.journal.encode(record)
        try:
            # One write: a crash leaves a line whole or torn at the very end, nowhere else.
            write_all(self._handle, line + b"\n")
        except OSError as error:
            self._failed = True
            raise JournalWriteError(f"the journal cannot be written: {error.strerror}") from error
        self._unsynced = True
        try:
            self.journal.apply(line)
        except BaseException:
            # Memory and file disagree now.
            self._failed = True
            raise

    def _move_head(self) -> None:
        self._head.write(head_of(self.journal, self._head.owner))
        self._behind = False

    def close(self) -> None:
        """Make everything durable and let the file go."""
        try:
            if not self._failed:
                self.sync()
        finally:
            os.close(self._handle)


def head_of(journal: Journal, owner: str) -> Head:
    """Return what the token has to hold for a journal.

    Raises:
        JournalError: For a journal that never started.
    """
    if journal.start is None:
        raise JournalError("the journal is empty")
    return Head(owner, journal.sequence, journal.authority[-1], journal.start.ceremony)


def create_journal(state: Path, head: TokenHead, record: StartRecord) -> None:
    """Start a journal: the file durably first, the token's head after it.

    Args:
        state: The signer's folder.
        head: The token's head; holds none for a first start, and the lost journal's for a ceremony.
        record: Where the journal begins.

    Raises:
        JournalError: If there is a past that the record does not answer for.
    """
    journal = Journal()
    line = journal.encode(record)
    journal.apply(line)
    path = state / JOURNAL_FILE
    known = head.read().head
    if record.ceremony is None and known is not None:
        raise JournalError("this token has signed before: a new journal takes a ceremony")
    if record.ceremony is not None and known is not None and known.ceremony == record.ceremony:
        raise JournalError("this ceremony has started a journal already")
    if path.exists():
        if record.ceremony is None and path.read_bytes().count(b"\n") > 1:
            raise JournalError("there is a journal without its head in the token: a new one takes a ceremony")
        _set_aside(path)
    write_new(path, line + b"\n", mode=0o600)
    head.create(head_of(journal, head.owner))


def _set_aside(path: Path) -> None:
    """Keep what was there as evidence, under the first name that is free."""
    number = 1
    while (aside := path.with_name(f"{path.name}.before-{number}")).exists():
        number += 1
    path.rename(aside)
    sync_folder(path.parent)


def open_journal(state: Path, head: TokenHead, *, deployment: str, signer: str) -> JournalStore:
    """Open a journal, hold it against the token, and bring the token up to it.

    Args:
        state: The signer's folder; the caller holds its lock.
        head: The token's head.
        deployment: The pinned deployment.
        signer: The pinned signer.

    Raises:
        JournalError: If anything does not fit. The signer does not start.
        HsmUnavailableError: If the token is away.
    """
    path = state / JOURNAL_FILE
    try:
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        journal, policies, good, torn = _replay(handle)
        _check_owner(journal, deployment, signer)
        store = JournalStore(handle, journal, head)
        store.policies = policies
        _fit(store, head, head.read(), torn=torn)
        if torn:
            os.ftruncate(handle, good)
        os.fsync(handle)
    except BlockingIOError as error:
        os.close(handle)
        raise ConfigError(f"{path}: another process holds the journal") from error
    except BaseException:
        os.close(handle)
        raise
    return store


def _check_owner(journal: Journal, deployment: str, signer: str) -> None:
    start = journal.start
    if start is None:
        raise JournalError("the journal is empty")
    if (start.deployment, start.signer) != (deployment, signer):
        raise JournalError("the journal of another signer or deployment")


def _replay(handle: int) -> tuple[Journal, list[str], int, bool]:
    """Replay a journal; also its policies in order, the bytes of its whole lines, and whether half a line follows."""
    journal, policies, good = Journal(), [], 0
    torn = False
    for line in _lines(handle):
        if not line.endswith(b"\n"):
            if len(line) > MAX_LINE:
                raise JournalError(f"journal line {journal.sequence + 1}: longer than any line of ours")
            torn = True
            break
        record = journal.apply(line[:-1])
        good += len(line)
        if isinstance(record, (StartRecord, PolicyRecord)):
            policies.append(record.policy)
    return journal, policies, good, torn


def _lines(handle: int) -> Iterator[bytes]:
    with os.fdopen(os.dup(handle), "rb") as file:
        while line := file.readline(MAX_LINE + 2):
            yield line


def _fit(store: JournalStore, head: TokenHead, reading: HeadReading, *, torn: bool) -> None:
    """Hold the journal against the token's head, and bring that up by one where a crash left it behind."""
    journal, known = store.journal, reading.head
    if known is None:
        raise JournalError("the token holds no head of this journal")
    if known.ceremony != (journal.start.ceremony if journal.start is not None else None):
        raise JournalError("the journal was started by another ceremony than the token's head names")
    if known.hash == journal.authority[-1]:
        if not reading.whole:
            # A head is only torn while it is being moved, and then the journal leads.
            raise JournalError("one copy of the token's head is damaged, and the journal does not lead it")
        return
    if len(journal.authority) != 2 or known.hash != journal.authority[0]:  # noqa: PLR2004 - the last and the one before
        raise JournalError("the journal is not the one that the token's head names: truncated or rolled back")
    if torn:
        raise JournalError("half a line follows a record that the token has not seen: this is no crash of ours")
    head.write(head_of(journal, head.owner))
