"""Keys are made, used and renewed by parties none of which ever has one."""

from __future__ import annotations

import secrets
from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from core.evm import address_of
from mpc import AbortError, MessageError, SignSession
from tests.mpc.oracles import holds, noble_holds
from tests.mpc.rig import Letter, Run, generating, honest, name, new_shares, once, refreshing, sign, signing

if TYPE_CHECKING:
    from tests.mpc.conftest import Shares
    from tests.mpc.rig import Incoming


@pytest.mark.parametrize("group", ["two_of_three", "three_of_five"])
def test_every_quorum_signs_and_two_other_implementations_agree(group: str, request: pytest.FixtureRequest) -> None:
    shares: Shares = request.getfixturevalue(group)
    public_key = shares[1].public_key
    cases = []
    for quorum in combinations(shares, shares[1].threshold):
        message_hash = secrets.token_bytes(32)
        cases.append((public_key, message_hash, sign(shares, quorum, message_hash)))
    assert all(holds(*case) for case in cases)
    assert noble_holds(cases) == [True] * len(cases)


def test_the_oracles_can_say_no(two_of_three: Shares) -> None:
    message_hash = secrets.token_bytes(32)
    signature = sign(two_of_three, (1, 2), message_hash)
    key = two_of_three[1].public_key
    other_id = signature[:64] + bytes([signature[64] ^ 1])
    assert not holds(key, message_hash, other_id)
    assert noble_holds([(key, secrets.token_bytes(32), signature), (key, message_hash, other_id)]) == [False, False]


@pytest.mark.parametrize("message_hash", [bytes(32), b"\xff" * 32], ids=["zeros", "ones"])
def test_any_hash_can_be_signed(two_of_three: Shares, message_hash: bytes) -> None:
    signature = sign(two_of_three, (1, 3), message_hash)
    assert noble_holds([(two_of_three[1].public_key, message_hash, signature)]) == [True]


def test_all_parties_know_the_same_key(three_of_five: Shares) -> None:
    assert {(share.public_key, share.address, share.session) for share in three_of_five.values()} == {
        (three_of_five[1].public_key, three_of_five[1].address, three_of_five[1].session)
    }
    share = three_of_five[4]
    assert (share.index, share.threshold, share.parties, share.epoch) == (4, 3, 5, 0)
    assert (len(share.public_key), share.public_key[0], len(share.session)) == (65, 4, 32)
    assert repr(share) == f"<Share 4 of 3-of-5 {share.address}, epoch 0>"


def test_the_same_parties_make_another_key_each_time(two_of_two: Shares) -> None:
    assert new_shares(generating(2, 2))[1].public_key != two_of_two[1].public_key


def test_a_refresh_keeps_the_key_and_parts_old_from_new(two_of_three: Shares) -> None:
    renewed = new_shares(refreshing(two_of_three))
    assert {share.public_key for share in renewed.values()} == {two_of_three[1].public_key}
    assert {share.epoch for share in renewed.values()} == {1}
    assert renewed[1].session == renewed[2].session == renewed[3].session != two_of_three[1].session
    for quorum in combinations(renewed, 2):
        message_hash = secrets.token_bytes(32)
        assert holds(renewed[1].public_key, message_hash, sign(renewed, quorum, message_hash))
    mixed = signing({1: two_of_three[1], 2: renewed[2]}, (1, 2), secrets.token_bytes(32)).play()
    assert not mixed.finished
    # Not a ban: the other may be honest and only be behind.
    assert [(error.reason, error.ban) for error in aborts(mixed)] == [("session-mismatch", False)] * 2


def test_a_second_refresh_parts_from_the_first(two_of_two: Shares) -> None:
    first = new_shares(refreshing(two_of_two))
    second = new_shares(refreshing(first))
    third = new_shares(refreshing(first))
    assert (second[1].epoch, third[1].epoch) == (2, 2)
    mixed = signing({1: second[1], 2: third[2]}, (1, 2), secrets.token_bytes(32)).play()
    assert not mixed.finished
    assert all(error.reason == "session-mismatch" for error in aborts(mixed))


def test_a_refresh_between_old_and_new_shares_fails(two_of_two: Shares) -> None:
    renewed = new_shares(refreshing(two_of_two))
    run = refreshing({1: two_of_two[1], 2: renewed[2]}).play()
    assert not run.finished


def test_shares_of_different_keys_do_not_sign(two_of_three: Shares, two_of_two: Shares) -> None:
    run = signing({1: two_of_three[1], 2: two_of_two[2]}, (1, 2), secrets.token_bytes(32)).play()
    assert not run.finished
    assert len(run.errors) == 2


@pytest.mark.parametrize("differing", ["hash", "quorum", "session"])
def test_parties_that_were_shown_different_things_do_not_sign(three_of_five: Shares, differing: str) -> None:
    message_hash, session = secrets.token_bytes(32), name()
    run = signing(three_of_five, (1, 2, 3), message_hash, session=session)
    if differing == "hash":
        odd = signing(three_of_five, (1, 2, 3), secrets.token_bytes(32), session=session)
    elif differing == "quorum":
        odd = signing(three_of_five, (1, 3, 4), message_hash, session=session)
    else:
        odd = signing(three_of_five, (1, 2, 3), message_hash)
    mixed = Run({1: run.sessions[1], 2: run.sessions[2], 3: odd.sessions[3]}).play()
    assert not mixed.finished
    assert set(mixed.errors) == {1, 2, 3}
    for index, error in mixed.errors.items():
        # Nobody is banned over a misunderstanding; a message for somebody else's session may not even arrive.
        if differing == "hash":
            assert isinstance(error, AbortError)
        if isinstance(error, AbortError):
            assert (error.reason, error.ban) == ("session-mismatch", False)
            assert error.culprits == ((3,) if index != 3 else (1,))
        else:
            assert isinstance(error, MessageError)


def test_a_session_that_is_played_again_gives_nothing(two_of_three: Shares) -> None:
    """The same name, the same hash, and all that party 2 said the first time."""
    message_hash, session = secrets.token_bytes(32), name()
    first = signing(two_of_three, (1, 2), message_hash, session=session).play()
    said = {letter.round: letter.data for letter in first.letters if letter.sender == 2}

    def replay(letter: Letter) -> Incoming:
        return [(2, said[letter.round])] if letter.sender == 2 else honest(letter)

    again = signing(two_of_three, (1, 2), message_hash, replay, session).play()
    assert not again.finished
    assert isinstance(again.errors[1], AbortError)
    assert (again.errors[1].reason, again.errors[1].ban) == ("session-mismatch", False)


def test_messages_of_another_session_are_no_messages(two_of_three: Shares) -> None:
    message_hash = secrets.token_bytes(32)
    first = signing(two_of_three, (1, 2), message_hash).play()
    said = {letter.round: letter.data for letter in first.letters if letter.sender == 2}
    replay = once(lambda _: said[1], lambda letter: letter.sender == 2 and letter.round == 1)
    again = signing(two_of_three, (1, 2), message_hash, replay).play()
    assert isinstance(again.errors[1], MessageError)
    assert again.errors[1].sender == 2


def test_the_address_is_that_of_the_key(two_of_three: Shares) -> None:
    assert two_of_three[1].address == address_of(two_of_three[1].public_key)


def aborts(run: Run[SignSession]) -> list[AbortError]:
    return [error for error in run.errors.values() if isinstance(error, AbortError)]
