"""One digest for what all nonces of a lane hold: the same for the same content, another for any other."""

from __future__ import annotations

import pytest

from core.lane_memory import LaneMemories

WALLET, OTHER = "eip155:1:0x" + "1" * 40, "eip155:1:0x" + "2" * 40
A, B, C, D = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)


def held(*contents: tuple[str, str | None], first: int = 0) -> LaneMemories:
    made = LaneMemories()
    if first:
        made.start(WALLET, first)
    for nonce, (intent, cancel) in enumerate(contents, start=first):
        made.hold(WALLET, nonce, intent, cancel)
    return made


def test_the_same_content_has_the_same_digest_however_it_came_about() -> None:
    wanted = held((A, None), (B, D), (C, None)).digest(WALLET)
    changed = held((A, None), (A, None), (C, None))
    assert changed.digest(WALLET) != wanted
    changed.hold(WALLET, 1, B, None)
    assert changed.digest(WALLET) != wanted
    changed.hold(WALLET, 1, B, D)
    assert changed.digest(WALLET) == wanted
    # Said again, nothing changes.
    for nonce, content in enumerate(((A, None), (B, D), (C, None))):
        changed.hold(WALLET, nonce, *content)
        assert changed.digest(WALLET) == wanted
    changed.hold(WALLET, 3, A, None)
    assert changed.digest(WALLET) == held((A, None), (B, D), (C, None), (A, None)).digest(WALLET)


@pytest.mark.parametrize("first", [0, 1, 7])
def test_a_lane_that_began_later_is_changed_at_its_own_nonces(first: int) -> None:
    wanted = held((A, None), (B, None), (C, None), first=first).digest(WALLET)
    changed = held((A, None), (D, None), (C, None), first=first)
    changed.hold(WALLET, first + 1, B, None)
    assert changed.digest(WALLET) == wanted
    changed.hold(WALLET, first, A, None)
    assert changed.digest(WALLET) == wanted


def test_other_content_order_beginning_or_wallet_has_another_digest() -> None:
    ways = [
        held(),
        held(first=1),
        held((A, None)),
        held((A, None), first=1),
        held((A, B)),
        held((B, A)),
        held((A, None), (B, None)),
        held((B, None), (A, None)),
    ]
    digests = [one.digest(WALLET) for one in ways] + [held((A, None)).digest(OTHER)]
    assert len(set(digests)) == len(digests)
