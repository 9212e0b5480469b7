"""The certificates that this party joined with or was taught, kept to be given to parties that missed them.

Nobody believes this file, its own party included: whoever is handed a certificate checks every word in it. So it is
not part of the journal, and losing it loses no safety, only what this party could teach. One certificate is kept for
each nonce and one for its cancel: it grows with the wallets' signed cases, as the journal does, and with no more.

A line is ``wallet nonce kind intent certificate``; the last is canonical JSON. Lines are written when the answer is
out and are not fsynced: a power cut costs the newest ones, which other parties have as well.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import re
from bisect import bisect_left, insort
from typing import TYPE_CHECKING

from core.canonical import canonical_of_codecs, parse
from core.errors import CoreError
from core.names import ACCOUNT
from core.schema import Boolean, Integer, of, read_struct
from signer.errors import ConfigError
from signer.files import write_all

if TYPE_CHECKING:
    from pathlib import Path

    from core.canonical import Json
    from core.documents.party import Binding

FILE = "certificates"
PAGE_MOST = 128
"""Certificates that are answered at once; as many as custody hands over at once, and fewer than a party reads."""
PAGE_BYTES = 700_000
"""Less than a frame takes (1 MiB), with room for what is around it. The first certificate is answered anyhow."""
_ANSWER_MOST = 1_000_000
_LINE_MOST = 1024 * 1024 + 1024
_INTENT, _CANCEL = b"intent", b"cancel"
_PARTS = 5
_NONCE = re.compile(rb"[0-9]{1,16}")
log = logging.getLogger("signer")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Since:
    """What a relay asks for: a wallet's certificates from a nonce on, all of them or its cancels', `most` at once.

    A nonce has two at most, so every page brings whoever asks on to another nonce.
    """

    wallet: str = of(ACCOUNT)
    nonce: int = of(Integer())
    cancels: bool = of(Boolean())
    most: int = of(Integer(least=2, most=PAGE_MOST))


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where a certificate stands in the file, and which intent it is about."""

    intent: str
    offset: int
    length: int


class Shelf:
    """The file, and where in it each certificate begins."""

    def __init__(self, path: Path) -> None:
        """Open the file and read which certificates it has; half a line of a crash is cut off.

        Args:
            path: The file; made if it is not there.

        Raises:
            ConfigError: If it cannot be opened, or is a link.
        """
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from error
        self._places: dict[str, dict[tuple[int, bool], _Place]] = {}
        self._order: dict[str, list[tuple[int, bool]]] = {}
        self._waiting: list[tuple[Binding, Json]] = []
        self._size = 0
        self._read()

    def _read(self) -> None:
        with os.fdopen(os.dup(self._handle), "rb") as file:
            while (line := file.readline(_LINE_MOST + 1)).endswith(b"\n"):
                self._index(line, self._size)
                self._size += len(line)
        os.ftruncate(self._handle, self._size)

    def _index(self, line: bytes, offset: int) -> None:
        """Note where a line's certificate is; what is no line of ours is passed over."""
        parts = line.split(b" ", _PARTS - 1)
        if len(parts) == _PARTS and _NONCE.fullmatch(parts[1]) and parts[2] in (_INTENT, _CANCEL):
            wallet, key = parts[0].decode("ascii", "replace"), (int(parts[1]), parts[2] == _CANCEL)
            start = len(line) - len(parts[4])
            place = _Place(parts[3].decode("ascii", "replace"), offset + start, len(parts[4]) - 1)
            if key not in self._places.setdefault(wallet, {}):
                insort(self._order.setdefault(wallet, []), key)
            self._places[wallet][key] = place

    def put(self, binding: Binding, certificate: Json) -> None:
        """Keep a certificate that was checked and is journalled here, from the next `settle` on.

        Args:
            binding: What it is about.
            certificate: As it was read from a request.
        """
        held = self._places.get(binding.wallet, {}).get((binding.nonce, binding.cancel is not None))
        if held is None or held.intent != binding.intent:
            self._waiting.append((binding, certificate))

    def settle(self) -> None:
        """Write down what waits. A disk that refuses costs what this party could teach, and nothing else."""
        waiting, self._waiting = self._waiting, []
        for binding, certificate in waiting:
            key = (binding.nonce, binding.cancel is not None)
            held = self._places.get(binding.wallet, {}).get(key)
            if held is not None and held.intent == binding.intent:
                continue
            kind = _INTENT if binding.cancel is None else _CANCEL
            head = f"{binding.wallet} {binding.nonce} ".encode() + kind + f" {binding.intent} ".encode()
            line = head + canonical_of_codecs(certificate) + b"\n"
            try:
                os.lseek(self._handle, self._size, os.SEEK_SET)
                write_all(self._handle, line)
            except OSError as error:
                # Half a line may stand there: the next one is written over it, or it is cut off at the next start.
                log.error("certificates cannot be kept: %s", error.strerror)  # noqa: TRY400 - no trace: it may hold paths
                return
            self._index(line, self._size)
            self._size += len(line)

    def page(self, asked: object) -> Json:
        """Return certificates from a place on, in the order of their nonces, a nonce's own before its cancel's.

        Args:
            asked: `Since`, as it came.

        Returns:
            `certificates`, and `next`, the nonce to go on from; null if these were all.

        Raises:
            CoreError: If it does not say from where.
        """
        since = read_struct(Since, asked, "since")
        self.settle()
        order, places = self._order.get(since.wallet, []), self._places.get(since.wallet, {})
        found: list[Json] = []
        size, following, last = 0, None, since.nonce
        for key in order[bisect_left(order, (since.nonce, False)) :]:
            if since.cancels and not key[1]:
                continue
            size += places[key].length
            full = key[0] != last and (len(found) + 2 > since.most or size > PAGE_BYTES)
            if found and (full or size > _ANSWER_MOST):
                following = key[0]
                break
            last = key[0]
            certificate = self._load(places[key])
            if certificate is not None:
                found.append(certificate)
        return {"certificates": found, "next": following}

    def _load(self, place: _Place) -> Json | None:
        """Read a certificate back; one that a disk has damaged is not there."""
        try:
            value = parse(os.pread(self._handle, place.length, place.offset), max_bytes=_LINE_MOST)
        except (OSError, CoreError):
            return None
        return value if isinstance(value, dict) else None
