"""Replaying requests from the log against the table, and holding the log against anchors on chain."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.db import transaction

from audit.models import AuditCheckpoint
from audit.services import entry_append
from core.lifecycle import Event, State
from oms.models import TransactionRequest
from oms.transitions import request_lock, request_move
from tests.append_only import lifted
from tests.audit.signed_log import place, say, sign
from tests.audit.tampering import cut_tail_and_tree, rewrite_everything, write
from tests.audit.test_fsck import _database
from tests.witness.receipts import ROOTS
from witness.fsck import main

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)


def request_made(number: int, *events: Event) -> TransactionRequest:
    mark = f"{number:02x}"
    request = TransactionRequest.objects.create(
        reference=mark * 16,
        asker="tessa",
        desk="desk-a",
        wallet="eip155:1:0x" + "11" * 20,
        chain="eip155:1",
        asset="eip155:1/slip44:60",
        amount=1,
        destination="0x" + "22" * 20,
        policy_digest="33" * 32,
        mandate_text="{}",
        mandate_digest=mark * 32,
        intent_digest="ab" + mark * 31,
        created_at=NOW,
        expires_at=NOW + dt.timedelta(hours=1),
        moved_at=NOW,
    )
    for event in events:
        with transaction.atomic():
            request_move(request=request_lock(reference=request.reference), event=event, actor="system:test", now=NOW)
    return request


def lives() -> list[TransactionRequest]:
    made = [
        request_made(1),
        request_made(2, Event.DENY),
        request_made(3, Event.REQUIRE, Event.FILL),
        request_made(4, Event.ALLOW, Event.EXPIRE),
    ]
    place()
    return made


def told(file: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, object]:
    capsys.readouterr()
    code = main(["--export", str(file), "--json", *more])
    answer: dict[str, object] = json.loads(capsys.readouterr().out)
    assert code == (0 if answer["audit"] == "verified" else 1)
    return answer


@pytest.mark.django_db
def test_every_request_is_replayed(exported: Callable[[], Path], capsys: pytest.CaptureFixture[str]) -> None:
    lives()
    assert told(exported(), capsys)["requests"] == 4
    # A step whose entry waits for its place counts too.
    request_made(5, Event.DENY)
    assert told(exported(), capsys)["requests"] == 5


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: rows[1].update(state=State.CONFIRMED), "the table shows confirmed, the log ends with denied"),
        (lambda rows: rows[0].update(state=State.LIVE), "the log tells no step of it"),
        (lambda rows: rows[2].delete(), "the table does not hold it, the log ends with approved"),
        (lambda rows: rows[3].update(intent_digest="cd" * 32), "the log"),
    ],
)
def test_a_state_that_was_edited_shows(
    change: Callable[[list[object]], None],
    says: str,
    exported: Callable[[], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = lives()
    with lifted():
        rows = [TransactionRequest.objects.filter(pk=one.pk) for one in made]
        for one in made:
            one.events.all().delete()
        change(list(rows))
    answer = told(exported(), capsys)
    assert answer["looks"] == "a state that the log does not tell"
    assert says in str(answer["detail"])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("payload", "says"),
    [
        ({"from": "pending", "event": "fill", "to": "approved"}, "it goes on from pending, and was requested before"),
        ({"from": "requested", "event": "deny", "to": "approved"}, "deny does not lead from requested to approved"),
        ({"from": "requested", "event": "fill", "to": "approved"}, "fill is not possible while requested"),
        ({"from": "requested", "event": "fly", "to": "approved"}, "fly"),
        ({}, "None"),
    ],
)
def test_a_step_that_cannot_be_shows(
    payload: dict[str, object], says: str, exported: Callable[[], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    request = request_made(1)
    with transaction.atomic():
        entry_append(actor="x", tag="oms:request:moved", subject=request.intent_digest, payload=payload)
    place()
    answer = told(exported(), capsys)
    assert (answer["first_bad"], answer["looks"]) == (0, "a state that the log does not tell")
    assert says in str(answer["detail"])


@pytest.mark.django_db(transaction=True)
def test_the_database_itself_is_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import connection  # noqa: PLC0415 - only here

    monkeypatch.setenv("PGPASSWORD", str(connection.settings_dict["PASSWORD"]))
    lives()
    assert main(["--database", _database(tmp_path)]) == 0
    with lifted():
        TransactionRequest.objects.filter(state=State.DENIED).update(state=State.APPROVED)
    assert main(["--database", _database(tmp_path)]) == 1


def anchors(folder: Path, *rows: tuple[int, str]) -> Path:
    file = folder / f"anchors-{len(list(folder.iterdir()))}"
    file.write_text("".join(json.dumps({"size": str(size), "root": root}) + "\n" for size, root in rows))
    return file


@pytest.mark.django_db
def test_anchors_root_a_log(exported: Callable[[], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(9)
    rows = [(one.size, one.root) for one in AuditCheckpoint.objects.order_by("size")]
    held = anchors(tmp_path, *rows)
    answer = told(exported(), capsys, "--anchors", str(held))
    assert (answer["rooted"], answer["anchors"]) == (True, 3)
    with lifted():
        rewrite_everything()
    answer = told(exported(), capsys, "--anchors", str(held))
    # The first anchor still holds: what was changed came after it.
    assert (answer["first_bad"], answer["looks"]) == (3, "rewritten")


@pytest.mark.django_db
def test_a_log_that_was_cut_behind_an_anchor(
    exported: Callable[[], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(9)
    held = anchors(tmp_path, *[(one.size, one.root) for one in AuditCheckpoint.objects.all()])
    with lifted():
        cut_tail_and_tree()
        AuditCheckpoint.objects.filter(size__gt=6).delete()
    answer = told(exported(), capsys)
    assert answer["audit"] == "verified"
    answer = told(exported(), capsys, "--anchors", str(held))
    assert (answer["first_bad"], answer["looks"]) == (6, "cut off at the end")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"size":"-1","root":"00"}',
        '{"size":"1","root":"zz"}',
        '{"size":"99999999999999999999","root":""}',
    ],
)
def test_what_is_no_file_of_anchors(exported: Callable[[], Path], tmp_path: Path, text: str) -> None:
    write(1)
    file = tmp_path / "anchors"
    file.write_text(text)
    assert main(["--export", str(exported()), "--anchors", str(file)]) == 2


_ALONE = """
import socket, sys
sys.path.insert(0, sys.argv.pop(1))
def no(*a, **k): raise RuntimeError("network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = no
for name in ("django", "psycopg"):
    sys.modules[name] = None
from witness.fsck import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.django_db
def test_an_export_is_verified_without_django_database_or_network_and_a_flipped_bit_is_found(
    exported: Callable[[], Path], tmp_path: Path
) -> None:
    lives()
    say(20)
    sign(at=NOW)
    # Another machine: two packages, and no server.
    machine = tmp_path / "machine"
    for package in ("core", "witness"):
        shutil.copytree(ROOT / package, machine / package, ignore=shutil.ignore_patterns("__pycache__"))
    export = machine / "log.jsonl"
    shutil.copy(exported(), export)
    command = [sys.executable, "-c", _ALONE, str(machine), "--export", str(export), *ROOTS]

    def verified() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=machine, env={})

    done = verified()
    assert done.returncode == 0, done.stderr
    assert "4 requests stand as the log tells" in done.stdout
    # An entry's mark is the one thing that nobody can check without the application's key.
    key = tmp_path / "application.key"
    key.write_bytes(settings.COUNTERSIGN_AUDIT_KEY)
    command += ["--key-file", str(key)]
    assert verified().returncode == 0
    raw = export.read_bytes()
    # Spread over the whole file: leaves, entries, checkpoints with their signatures, states, the end.
    for place_at in [*range(11, len(raw) - 1, len(raw) // 12), len(raw) - 30]:
        flipped = bytearray(raw)
        flipped[place_at] ^= 1 << place_at % 8
        export.write_bytes(bytes(flipped))
        assert verified().returncode in (1, 2), (place_at, raw[place_at - 20 : place_at + 20])
