"""Sessions of ceremonies, beside those of cases: they make shares, or test them, and pay nobody.

What a session does is said when this party joins it; its rounds go the same way whatever it does.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.documents.party import SignedHello
from core.errors import Refusal, RefusedError
from core.names import HASH32
from core.party_keys import party_key
from core.records import AbortRecord
from core.schema import Items, Struct, write_struct
from core.sessions import check_partners
from core.standing import heard
from core.verify import check_clock
from signer.party.envelopes import ENVELOPE, members, written
from signer.party.session import SESSIONS_MOST, AbortedError, Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from core.canonical import Json
    from core.documents.party import SessionTerms
    from core.journal import Journal
    from core.pins import Pins
    from core.records import SessionRecord
    from signer.party.backend import PartyBackend
    from signer.party.party_key import PartyKey
    from signer.party.session import Rounds
    from signer.store import JournalStore

_HELLOS = Items(Struct(lambda: SignedHello), least=1, most=16)
_ENVELOPES = Items(ENVELOPE, most=64)
_REASON_MOST = 200


@dataclasses.dataclass(frozen=True)
class Host:
    """What the parts of one party share. `pins` are read anew each time: policies follow each other."""

    state: Path
    store: JournalStore
    backend: PartyBackend
    key: PartyKey
    pins: Callable[[], Pins]

    @property
    def journal(self) -> Journal:
        """This party's memory."""
        return self.store.journal


@dataclasses.dataclass(frozen=True)
class Work:
    """What a session does.

    Attributes:
        start: Makes the protocol's state machine, when everybody has agreed.
        finish: Takes its result; returns what this party answers.
        freezes: Whether a party that is caught is frozen for the wallet and epoch.
    """

    start: Callable[[], Rounds]
    finish: Callable[[Session, int], Json]
    freezes: bool


class Making:
    """The live sessions of one party's ceremonies."""

    def __init__(self, host: Host) -> None:
        """Begin with none."""
        self._host = host
        self._live: dict[bytes, tuple[Session, Work]] = {}

    def __contains__(self, value: object) -> bool:
        """Whether a request's session (0x hex) is one of these."""
        return isinstance(value, str) and any("0x" + name.hex() == value for name in self._live)

    def join(
        self, terms: SessionTerms, record: SessionRecord, parties: tuple[str, ...], work: Work, *, now: int
    ) -> Json:
        """Spend a session's name and give this party's word on it.

        Args:
            terms: The terms, accepted by `core`.
            record: What `core` wants journalled first.
            parties: All parties in the order of their indices.
            work: What the session does.
            now: Unix seconds.
        """
        self._host.store.append(record)
        self._host.store.failpoint("signer.renewal_joined")
        indices = {name: place for place, name in enumerate(parties, start=1)}
        session = Session(terms, self._host.pins(), self._host.key, indices, now=now)
        for name in [name for name, (one, _) in self._live.items() if one.is_late(now)]:
            del self._live[name]
        while len(self._live) >= SESSIONS_MOST:
            del self._live[next(iter(self._live))]
        self._live[session.name] = session, work
        return write_struct(session.hello, "hello")

    def _find(self, value: object, now: int) -> tuple[Session, Work]:
        name = HASH32.read(value, "session")
        live = self._live.get(name)
        if live is None or live[0].is_late(now):
            self._live.pop(name, None)
            raise RefusedError(Refusal.SESSION, "no such session goes on here")
        journal, terms = self._host.journal, live[0].terms
        check_clock(journal, now)
        try:
            # What people said since this party joined: its ceremony's end, or that of a party in it.
            heard((), terms.subject, journal)
            check_partners(terms, journal)
        except RefusedError:
            del self._live[name]
            raise
        return live

    def begin(self, request: Json, now: int) -> Json:
        """Start the first round, with everybody's word.

        Raises:
            RefusedError: `session`, `halted` or `clock`.
        """
        beginning = members(request["beginning"], {"session", "hellos"}, "beginning")
        session, work = self._find(beginning["session"], now)
        hellos = _HELLOS.read(beginning["hellos"], "hellos")
        pins = self._host.pins()
        policy = pins.policy(self._host.journal.policy_at(now))
        keys = {name: party_key(policy, name) for name in session.terms.quorum}
        try:
            return written(session.begin(hellos, keys, work.start, now=now))
        except AbortedError as error:
            raise self._aborted(session, work, error, now) from error

    def turn(self, request: Json, now: int) -> Json:
        """Take one round's envelopes and answer the next one's, or what came of the session.

        Raises:
            RefusedError: `session`, `halted` or `clock`.
        """
        turn = members(request["turn"], {"session", "envelopes"}, "turn")
        session, work = self._find(turn["session"], now)
        envelopes = _ENVELOPES.read(turn["envelopes"], "envelopes")
        try:
            answer = session.advance(envelopes)
        except AbortedError as error:
            raise self._aborted(session, work, error, now) from error
        if not session.done:
            return written(answer)
        del self._live[session.name]
        return {"envelopes": [], **work.finish(session, now)}

    def _aborted(self, session: Session, work: Work, error: AbortedError, now: int) -> RefusedError:
        self._live.pop(session.name, None)
        self._host.store.append(
            AbortRecord(
                kind="abort",
                time=now,
                session=session.name,
                reason=error.reason[:_REASON_MOST] or "aborted",
                culprits=error.culprits,
                ban=work.freezes and error.ban and bool(error.culprits),
                consents=(),
            )
        )
        blame = f"; caught: {', '.join(error.culprits)}" if error.culprits else ""
        return RefusedError(Refusal.SESSION, f"the session ended: {error.reason[:_REASON_MOST]}{blame}")
