"""SIGKILL between any two steps of a shared key's case, in custody and at a party: same nonce, same bytes, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from core.custody_lifecycle import JobState
from custody.failpoints import ENVIRONMENT, FAILPOINTS
from custody.models import NonceAssignment, PartyCertificate, Transmission
from signer.failpoints import PARTY_NAMES
from tests.custody.conftest import PATIENCE
from tests.custody.killing import confirmed, killed
from tests.custody.party_line import due, party_desk
from tests.factories.world import ETHER, LISTED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.custody.party_line import PartyDesk
    from tests.party.rig import Group

pytestmark = [pytest.mark.anvil, pytest.mark.timeout(400)]
POINTS = (
    *(point for point in FAILPOINTS if point.startswith("custody.parties.")),
    "custody.parties.round:2",
    "custody.sign.after_answer",
)


@pytest.fixture
def desk(transactional_db: None, settings: Any, small_pinned: Group) -> Iterator[PartyDesk]:  # noqa: ANN401, ARG001 - pytest-django's wrapper; asks for the database
    """A desk with a 2-of-3 wallet, whose parties all run."""
    with party_desk(small_pinned, settings) as opened:
        yield opened


def _mined_once_each(desk: PartyDesk, jobs: int, before: int) -> None:
    held = NonceAssignment.objects.filter(released_at__isnull=True)
    assert sorted(held.values_list("nonce", flat=True)) == list(range(jobs))
    assert Transmission.objects.count() == desk.mined_count() == jobs
    assert PartyCertificate.objects.count() == jobs
    assert desk.balance(LISTED) - before == jobs * ETHER


def test_custody_killed_between_any_two_steps(desk: PartyDesk) -> None:
    before = desk.balance(LISTED)
    for point in POINTS:
        job = desk.hand_over()
        killed(desk, point)
        confirmed(desk, job)
    _mined_once_each(desk, len(POINTS), before)


def test_a_party_killed_between_any_two_steps(desk: PartyDesk) -> None:
    before = desk.balance(LISTED)
    points = ("signer.before_journal_fsync", "signer.after_journal_fsync", "signer.after_head", *PARTY_NAMES)
    for point in points:
        desk.stop("party-1")
        desk.start("party-1", environment={ENVIRONMENT: point})
        job = desk.sweep_until(desk.hand_over(), JobState.WAITING, JobState.INCLUDED)
        assert desk.running["party-1"][1].process.wait(PATIENCE) < 0
        desk.stop("party-1")
        desk.start("party-1")
        confirmed(desk, due(job))
    _mined_once_each(desk, len(points), before)
