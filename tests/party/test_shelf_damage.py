"""What a disk may make of the file of certificates: a party starts all the same, and answers with what is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from signer.party.shelf import PAGE_MOST, Shelf
from tests.factories.world import CHAIN

if TYPE_CHECKING:
    from pathlib import Path

WALLET = f"{CHAIN}:0x{'1' * 40}"
GOOD = f'{WALLET} 7 intent {"a" * 64} {{"reservations":[]}}\n'.encode()


@pytest.mark.parametrize(
    "damage",
    [
        f"{WALLET} {'9' * 5000} intent {'a' * 64} {{}}\n".encode(),
        f"{WALLET} \u0663 intent {'a' * 64} {{}}\n".encode(),
        f"{WALLET} -1 intent {'a' * 64} {{}}\n".encode(),
        b"\xff\xfe 1 intent x {}\n",
        b"\n" * 100,
        b"\0" * 4096 + b"\n",
        f"{WALLET} 3 other {'a' * 64} {{}}\n".encode(),
    ],
)
def test_a_line_that_is_none_keeps_no_party_from_starting(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "certificates"
    path.write_bytes(damage + GOOD + damage)
    asked = {"wallet": WALLET, "nonce": 0, "cancels": False, "most": PAGE_MOST}
    assert Shelf(path).page(asked) == {"certificates": [{"reservations": []}], "next": None}
