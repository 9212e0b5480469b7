"""What goes between parties: changed, moved, repeated, told twice, told differently; and who is to blame for it."""

from __future__ import annotations

import dataclasses
import secrets
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from core.documents.party import Hello, SessionKind, SessionTerms
from signer.errors import CheatError
from signer.party.envelopes import Channel, Envelope, SessionKeys
from tests.factories.world import NOW, header
from tests.soak import SOAK

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ("party-1", "party-2", "party-3")
TRIES = 20_000 if SOAK else 300
SMALL_ORDER = [
    bytes(32),
    (1).to_bytes(32, "little"),
    (2**255 - 20).to_bytes(32, "little"),
    (2**255 - 19).to_bytes(32, "little"),
    (2**255 - 18).to_bytes(32, "little"),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
]
"""Points that make every shared secret zero (RFC 7748 section 6.1)."""


def hello(name: str, keys: SessionKeys, **changes: Any) -> Hello:  # noqa: ANN401 - fields of Hello
    terms = SessionTerms(
        kind=SessionKind.SIGN,
        wallet=None,
        public_key=None,
        epoch=0,
        threshold=3,
        quorum=NAMES,
        message_hash=bytes(32),
        subject="a" * 64,
        nonce=bytes(32),
    )
    fields: dict[str, Any] = {
        "header": header("hello", "d" * 64, now=NOW),
        "party": name,
        "terms": terms,
        "exchange_key": keys.exchange.public_key().public_bytes_raw(),
        "envelope_key": keys.envelope.public_key().public_bytes_raw(),
    }
    return Hello(**(fields | changes))


class Talk:
    """Three parties' channels of one session."""

    def __init__(self, session: bytes | None = None) -> None:
        self.keys = {name: SessionKeys.generate() for name in NAMES}
        self.session = session or secrets.token_bytes(32)
        hellos = {name: hello(name, self.keys[name]) for name in NAMES}
        self.channels = {name: Channel(self.session, name, self.keys[name], hellos) for name in NAMES}

    def send(self, word: str = "") -> list[Envelope]:
        """Have everybody tell everybody one thing, and each of the others another."""
        sent: list[Envelope] = []
        for name, channel in self.channels.items():
            said: list[tuple[str | None, bytes]] = [(None, f"{name} to all {word}".encode())]
            said += [(other, f"{name} to {other} {word}".encode()) for other in NAMES if other != name]
            sent += channel.seal(said)
        return sent

    def delivered(self, sent: list[Envelope], to: str) -> list[Envelope]:
        return [one for one in sent if one.sender != to and one.receiver in (None, to)]

    def opened(self, sent: list[Envelope], to: str) -> list[tuple[str, bytes]]:
        return self.channels[to].open(self.delivered(sent, to))

    def signed(self, envelope: Envelope, **changes: Any) -> Envelope:  # noqa: ANN401 - fields of Envelope
        """Change an envelope as its own sender can."""
        changed = dataclasses.replace(envelope, **changes)
        return dataclasses.replace(changed, signature=self.keys[envelope.sender].envelope.sign(changed.signed))


def caught(work: Callable[[], object]) -> tuple[str, ...]:
    with pytest.raises(CheatError) as error:
        work()
    return error.value.culprits


def test_everybody_hears_what_was_said_and_nobody_else_does() -> None:
    talk = Talk()
    for word in ("first", "second", "third"):
        sent = talk.send(word)
        for name in NAMES:
            heard = dict.fromkeys(talk.opened(sent, name))
            wanted = [
                (one, f"{one} to {who} {word}".encode()) for one in NAMES if one != name for who in ("all", name)
            ]
            assert set(heard) == set(wanted)
        assert not [one for one in sent if one.receiver is not None and b" to party" in one.body]


def test_whatever_a_relay_changes_ends_the_session_and_convicts_nobody() -> None:
    chance = Random(7)  # noqa: S311 - a seed, no secret
    for _ in range(TRIES):
        talk = Talk()
        if chance.random() > 0.5:
            sent = talk.send()
            for name in NAMES:
                talk.opened(sent, name)
        sent = talk.send()
        to = chance.choice(NAMES)
        mine = talk.delivered(sent, to)
        place = chance.randrange(len(mine))
        one = mine[place]
        other = chance.choice([name for name in (*NAMES, "party-9") if name != one.sender])
        field, value = chance.choice(
            [
                ("session", secrets.token_bytes(32)),
                ("round", one.round + chance.choice((-1, 1))),
                ("sequence", one.sequence + 1),
                ("count", one.count + 1),
                ("sender", other),
                ("receiver", None if one.receiver else to),
                ("receiver", next(name for name in NAMES if name != to)),
                ("echo", secrets.token_bytes(32)),
                ("body", flipped(one.body, chance)),
                ("body", b""),
                ("signature", flipped(one.signature, chance)),
            ]
        )
        mine[place] = dataclasses.replace(one, **{field: value})  # type: ignore[arg-type]
        assert caught(lambda: talk.channels[to].open(mine)) == (), field  # noqa: B023


def flipped(raw: bytes, chance: Random) -> bytes:
    changed = bytearray(raw)
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def test_what_a_relay_leaves_out_repeats_or_brings_too_early_convicts_nobody() -> None:
    earlier, talk = Talk(), Talk()
    old = earlier.send()
    first = talk.send()
    ahead = Talk(talk.session)
    for changed in (
        [],
        talk.delivered(first, "party-1")[1:],
        [*talk.delivered(first, "party-1"), talk.delivered(first, "party-1")[0]],
        [*talk.delivered(first, "party-1")[:-1], *earlier.delivered(old, "party-1")[-1:]],
        [*talk.delivered(first, "party-1")[:-1], *ahead.delivered(ahead.send(), "party-1")[-1:]],
    ):
        assert caught(lambda: talk.channels["party-1"].open(changed)) == ()  # noqa: B023
    # An early reveal: what belongs to the next round is no word of this one.
    for name in NAMES:
        talk.opened(first, name)
    second = talk.send()
    assert caught(lambda: talk.channels["party-1"].open(talk.delivered(first, "party-1"))) == ()
    talk.opened(second, "party-1")


def test_a_party_that_tells_others_different_things_is_found_out_in_the_next_round() -> None:
    talk = Talk()
    sent = talk.send()
    lie = next(one for one in sent if one.sender == "party-3" and one.receiver is None)
    another = talk.signed(lie, body=b"party-3 to party-2 only")
    talk.opened(sent, "party-1")
    talk.opened([another if one is lie else one for one in sent], "party-2")
    talk.opened(sent, "party-3")
    following = talk.send("second")
    for name in ("party-1", "party-2"):
        assert caught(lambda: talk.opened(following, name)) == ()  # noqa: B023


def test_what_a_party_itself_signed_convicts_it() -> None:
    for change in ("garbage", "two things"):
        talk = Talk()
        sent = talk.send()
        bad = next(
            one
            for one in sent
            if one.sender == "party-3" and one.receiver == (None if change != "garbage" else "party-1")
        )
        if change == "garbage":
            sent[sent.index(bad)] = talk.signed(bad, body=secrets.token_bytes(64))
        else:
            sealed = next(one for one in sent if one.sender == "party-3" and one.receiver == "party-1")
            sent[sent.index(sealed)] = talk.signed(bad, body=b"another", sequence=sealed.sequence)
        assert caught(lambda: talk.opened(sent, "party-1")) == ("party-3",)  # noqa: B023


@pytest.mark.parametrize("point", SMALL_ORDER, ids=lambda point: point[:4].hex())
def test_a_key_that_everybody_shares_is_its_partys_fault(point: bytes) -> None:
    keys = {name: SessionKeys.generate() for name in NAMES}
    hellos = {name: hello(name, keys[name]) for name in NAMES}
    hellos["party-2"] = hello("party-2", keys["party-2"], exchange_key=point)
    assert caught(lambda: Channel(bytes(32), "party-1", keys["party-1"], hellos)) == ("party-2",)
