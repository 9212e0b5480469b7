"""Fees within the consented caps, raised by at least 12.5 % on both fields, at every size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.schema import UINT256_MAX
from custody.fees import Fees, fees_capped, fees_least_raise, fees_of_cancel, fees_raised, fees_suggested, fees_within
from tests.soak import bounded

AMOUNTS = st.integers(min_value=0, max_value=UINT256_MAX)
FEES = st.builds(Fees, most=AMOUNTS, tip=AMOUNTS)
"""As anybody may claim them; what was signed may be any of these too, for all that this code knows."""


@bounded(200)
@given(signed=st.lists(FEES, min_size=1, max_size=5), caps=FEES, suggested=st.none() | FEES)
def test_a_raise_is_enough_and_within_its_caps_or_none(
    signed: list[Fees], caps: Fees, suggested: Fees | None
) -> None:
    raised = fees_raised(signed, caps=caps, suggested=suggested)
    if raised is None:
        return
    assert raised.most <= caps.most
    assert raised.tip <= min(caps.tip, raised.most)
    for before in signed:
        assert raised.most * 8 >= before.most * 9
        assert raised.most > before.most
        assert raised.tip > before.tip


@bounded(100)
@given(fees=FEES, caps=FEES)
def test_an_attempt_never_exceeds_its_caps(fees: Fees, caps: Fees) -> None:
    cut = fees_within(fees, caps)
    assert cut.most <= caps.most
    assert cut.tip <= min(caps.tip, cut.most)


@bounded(100)
@given(signed=st.lists(FEES, max_size=4), suggested=FEES)
def test_a_cancel_outbids_everything(signed: list[Fees], suggested: Fees) -> None:
    offer = fees_of_cancel(signed, suggested=suggested)
    assert offer.tip <= offer.most
    if signed:
        assert offer.most >= fees_least_raise(signed).most


def test_caps_leave_room_for_raises() -> None:
    first = Fees(most=1000, tip=100)
    caps, signed = fees_capped(first), [first]
    while (following := fees_raised(signed, caps=caps, suggested=None)) is not None:
        signed.append(following)
    assert len(signed) == 6


def test_one_liar_among_three_suggests_nothing() -> None:
    honest = [Fees(most=10, tip=1), Fees(most=12, tip=2)]
    assert fees_suggested([*honest, Fees(most=10**30, tip=10**30)]) == Fees(most=12, tip=2)
    assert fees_suggested([*honest, Fees(most=0, tip=0)]) == Fees(most=10, tip=1)
    with pytest.raises(ValueError, match="no node"):
        fees_suggested([])


def test_where_nothing_is_known_nothing_is_offered() -> None:
    with pytest.raises(ValueError, match="would have to pay"):
        fees_of_cancel([], suggested=None)
    with pytest.raises(ValueError, match="nothing was signed"):
        fees_least_raise([])
