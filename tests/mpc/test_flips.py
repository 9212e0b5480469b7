"""One changed bit, in every message of every round: an error, and never a wrong signature or a broken key."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from mpc import AbortError, MessageError
from tests.mpc.oracles import holds
from tests.mpc.rig import HEADER_LENGTH, generating, once, refreshing, signing
from tests.soak import SOAK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.mpc.conftest import Shares
    from tests.mpc.rig import Letter

# Round, and whether to all.
GENERATION = [(1, False), (2, True), (2, False), (3, True), (3, False), (4, False)]
SIGNING = [(1, False), (2, False), (3, True)]
HASH = bytes(range(32))
# How many bits of each message: a generation takes most of a second, a signature milliseconds.
FEW = 80 if SOAK else 3
MANY = 400 if SOAK else 60
# Of a message of 55 kB each eleventh byte, in each of which some bit.
SWEEP = 11


def flipped(bit: int) -> Callable[[bytes], bytes]:
    """Change one bit; the first of the body comes after the header, negative ones count from the end."""

    def change(data: bytes) -> bytes:
        index = bit // 8
        changed = bytearray(data)
        changed[index] ^= 1 << (bit % 8)
        return bytes(changed)

    return change


def bits(length: int, count: int, seed: str) -> Iterator[int]:
    """Choose bits of a message: its first and last of all parts, and some between."""
    chosen = random.Random(None if SOAK else seed)  # noqa: S311 - which bits to try
    yield HEADER_LENGTH * 8
    yield length * 8 - 1
    for _ in range(count - 2):
        yield chosen.randrange(HEADER_LENGTH * 8, length * 8)


def from_second(number: int, *, broadcast: bool) -> Callable[[Letter], bool]:
    return lambda letter: (letter.sender, letter.round, letter.broadcast) == (2, number, broadcast)


@pytest.mark.timeout(3600 if SOAK else 400)
@pytest.mark.parametrize(("number", "broadcast"), GENERATION)
@pytest.mark.parametrize("protocol", ["dkg", "refresh"])
def test_generation_and_refresh(two_of_two: Shares, protocol: str, number: int, broadcast: bool) -> None:  # noqa: FBT001
    wanted = from_second(number, broadcast=broadcast)
    lengths = {(1, False): 73, (2, True): 106, (2, False): 74, (3, True): 4783, (3, False): 143092, (4, False): 72}
    if protocol == "refresh":
        lengths |= {(2, True): 73, (3, True): 4685}
    length = lengths[number, broadcast]
    for bit in bits(length, FEW, f"{protocol}{number}{broadcast}"):
        carry = once(flipped(bit), wanted)
        run = generating(2, 2, carry).play() if protocol == "dkg" else refreshing(two_of_two, carry).play()
        assert {len(letter.data) for letter in run.letters if wanted(letter)} == {length}
        # Party 2 saw nothing wrong in what it sent; it finishes only where the changed message was the last.
        assert 1 not in run.finished, f"bit {bit} went through"
        assert run.finished == [] or number == 4
        error = run.errors[1]
        assert isinstance(error, AbortError | MessageError)
        if isinstance(error, AbortError):
            assert not error.ban
            assert set(error.culprits) <= {2}


@pytest.mark.parametrize(("number", "broadcast"), SIGNING)
def test_signing(two_of_three: Shares, number: int, broadcast: bool) -> None:  # noqa: FBT001
    lengths = {1: 26793, 2: 55427, 3: 106}
    outcomes = set()
    for bit in bits(lengths[number], MANY, f"sign{number}"):
        outcomes.add(signed_with_a_flip(two_of_three, number, broadcast, bit))
    # What it is refused for depends on where the bit is; that somebody is named does not, before the last round.
    assert outcomes <= {
        "does not decode",
        "session-mismatch",
        "commitment",
        "multiplication",
        "transfer",
        "signature",
        "polynomial",
        "names other parties",
    }
    assert ("signature" in outcomes) == (number == 3)
    assert ("multiplication" in outcomes) == (number < 3)


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="`make soak` sweeps whole messages")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("number", "broadcast"), SIGNING)
def test_signing_swept(two_of_three: Shares, number: int, broadcast: bool) -> None:  # noqa: FBT001
    length = {1: 26793, 2: 55427, 3: 106}[number]
    for index in range(HEADER_LENGTH, length, SWEEP if number < 3 else 1):
        signed_with_a_flip(two_of_three, number, broadcast, index * 8 + random.randrange(8))  # noqa: S311


def signed_with_a_flip(shares: Shares, number: int, broadcast: bool, bit: int) -> str:  # noqa: FBT001
    """Sign with one changed bit from party 2 to party 1.

    Returns:
        What party 1 refused it for.
    """
    run = signing(shares, (1, 2), HASH, once(flipped(bit), from_second(number, broadcast=broadcast))).play()
    assert 1 not in run.finished, f"bit {bit} went through"
    for index in run.finished:
        assert holds(shares[1].public_key, HASH, run.sessions[index].result())
    error = run.errors[1]
    if isinstance(error, MessageError):
        assert error.sender == 2
        return "does not decode" if "does not decode" in str(error) else "names other parties"
    assert isinstance(error, AbortError)
    # A ban is for cheating with the multiplication and for nothing else, and for the one who did.
    assert error.ban == (error.reason in {"multiplication", "transfer"})
    assert error.culprits == (() if error.reason in {"signature", "polynomial"} else (2,))
    return error.reason


def test_an_honest_run_has_these_lengths(two_of_three: Shares) -> None:
    """So that the bits above are spread over the whole of each message."""
    run = signing(two_of_three, (1, 2), HASH).play()
    assert {letter.round: len(letter.data) for letter in run.letters} == {1: 26793, 2: 55427, 3: 106}
