"""What a session is started with: within bounds, or a typed error."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from mpc import MAX_PARTIES, DkgSession, MpcError, ParameterError, RefreshSession, SignSession
from tests.mpc.rig import name

if TYPE_CHECKING:
    from tests.mpc.conftest import Shares

HASH = bytes(32)
NO_NUMBERS: list[Any] = [-1, 256, 2**64, 2**256 - 1, -(2**256), True, False, 2.0, "2", b"\x02", None, [2]]
NO_WORDS: list[Any] = [b"", bytes(31), bytes(33), bytes(1 << 20), bytearray(32), "0" * 32, None, 7, [0] * 32]


def dkg(**changes: Any) -> DkgSession:  # noqa: ANN401 - whatever somebody may pass
    arguments: dict[str, Any] = {"index": 1, "threshold": 2, "parties": 3, "session": name()}
    return DkgSession(**(arguments | changes))


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
@pytest.mark.parametrize("argument", ["index", "threshold", "parties"])
def test_what_is_no_small_number(argument: str, value: object) -> None:
    with pytest.raises(ParameterError):
        dkg(**{argument: value})


@pytest.mark.parametrize("value", NO_WORDS, ids=range(len(NO_WORDS)))
def test_what_is_no_name_of_a_session(two_of_three: Shares, value: bytes) -> None:
    with pytest.raises(ParameterError):
        dkg(session=value)
    with pytest.raises(ParameterError):
        SignSession(two_of_three[1], session=value, counterparties=[2], message_hash=HASH)
    with pytest.raises(ParameterError):
        SignSession(two_of_three[1], session=name(), counterparties=[2], message_hash=value)
    with pytest.raises(ParameterError):
        RefreshSession(two_of_three[1], session=value)


@pytest.mark.parametrize(
    ("index", "threshold", "parties"),
    [
        (0, 2, 3),
        (4, 2, 3),
        (255, 2, 3),
        (1, 0, 3),
        (1, 1, 3),
        (1, 4, 3),
        (1, 255, 3),
        (1, 2, 0),
        (1, 2, 1),
        (1, 1, 1),
        (1, 2, MAX_PARTIES + 1),
        (1, 2, 255),
    ],
)
def test_a_group_out_of_bounds(index: int, threshold: int, parties: int) -> None:
    with pytest.raises(ParameterError):
        dkg(index=index, threshold=threshold, parties=parties)


@pytest.mark.parametrize(("threshold", "parties"), [(2, 2), (3, 5), (MAX_PARTIES, MAX_PARTIES), (2, MAX_PARTIES)])
def test_a_group_within_bounds(threshold: int, parties: int) -> None:
    assert len(dkg(threshold=threshold, parties=parties).start()) == parties - 1


@pytest.mark.parametrize(
    "counterparties",
    [[], [2], [2, 3, 4], [2, 3, 4, 5], [1, 2], [2, 2], [0, 2], [2, 6], [2, 255], [2, -1], [2, 256], [2, True],
     [2, 3.0], [2, "3"], [2, None], "23", b"\x02", None, 7, [[2, 3]], range(2, 200), iter([2])],
    ids=lambda value: type(value).__name__ if hasattr(value, "__next__") else repr(value),
)  # fmt: skip
def test_a_quorum_of_other_people(three_of_five: Shares, counterparties: Any) -> None:  # noqa: ANN401 - whatever comes
    with pytest.raises(ParameterError):
        SignSession(three_of_five[1], session=name(), counterparties=counterparties, message_hash=HASH)


def test_an_endless_quorum(three_of_five: Shares) -> None:
    with pytest.raises(ParameterError, match="too many"):
        SignSession(three_of_five[1], session=name(), counterparties=iter(int, 1), message_hash=HASH)


def test_a_refresh_is_not_named_as_what_it_refreshes(two_of_three: Shares) -> None:
    with pytest.raises(ParameterError, match="of its own"):
        RefreshSession(two_of_three[1], session=two_of_three[1].session)


def test_what_is_not_given_at_all(two_of_three: Shares) -> None:
    """A call that does not fit the signature is a programmer's mistake, and Python's own error."""
    for call in (
        lambda: DkgSession(1, 2, 3, name()),  # type: ignore[misc]  # on purpose
        lambda: SignSession(two_of_three[1], session=name()),  # type: ignore[call-arg]  # on purpose
        lambda: SignSession(None, session=name(), counterparties=[2], message_hash=HASH),  # type: ignore[arg-type]
        lambda: RefreshSession(b"CSSH", session=name()),  # type: ignore[arg-type]  # on purpose
    ):
        with pytest.raises(TypeError):
            call()


def test_errors_of_arguments_are_ours() -> None:
    assert issubclass(ParameterError, MpcError)
    assert "Raises" in (inspect.getdoc(DkgSession) or "")
