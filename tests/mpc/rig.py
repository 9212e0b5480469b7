"""Parties in one process, their messages carried by hand; and whoever changes them on the way."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

from mpc import DkgSession, MpcError, RefreshSession, Share, SignSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Outgoing: TypeAlias = list[tuple[int | None, bytes]]
Incoming: TypeAlias = list[tuple[int, bytes]]

# A message begins with magic and version (4 bytes), protocol, round, sender, receiver and the session's name.
HEADER_LENGTH = 40


class Session(Protocol):
    """What all sessions have in common, but for their results."""

    @property
    def done(self) -> bool: ...
    def start(self) -> Outgoing: ...
    def advance(self, messages: Iterable[tuple[int, bytes]]) -> Outgoing: ...


S = TypeVar("S", bound=Session)


@dataclass(frozen=True)
class Letter:
    """One message on its way."""

    round: int
    sender: int
    receiver: int
    broadcast: bool
    data: bytes


def honest(letter: Letter) -> Incoming:
    """Carry a message as it is."""
    return [(letter.sender, letter.data)]


@dataclass
class Run(Generic[S]):
    """A session of several parties; a party that failed is silent from then on."""

    sessions: Mapping[int, S]
    carry: Callable[[Letter], Incoming] = honest
    errors: dict[int, MpcError] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)

    def play(self) -> Run[S]:
        """Play all rounds that come about, until nobody is left who could go on."""
        outgoing = {index: session.start() for index, session in self.sessions.items()}
        number = 0
        while outgoing:
            number += 1
            incoming = self.carried(number, outgoing)
            outgoing = {}
            for index, session in self.sessions.items():
                if index in self.errors or session.done:
                    continue
                try:
                    sent = session.advance(incoming[index])
                except MpcError as error:
                    self.errors[index] = error
                else:
                    if not session.done:
                        outgoing[index] = sent
        return self

    def carried(self, number: int, outgoing: Mapping[int, Outgoing]) -> dict[int, Incoming]:
        """Carry one round's messages, each to whom it is for."""
        incoming: dict[int, Incoming] = {index: [] for index in self.sessions}
        for sender, messages in outgoing.items():
            for to, data in messages:
                for receiver, box in incoming.items():
                    if receiver == sender or to not in {None, receiver}:
                        continue
                    letter = Letter(number, sender, receiver, to is None, data)
                    self.letters.append(letter)
                    box.extend(self.carry(letter))
        return incoming

    @property
    def finished(self) -> list[int]:
        """Who got a result."""
        return [index for index, session in self.sessions.items() if session.done]


def name() -> bytes:
    """Name a new session."""
    return secrets.token_bytes(32)


def generating(threshold: int, parties: int, carry: Callable[[Letter], Incoming] = honest) -> Run[DkgSession]:
    """Set up the making of a key."""
    session = name()
    made = {
        index: DkgSession(index=index, threshold=threshold, parties=parties, session=session)
        for index in range(1, parties + 1)
    }
    return Run(made, carry)


def refreshing(shares: Mapping[int, Share], carry: Callable[[Letter], Incoming] = honest) -> Run[RefreshSession]:
    """Set up the renewal of all shares."""
    session = name()
    return Run({index: RefreshSession(share, session=session) for index, share in shares.items()}, carry)


def signing(
    shares: Mapping[int, Share],
    quorum: Iterable[int],
    message_hash: bytes,
    carry: Callable[[Letter], Incoming] = honest,
    session: bytes | None = None,
) -> Run[SignSession]:
    """Set up a signature."""
    members = list(quorum)
    session = session or name()
    made = {
        index: SignSession(
            shares[index],
            session=session,
            counterparties=[other for other in members if other != index],
            message_hash=message_hash,
        )
        for index in members
    }
    return Run(made, carry)


def new_shares(run: Run[DkgSession] | Run[RefreshSession]) -> dict[int, Share]:
    """Play to the end, with no fault, and take everybody's share."""
    run.play()
    assert not run.errors
    return {index: session.result() for index, session in run.sessions.items()}


def sign(shares: Mapping[int, Share], quorum: Iterable[int], message_hash: bytes) -> bytes:
    """Sign, with no fault; all get the same signature."""
    run = signing(shares, quorum, message_hash).play()
    assert not run.errors
    (signature,) = {session.result() for session in run.sessions.values()}
    return signature


def once(change: Callable[[bytes], bytes], wanted: Callable[[Letter], bool]) -> Callable[[Letter], Incoming]:
    """Carry all messages but change the one that is wanted."""

    def carry(letter: Letter) -> Incoming:
        data = change(letter.data) if wanted(letter) else letter.data
        return [(letter.sender, data)]

    return carry
