"""A wallet in degraded mode, from custody through real parties to a real chain: one of three is down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from core.custody_lifecycle import JobState
from core.documents.consent import Decision
from core.documents.control import CONTROL_ORDER, CeremonyKind, SignedCeremony, VetoOrder
from core.schema import write_struct
from custody.models import NonceAssignment, PartyCertificate
from tests.custody.party_line import due, party_desk
from tests.factories.ceremonies import ceremony, signed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.custody.party_line import PartyDesk
    from tests.party.rig import Group

pytestmark = [pytest.mark.anvil, pytest.mark.timeout(400)]
FIRST, SECOND, THIRD = (f"party-{number}" for number in range(1, 4))


@pytest.fixture
def small(transactional_db: None, settings: Any, small_pinned: Group) -> Iterator[PartyDesk]:  # noqa: ANN401, ARG001 - pytest-django's wrapper; asks for the database
    """A desk with a 2-of-3 wallet, whose parties all run."""
    with party_desk(small_pinned, settings) as desk:
        yield desk


def ask(desk: PartyDesk, op: str, **fields: object) -> None:
    """Hand something to every party that runs."""
    for _, process in desk.running.values():
        answer = process.ask(op, **fields)
        assert "error" not in answer, answer


def opened(desk: PartyDesk) -> SignedCeremony:
    """Have people open a degraded mode in which the first two go on."""
    document = ceremony(desk.world, CeremonyKind.DEGRADED, desk.group.wallet, signers=(FIRST, SECOND))
    order = signed(desk.world, document)
    ask(desk, "ceremony", ceremony=write_struct(order, "ceremony"))
    return order


def test_what_names_its_nonce_is_signed_and_what_does_not_frees_its_own(small: PartyDesk) -> None:
    small.stop(THIRD)
    waiting = small.sweep_until(small.hand_over(), JobState.WAITING)
    assert waiting.error == "1 of 3 parties are silent (party-3); 2 agree, 3 have to."
    order = opened(small)
    small.sweep_until(due(waiting), JobState.DOUBTED)
    assert waiting.error_code == "denied"
    assert "a mandate has to name its nonce" in waiting.error
    another = small.sweep_until(small.hand_over(nonce=7), JobState.DOUBTED)
    assert another.error_code == "intent_mismatch"
    assert "the mandate is for nonce 7 only" in another.error
    # Neither holds the lane up, and nobody reserved anything for them.
    assert small.lane(FIRST)["next"] == 0
    named = small.sweep_until(small.hand_over(nonce=0), JobState.INCLUDED)
    kept = PartyCertificate.objects.get()
    assert (kept.nonce, kept.intent, kept.certificate.count('"reservation"')) == (0, named.intent_digest, 2)
    for job in (waiting, another):
        small.sweep_until(due(job), JobState.REFUSED)
    # The third comes back, takes the ceremony and what was signed; the mode is ended, and all go on as ever.
    small.start(THIRD)
    ask(small, "ceremony", ceremony=write_struct(order, "ceremony"))
    no = signed(small.world, order.document, "rita", decision=Decision.REJECT).consents
    ask(small, "control", order=CONTROL_ORDER.write(VetoOrder(kind="veto", consents=no), "order"))
    following = small.sweep_until(small.hand_over(), JobState.INCLUDED)
    assert {small.lane(name)["next"] for name in small.group.names} == {2}
    held = NonceAssignment.objects.filter(job__in=(named, following), released_at__isnull=True)
    assert sorted(held.values_list("nonce", flat=True)) == [0, 1]
