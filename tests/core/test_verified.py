"""The one-shot token: made by verification only, journalled, spent once."""

from __future__ import annotations

import copy
import pickle

import pytest

from core.errors import EncodingError, SpentTokenError
from core.evm import decode_signed
from core.verified import Verified
from core.verify import verify
from tests.factories.world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def token(world: World) -> Verified:
    return verify(world.bundle(), world.pins, world.journal, world.now)


def test_a_token_is_journalled_then_spent(world: World, token: Verified) -> None:
    token.journalled()
    digest = token.spend()
    raw, transaction_hash = token.finish(world.wallet_key.sign_recoverable(digest, hasher=None)[:64])
    assert decode_signed(raw)[0] == token.transaction
    assert len(transaction_hash) == 32


def test_a_token_is_not_spent_before_its_record_is_on_disk(token: Verified) -> None:
    with pytest.raises(SpentTokenError):
        token.spend()


def test_a_token_is_spent_once(token: Verified) -> None:
    token.journalled()
    token.spend()
    with pytest.raises(SpentTokenError):
        token.spend()
    with pytest.raises(SpentTokenError):
        token.journalled()


def test_a_token_is_journalled_once(token: Verified) -> None:
    token.journalled()
    with pytest.raises(SpentTokenError):
        token.journalled()


def test_a_token_is_made_by_verification_only(token: Verified) -> None:
    with pytest.raises(SpentTokenError):
        Verified(
            object(),
            wallet=token.wallet,
            transaction=token.transaction,
            record=None,
            draw=token.draw,
            stored=None,
            checks=(),
        )


def test_a_token_cannot_be_copied(token: Verified) -> None:
    for way in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(SpentTokenError):
            way(token)


def test_a_token_that_was_never_built_hands_nothing_out() -> None:
    empty = Verified.__new__(Verified)
    with pytest.raises(AttributeError):
        empty.spend()


def test_a_repeated_attempt_needs_no_second_record_and_brings_the_stored_bytes(world: World) -> None:
    bundle = world.bundle()
    first = verify(bundle, world.pins, world.journal, world.now)
    assert first.record is not None
    world.journal.apply(world.journal.encode(first.record))
    again = verify(bundle, world.pins, world.journal, world.now)
    assert (again.record, again.stored) == (None, None)
    assert again.spend() == first.transaction.signing_hash


def test_a_device_that_signs_something_else_is_found_out(world: World, token: Verified) -> None:
    with pytest.raises(EncodingError):
        token.finish(world.wallet_key.sign_recoverable(bytes(32), hasher=None)[:64])
