"""Leases at a real signer: real token, real journal, real witnesses' desks. Without them nothing is signed."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from core.canonical import canonical
from core.documents.base import Header
from core.documents.consent import Decision, SubjectType
from core.documents.control import Ceremony, CeremonyKind
from core.errors import RefusedError, WitnessError
from core.schema import write_struct
from demo.forgeries.keepers import WITNESSES, logged, watched
from signer.console import recover
from signer.files import exclusive
from tests.forgery.institutions import adapt
from tests.signer.rig import Rig, Template, point_softhsm
from tests.witness.desks import folder_named
from witness.desk import Desk
from witness.service import STORE_FILE
from witness.service import load_config as load_witness
from witness.store import WitnessStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.documents.bundle import Bundle
    from signer.service import Service


class House:
    """A signer's folder and two witnesses of the three that its policy names."""

    def __init__(self, template: Template, folder: Path, stack: ExitStack) -> None:
        self.rig = Rig(template, folder / "hsm-1")
        adapt(self.rig.world, **watched(self.rig.world.policy.signers))
        self.rig.pin()
        self.world = self.rig.world
        self.desks: dict[str, Desk] = {}
        for name in WITNESSES[:2]:
            state = folder_named(folder / name, name)
            store = WitnessStore(state / STORE_FILE)
            stack.callback(store.close)
            self.desks[name] = Desk(load_witness(state, watching=False), store)
            self.desks[name].pin(self.world.signed_policy, self.world.deployment, now=self.world.now)
        self.seen = dict.fromkeys(self.desks, 0)

    @contextmanager
    def running(self) -> Iterator[Service]:
        with self.rig.service() as service:
            yield service

    def challenge(self, service: Service) -> dict[str, Any]:
        known = [{"witness": name, "size": size} for name, size in self.seen.items()]
        return service.handle({"v": 1, "op": "challenge", "known": known}, now=int(time.time()))

    def lease(self, service: Service, **changes: object) -> dict[str, Any]:
        """Carry leases as a courier does."""
        asked = self.challenge(service) | changes
        leases = []
        for row in asked["continues"]:
            fields = {name: asked[name] for name in ("deployment", "signer", "challenge", "size", "root", "start")}
            request = fields | {"old": row["old"], "proof": row["proof"]}
            signed = self.desks[row["witness"]].lease(canonical(request), now=int(time.time()))
            leases.append(write_struct(signed, "lease"))
            self.seen[row["witness"]] = asked["size"]
        return service.handle({"v": 1, "op": "lease", "leases": leases}, now=int(time.time()))

    def bundle(self) -> Bundle:
        self.world.now = int(time.time())
        return logged(self.rig.bundle(), deployment=self.world.deployment, now=self.world.now)


def signed(service: Service, bundle: Bundle) -> str | None:
    """Return the refusal's code, or None where it was signed."""
    try:
        service.handle({"v": 1, "op": "sign", "bundle": bundle.to_json()}, now=int(time.time()))
    except RefusedError as error:
        return str(error.code)
    return None


@pytest.fixture
def house(template: Template) -> Iterator[House]:
    folder = Path(tempfile.mkdtemp(prefix="cs-lease-"))
    with ExitStack() as stack:
        yield House(template, folder, stack)
    shutil.rmtree(folder)


def live(service: Service) -> dict[str, int]:
    """Return which leases a signer says it holds."""
    status: Any = service.status(now=int(time.time()))
    leases: dict[str, int] = status["leases"]["live"]
    return leases


def test_it_signs_under_leases_and_a_restart_needs_new_ones(house: House) -> None:
    first, second = house.bundle(), house.bundle()
    with house.running() as service:
        assert signed(service, first) == "lease"
        assert house.lease(service)["needed"] == 2
        assert signed(service, first) is None
        assert set(live(service)) == set(WITNESSES[:2])
    # Nothing of a lease is on disk.
    with house.running() as service:
        assert live(service) == {}
        assert signed(service, second) == "lease"
        assert signed(service, first) == "lease", "nor does it repeat what it signed"
        house.lease(service)
        assert signed(service, first) is None
        assert signed(service, second) is None


def test_a_disk_and_token_from_yesterday_get_no_lease(house: House) -> None:
    kept = house.rig.state.with_name("kept")
    with house.running() as service:
        house.lease(service)
    shutil.copytree(house.rig.state, kept)
    one = house.bundle()
    with house.running() as service:
        assert signed(service, one) == "lease"
        house.lease(service)
        assert signed(service, one) is None
        house.lease(service)
    # The whole host goes back, token and all: the journal fits the token, so the signer starts.
    shutil.rmtree(house.rig.state)
    kept.rename(house.rig.state)
    point_softhsm(house.rig.state)
    house.rig.nonce = 0
    again = house.bundle()
    with house.running() as service:
        with pytest.raises(WitnessError) as caught:
            house.lease(service)
        assert caught.value.status == 409
        assert signed(service, again) == "lease"
        # Nor do other records bring it past what witnesses saw: they do not continue that.
        for number in range(4):
            no = house.world.consent(f"{number:064x}", "rita", Decision.REJECT)
            order = {"kind": "veto", "consents": [write_struct(no, "consent")]}
            service.handle({"v": 1, "op": "control", "order": order}, now=int(time.time()))
        with pytest.raises(WitnessError) as caught:
            house.lease(service)
        assert caught.value.status == 422
        assert signed(service, again) == "lease"
    assert house.desks["w-1"].status(now=int(time.time()))["alarms"]


def test_a_ceremony_starts_the_journal_anew_for_signer_and_witnesses(house: House) -> None:
    with house.running() as service:
        house.lease(service)
        assert signed(service, house.bundle()) is None
        house.lease(service)
    (house.rig.state / "journal").unlink()
    now = int(time.time())
    ceremony = Ceremony(
        header=Header(
            type="ceremony",
            version=1,
            deployment=house.world.deployment,
            id="ce" * 16,
            created=now,
            expires=now + 3600,
        ),
        policy=house.world.policy.digest,
        kind=CeremonyKind.JOURNAL_START,
        signers=(house.world.signer,),
        wallet=None,
        epoch=0,
        threshold=0,
        lanes=(),
        not_before=now,
        reason="Disk lost",
        plan=None,
        recovery=(),
    )
    consents = [
        write_struct(house.world.consent(ceremony.digest, name, subject_type=SubjectType.CEREMONY), "consent")
        for name in ("adam", "anna")
    ]
    handed = {"ceremony": ceremony.to_json(), "consents": consents}
    with exclusive(house.rig.state):
        recover(house.rig.state, canonical(handed | {"policies": []}))
    with house.running() as service:
        with pytest.raises(WitnessError):
            house.lease(service)
        for desk in house.desks.values():
            desk.hand_in(canonical(handed), now=int(time.time()))
        assert set(house.lease(service)["live"]) == set(WITNESSES[:2])


def test_challenges_are_its_own_few_and_used_once(house: House) -> None:
    with house.running() as service:
        first = house.challenge(service)
        assert first["challenge"] != house.challenge(service)["challenge"]
        for _ in range(8):
            house.challenge(service)
        with pytest.raises(RefusedError, match="no such challenge"):
            house.lease(service, challenge=first["challenge"])
        house.lease(service)


@pytest.mark.parametrize(
    "known",
    [None, {}, [1], [{"witness": "w-1"}], [{"witness": "w-1", "size": -1}], [{"witness": "w-1", "size": 1}] * 65],
)
def test_what_is_no_question_gets_a_typed_answer(house: House, known: object) -> None:
    with house.rig.served() as served:
        answer = served.ask({"v": 1, "op": "challenge", "known": known})
        assert answer["error"]["code"] == "malformed"
        wrong: tuple[object, ...] = (None, [], [{}], {"a": 1}, "x")
        for leases in wrong:
            answer = served.ask({"v": 1, "op": "lease", "leases": leases})
            assert answer["error"]["code"] == "malformed"
