"""Tampering that a database owner can do, and what fsck makes of it."""

from __future__ import annotations

import dataclasses
import json
import os
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, cast

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from audit.models import AuditEntry
from audit.services import entry_append
from core.hashchain import Entry, entry_hash
from tests.append_only import lifted
from witness.fsck import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FIELDS = [field.name for field in dataclasses.fields(Entry)]


def write(count: int) -> None:
    for number in range(count):
        with transaction.atomic():
            entry_append(actor="tess", tag="oms:request:asked", subject=str(number), payload={"n": number})


def rehash(entry: AuditEntry) -> None:
    entry.hash = entry_hash(**{name: getattr(entry, name) for name in FIELDS if name != "hash"})


def modify() -> None:
    AuditEntry.objects.filter(seq=4).update(payload='{"n":400}')


def modify_and_hash_again() -> None:
    entry = AuditEntry.objects.get(seq=4)
    entry.payload = '{"n":400}'
    rehash(entry)
    entry.save()


def delete_middle() -> None:
    AuditEntry.objects.filter(seq=4).delete()


def swap_two() -> None:
    fourth, fifth = AuditEntry.objects.get(seq=4), AuditEntry.objects.get(seq=5)
    fourth.payload, fifth.payload = fifth.payload, fourth.payload
    fourth.hash, fifth.hash = fifth.hash, fourth.hash
    fourth.save()
    fifth.save()


def swap_two_and_hash_again() -> None:
    fourth, fifth = AuditEntry.objects.get(seq=4), AuditEntry.objects.get(seq=5)
    fourth.payload, fifth.payload = fifth.payload, fourth.payload
    rehash(fourth)
    fifth.prev_hash = fourth.hash
    rehash(fifth)
    fourth.save()
    fifth.save()


def second_spelling() -> None:
    for number in range(4, 9):
        entry = AuditEntry.objects.get(seq=number)
        entry.payload = entry.payload.replace(":", ": ")
        entry.prev_hash = AuditEntry.objects.get(seq=number - 1).hash
        rehash(entry)
        entry.save()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("tamper", "first_bad", "looks"),
    [
        (modify, 4, "modified"),
        (modify_and_hash_again, 4, "modified and hashed again"),
        (delete_middle, 4, "missing"),
        (swap_two, 4, "modified"),
        (swap_two_and_hash_again, 5, "modified and hashed again"),
        (second_spelling, 4, "payload is not canonical"),
    ],
)
def test_it_names_the_first_bad_entry(
    tamper: Callable[[], None], first_bad: int, looks: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(8)
    with lifted():
        tamper()
    export = tmp_path / "log.jsonl"
    call_command("audit_export", out=str(export), stderr=sys.stdout)
    capsys.readouterr()
    assert main(["--export", str(export), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["first_bad"], answer["looks"]) == (first_bad, looks)


def _export(path: Path) -> list[str]:
    call_command("audit_export", out=str(path), stderr=sys.stdout)
    return path.read_text().splitlines(keepends=True)


@pytest.mark.django_db
def test_a_head_from_elsewhere_finds_a_cut_and_a_rewritten_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(6)
    export = tmp_path / "log.jsonl"
    lines = _export(export)
    noted = f"6:{json.loads(lines[5])['hash']}"
    assert main(["--export", str(export), "--head", noted]) == 0
    export.write_text("".join(lines[:5]))
    assert main(["--export", str(export)]) == 0
    assert main(["--export", str(export), "--head", noted]) == 1
    assert "cut off" in capsys.readouterr().out
    assert main(["--export", str(export), "--head", "5:" + "0" * 64]) == 1
    assert "rewritten" in capsys.readouterr().out


@pytest.mark.django_db
@pytest.mark.parametrize("line", ["{", '{"seq":1}', "[]", '{"seq":1,"seq":2}'])
def test_what_is_no_log_gives_exit_code_2(tmp_path: Path, line: str) -> None:
    export = tmp_path / "log.jsonl"
    export.write_text(line)
    assert main(["--export", str(export)]) == 2
    assert main(["--export", str(tmp_path / "nothing")]) == 2
    assert main(["--database", str(tmp_path / "nothing")]) == 2


def _database(tmp_path: Path) -> str:
    if connection.vendor == "postgresql":
        settings = connection.settings_dict
        parts = {"host": settings["HOST"], "port": settings["PORT"], "user": settings["USER"]}
        query = "&".join(f"{name}={value}" for name, value in parts.items() if value)
        return f"postgresql:///{settings['NAME']}?{query}"
    path = tmp_path / "copy.sqlite3"
    connection.ensure_connection()
    with sqlite3.connect(path) as copy:
        cast("sqlite3.Connection", connection.connection).backup(copy)
    copy.close()
    return str(path)


def _run(database: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "witness", "fsck", "--database", database]
    environment = os.environ | {"PGPASSWORD": str(connection.settings_dict["PASSWORD"])}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)


@pytest.mark.django_db(transaction=True)
def test_it_reads_the_database_itself_in_a_process_of_its_own(tmp_path: Path) -> None:
    write(5)
    done = _run(_database(tmp_path))
    assert (done.returncode, done.stdout.split(",")[0]) == (0, "verified: 5 entries")
    with lifted():
        AuditEntry.objects.filter(seq=3).update(actor="mallory")
    done = _run(_database(tmp_path))
    assert done.returncode == 1
    assert "BROKEN at entry 3: modified" in done.stdout
    with lifted():
        AuditEntry.objects.filter(seq__gte=3).delete()
    done = _run(_database(tmp_path))
    assert done.returncode == 1
    assert "cut off at the end" in done.stdout


def test_it_imports_no_django() -> None:
    code = "import sys, witness.fsck; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
