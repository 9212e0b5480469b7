"""A case of a shared key, from custody through real parties to a real chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from core.custody_lifecycle import JobState
from custody.models import PartyCertificate, Transmission
from tests.custody.party_line import party_desk
from tests.factories.world import ETHER, LISTED
from tests.party.conftest import three_of_five, two_of_three  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.custody.party_line import PartyDesk
    from tests.party.rig import Founded

pytestmark = pytest.mark.anvil


@pytest.fixture
def small(transactional_db: None, settings: Any, two_of_three: Founded) -> Iterator[PartyDesk]:  # noqa: ANN401, ARG001, F811 - pytest-django's wrapper; asks for the database; a fixture
    """A desk with a 2-of-3 wallet, whose parties all run."""
    with party_desk(two_of_three, settings) as desk:
        yield desk


def test_a_payment_gets_to_the_chain_and_is_confirmed(small: PartyDesk) -> None:
    before = small.balance(LISTED)
    job = small.sweep_until(small.hand_over(), JobState.INCLUDED)
    small.mine(5)
    small.sweep_until(job, JobState.CONFIRMED)
    assert small.balance(LISTED) - before == ETHER
    kept = PartyCertificate.objects.get()
    assert (kept.nonce, kept.cancels, kept.intent) == (0, False, job.intent_digest)
    assert Transmission.objects.count() == 1
