"""One party that says different things to different others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpc import AbortError, DkgSession
from tests.mpc.rig import Incoming, Outgoing, Run, Session, name

if TYPE_CHECKING:
    from collections.abc import Iterable


class TwoFaced:
    """A party that runs two sessions of one name: party 2 hears the one, party 3 the other."""

    def __init__(self, one: DkgSession, other: DkgSession) -> None:
        self.faces = {2: one, 3: other}
        self.done = False

    def start(self) -> Outgoing:
        return [(to, data) for to, face in self.faces.items() for data in heard_by(to, face.start())]

    def advance(self, messages: Iterable[tuple[int, bytes]]) -> Outgoing:
        heard = list(messages)
        return [(to, data) for to, face in self.faces.items() for data in heard_by(to, face.advance(heard))]


def heard_by(receiver: int, messages: Outgoing) -> list[bytes]:
    return [data for to, data in messages if to in {None, receiver}]


def test_two_keys_for_two_parties_become_none() -> None:
    """With n = t the library cannot notice: each of the honest two is told of another key."""
    session = name()
    one, other, second, third = (
        DkgSession(index=index, threshold=3, parties=3, session=session) for index in (1, 1, 2, 3)
    )
    sessions: dict[int, Session] = {1: TwoFaced(one, other), 2: second, 3: third}
    # The two faces compare nothing: they go on whatever the honest two answer, until the last round.
    run = Run(sessions)
    outgoing = {index: session.start() for index, session in sessions.items()}
    for number in (1, 2, 3):
        incoming = run.carried(number, outgoing)
        outgoing = {index: session.advance(incoming[index]) for index, session in sessions.items()}
    last = run.carried(4, outgoing)
    for index in (2, 3):
        error = refusal(sessions[index], last[index])
        assert (error.reason, error.culprits, error.ban) == ("transcript", (), False)
        assert not sessions[index].done


def refusal(session: Session, messages: Incoming) -> AbortError:
    try:
        session.advance(messages)
    except AbortError as error:
        return error
    raise AssertionError("it went through")
