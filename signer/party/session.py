"""One session among parties, from this party's side: hellos, then the protocol's rounds, then its result or its end.

Nothing of a session is ever on disk but its name, which is spent before the first round; a process that ends forgets
the rest, and the session never goes on.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Protocol

from core.documents.base import Header
from core.documents.party import Hello
from core.errors import Refusal, RefusedError, require
from core.sessions import HELLO_SECONDS, check_hellos, session_id
from mpc import AbortError, DkgSession, MessageError, MpcError, RefreshSession, SignSession
from signer.errors import CheatError, SignerError
from signer.party.envelopes import Channel, Envelope, SessionKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from core.documents.party import SessionTerms, SignedHello
    from core.pins import Pins
    from mpc import Share
    from signer.party.party_key import PartyKey

SESSION_SECONDS = 60
"""How long a session may take from its hello to its result; a relay that is slower starts another."""
SESSIONS_MOST = 8
"""Live sessions of one party; the oldest gives way."""


class Rounds(Protocol):
    """A protocol's state machine, as `mpc` gives it: indices count the wallet's parties from 1."""

    def start(self) -> list[tuple[int | None, bytes]]:
        """Return the first round's messages."""

    def advance(self, messages: Iterable[tuple[int, bytes]]) -> list[tuple[int | None, bytes]]:
        """Take a round's messages and return the next one's; none when it is done."""

    @property
    def done(self) -> bool:
        """Whether there is a result."""


class AbortedError(SignerError):
    """A session ended. `ban`: whom the protocol caught may have learned about the shares."""

    def __init__(self, reason: str, culprits: tuple[str, ...], *, ban: bool) -> None:
        """Say why, and whose doing it was, if that is known."""
        super().__init__(reason)
        self.reason, self.culprits, self.ban = reason, culprits, ban


class Session:
    """A session that this party agreed to. `indices` says which party has which index in the key."""

    def __init__(
        self, terms: SessionTerms, pins: Pins, key: PartyKey, indices: Mapping[str, int], *, now: int
    ) -> None:
        """Make this session's keys, and this party's word on it.

        Args:
            terms: What everybody must have been told.
            pins: This party's pins.
            key: The party's own key.
            indices: Each party's index in the key, from 1.
            now: Unix seconds.
        """
        self.terms = terms
        self.name = session_id(terms, pins.deployment)
        self.began = now
        self._indices = dict(indices)
        self._names = {index: name for name, index in self._indices.items()}
        self._keys = SessionKeys.generate()
        own = Hello(
            header=Header(
                type=Hello.TYPE,
                version=1,
                deployment=pins.deployment,
                id=secrets.token_hex(16),
                created=now,
                expires=now + HELLO_SECONDS,
            ),
            party=pins.signer,
            terms=terms,
            exchange_key=self._keys.exchange.public_key().public_bytes_raw(),
            envelope_key=self._keys.envelope.public_key().public_bytes_raw(),
        )
        self.hello = key.greet(own)
        self._channel: Channel | None = None
        self._rounds: Rounds | None = None

    @property
    def done(self) -> bool:
        """Whether the protocol has a result."""
        return self._rounds is not None and self._rounds.done

    def is_late(self, now: int) -> bool:
        """Whether its time is over (Unix seconds); a clock that went back ends it too."""
        return not self.began <= now <= self.began + SESSION_SECONDS

    def begin(
        self, hellos: Iterable[SignedHello], keys: Mapping[str, bytes], protocol: Callable[[], Rounds], *, now: int
    ) -> list[Envelope]:
        """Start the first round, once everybody has agreed.

        Args:
            hellos: Everybody's word.
            keys: The policy's keys of the quorum's parties.
            protocol: Makes the state machine; called only if all agree.
            now: Unix seconds.

        Raises:
            RefusedError: `session`, if it has begun before or somebody's word does not hold.
            AbortedError: If the protocol does not start.
        """
        require(self._channel is None, Refusal.SESSION, "this session has begun already")
        own = self.hello.document
        found = check_hellos(hellos, own, keys, now=now)
        ordered = {party: found[party] for party in self.terms.quorum}
        try:
            self._channel = Channel(self.name, own.party, self._keys, ordered)
        except CheatError as error:
            raise AbortedError(str(error), error.culprits, ban=True) from error
        self._rounds = protocol()
        try:
            return self._seal(self._rounds.start())
        except MpcError as error:
            raise self._aborted(error) from error

    def advance(self, envelopes: Iterable[Envelope]) -> list[Envelope]:
        """Take one round's envelopes and return the next one's; none when there is a result.

        Raises:
            RefusedError: `session`, before it has begun or after its end.
            AbortedError: If somebody cheated, or the relay did.
        """
        if self._channel is None or self._rounds is None:
            raise RefusedError(Refusal.SESSION, "this session has not begun")
        require(not self._rounds.done, Refusal.SESSION, "this session is over")
        try:
            opened = self._channel.open(envelopes)
            return self._seal(self._rounds.advance([(self._indices[name], body) for name, body in opened]))
        except CheatError as error:
            raise AbortedError(str(error), error.culprits, ban=bool(error.culprits)) from error
        except MpcError as error:
            raise self._aborted(error) from error

    def signature(self) -> bytes:
        """Return r ‖ s, 64 bytes, of a signing session that is done.

        Raises:
            RefusedError: `session`, for any other.
        """
        if not isinstance(self._rounds, SignSession):
            raise RefusedError(Refusal.SESSION, "this session makes no signature")
        return self._rounds.result()[:64]

    def share(self) -> Share:
        """Return the share that a session made which is done.

        Raises:
            RefusedError: `session`, for any other.
        """
        if not isinstance(self._rounds, (DkgSession, RefreshSession)):
            raise RefusedError(Refusal.SESSION, "this session makes no share")
        return self._rounds.result()

    def _seal(self, messages: Iterable[tuple[int | None, bytes]]) -> list[Envelope]:
        if self._channel is None:
            raise RefusedError(Refusal.SESSION, "this session has not begun")
        return self._channel.seal((None if to is None else self._names[to], bytes(body)) for to, body in messages)

    def _aborted(self, error: MpcError) -> AbortedError:
        if isinstance(error, AbortError):
            return AbortedError(error.reason, tuple(self._names[index] for index in error.culprits), ban=error.ban)
        if isinstance(error, MessageError) and error.sender is not None:
            # It came signed by its sender: no relay made it up.
            return AbortedError(str(error), (self._names[error.sender],), ban=True)
        return AbortedError(str(error), (), ban=False)
