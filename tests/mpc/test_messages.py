"""What comes from outside is hostile: each bad message is a typed error, and the session is over."""

from __future__ import annotations

import itertools
import secrets
from typing import TYPE_CHECKING, Any

import pytest

from mpc import (
    MAX_MESSAGE,
    AbortError,
    DkgSession,
    InternalError,
    MessageError,
    MpcError,
    ParameterError,
    RefreshSession,
    SessionError,
    ShareError,
    SignSession,
)
from tests.mpc.rig import HEADER_LENGTH, generating, name, once, signing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.mpc.conftest import Shares
    from tests.mpc.rig import Incoming, Letter, Run

HASH = bytes(range(32))
# A point at infinity in the place of a compressed point: one byte, 00, with its length before it.
POINT, INFINITY = (b"\x21\x02", b"\x21\x03"), b"\x01\x00"


def over(session: DkgSession | SignSession | RefreshSession) -> bool:
    """Whether nothing can be done with a session any more."""
    calls: tuple[Callable[[], object], ...] = (session.start, lambda: session.advance([]), session.result)
    for call in calls:
        with pytest.raises(SessionError):
            call()
    return not session.done


def second(shares: Shares) -> tuple[SignSession, Incoming]:
    """Party 1 in front of the first round's messages of party 2."""
    run = signing(shares, (1, 2), HASH)
    run.sessions[1].start()
    return run.sessions[1], [(2, data) for _, data in run.sessions[2].start()]


def shifted(data: bytes, index: int, value: int) -> bytes:
    return data[:index] + bytes([value]) + data[index + 1 :]


CHANGES: dict[str, Callable[[bytes], Any]] = {
    "nothing": lambda _: [],
    "twice": lambda data: [(2, data), (2, data)],
    "unknown sender": lambda data: [(3, data)],
    "own voice": lambda data: [(1, data)],
    "sender 0": lambda data: [(0, data)],
    "sender 255": lambda data: [(255, data)],
    "sender 256": lambda data: [(256, data)],
    "sender -1": lambda data: [(-1, data)],
    "sender 2**256-1": lambda data: [(2**256 - 1, data)],
    "sender true": lambda data: [(True, data)],
    "sender text": lambda data: [("2", data)],
    "sender float": lambda data: [(2.0, data)],
    "sender none": lambda data: [(None, data)],
    "empty": lambda _: [(2, b"")],
    "one byte": lambda _: [(2, b"C")],
    "header only": lambda data: [(2, data[:HEADER_LENGTH])],
    "header cut": lambda data: [(2, data[: HEADER_LENGTH - 1])],
    "cut": lambda data: [(2, data[:-1])],
    "half": lambda data: [(2, data[: len(data) // 2])],
    "longer": lambda data: [(2, data + b"\x00")],
    "too long": lambda data: [(2, data + bytes(MAX_MESSAGE))],
    "zeros": lambda data: [(2, bytes(len(data)))],
    "ones": lambda data: [(2, b"\xff" * len(data))],
    "noise": lambda data: [(2, secrets.token_bytes(len(data)))],
    "noise after the header": lambda data: [(2, data[:HEADER_LENGTH] + secrets.token_bytes(200))],
    "huge length": lambda data: [(2, data[:HEADER_LENGTH] + b"\xff" * 9 + b"\x01")],
    "other version": lambda data: [(2, shifted(data, 3, 2))],
    "other protocol": lambda data: [(2, shifted(data, 4, 1))],
    "other round": lambda data: [(2, shifted(data, 5, 2))],
    "other sender inside": lambda data: [(2, shifted(data, 6, 3))],
    "other receiver": lambda data: [(2, shifted(data, 7, 3))],
    "to all": lambda data: [(2, shifted(data, 7, 0))],
    "other session": lambda data: [(2, shifted(data, 8, data[8] ^ 1))],
    "bytearray": lambda data: [(2, bytearray(data))],
    "text": lambda _: [(2, "hello")],
    "no pair": lambda data: [data],
    "three parts": lambda data: [(2, data, None)],
    "list for a pair": lambda data: [[2, data]],
    "number": lambda _: 7,
    "none": lambda _: None,
    "text for a list": lambda _: "messages",
    "endless": lambda data: itertools.repeat((2, data)),
    "exploding": lambda _: exploding(),
}


def exploding() -> Iterator[tuple[int, bytes]]:
    return (1 // int(number) for number in "0")  # type: ignore[misc]  # it fails before it gives anything


@pytest.mark.parametrize("change", CHANGES)
def test_a_bad_first_round_ends_the_session(two_of_three: Shares, change: str) -> None:
    session, messages = second(two_of_three)
    with pytest.raises(MessageError):
        session.advance(CHANGES[change](messages[0][1]))
    assert over(session)


def test_the_error_names_the_sender(two_of_three: Shares) -> None:
    session, messages = second(two_of_three)
    with pytest.raises(MessageError) as caught:
        session.advance([(2, messages[0][1][:-1])])
    assert caught.value.sender == 2
    session, _ = second(two_of_three)
    with pytest.raises(MessageError) as caught:
        session.advance([])
    assert caught.value.sender == 2
    session, _ = second(two_of_three)
    with pytest.raises(MessageError) as caught:
        session.advance(7)  # type: ignore[arg-type]  # what a confused caller would do
    assert caught.value.sender is None


@pytest.mark.parametrize("kind", ["dkg", "sign", "refresh"])
def test_a_session_has_its_order(two_of_two: Shares, kind: str) -> None:
    def fresh() -> DkgSession | SignSession | RefreshSession:
        if kind == "dkg":
            return DkgSession(index=1, threshold=2, parties=2, session=name())
        if kind == "refresh":
            return RefreshSession(two_of_two[1], session=name())
        return SignSession(two_of_two[1], session=name(), counterparties=[2], message_hash=HASH)

    session = fresh()
    with pytest.raises(SessionError, match="not finished"):
        session.result()
    with pytest.raises(SessionError, match="not started"):
        session.advance([])
    assert over(session)
    session = fresh()
    assert session.start()
    with pytest.raises(SessionError, match="started before"):
        session.start()
    assert over(session)


def test_a_result_is_handed_over_once(two_of_two: Shares) -> None:
    run = signing(two_of_two, (1, 2), HASH).play()
    for session in run.sessions.values():
        assert session.done
        assert len(session.result()) == 65
        assert over(session)


def test_more_rounds_than_there_are_end_it(two_of_two: Shares) -> None:
    run = signing(two_of_two, (1, 2), HASH).play()
    with pytest.raises(SessionError):
        run.sessions[1].advance([])
    assert over(run.sessions[1])


def test_a_later_rounds_message_is_none_of_this_one() -> None:
    """Whoever reveals before all committed has said nothing that anybody takes."""
    run = generating(2, 2).play()
    revealed = [letter for letter in run.letters if letter.sender == 2 and letter.round == 3]
    session = DkgSession(index=1, threshold=2, parties=2, session=revealed[0].data[8:40])
    session.start()
    with pytest.raises(MessageError):
        session.advance([(2, letter.data) for letter in revealed])
    assert over(session)


def test_commitments_are_not_opened_as_they_are_made() -> None:
    """The library's struct holds commitment and proof in one; sent whole, the last to speak would choose the key."""
    run = generating(2, 2).play()
    for sender in (1, 2):
        proof = letter_of(run, 3, sender).data[HEADER_LENGTH:]
        point = proof[1:34]
        assert point[0] in {2, 3}
        early = b"".join(letter.data for letter in run.letters if letter.round < 3)
        assert point not in early
        assert point[1:] not in early
        assert len(letter_of(run, 2, sender).data) == 106


def letter_of(run: Run[DkgSession], number: int, sender: int) -> Letter:
    return next(
        letter for letter in run.letters if (letter.round, letter.sender, letter.broadcast) == (number, sender, True)
    )


def test_a_proof_has_to_be_the_one_that_was_committed_to() -> None:
    """Party 2 waits for party 1's proof and shows another than it had committed to."""
    other = generating(2, 2).play()

    def change(data: bytes) -> bytes:
        return data[:HEADER_LENGTH] + letter_of(other, 3, 2).data[HEADER_LENGTH:]

    run = generating(
        2, 2, once(change, lambda letter: (letter.round, letter.sender, letter.broadcast) == (3, 2, True))
    )
    run.play()
    assert not run.finished
    error = run.errors[1]
    assert isinstance(error, AbortError)
    assert (error.reason, error.culprits) == ("proof", (2,))


@pytest.mark.parametrize("protocol", ["dkg", "sign"])
def test_points_at_infinity_are_refused(two_of_two: Shares, protocol: str) -> None:
    """A message's first four points, in turn: in signing, those are all."""
    seen = 0
    for place in range(4):

        def change(data: bytes, place: int = place) -> bytes:
            nonlocal seen
            body = data[HEADER_LENGTH:]
            found = [i for i in range(len(body) - 34) if body[i : i + 2] in POINT]
            seen += 1
            at = found[place]
            return data[:HEADER_LENGTH] + body[:at] + INFINITY + body[at + 34 :]

        def wanted(letter: Letter) -> bool:
            return letter.sender == 2 and letter.round == (3 if protocol == "dkg" else 2)

        if protocol == "dkg":
            dkg = generating(2, 2, once(change, wanted)).play()
            assert not dkg.finished
            assert 1 in dkg.errors
        else:
            run = signing(two_of_two, (1, 2), HASH, once(change, wanted)).play()
            assert 1 not in run.finished
            assert 1 in run.errors
    assert seen >= 4


def test_errors_have_one_base() -> None:
    for kind in (AbortError, InternalError, MessageError, ParameterError, SessionError, ShareError):
        assert issubclass(kind, MpcError)
    assert not issubclass(MpcError, (ValueError, RuntimeError))
    assert (AbortError().culprits, AbortError().ban, AbortError().reason) == ((), False, "protocol")
    assert MessageError().sender is None
