"""Parties inside the test's process: their own service, the real protocol, real documents; soft keys and files.

What tokens, sockets and processes add is tested elsewhere; here a test has everybody's keys and shares, may replace
anybody's code, sets every clock, and can afford many sessions.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, ClassVar, cast

from core.certificate import certificate_size
from core.documents.party import SignedHello, SignedReservation
from core.errors import CoreError, Refusal, RefusedError
from core.journal import Journal
from core.party_script import Case, sign_script
from mpc import Share
from signer.errors import RequestError
from signer.party.backend import PartyBackend
from signer.party.service import PartyService
from tests.factories.parties import Parties

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from core.documents.bundle import Bundle
    from core.documents.party import Hello, Reservation
    from core.party_script import Signed
    from core.records import Record
    from signer.party.party_key import PartyKey
    from signer.party.shares import ShareName, ShareStore
    from signer.store import JournalStore

Answer = dict[str, Any]


class Lines:
    """A journal whose file is a list."""

    def __init__(self, lines: list[bytes]) -> None:
        """Replay what is there."""
        self.lines = lines
        self.journal = Journal.load(lines)
        self.failpoint = lambda _: None

    def catch_up(self) -> None:
        """Nothing lags behind a list."""

    def append(self, record: Record) -> None:
        """Write a record and take it into account."""
        line = self.journal.encode(record)
        self.lines.append(line)
        self.journal.apply(line)

    note = append

    def sync(self) -> None:
        """Nothing is only half written into a list."""


class SoftKey:
    """A party's own key, in memory."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        """Wrap it."""
        self._key = key
        self.public = key.public_key().public_bytes_raw()

    def reserve(self, document: Reservation) -> SignedReservation:
        """Give the party's word."""
        return SignedReservation(document=document, signature=self._key.sign(bytes.fromhex(document.digest)))

    def greet(self, document: Hello) -> SignedHello:
        """Give the party's word on a session."""
        return SignedHello(document=document, signature=self._key.sign(bytes.fromhex(document.digest)))


class SoftShares:
    """Shares in the clear, of one wallet."""

    token: ClassVar[dict[str, str]] = {"model": "memory"}

    def __init__(self, folder: Path, wallet: str, blob: bytes) -> None:
        """Keep one share of epoch 0."""
        self.folder, self._wallet, self._blob = folder, wallet, blob

    def epochs(self, _: str, wallet: str, __: str) -> list[int]:
        """Return which epochs there are."""
        return [0] if wallet == self._wallet else []

    def open(self, _: ShareName) -> Share:
        """Open it."""
        return Share.load(bytearray(self._blob))


class Inside:
    """A wallet's parties in this process, and a relay to them. `clocks`: by how many seconds each one's is off."""

    def __init__(self, blobs: Mapping[int, bytes], threshold: int, folder: Path) -> None:
        """Give each share to a party whose key the policy names."""
        public_key = bytes(Share.load(bytearray(blobs[1])).public_key)
        self.group = Parties(threshold, len(blobs), public_key=public_key)
        self.blobs, self.folder = dict(blobs), folder
        self.now = self.group.world.now
        self.clocks = dict.fromkeys(self.group.all, 0)
        self.lines: dict[str, list[bytes]] = {}
        self.services: dict[str, PartyService] = {}
        for name in self.group.all:
            start = self.group.world.make_journal(signer=name).start
            if start is None:
                raise TypeError
            self.lines[name] = [Journal().encode(start)]
            self.restart(name)

    def restart(self, name: str) -> None:
        """Start a party anew from its lines: whatever was only in memory is gone."""
        party = self.group.all[name]
        wallet = self.group.wallet
        blob = self.blobs[wallet.signers.index(name) + 1]
        shares = cast("ShareStore", SoftShares(self.folder / name, wallet.id, blob))
        (self.folder / name).mkdir(exist_ok=True)
        self.services[name] = PartyService(
            state=self.folder / name,
            pins=party.pins,
            store=cast("JournalStore", Lines(self.lines[name])),
            backend=PartyBackend(shares, deployment=self.group.world.deployment, party=name),
            key=cast("PartyKey", SoftKey(party.key)),
        )

    def ask(self, requests: Mapping[str, Answer]) -> tuple[dict[str, Answer], dict[str, Answer]]:
        """As `courier.relay.Relay.ask`."""
        good: dict[str, Answer] = {}
        bad: dict[str, Answer] = {}
        for name, request in requests.items():
            try:
                good[name] = self.services[name].handle({"v": 1, **request}, now=self.now + self.clocks[name])
            except RequestError as error:
                bad[name] = {"code": str(error.code), "message": error.message, "retry": error.retry}
            except RefusedError as error:
                bad[name] = {"code": str(error.code), "message": error.message, "retry": False}
            except CoreError as error:
                bad[name] = {"code": str(Refusal.MALFORMED), "message": str(error), "retry": False}
        return good, bad

    def sign(self, bundle: Bundle, *names: str) -> Signed:
        """Carry a case honestly among these parties (none named: all), to its signature."""
        case = Case(
            bundle=bundle.to_json(),
            deployment=self.group.world.deployment,
            wallet=self.group.wallet,
            ask=names or self.group.wallet.signers,
            chance=secrets.token_bytes(32),
        )
        script = sign_script(case)
        batch = next(script)
        try:
            while True:
                batch = script.send(self.ask(batch.frames))
        except StopIteration as end:
            return cast("Signed", end.value)

    @property
    def size(self) -> int:
        """How many words make a certificate."""
        return certificate_size(len(self.group.all), self.group.wallet.threshold)
