"""One party of five whose every word lies, and an honest relay: the others sign on, and nobody stays behind."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from core.documents.party import SignedReservation
from core.schema import read_struct, write_struct
from tests.mpc.rig import generating, new_shares
from tests.party.inside import Inside

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from core.documents.party import Reservation

Answer = dict[str, Any]


class Lying(Inside):
    """Parties the first of whom changes each of its words before it signs it."""

    lie: Callable[[Reservation], Reservation]

    def ask(self, requests: Mapping[str, Answer]) -> tuple[dict[str, Answer], dict[str, Answer]]:
        good, bad = super().ask(requests)
        if "party-1" in good and requests["party-1"]["op"] == "reserve":
            told = read_struct(SignedReservation, good["party-1"], "reservation").document
            good["party-1"] = write_struct(self.group[1].sign(self.lie(told)), "reservation")
        return good, bad


def draws_all(told: Reservation) -> Reservation:
    return dataclasses.replace(told, draw=dataclasses.replace(told.draw, usd_e8=2**256 - 1))


def of_no_policy(told: Reservation) -> Reservation:
    return dataclasses.replace(told, newest="0" * 64)


def remembers_more(told: Reservation) -> Reservation:
    first, *others = told.lanes
    ahead = dataclasses.replace(first, next_nonce=first.next_nonce + 9, held="f" * 64)
    return dataclasses.replace(told, lanes=(ahead, *others))


@pytest.fixture(scope="module")
def blobs() -> dict[int, bytes]:
    return {index: bytes(share.serialise()) for index, share in new_shares(generating(3, 5)).items()}


@pytest.mark.parametrize("lie", [draws_all, of_no_policy, remembers_more])
def test_its_words_are_left_out_and_cost_no_session(
    blobs: dict[int, bytes], tmp_path: Path, lie: Callable[[Reservation], Reservation]
) -> None:
    lying = Lying(blobs, 3, tmp_path)
    lying.lie = staticmethod(lie)
    honest = [f"party-{place}" for place in range(2, 6)]
    for nonce in range(2):
        certificate = lying.sign(lying.group.case(nonce)).certificate
        assert certificate is not None
        named = [one["document"]["party"] for one in read_words(certificate)]
        assert named == honest
    journals = [lying.services[name].journal for name in honest]
    wallet = lying.group.wallet.id
    assert [journal.sessions.unfinished(wallet, 0) for journal in journals] == [0] * len(honest)
    assert len({journal.lane_digest(wallet) for journal in journals}) == 1


def read_words(certificate: Answer) -> list[Answer]:
    words: list[Answer] = certificate["reservations"]
    return words
