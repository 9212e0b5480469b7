"""Renewed shares: when a party settles on them, uses them, and destroys the old ones; and when it does not."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from core.documents.party import SessionKind
from core.documents.renewal import Said, ShareTest, SignedWord
from core.epochs import activated_by, active_epoch, message_of_test, next_epoch, settled_on
from core.errors import EncodingError, Refusal, RefusedError, SpentTokenError
from core.records import AbortRecord, CeremonyStep, HaltRecord
from core.refresh import ATTEMPTS_MOST, TESTS_MOST, activate, destroyed, join_refresh, join_test, may_destroy, stage
from core.verified import SEAL, ShareTestToken
from tests.factories.renewals import OTHER, SESSION, SOURCE, Refresh, write
from tests.factories.world import DAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.factories.parties import Party


@pytest.fixture
def refresh() -> Refresh:
    return Refresh()


def code_of(work: Callable[[], object]) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        work()
    return caught.value.code


def test_every_bad_word_and_test_is_tried(refresh: Refresh) -> None:
    assert set(WRONG) == set(bad_words(refresh, Said.KEPT))
    assert set(UNSHOWN) == set(bad_tests(refresh))


def test_a_party_goes_over_by_what_anybody_shows_it(refresh: Refresh) -> None:
    party = refresh.group[1]
    wallet = refresh.group.wallet.id
    assert (active_epoch(party.journal, wallet), next_epoch(party.journal, wallet, 0)) == (None, 2)
    refresh.staged()
    known = party.journal.ceremonies.find(refresh.record.ceremony)
    assert settled_on(party.journal, wallet, 1) == (known, refresh.made().digest)
    assert activated_by(party.journal, wallet) is None
    # Shown twice is no second step.
    assert stage(refresh.proof(), refresh.record, kept=[SESSION], **refresh.ask(party, active=0)) is None
    step = activate(refresh.proof(), refresh.record, **refresh.ask(party, active=0))
    assert step is not None
    write(party, step)
    assert activate(refresh.proof(), refresh.record, **refresh.ask(party, active=1)) is None
    assert active_epoch(party.journal, wallet) == 1
    may_destroy(refresh.proof(activated=refresh.words(Said.ACTIVATED)), refresh.record, **refresh.ask(party))
    write(party, destroyed(refresh.record, "ab" * 32, now=refresh.group.world.now))
    assert CeremonyStep.DESTROYED in party.journal.ceremonies.done(refresh.record.ceremony)


def bad_words(refresh: Refresh, said: Said) -> dict[str, tuple[SignedWord, ...]]:
    """Return words that must not count, by what is wrong with them."""
    good, made = refresh.words(said), refresh.made()
    last = good[-1]
    other = Said.ACTIVATED if said is Said.KEPT else Said.KEPT
    return {
        "one missing": good[:-1],
        "one twice": (*good[:-1], good[0]),
        "too many": (*good, good[0]),
        "a stranger": (*good[:-1], refresh.word("party-9", said, made, key="party-5")),
        "another's signature": (*good[:-1], refresh.word("party-5", said, made, key="party-4")),
        "a flipped bit": (*good[:-1], dataclasses.replace(last, signature=b"\x00" * 64)),
        "another word": (*good[:-1], refresh.word("party-5", other, made)),
        "another session": (*good[:-1], refresh.word("party-5", said, refresh.made(OTHER))),
        "another epoch": (*good[:-1], refresh.word("party-5", said, refresh.made(epoch=2))),
        "another key": (*good[:-1], refresh.word("party-5", said, refresh.made(public_key=b"\x04" * 65))),
        "all of another session": refresh.words(said, refresh.made(OTHER)),
        "all of another epoch": refresh.words(said, refresh.made(epoch=2)),
        "all of another ceremony": refresh.words(said, refresh.made(ceremony="ab" * 32)),
        "all of another deployment": refresh.words(said, refresh.made(deployment="ab" * 32)),
        "all of another wallet": refresh.words(said, refresh.made(wallet=refresh.group.wallets[1].id)),
        "all of another key": refresh.words(said, refresh.made(public_key=b"\x04" * 65)),
    }


WRONG = (
    "one missing",
    "one twice",
    "too many",
    "a stranger",
    "another's signature",
    "a flipped bit",
    "another word",
    "another session",
    "another epoch",
    "another key",
    "all of another session",
    "all of another epoch",
    "all of another ceremony",
    "all of another deployment",
    "all of another wallet",
    "all of another key",
)


@pytest.mark.parametrize("what", WRONG)
def test_no_party_settles_on_words_that_do_not_hold(refresh: Refresh, what: str) -> None:
    proof = refresh.proof(kept=bad_words(refresh, Said.KEPT)[what])
    party = refresh.group[1]
    assert code_of(lambda: stage(proof, refresh.record, kept=[SESSION], **refresh.ask(party, active=0))) in {
        Refusal.CEREMONY, Refusal.CERTIFICATE,
    }  # fmt: skip
    refresh.staged()
    assert code_of(lambda: activate(proof, refresh.record, **refresh.ask(party, active=0))) is Refusal.CEREMONY


@pytest.mark.parametrize("what", WRONG)
def test_nothing_is_destroyed_before_all_parties_say_that_they_use_the_new_shares(
    refresh: Refresh, what: str
) -> None:
    party = refresh.activated()
    proof = refresh.proof(activated=bad_words(refresh, Said.ACTIVATED)[what])
    assert code_of(lambda: may_destroy(proof, refresh.record, **refresh.ask(party))) is Refusal.CEREMONY


def test_a_party_settles_only_on_a_share_that_it_keeps_and_on_one_session_for_good(refresh: Refresh) -> None:
    party = refresh.group[1]
    other = refresh.proof(kept=refresh.words(made=refresh.made(OTHER)))
    for kept in ([], [OTHER]):
        asked = refresh.ask(party, active=0, kept=kept)
        assert code_of(lambda a=asked: stage(refresh.proof(), refresh.record, **a)) is Refusal.CEREMONY  # type: ignore[misc]
    refresh.staged()
    both = refresh.ask(party, active=0, kept=[SESSION, OTHER])
    assert code_of(lambda: stage(other, refresh.record, **both)) is Refusal.CEREMONY
    full = refresh.proof(
        kept=other.kept,
        tests=(refresh.test(1, 2, 3, made=refresh.made(OTHER)), refresh.test(1, 4, 5, made=refresh.made(OTHER))),
    )
    assert code_of(lambda: activate(full, refresh.record, **refresh.ask(party, active=0))) is Refusal.CEREMONY


UNSHOWN = (
    "none",
    "not all parties",
    "another quorum's",
    "too few sign",
    "too many sign",
    "out of order",
    "twice the same",
    "a stranger",
    "of another session",
    "of another epoch",
    "over other bytes",
    "a flipped bit",
    "zero",
)


def bad_tests(refresh: Refresh) -> dict[str, tuple[ShareTest, ...]]:
    """Return test signatures that do not show that all new shares work."""
    one, two = refresh.test(1, 2, 3), refresh.test(1, 4, 5)
    return {
        "none": (),
        "not all parties": (one, refresh.test(1, 2, 4)),
        "another quorum's": (one, dataclasses.replace(two, quorum=("party-2", "party-4", "party-5"))),
        "too few sign": (one, two, refresh.test(4, 5)),
        "too many sign": (one, refresh.test(1, 3, 4, 5)),
        "out of order": (one, refresh.test(5, 4, 1)),
        "twice the same": (one, refresh.test(4, 4, 5)),
        "a stranger": (one, two, refresh.test(1, 2, 9)),
        "of another session": (one, refresh.test(1, 4, 5, made=refresh.made(OTHER))),
        "of another epoch": (one, refresh.test(1, 4, 5, made=refresh.made(epoch=2))),
        "over other bytes": (one, refresh.test(1, 4, 5, message=b"\x07" * 32)),
        "a flipped bit": (one, dataclasses.replace(two, signature=bytes([two.signature[0] ^ 1]) + two.signature[1:])),
        "zero": (one, dataclasses.replace(two, signature=bytes(64))),
    }


@pytest.mark.parametrize("what", UNSHOWN)
def test_no_party_goes_over_without_tests_that_cover_every_share(refresh: Refresh, what: str) -> None:
    party = refresh.staged()
    proof = refresh.proof(tests=bad_tests(refresh)[what])
    assert code_of(lambda: activate(proof, refresh.record, **refresh.ask(party, active=0))) in {
        Refusal.CEREMONY, Refusal.SESSION,
    }  # fmt: skip
    assert active_epoch(party.journal, refresh.group.wallet.id) is None


def test_who_settled_on_nothing_goes_nowhere_and_who_uses_more_goes_not_back(refresh: Refresh) -> None:
    party = refresh.group[1]
    ask = refresh.ask(party, active=0)
    assert code_of(lambda: activate(refresh.proof(), refresh.record, **ask)) is Refusal.CEREMONY
    refresh.staged()
    ahead = refresh.ask(party, active=1)
    assert code_of(lambda: activate(refresh.proof(), refresh.record, **ahead)) is Refusal.CEREMONY
    words = refresh.proof(activated=refresh.words(Said.ACTIVATED))
    assert code_of(lambda: may_destroy(words, refresh.record, **refresh.ask(party))) is Refusal.CEREMONY


def test_a_proof_holds_when_the_ceremony_is_long_over_and_not_while_halted(refresh: Refresh) -> None:
    party = refresh.staged()
    late = refresh.ask(party, active=0) | {"now": refresh.record.expires + 30 * DAY}
    assert activate(refresh.proof(), refresh.record, **late) is not None
    assert code_of(lambda: join_test_of(refresh, party, late["now"])) is Refusal.EXPIRED
    halt = HaltRecord(kind="halt", time=refresh.group.world.now, halt="ab" * 32, actor="riley", consents=())
    write(party, halt)
    for work in (
        lambda: activate(refresh.proof(), refresh.record, **refresh.ask(party, active=0)),
        lambda: may_destroy(refresh.proof(), refresh.record, **refresh.ask(party)),
        lambda: join_test_of(refresh, party),
    ):
        assert code_of(work) is Refusal.HALTED


def join_test_of(refresh: Refresh, party: Party, now: int | None = None, **changes: Any) -> ShareTestToken:  # noqa: ANN401
    terms = dataclasses.replace(refresh.terms(SessionKind.TEST, 1, 2, 3), **changes)
    asked = refresh.ask(party, active=0) | ({} if now is None else {"now": now})
    token, record = join_test(terms, refresh.record, refresh.made(), **asked)
    write(party, record)
    return token


def test_a_test_signs_what_core_says_once_and_nothing_else(refresh: Refresh) -> None:
    party = refresh.group[1]
    assert code_of(lambda: join_test_of(refresh, party)) is Refusal.SESSION
    refresh.staged()
    for changes in (
        {"message_hash": b"\x05" * 32},
        {"message_hash": message_of_test(refresh.made(), ("party-1", "party-2", "party-4"))},
        {"message_hash": message_of_test(refresh.made(OTHER), ("party-1", "party-2", "party-3"))},
        {"quorum": ("party-1", "party-2")},
        {"quorum": ("party-3", "party-2", "party-1")},
        {"quorum": ("party-2", "party-3", "party-4")},
        {"epoch": 0},
        {"threshold": 2},
        {"subject": "ab" * 32},
        {"wallet": refresh.group.wallets[1].id},
        {"kind": SessionKind.SIGN},
        {"kind": SessionKind.REFRESH},
    ):
        assert code_of(lambda c=changes: join_test_of(refresh, party, **c)) is Refusal.SESSION  # type: ignore[misc]
    token = join_test_of(refresh, party)
    assert code_of(lambda: join_test_of(refresh, party)) is Refusal.SESSION
    with pytest.raises(SpentTokenError):
        token.spend()
    token.journalled()
    assert token.spend() == message_of_test(refresh.made(), token.quorum)
    with pytest.raises(SpentTokenError):
        token.spend()
    for steal in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(SpentTokenError):
            steal(token)
    with pytest.raises(SpentTokenError):
        ShareTestToken(object(), message=b"\x05" * 32, quorum=(), public_key=b"")
    with pytest.raises(EncodingError):
        token.finish(bytes(64))
    assert SEAL is not None


def test_the_bytes_of_a_test_differ_wherever_anything_does(refresh: Refresh) -> None:
    quorum = ("party-1", "party-2", "party-3")
    changed = [refresh.made(), refresh.made(OTHER), refresh.made(epoch=2), refresh.made(ceremony="cd" * 32)]
    seen = [message_of_test(made, quorum) for made in changed]
    seen += [message_of_test(refresh.made(), ("party-1", "party-2", "party-4"))]
    assert len(set(seen)) == len(seen)


def test_a_session_that_makes_shares_takes_all_parties_with_shares_of_one_session(refresh: Refresh) -> None:
    party = refresh.group[1]

    def join(source: tuple[int, bytes] = (0, SOURCE), **changes: Any) -> None:  # noqa: ANN401 - fields of SessionTerms
        record = join_refresh(refresh.terms(**changes), refresh.record, source=source, **refresh.ask(party))
        write(party, record)

    for changes, code in (
        ({"quorum": refresh.names[:4]}, Refusal.SESSION),
        ({"quorum": tuple(reversed(refresh.names))}, Refusal.SESSION),
        ({"kind": SessionKind.SIGN}, Refusal.SESSION),
        ({"epoch": 2}, Refusal.SESSION),
        ({"public_key": b"\x04" * 65}, Refusal.SESSION),
        ({"message_hash": OTHER}, Refusal.BEHIND),
    ):
        assert code_of(lambda c=changes: join(**c)) is code  # type: ignore[misc]
    assert code_of(lambda: join((1, SOURCE))) is Refusal.CEREMONY
    for number in range(ATTEMPTS_MOST):
        join(nonce=bytes([number]) * 32)
    assert code_of(lambda: join(nonce=b"z" * 32)) is Refusal.CEREMONY
    refresh.staged()
    assert code_of(lambda: join(nonce=b"y" * 32)) is Refusal.SESSION


def test_whoever_was_caught_takes_no_part_in_this_epoch_and_a_new_number_begins_clean(refresh: Refresh) -> None:
    party = refresh.staged()
    for number in range(TESTS_MOST):
        join_test_of(refresh, party, nonce=bytes([number]) * 32)
    assert code_of(lambda: join_test_of(refresh, party, nonce=b"x" * 32)) is Refusal.FROZEN
    other = refresh.staged(2)
    terms = refresh.terms(SessionKind.TEST, 1, 2, 3)
    _, record = join_test(terms, refresh.record, refresh.made(), **refresh.ask(other, active=0))
    write(other, record)
    now = refresh.group.world.now
    ban = AbortRecord(
        kind="abort", time=now, session=record.session, reason="", culprits=("party-3",), ban=True, consents=()
    )
    write(other, ban)
    again = refresh.terms(SessionKind.TEST, 1, 2, 3, nonce=b"w" * 32)
    work = lambda: join_test(again, refresh.record, refresh.made(), **refresh.ask(other, active=0))  # noqa: E731
    assert code_of(work) is Refusal.FROZEN
    old, refresh.record = refresh.record, refresh.order(2)
    for one in (party, other):
        write(one, join_refresh(refresh.terms(), refresh.record, source=(0, SOURCE), **refresh.ask(one)))
        late = refresh.ask(one)
        stale = refresh.terms(epoch=1, subject=old.ceremony)
        assert code_of(lambda a=late, t=stale: join_refresh(t, old, source=(0, SOURCE), **a)) is Refusal.CEREMONY  # type: ignore[misc]


def test_a_number_is_ordered_once_and_a_proof_of_the_number_before_still_holds(refresh: Refresh) -> None:
    party = refresh.staged()
    for epoch in (0, 1):
        assert code_of(lambda e=epoch: refresh.order(e)) is Refusal.CEREMONY  # type: ignore[misc]
    proof, record = refresh.proof(), refresh.record
    refresh.order(2)
    step = activate(proof, record, **refresh.ask(party, active=0))
    assert step is not None
    write(party, step)
    assert active_epoch(party.journal, refresh.group.wallet.id) == 1


def test_a_wallet_with_other_parties_than_the_ceremony_names_is_not_renewed(refresh: Refresh) -> None:
    party = refresh.group[1]
    for changes in ({"signers": refresh.names[:4]}, {"threshold": 2}, {"wallet": "eip155:1:" + "0x" + "0" * 40}):
        record = dataclasses.replace(refresh.record, **changes)
        ask = refresh.ask(party, source=(0, SOURCE))
        assert code_of(lambda r=record, a=ask: join_refresh(refresh.terms(), r, **a)) in {  # type: ignore[misc]
            Refusal.CEREMONY, Refusal.UNKNOWN_WALLET,
        }  # fmt: skip


def test_a_ceremony_that_is_over_or_was_never_handed_over_begins_nothing(refresh: Refresh) -> None:
    party = refresh.group[1]
    late = refresh.ask(party) | {"now": refresh.record.expires}
    assert (
        code_of(lambda: join_refresh(refresh.terms(), refresh.record, source=(0, SOURCE), **late)) is Refusal.EXPIRED
    )
    unknown = dataclasses.replace(refresh.record, ceremony="ef" * 32)
    ask = refresh.ask(party, source=(0, SOURCE))
    assert code_of(lambda: join_refresh(refresh.terms(), unknown, **ask)) is Refusal.CEREMONY
