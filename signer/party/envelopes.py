"""What parties send each other in a session, through a relay that nobody trusts.

Every envelope is signed with a key that its sender made for this session and that the sender's own key vouched for
(`core.sessions`). What is for one receiver is sealed under keys of the pair; what is for all is in the clear, and the
next round's envelopes say what everybody saw of it, so that nobody is told another thing than the rest.

Sources: RFC 7748 (X25519), RFC 8032 (Ed25519), RFC 5869 (HKDF), RFC 8439 (ChaCha20-Poly1305).
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from core.canonical import canonical_of_codecs, tagged_digest
from core.ed25519 import is_signed
from core.errors import Refusal
from core.names import HASH32, SLUG
from core.schema import Base64Url, HexData, Integer, Maybe, Struct, of
from signer.errors import CheatError, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.canonical import Json
    from core.documents.party import Hello
    from core.schema import Codec

_BODY_BYTES = 256 * 1024
_ROUNDS_MOST = 16
_NOTHING = bytes(32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Envelope:
    """One message. `receiver` null: for everybody. `echo`: what the sender saw for everybody in the last round.

    `count` says how many envelopes of this round each receiver gets from this sender, so that whoever leaves one out
    puts the blame on nobody else.
    """

    session: bytes = of(HASH32)
    round: int = of(Integer(least=1, most=_ROUNDS_MOST))
    sequence: int = of(Integer(most=64))
    count: int = of(Integer(least=1, most=64))
    sender: str = of(SLUG)
    receiver: str | None = of(Maybe(SLUG))
    echo: bytes = of(HASH32)
    body: bytes = of(Base64Url(least=0, most=_BODY_BYTES))
    signature: bytes = of(HexData(most=64, exact=True))

    @property
    def signed(self) -> bytes:
        """The 32 bytes that its sender signs."""
        fields = {name: codec.write(getattr(self, name), f"envelope.{name}") for name, codec in _SIGNED}
        fields["body"] = hashlib.sha256(self.body).hexdigest()
        return bytes.fromhex(tagged_digest("envelope", canonical_of_codecs(fields)))


ENVELOPE = Struct(lambda: Envelope)
_SIGNED: tuple[tuple[str, Codec], ...] = tuple(
    (field.name, field.metadata["codec"])
    for field in dataclasses.fields(Envelope)
    if field.name not in ("body", "signature")
)


@dataclasses.dataclass(frozen=True)
class SessionKeys:
    """The private halves of what a hello names; made for one session and forgotten with it."""

    exchange: X25519PrivateKey
    envelope: Ed25519PrivateKey

    @classmethod
    def generate(cls) -> SessionKeys:
        """Make both."""
        return cls(X25519PrivateKey.generate(), Ed25519PrivateKey.generate())


class Channel:
    """One party's end of a session: seals what it sends, opens what it is sent, and compares what all were told."""

    def __init__(self, session: bytes, own: str, keys: SessionKeys, hellos: dict[str, Hello]) -> None:
        """Derive the keys of each pair and direction.

        Args:
            session: The session's name, 32 bytes.
            own: This party's roster id.
            keys: What this party made for the session.
            hellos: Everybody's word, checked, in the order of the session's terms.

        Raises:
            CheatError: If a party's key is a point of small order.
        """
        self._session, self._own, self._keys, self._hellos = session, own, keys, hellos
        self.parties = tuple(hellos)
        self._pairs = {
            (a, b): self._derive(a, b) for name in self.parties if name != own for a, b in ((own, name), (name, own))
        }
        self.round = 0
        self._echo = _NOTHING
        self._told: dict[str, bytes] = {}

    def _derive(self, sender: str, receiver: str) -> ChaCha20Poly1305:
        peer = receiver if sender == self._own else sender
        try:
            shared = self._keys.exchange.exchange(X25519PublicKey.from_public_bytes(self._hellos[peer].exchange_key))
        except ValueError as error:
            raise CheatError(f"{peer} named a key that everybody shares", (peer,)) from error
        info = canonical_of_codecs({"for": "countersign/v1/envelope", "from": sender, "to": receiver})
        return ChaCha20Poly1305(HKDF(hashes.SHA256(), 32, self._session, info).derive(shared))

    def seal(self, messages: Iterable[tuple[str | None, bytes]]) -> list[Envelope]:
        """Close a round's messages and begin it.

        Args:
            messages: Receivers (null: everybody) and what they are told.
        """
        self.round += 1
        listed = list(messages)
        for_all = sum(receiver is None for receiver, _ in listed)
        count = for_all + (len(listed) - for_all) // max(1, len(self.parties) - 1)
        made = [self._close(place, count, receiver, body) for place, (receiver, body) in enumerate(listed)]
        for envelope in made:
            if envelope.receiver is None:
                self._told[self._own] = hashlib.sha256(envelope.body).digest()
        return made

    def _close(self, sequence: int, count: int, receiver: str | None, clear: bytes) -> Envelope:
        bare = Envelope(
            session=self._session,
            round=self.round,
            sequence=sequence,
            count=count,
            sender=self._own,
            receiver=receiver,
            echo=self._echo,
            body=clear,
            signature=bytes(64),
        )
        if receiver is not None:
            sealed = self._pairs[(self._own, receiver)].encrypt(_nonce(bare), clear, self._session)
            bare = dataclasses.replace(bare, body=sealed)
        return dataclasses.replace(bare, signature=self._keys.envelope.sign(bare.signed))

    def open(self, envelopes: Iterable[Envelope]) -> list[tuple[str, bytes]]:
        """Open what this party was sent in the present round.

        Returns:
            Senders and what they said.

        Raises:
            CheatError: Naming whom a signature convicts; nobody, where the relay alone may have done it.
        """
        delivered = list(envelopes)
        for envelope in delivered:
            self._check(envelope)
        for name in self.parties:
            mine = [envelope for envelope in delivered if envelope.sender == name]
            wanted = {len(mine)} if name != self._own else set()
            places = {envelope.sequence for envelope in mine}
            if {envelope.count for envelope in mine} != wanted or len(places) != len(mine):
                raise CheatError(f"envelopes of {name} are missing, or came twice", ())
        opened = [(envelope.sender, self._clear(envelope)) for envelope in delivered]
        parts = b"".join(name.encode() + b"\0" + self._told[name] for name in self.parties if name in self._told)
        self._echo = hashlib.sha256(parts).digest() if self._told else _NOTHING
        self._told = {}
        return opened

    def _check(self, envelope: Envelope) -> None:
        ours = envelope.session == self._session and envelope.round == self.round
        known = envelope.sender in self._hellos and envelope.sender != self._own
        if not ours or not known or envelope.receiver not in (None, self._own):
            raise CheatError("an envelope of another session, round or pair", ())
        if not is_signed(self._hellos[envelope.sender].envelope_key, envelope.signature, envelope.signed):
            raise CheatError(f"an envelope that {envelope.sender} did not sign", ())
        if envelope.echo != self._echo:
            raise CheatError(f"{envelope.sender} was told something else in round {self.round - 1}", ())

    def _clear(self, envelope: Envelope) -> bytes:
        sender = envelope.sender
        if envelope.receiver is None:
            if sender in self._told:
                raise CheatError(f"{sender} told everybody two things at once", (sender,))
            self._told[sender] = hashlib.sha256(envelope.body).digest()
            return envelope.body
        try:
            return self._pairs[(sender, self._own)].decrypt(_nonce(envelope), envelope.body, self._session)
        except InvalidTag as error:
            raise CheatError(f"{sender} signed what does not open", (sender,)) from error


def _nonce(envelope: Envelope) -> bytes:
    """Return a nonce that no other envelope of this pair, direction and session has."""
    return envelope.round.to_bytes(4, "big") + envelope.sequence.to_bytes(8, "big")


def members(value: object, fields: set[str], at: str) -> Json:
    """Return a request's object that has exactly these fields.

    Raises:
        RequestError: `malformed`.
    """
    if not isinstance(value, dict) or set(value) != fields:
        raise RequestError(Refusal.MALFORMED, f"{at}: {', '.join(sorted(fields))} are expected")
    return value


def written(envelopes: Iterable[Envelope]) -> Json:
    """Return a round's envelopes as an answer."""
    return {"envelopes": [ENVELOPE.write(one, "envelope") for one in envelopes]}
