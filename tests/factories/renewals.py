"""A refresh at parties in memory: real documents, words and journals; what sessions make is said, not computed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from core.ceremonies import check_ceremony
from core.documents.control import CeremonyKind
from core.documents.party import SessionKind, SessionTerms
from core.documents.renewal import KIND, Made, Proof, Said, ShareTest, SignedWord, Word
from core.epochs import made_of, message_of_test
from core.lease import NOTHING_HELD
from core.refresh import activate, stage
from tests.factories.ceremonies import ceremony, signed
from tests.factories.parties import Parties

if TYPE_CHECKING:
    from core.records import CeremonyRecord, Record
    from tests.factories.parties import Party

SESSION, OTHER, SOURCE = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32


def write(party: Party, record: Record) -> None:
    party.journal.apply(party.journal.encode(record))


class Refresh:
    """A refresh of a 3-of-5 wallet at parties in memory; what its sessions made is said, not computed."""

    def __init__(self, **changes: Any) -> None:  # noqa: ANN401 - fields of Ceremony
        self.group = Parties()
        self.names = self.group.wallet.signers
        self.record = self.order(**changes)

    def order(self, epoch: int = 1, **changes: Any) -> CeremonyRecord:  # noqa: ANN401 - fields of Ceremony
        """Have the quorum order a refresh, and hand it to every party."""
        world = self.group.world
        order = signed(world, ceremony(world, CeremonyKind.REFRESH, self.group.wallet, epoch=epoch, **changes))
        records = []
        for party in self.group.all.values():
            record = check_ceremony(order, party.pins, party.journal, now=world.now, held=NOTHING_HELD)
            assert record is not None
            write(party, record)
            records.append(record)
        return dataclasses.replace(records[0], consents=())

    def made(self, session: bytes = SESSION, **changes: Any) -> Made:  # noqa: ANN401 - fields of Made
        wallet = self.group.wallet
        made = made_of(self.record, wallet.id, wallet.public_key, session, self.group.world.deployment)
        return dataclasses.replace(made, **changes)

    def word(self, name: str, said: Said, made: Made, key: str | None = None, **changes: Any) -> SignedWord:  # noqa: ANN401
        word = Word(kind=KIND, party=name, said=said, made=made, evidence=None)
        word = dataclasses.replace(word, **changes)
        return SignedWord(word=word, signature=self.group.all[key or name].key.sign(bytes.fromhex(word.digest)))

    def words(self, said: Said = Said.KEPT, made: Made | None = None) -> tuple[SignedWord, ...]:
        return tuple(self.word(name, said, made or self.made()) for name in self.names)

    def test(self, *places: int, made: Made | None = None, message: bytes | None = None) -> ShareTest:
        quorum = tuple(f"party-{place}" for place in places)
        digest = message or message_of_test(made or self.made(), quorum)
        return ShareTest(quorum=quorum, signature=self.group.wallet_key.sign_recoverable(digest, hasher=None)[:64])

    def proof(self, **parts: Any) -> Proof:  # noqa: ANN401 - fields of Proof
        fields: dict[str, Any] = {
            "ceremony": self.record.ceremony,
            "kept": self.words(),
            "tests": (self.test(1, 2, 3), self.test(1, 4, 5)),
            "activated": (),
        }
        return Proof(**(fields | parts))

    def terms(self, kind: SessionKind = SessionKind.REFRESH, *places: int, **changes: Any) -> SessionTerms:  # noqa: ANN401
        wallet = self.group.wallet
        quorum = tuple(f"party-{place}" for place in places) or self.names
        fields: dict[str, Any] = {
            "kind": kind,
            "wallet": wallet.id,
            "public_key": wallet.public_key,
            "epoch": self.record.epoch,
            "threshold": wallet.threshold,
            "quorum": quorum,
            "message_hash": SOURCE if kind is SessionKind.REFRESH else message_of_test(self.made(), quorum),
            "subject": self.record.ceremony,
            "nonce": b"n" * 32,
        }
        return SessionTerms(**(fields | changes))

    def ask(self, party: Party, **more: Any) -> dict[str, Any]:  # noqa: ANN401
        return {"pins": party.pins, "journal": party.journal, "now": self.group.world.now, **more}

    def staged(self, place: int = 1, active: int = 0) -> Party:
        """Let a party settle on the session."""
        party = self.group[place]
        step = stage(self.proof(), self.record, kept=[SESSION], **self.ask(party, active=active))
        assert step is not None
        write(party, step)
        return party

    def activated(self, place: int = 1) -> Party:
        """Let a party go over."""
        party = self.staged(place)
        step = activate(self.proof(), self.record, **self.ask(party, active=0))
        assert step is not None
        write(party, step)
        return party
