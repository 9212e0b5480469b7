"""Certificates of makers: a chain ends at a pinned root, or it says nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.attestation import LONGEST_PATH, chain_problem
from tests.factories.attested import ATTESTER, BEGIN, END, LEAF, ROOT, ROOT_KEY, certificate, new_key

AT = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp())
NOT_PINNED = "is attested by a maker whose root is not pinned"
MIDDLE_KEY = new_key()
BY_ROOT, BY_MIDDLE = ("Maker Root", ROOT_KEY), ("Maker CA", MIDDLE_KEY)


def middle(**changes: object) -> bytes:
    fields: dict[str, object] = {"ca": True} | changes
    return certificate("Maker CA", MIDDLE_KEY, by=BY_ROOT, **fields)  # type: ignore[arg-type]  # certificate's own


UNDER_MIDDLE = certificate("Maker U2F", ATTESTER, by=BY_MIDDLE)


@pytest.mark.parametrize(
    "path",
    [(LEAF,), (LEAF, ROOT), (UNDER_MIDDLE, middle()), (UNDER_MIDDLE, middle(usage=True), ROOT)],
    ids=["leaf", "leaf-and-root", "intermediate", "whole"],
)
def test_a_chain_to_a_pinned_root_holds(path: tuple[bytes, ...]) -> None:
    assert chain_problem(path, (ROOT,), at=AT) is None


def test_a_certificate_that_is_pinned_itself_needs_nobody_above_it() -> None:
    assert chain_problem((LEAF,), (LEAF,), at=AT) is None
    assert chain_problem((UNDER_MIDDLE, middle()), (UNDER_MIDDLE,), at=AT) is None


def test_a_maker_that_is_not_pinned_is_none() -> None:
    stranger = new_key()
    other = certificate("Maker Root", stranger, by=("Maker Root", stranger), ca=True)
    assert chain_problem((LEAF,), (other,), at=AT) == NOT_PINNED, "the same name, and another key"
    assert chain_problem((UNDER_MIDDLE,), (ROOT,), at=AT) == NOT_PINNED, "the intermediate is missing"
    assert chain_problem((UNDER_MIDDLE, LEAF, middle()), (ROOT,), at=AT) == NOT_PINNED, "out of order"


def test_whoever_may_not_sign_certificates_signs_none() -> None:
    plain = middle(ca=False)
    assert chain_problem((UNDER_MIDDLE, plain), (ROOT,), at=AT) == NOT_PINNED
    assert chain_problem((UNDER_MIDDLE, middle(usage=False)), (ROOT,), at=AT) == NOT_PINNED
    # A maker's own key makes another one: the holder of a hardware key must not become a maker.
    mine = certificate("Mine", MIDDLE_KEY, by=("Maker U2F", ATTESTER))
    assert chain_problem((mine, LEAF), (ROOT,), at=AT) == NOT_PINNED


def test_a_path_may_not_be_longer_than_its_root_says() -> None:
    short = certificate("Maker Root", ROOT_KEY, by=BY_ROOT, ca=True, path_length=0)
    assert chain_problem((LEAF,), (short,), at=AT) is None
    assert chain_problem((UNDER_MIDDLE, middle()), (short,), at=AT) == NOT_PINNED


@pytest.mark.parametrize("moment", [int(BEGIN.timestamp()) - 1, int(END.timestamp()) + 1])
def test_each_certificate_has_to_be_valid_on_that_day(moment: int) -> None:
    assert chain_problem((LEAF,), (ROOT,), at=moment) is not None
    assert chain_problem((LEAF,), (ROOT,), at=int(BEGIN.timestamp())) is None
    assert chain_problem((LEAF,), (ROOT,), at=int(END.timestamp())) is None


def test_a_root_that_had_run_out_vouches_for_nobody() -> None:
    ended = certificate("Maker Root", ROOT_KEY, by=BY_ROOT, ca=True, end=datetime(2026, 2, 1, tzinfo=UTC))
    assert chain_problem((LEAF,), (ended,), at=AT) == NOT_PINNED
    between = middle(end=datetime(2026, 2, 1, tzinfo=UTC))
    assert "not valid" in str(chain_problem((UNDER_MIDDLE, between), (ROOT,), at=AT))


@pytest.mark.parametrize(
    ("path", "roots"),
    [
        ((), (ROOT,)),
        ((LEAF,) * (LONGEST_PATH + 1), (ROOT,)),
        ((b"",), (ROOT,)),
        ((b"\x30\x82\xff\xff",), (ROOT,)),
        ((LEAF,), (b"nonsense",)),
        ((LEAF,), ()),
    ],
)
def test_nonsense_says_nothing(path: tuple[bytes, ...], roots: tuple[bytes, ...]) -> None:
    assert chain_problem(path, roots, at=AT) is not None
