"""Checkpoints signed by a real log signer and cosigned by real witnesses; and what happens to a log that lies."""

from __future__ import annotations

import dataclasses
import threading
import urllib.request
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction
from django.utils import timezone

from audit.models import AuditCheckpoint, AuditEntry, AuditLeaf, AuditSignature, AuditTree
from audit.notes import coverage_get
from audit.receipts import receipt_get
from audit.sequencer import tree_advance
from audit.services import entry_append
from core.checkpoint import parse_signed_checkpoint
from core.merkle import Frontier
from custody.checkpoints import checkpoints_sweep, signed_checkpoint
from tests.append_only import lifted
from tests.audit.tampering import rewrite_everything
from tests.log import log_state
from witness.log_verify import Roots
from witness.receipt import main as receipt_main
from witness.service import STORE_FILE, Witness, init_state, load_config
from witness.store import WitnessStore
from witness.web import make_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.signer.log_rig import LogRig

pytestmark = pytest.mark.django_db


def write(count: int) -> None:
    with transaction.atomic():
        for number in range(count):
            entry_append(actor="tess", tag="oms:request:asked", subject=str(number), payload={"n": number})
    while tree_advance():
        pass


def sweep() -> int:
    return checkpoints_sweep(now=timezone.now())


class Outsider:
    """A witness that serves."""

    def __init__(self, url: str, public: bytes) -> None:
        self.url = url
        self.public = public


@contextmanager
def witnessing(folder: Path, name: str, log_rig: LogRig) -> Iterator[Outsider]:
    if not folder.exists():
        init_state(folder, name, {log_rig.origin: log_rig.public})
    config = load_config(folder)
    store = WitnessStore(folder / STORE_FILE)
    server = make_server(Witness(config, store), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Outsider(f"http://127.0.0.1:{server.server_address[1]}", config.key.public_key().public_bytes_raw())
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        store.close()


class House:
    """The log's signer and two witnesses, and the settings that name them."""

    def __init__(self, log_rig: LogRig, outsiders: dict[str, Outsider]) -> None:
        self.log = log_rig
        self.outsiders = outsiders

    def roots(self) -> Roots:
        keys = {name: outsider.public for name, outsider in self.outsiders.items()}
        return Roots(log=(self.log.origin, self.log.public), witnesses=keys, threshold=len(keys))


@pytest.fixture
def house(log: LogRig, tmp_path: Path, settings: Any) -> Iterator[House]:  # noqa: ANN401 - pytest-django's
    with ExitStack() as stack:
        stack.enter_context(log.served())
        outsiders = {name: stack.enter_context(witnessing(tmp_path / name, name, log)) for name in ("w-1", "w-2")}
        settings.COUNTERSIGN_LOG_SIGNER = "log-1"
        settings.COUNTERSIGN_SIGNER_SOCKETS = {"log-1": str(log.state / "signer.sock")}
        settings.COUNTERSIGN_WITNESSES = {name: outsider.url for name, outsider in outsiders.items()}
        yield House(log, outsiders)


def test_the_newest_checkpoint_gets_every_signature_once(house: House) -> None:
    write(3)
    assert sweep() == 3
    assert sweep() == 0
    write(5)
    assert sweep() == 3
    newest = AuditCheckpoint.objects.order_by("-size")[0]
    raw = signed_checkpoint(newest).to_bytes()
    assert [line.name for line in parse_signed_checkpoint(raw).signatures] == [house.log.origin, "w-1", "w-2"]
    state = log_state(house.roots())
    assert (state.entries, state.broken) == (8, None)


def test_a_receipt_is_proven_by_what_they_signed(house: House, tmp_path: Path) -> None:
    write(7)
    sweep()
    file = tmp_path / "receipt.json"
    file.write_bytes(receipt_get(seq=AuditLeaf.objects.get(index=2).entry_id).to_bytes())
    log = ["--log", f"{house.log.origin}={house.log.public.hex()}"]
    keys = [part for name, one in house.outsiders.items() for part in ("--witness", f"{name}={one.public.hex()}")]
    assert receipt_main([str(file), *log, *keys]) == 0
    coverage = coverage_get()
    assert (coverage.signed, coverage.witnessed) == (7, {"w-1": 7, "w-2": 7})


def test_nothing_is_asked_for_without_a_log_signer(settings: Any) -> None:  # noqa: ANN401 - pytest-django's
    settings.COUNTERSIGN_LOG_SIGNER = ""
    write(1)
    assert sweep() == 0


def test_a_lost_answer_is_made_good(house: House) -> None:
    write(3)
    sweep()
    write(2)
    sweep()
    with lifted():
        # As if the database had crashed after they signed and before it was told.
        AuditSignature.objects.filter(checkpoint_id=5).delete()
    write(4)
    assert sweep() == 3
    assert not AuditEntry.objects.filter(tag__in=("audit:log:unsigned", "audit:log:unwitnessed")).exists()
    assert log_state(house.roots()).broken is None


def test_a_log_that_was_rewritten_gets_no_signature_and_an_alarm(house: House) -> None:
    write(9)
    sweep()
    with lifted():
        rewrite_everything()
    write(2)
    assert sweep() == 0
    alarm = AuditEntry.objects.get(tag="audit:log:unsigned")
    assert (alarm.severity, alarm.subject) == ("critical", "log-1")
    assert "422" in alarm.payload
    assert sweep() == 0
    assert AuditEntry.objects.filter(tag="audit:log:unsigned").count() == 1
    broken = log_state(house.roots()).broken
    assert broken is not None
    assert broken.finding == "rewritten"


@pytest.mark.usefixtures("house")
def test_a_database_that_was_rolled_back_is_noticed() -> None:
    write(9)
    sweep()
    with lifted():
        AuditSignature.objects.all().delete()
        AuditCheckpoint.objects.all().delete()
        AuditLeaf.objects.filter(index__gte=4).delete()
        frontier = Frontier()
        for leaf in AuditLeaf.objects.order_by("index").values_list("leaf", flat=True):
            frontier.append(bytes.fromhex(leaf))
        AuditTree.objects.update(
            size=4, chain=AuditLeaf.objects.get(index=3).chain, edge="\n".join(h.hex() for h in frontier.complete)
        )
    write(1)
    assert sweep() == 0
    assert "signed 9 entries" in AuditEntry.objects.get(tag="audit:log:unsigned").payload


def test_a_return_to_an_earlier_witnessed_log_shows_in_the_newest_checkpoint_that_a_witness_has(house: House) -> None:
    write(3)
    sweep()
    early = AuditTree.objects.values("size", "chain", "edge").get()
    write(4)
    sweep()
    place = f"{house.outsiders['w-1'].url}/checkpoint?origin={house.log.origin}"
    with urllib.request.urlopen(place) as answer:  # noqa: S310 - our own loopback address
        note = parse_signed_checkpoint(answer.read())
    with lifted():
        AuditSignature.objects.filter(checkpoint_id=7).delete()
        AuditCheckpoint.objects.filter(size=7).delete()
        AuditLeaf.objects.filter(index__gte=3).delete()
        AuditEntry.objects.filter(leaf=None).delete()
        AuditTree.objects.update(**early)
    # The keys alone cannot tell: once it was a whole log, and everybody signed it.
    assert log_state(house.roots()).broken is None
    broken = log_state(dataclasses.replace(house.roots(), noted=(note,))).broken
    assert broken is not None
    assert (broken.index, broken.finding) == (3, "cut off at the end")


def test_a_witness_that_is_away_delays_nobody_else(house: House, settings: Any) -> None:  # noqa: ANN401 - pytest-django's
    write(3)
    settings.COUNTERSIGN_WITNESSES = {"w-9": "http://127.0.0.1:9", **settings.COUNTERSIGN_WITNESSES}
    assert sweep() == 3
    alarm = AuditEntry.objects.get(tag="audit:log:unwitnessed")
    assert (alarm.severity, alarm.subject) == ("warning", "w-9")
    del house


def test_a_log_signer_that_is_away_is_waited_for(log: LogRig, settings: Any) -> None:  # noqa: ANN401 - pytest-django's
    settings.COUNTERSIGN_LOG_SIGNER = "log-1"
    settings.COUNTERSIGN_SIGNER_SOCKETS = {"log-1": str(log.state / "signer.sock")}
    write(2)
    assert sweep() == 0
    assert AuditEntry.objects.get(tag="audit:log:unsigned").severity == "warning"
    with log.served():
        assert sweep() == 1
