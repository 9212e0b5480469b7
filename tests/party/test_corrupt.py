"""A party whose code was replaced: it is caught where the protocol can, frozen, and the others go on without it."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.party.cheat import Corrupt, Mixed, Steps
from tests.party.rig import Group, relay_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.party.rig import Founded, Process

Answer = dict[str, Any]
Messages = list[tuple[str | None, bytes]]
HONEST, OTHER, BAD = "party-1", "party-2", "party-3"


@pytest.fixture
def base() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cs-party-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def group(two_of_three: Founded, base: Path) -> Group:
    return Group(two_of_three, base)


def broken(body: bytes, place: int) -> bytes:
    changed = bytearray(body)
    changed[place % len(changed)] ^= 1
    return bytes(changed)


def lying(at: int, how: Callable[[bytes], bytes]) -> Callable[[int, Messages], Messages]:
    def change(number: int, messages: Messages) -> Messages:
        return [(to, how(body)) for to, body in messages] if number == at else messages

    return change


def one_session(group: Group, mixed: Mixed, corrupt: Corrupt, steps: Steps) -> dict[str, Answer]:
    """Run a session of the honest and the corrupt party; return what refused."""
    hellos, refused = steps.join(steps.terms(HONEST, BAD, nonce=secrets.token_bytes(32)))
    if refused:
        return refused
    corrupt.lie(steps.session)
    answers, refused = steps.begin(hellos)
    while not refused and not any("signature" in answer for answer in answers.values()):
        answers, refused = steps.turn(answers)
    del group, mixed
    return refused


@pytest.mark.parametrize(
    ("at", "how"),
    [
        pytest.param(1, lambda body: broken(body, 0), id="round-1-first-byte"),
        pytest.param(1, lambda _: b"", id="round-1-empty"),
        pytest.param(2, lambda body: broken(body, len(body) // 2), id="round-2-middle"),
        pytest.param(2, lambda body: body + b"\0", id="round-2-longer"),
        pytest.param(3, lambda body: broken(body, len(body) - 1), id="round-3-last-byte"),
        pytest.param(3, lambda body: body[:-1], id="round-3-shorter"),
    ],
)
def test_a_liar_gets_no_signature_and_the_others_sign(group: Group, at: int, how: Callable[[bytes], bytes]) -> None:
    with group.up(HONEST, OTHER) as parties:
        corrupt = Corrupt(group, BAD)
        try:
            corrupt.change = lying(at, how)
            _caught_then_signed(group, parties, corrupt)
        finally:
            corrupt.close()


def _caught_then_signed(group: Group, parties: dict[str, Process], corrupt: Corrupt) -> None:
    with relay_to(parties) as relay:
        mixed = Mixed(relay, corrupt)
        steps = Steps(group, mixed, group.bundle())
        steps.reserve(HONEST, OTHER, BAD)
        refused = one_session(group, mixed, corrupt, steps)
        assert HONEST in refused
        assert refused[HONEST]["code"] == "session"
        # Who lies in the last round has its peers' parts by then, and with them the signature of this very case.
        assert BAD in refused[HONEST]["message"] or corrupt.has(steps)
        again = one_session(group, mixed, corrupt, steps)
        assert {error["code"] for error in again.values()} <= {"frozen", "session"}
        assert again
        # Without the liar, the same certificate serves.
        corrupt.change = None
        hellos, none = steps.join(steps.terms(HONEST, OTHER, nonce=secrets.token_bytes(32)))
        assert not none, none
        answers, none = steps.begin(hellos)
        assert not none, none
        assert steps.finish(answers)["raw"].startswith("0x02")


def test_a_freeze_outlives_a_restart(group: Group) -> None:
    corrupt = Corrupt(group, BAD)
    corrupt.change = lying(2, lambda body: broken(body, len(body) // 2))
    try:
        with group.up(HONEST, OTHER) as parties, relay_to(parties) as relay:
            steps = Steps(group, Mixed(relay, corrupt), group.bundle())
            steps.reserve(HONEST, OTHER, BAD)
            refused = one_session(group, Mixed(relay, corrupt), corrupt, steps)
            assert BAD in refused[HONEST]["message"]
        with group.up(HONEST, OTHER) as parties, relay_to(parties) as relay:
            steps.relay = Mixed(relay, corrupt)
            _, refused = steps.join(steps.terms(HONEST, BAD, nonce=secrets.token_bytes(32)))
            assert refused[HONEST]["code"] == "frozen"
    finally:
        corrupt.close()
