"""Who is told what of a ceremony, and where it shows: from its draft to its end."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from approvals.access import access_sync
from approvals.models import ConsentRecord
from core.ceremony_lifecycle import CeremonyState
from core.documents.consent import Decision
from core.documents.control import CeremonyKind
from core.records import CeremonyStep
from custody.models import KeyCeremony
from oms.models import Notice, NoticeKind
from oms.notifications.causes import EVERY
from oms.notifications.choices import choice_set
from oms.notifications.sweep import collect
from tests.append_only import lifted
from tests.custody.ceremony_rig import PORT, Rig
from tests.factories.ceremonies import QUORUM
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from collections.abc import Iterable

ALL = [kind.value for kind in NoticeKind]
EVERYBODY = ("adam", "anna", "olga", "rita", "tessa")


@pytest.fixture
def rig(db: None, settings: Any) -> Rig:  # noqa: ARG001, ANN401 - asks for the database; pytest-django's
    """Five parties, and everybody who wants to be told everything."""
    settings.COUNTERSIGN_SIGNER_PORT = PORT
    settings.COUNTERSIGN_WITNESSES = {}
    made = Rig(now=int(time.time()))
    access_sync(policy=made.world.policy)
    chosen(made, ALL)
    return made


def chosen(rig: Rig, kinds: Iterable[str]) -> None:
    for name in EVERYBODY:
        choice_set(user=rig.users[name], kinds=kinds, email=f"{name}@example.org", webhook="", demo=True)


def told(rig: Rig, *, later: int = 0) -> dict[str, list[str]]:
    """Let time pass; return whom there is to tell what by now, of what they were not told yet."""
    rig.wait(max(later, int(EVERY.total_seconds())))
    last = Notice.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    collect(now=rig.now)
    found: dict[str, list[str]] = {}
    for notice in Notice.objects.filter(pk__gt=last).select_related("user"):
        found.setdefault(notice.user.person_id, []).append(notice.title)
    return found


def test_those_whose_consent_it_waits_for_are_told_once_and_again_before_its_end(rig: Rig) -> None:
    made = rig.draft(CeremonyKind.DRILL)
    name = f"drill {made.digest[:8]}"
    waits = [f"ceremony {name} waits for you"]
    assert told(rig) == {"adam": waits, "anna": waits}
    notice = Notice.objects.all()[0]
    assert "drafted by olga" in notice.text
    # No link, no address, no whole digest: nothing by which anybody could be led to consent.
    for secret in ("http", made.wallet, made.wallet.rpartition(":")[2], made.digest, "/ceremonies"):
        assert secret not in notice.title + notice.text
    rig.consent(made, "adam")
    assert told(rig) == {}
    # Its last quarter: only whoever has not spoken is reminded.
    assert told(rig, later=46 * 60) == {"anna": [f"ceremony {name} is about to expire"]}


def test_operators_are_told_of_steps_at_consoles_and_everybody_concerned_of_the_end(rig: Rig) -> None:
    chosen(rig, [NoticeKind.CASE_WAITS, NoticeKind.MINE_MOVED])
    made = rig.order(CeremonyKind.DRILL)
    name = f"drill {made.digest[:8]}"
    runs = ("adam", "anna", "olga")
    assert told(rig) == {who: [f"ceremony {name} waits at consoles"] for who in runs}
    rig.sweep()
    rig.console(made.digest, CeremonyStep.DRILLED)
    rig.sweep(waits=60)
    made.refresh_from_db()
    assert made.state == CeremonyState.DONE
    assert told(rig) == {who: [f"ceremony {name} is done"] for who in runs}
    assert told(rig, later=60) == {}


def test_what_a_person_rejected_or_drafted_is_told_to_them_without_the_reason(rig: Rig) -> None:
    chosen(rig, [NoticeKind.MINE_MOVED])
    made = rig.draft(CeremonyKind.DRILL)
    rig.consent(made, "rita", Decision.REJECT, "The vault is being rebuilt")
    ended = told(rig)
    assert ended.keys() == {"adam", "anna", "olga", "rita"}
    assert set(map(tuple, ended.values())) == {(f"ceremony drill {made.digest[:8]} was rejected",)}
    assert not Notice.objects.filter(text__contains="vault").exists()


def test_a_ceremony_that_came_to_nothing_is_told(rig: Rig) -> None:
    chosen(rig, [NoticeKind.MINE_MOVED, NoticeKind.CASE_EXPIRES])
    made = rig.order(CeremonyKind.DRILL)
    rig.sweep()
    name = f"drill {made.digest[:8]}"
    late = [f"ceremony {name} is about to expire"]
    assert told(rig, later=50 * 60) == {"adam": late, "anna": late, "olga": late}
    rig.sweep(waits=11 * 60)
    made.refresh_from_db()
    assert made.state == CeremonyState.FAILED
    assert told(rig)["olga"] == [f"ceremony {name} has failed"]


def test_a_degraded_mode_that_is_about_to_end_is_told(rig: Rig) -> None:
    chosen(rig, [NoticeKind.CASE_EXPIRES])
    made = rig.order(CeremonyKind.DEGRADED, signers=("party-1", "party-2", "party-3"))
    rig.sweep()
    assert told(rig) == {}
    late = [f"degraded mode {made.digest[:8]} is about to end"]
    assert told(rig, later=46 * 60) == {"adam": late, "anna": late, "olga": late}


def test_who_lost_the_role_is_told_nothing_more(rig: Rig) -> None:
    user = rig.users["anna"]
    user.is_active = False
    user.save()
    rig.draft(CeremonyKind.DRILL)
    assert told(rig).keys() == {"adam"}


def test_what_waits_shows_in_queue_overview_and_navigation(rig: Rig) -> None:
    made = rig.draft(CeremonyKind.DRILL)
    mark = '<span class="tally">1<span class="visually-hidden"> wait for you</span></span>'
    news = reverse("oms:queue_status")
    for name, waits in (("anna", True), ("olga", False), ("rita", False)):
        client = signed_in(rig.users[name])
        queue = client.get(reverse("oms:queue"))
        assert ("A ceremony waits for your signature" in queue.content.decode()) is waits
        assert (mark in queue.content.decode()) is waits
        assert ("A ceremony waits for your signature" in client.get(reverse("oms:home")).content.decode()) is waits
        assert client.get(news, {"known": queue.context["known"]}).content.strip() == b""
    before = signed_in(rig.users["olga"]).get(reverse("oms:queue")).context["known"]
    for person in QUORUM:
        rig.consent(made, person)
    operator = signed_in(rig.users["olga"])
    assert "one thing waits for you" in operator.get(news, {"known": before}).content.decode()
    shown = operator.get(reverse("oms:queue")).content.decode()
    assert "A ceremony waits for steps at consoles" in shown
    assert "party-5 tries its backup" in shown
    assert mark in shown
    assert "A ceremony waits for steps at consoles" in operator.get(reverse("oms:home")).content.decode()
    assert "A ceremony waits" not in signed_in(rig.users["rita"]).get(reverse("oms:queue")).content.decode()
    made.refresh_from_db()
    assert made.expires_at > rig.now + dt.timedelta(minutes=1)


def test_a_consent_that_cannot_be_read_keeps_no_page_from_its_frame(rig: Rig) -> None:
    made = rig.draft(CeremonyKind.DRILL)
    rig.consent(made, "adam")
    with lifted():
        ConsentRecord.objects.filter(subject=made.digest).update(text="{")
    page = signed_in(rig.users["anna"]).get(reverse("oms:notices"))
    assert page.status_code == 200
    assert KeyCeremony.objects.count() == 1
