"""What people signed reaches a real signer's socket without any server of ours."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from core.documents.consent import Decision, SubjectType
from core.documents.control import VetoOrder
from core.schema import write_struct
from tests.factories.succession import HOLDERS, holders, next_policy, recover, without
from tests.forgery.institutions import adapt
from tests.signer.rig import Rig, make_template
from tests.witness.desks import Asking, folder_named, halt_of, order, veto_of, witnessed
from witness import hand
from witness.desk import Desk
from witness.service import STORE_FILE, load_config
from witness.store import WitnessStore

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def short_path() -> Iterator[Path]:
    # Not pytest's own folder: its names are longer than a unix socket's may be.
    folder = Path(tempfile.mkdtemp(prefix="cs-hand-"))
    yield folder
    shutil.rmtree(folder)


def test_a_recovery_and_its_veto_are_handed_to_the_signer(
    short_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig(make_template(short_path / "template"), short_path / "hsm-1")
    adapt(rig.world, **holders())
    rig.pin()
    world = rig.world
    lost = recover(world, HOLDERS[:2], people=without(world, "tom"))
    no = world.consent(lost.policy.digest, "olga", Decision.REJECT, subject_type=SubjectType.POLICY)
    few = recover(world, HOLDERS[:1], policy=next_policy(world, people=without(world, "tom")))
    files = {}
    for name, value in (("lost", lost), ("veto", VetoOrder(kind="veto", consents=(no,))), ("few", few)):
        files[name] = tmp_path / f"{name}.json"
        files[name].write_text(json.dumps(write_struct(value, name)))
    with rig.served() as served:
        assert hand.main([served.path, str(files["lost"])]) == hand.TAKEN
        assert served.status()["pending"]["kind"] == "recovery"
        assert hand.main([served.path, str(files["few"])]) == hand.REFUSED
        assert hand.main([served.path, str(files["veto"])]) == hand.TAKEN
        assert served.status()["pending"] is None
        assert hand.main([served.path, str(files["lost"])]) == hand.REFUSED
    assert '"kind":"recovery"' in capsys.readouterr().out
    assert hand.main([served.path, str(files["veto"])]) == hand.UNUSABLE, "nobody answers"


def test_a_rejection_is_handed_over_as_the_consent_page_saves_it(
    short_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig(make_template(short_path / "template"), short_path / "hsm-1")
    adapt(rig.world, **holders())
    rig.pin()
    world = rig.world
    lost = recover(world, HOLDERS[:2], people=without(world, "tom"))
    files = {"lost": write_struct(lost, "lost")}
    for decision in (Decision.APPROVE, Decision.REJECT):
        consent = world.consent(lost.policy.digest, "olga", decision, subject_type=SubjectType.POLICY)
        files[decision.value] = write_struct(consent, "consent")
    paths = {name: tmp_path / f"{name}.json" for name in files}
    for name, value in files.items():
        paths[name].write_text(json.dumps(value))
    with rig.served() as served:
        assert hand.main([served.path, str(paths["lost"])]) == hand.TAKEN
        assert hand.main([served.path, str(paths["approve"])]) == hand.REFUSED
        assert served.status()["pending"]["kind"] == "recovery"
        assert hand.main([served.path, str(paths["reject"])]) == hand.TAKEN
        assert served.status()["pending"] is None
    assert "only rejections and withdrawals" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b'{"kind":"start"}', b'{"policy":1,"consents":[]}', b"1e9", b'{"statement":1}']
)
def test_a_file_that_nobody_signed_is_not_sent(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text)
    assert hand.main([str(tmp_path / "no-socket"), str(path)]) == hand.UNUSABLE


def test_a_witness_takes_what_people_signed_and_names_what_it_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = witnessed(int(time.time()))
    state = folder_named(tmp_path / "w", "w-1")
    store = WitnessStore(state / STORE_FILE)
    Desk(load_config(state, watching=False), store).pin(world.signed_policy, world.deployment, now=world.now)
    store.close()
    files = {
        "halt": order(world, "halt", halt_of(world), "rita"),
        "unsigned": order(world, "halt", halt_of(world)),
        "reject": veto_of(world, "7e" * 32),
        "policy": write_struct(world.signed_policy, "policy"),
    }
    for name, value in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    with Asking(state, world).serving() as asking:
        taken = [str(tmp_path / f"{name}.json") for name in ("halt", "reject", "policy", "halt")]
        assert hand.main([asking.url, *taken]) == hand.TAKEN
        assert hand.main([asking.url, str(tmp_path / "unsigned.json"), taken[0]]) == hand.REFUSED
        url = asking.url
    told = capsys.readouterr().out
    assert told.count("taken ") == 5
    assert '"new":true' in told
    assert "quorum" in told
    assert hand.main([url, taken[0]]) == hand.UNUSABLE, "nobody answers"
    assert hand.main(["http://127.0.0.1:notaport", taken[0]]) == hand.UNUSABLE
