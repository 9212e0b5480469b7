"""A refresh from its draft to the last destroyed share: custody's sweep, and real parties with real tokens."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from django.conf import settings as django_settings
from django.db import connections
from django.utils import timezone

from approvals.models import User
from chains.services import chain_create
from core.ceremony_lifecycle import CeremonyState
from core.documents.consent import SubjectType
from core.documents.control import CeremonyKind
from custody import ceremony_orders, ceremony_runs
from custody.ceremony_selectors import epoch_now, transcript, transcript_holds
from custody.ceremony_services import ceremony_consent, ceremony_draft
from custody.ceremony_sweep import sweep_once
from custody.failpoints import ENVIRONMENT
from custody.models import CeremonyLine, CeremonyProgress, KeyCeremony, ProgressState
from custody.services import wallet_create
from policies.services import genesis_store
from tests.factories.ceremonies import QUORUM, ceremony
from tests.factories.world import CHAIN, PEOPLE
from tests.oms.conftest import as_json
from tests.party.renewing import epochs, planned

if TYPE_CHECKING:
    from core.documents.control import Ceremony
    from core.founding import FoundingPlan
    from tests.party.rig import Group, Process

SECONDS = 120


def ready(group: Group, parties: dict[str, Process], settings: Any) -> None:  # noqa: ANN401 - pytest-django's wrapper
    """Have the institution know its people, its wallet and the way to the parties."""
    world, wallet = group.world, group.wallet
    settings.COUNTERSIGN_SIGNER_SOCKETS = {name: party.path for name, party in parties.items()}
    settings.COUNTERSIGN_SIGNER_TIMEOUT_SECONDS = 20.0
    settings.COUNTERSIGN_WITNESSES = {}
    genesis_store(signed=world.signed_policy, digest=world.deployment, actor="system:test", now=int(time.time()))
    for name, (_, desk, site) in PEOPLE.items():
        User.objects.create_user(name, display_name=name.title(), desk=desk, site=site)
    chain_create(actor="system:test", caip2=CHAIN, name="Dev", native_symbol="ETH", confirmation_depth=2)
    wallet_create(
        actor="system:test",
        caip10=wallet.id,
        label=wallet.label,
        kind=wallet.kind,
        public_key=wallet.public_key,
        signers=wallet.signers,
        threshold=wallet.threshold,
    )


def ordered(group: Group, document: Ceremony | None = None, plan: FoundingPlan | None = None) -> KeyCeremony:
    """Have olga draft a ceremony, a refresh unless told otherwise, and its quorum order it."""
    group.world.now = int(time.time())
    if document is None:
        document = ceremony(group.world, CeremonyKind.REFRESH, group.wallet, epoch=1)
    made = ceremony_draft(document=document, person="olga", now=timezone.now(), plan=plan)
    for name in QUORUM:
        signed = group.world.consent(document.digest, name, subject_type=SubjectType.CEREMONY)
        made = ceremony_consent(
            user=User.objects.get(person_id=name),
            digest=document.digest,
            consent_raw=as_json(signed),
            policy=group.world.policy,
            now=timezone.now(),
        )
    assert made.state == CeremonyState.ORDERED
    return made


def swept(made: KeyCeremony, state: CeremonyState, seconds: float = SECONDS) -> None:
    """Sweep until a ceremony stands there."""
    end = time.monotonic() + seconds
    while made.state != state and time.monotonic() < end:
        sweep_once(now=timezone.now())
        made.refresh_from_db()
        time.sleep(0.05)
    assert made.state == state, (made.state, made.why, list(CeremonyProgress.objects.all()))


@pytest.mark.django_db(transaction=True)
def test_a_refresh_that_custody_drives(small: Group, settings: Any) -> None:  # noqa: ANN401 - as above
    with small.up() as parties:
        ready(small, parties, settings)
        made = ordered(small)
        swept(made, CeremonyState.DONE)
        assert epochs(parties, small) == [1, 1, 1]
        assert epoch_now(wallet=small.wallet.id) == 1
        rows = CeremonyProgress.objects.filter(ceremony=made)
        assert rows.count() == 4 * len(small.names)
        assert set(rows.values_list("state", flat=True)) == {ProgressState.DONE}
        lines = transcript(ceremony=made)
        assert transcript_holds(lines=lines)
        assert any(line.words.startswith("test of") for line in lines)


@pytest.mark.django_db(transaction=True)
def test_a_further_key_that_custody_drives(small: Group, settings: Any) -> None:  # noqa: ANN401 - as above
    with small.up() as parties:
        ready(small, parties, settings)
        signed, plan = planned(small)
        made = ordered(small, signed.document, plan)
        swept(made, CeremonyState.DONE)
        (line,) = CeremonyLine.objects.filter(ceremony=made, what="run", good=True)
        said = json.loads(line.said)
        assert set(said) == set(small.names)
        assert len({one["wallet"] for one in said.values()}) == 1
        assert said[small.names[0]]["wallet"] in line.words


@pytest.mark.django_db(transaction=True)
def test_a_party_that_is_away_holds_a_refresh_up_and_is_named(small: Group, settings: Any) -> None:  # noqa: ANN401 - as above
    away = small.names[-1]
    with small.up(*small.names[:-1]) as parties:
        ready(small, parties, settings)
        settings.COUNTERSIGN_SIGNER_SOCKETS |= {away: str(small.base / "nobody.sock")}
        made = ordered(small)
        swept(made, CeremonyState.RUNNING)
        for _ in range(3):
            sweep_once(now=timezone.now())
        row = CeremonyProgress.objects.get(ceremony=made, signer=away, step="take")
        assert row.state == ProgressState.AWAY
        assert epochs(parties, small) == [0, 0]
        with small.up(away) as others:
            settings.COUNTERSIGN_SIGNER_SOCKETS |= {away: others[away].path}
            swept(made, CeremonyState.DONE)
            assert epochs(parties | others, small) == [1, 1, 1]


def _sweep_until_killed(point: str) -> NoReturn:
    os.environ[ENVIRONMENT] = point
    django_settings.COUNTERSIGN_FAILPOINTS_ENABLED = True
    end = time.monotonic() + SECONDS
    with contextlib.suppress(Exception):
        while time.monotonic() < end:
            sweep_once(now=timezone.now())
            time.sleep(0.01)
    os._exit(1)


def killed(point: str) -> None:
    """Fork a process that sweeps until it kills itself at the point."""
    connections.close_all()
    child = os.fork()
    if child == 0:
        _sweep_until_killed(point)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


@pytest.mark.django_db(transaction=True)
def test_killed_again_and_again_a_refresh_goes_on(
    small: Group,
    settings: Any,  # noqa: ANN401 - as above
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Leases of the dead end soon here.
    for module in (ceremony_orders, ceremony_runs):
        monkeypatch.setattr(module, "LEASE", dt.timedelta(seconds=2))
    with small.up() as parties:
        ready(small, parties, settings)
        made = ordered(small)
        for point in (
            "custody.ceremony.after_claim",
            "custody.ceremony.after_answer",
            "custody.ceremony.after_batch",
            "custody.ceremony.after_batch:4",
            "custody.ceremony.after_batch:9",
            "custody.ceremony.after_batch:14",
        ):
            killed(point)
        swept(made, CeremonyState.DONE)
        assert epochs(parties, small) == [1, 1, 1]
        assert transcript_holds(lines=transcript(ceremony=made))
