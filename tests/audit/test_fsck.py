"""Tampering that a database owner can do, and what fsck makes of it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, cast

import pytest
from django.db import connection, transaction

from audit.models import AuditCheckpoint, AuditEntry, AuditLeaf, AuditTile
from audit.selectors import proof_inclusion
from audit.sequencer import tree_advance
from audit.services import entry_append
from core.auditlog import Finding, bytes_of, entry_leaf
from core.merkle import verify_inclusion
from tests.append_only import lifted
from tests.audit.tampering import (
    change_a_type,
    cut_tail,
    cut_tail_and_tree,
    delete_entry,
    delete_entry_and_leaf,
    entry_at,
    modify,
    modify_with_its_leaf,
    rewrite_with_links,
    swap_entries,
    swap_whole_leaves,
    take_out_of_the_queue,
    write,
)
from witness.fsck import main
from witness.log_verify import Roots, log_verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from witness.log_verify import Verified


TAMPERINGS = [
    (modify, 4, "modified"),
    (modify_with_its_leaf, 4, "modified and hashed again"),
    (rewrite_with_links, 3, "rewritten"),
    (delete_entry, 4, "missing"),
    (delete_entry_and_leaf, 4, "missing"),
    (swap_entries, 4, "modified"),
    (swap_whole_leaves, 4, "modified and hashed again"),
    (cut_tail, 6, "cut off at the end"),
    (cut_tail_and_tree, 6, "cut off at the end"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("tamper", "first_bad", "looks"), TAMPERINGS)
def test_it_names_the_first_bad_leaf(
    tamper: Callable[[], None],
    first_bad: int,
    looks: str,
    exported: Callable[[], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(9)
    capsys.readouterr()
    assert main(["--export", str(exported())]) == 0
    with lifted():
        tamper()
    capsys.readouterr()
    file = exported()
    capsys.readouterr()
    assert main(["--export", str(file), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["first_bad"], answer["looks"]) == (first_bad, looks)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "line", ["{", '{"kind":"leaf"}', "[]", '{"kind":"end","kind":"end"}', '{"kind":"other"}', ""]
)
def test_what_is_no_log_gives_exit_code_2(tmp_path: Path, line: str) -> None:
    export = tmp_path / "log.jsonl"
    export.write_text(line)
    assert main(["--export", str(export)]) == 2
    assert main(["--export", str(tmp_path / "nothing")]) == 2
    assert main(["--database", str(tmp_path / "nothing")]) == 2


@pytest.mark.django_db
def test_an_export_that_was_cut_is_not_read_as_a_shorter_log(exported: Callable[[], Path]) -> None:
    write(3)
    file = exported()
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-1]))
    assert main(["--export", str(file)]) == 2


def _database(tmp_path: Path) -> str:
    if connection.vendor == "postgresql":
        own = connection.settings_dict
        parts = {"host": own["HOST"], "port": own["PORT"], "user": own["USER"]}
        query = "&".join(f"{name}={value}" for name, value in parts.items() if value)
        return f"postgresql:///{own['NAME']}?{query}"
    path = tmp_path / "copy.sqlite3"
    path.unlink(missing_ok=True)
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
@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (modify, "BROKEN at leaf 4: modified"),
        (change_a_type, "BROKEN at leaf 4: modified"),
        (cut_tail_and_tree, "cut off at the end"),
        (take_out_of_the_queue, "never given a place"),
    ],
)
def test_it_reads_the_database_itself_in_a_process_of_its_own(
    tamper: Callable[[], None], told: str, tmp_path: Path
) -> None:
    write(9)
    done = _run(_database(tmp_path))
    assert (done.returncode, done.stdout.split(",")[0]) == (0, "verified: 9 entries")
    with lifted():
        tamper()
    done = _run(_database(tmp_path))
    assert done.returncode == 1
    assert told in done.stdout


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("index", [3, 4, 7, 8, 21])
def test_stretches_are_checked_apart_and_joined(index: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def verified() -> Verified:
        return log_verify(_database(tmp_path), Roots(), length=4)

    write(22)
    if connection.vendor == "postgresql":
        monkeypatch.setenv("PGPASSWORD", str(connection.settings_dict["PASSWORD"]))
    assert verified().broken is None
    assert verified().root == AuditCheckpoint.objects.get(size=22).root
    with lifted():
        AuditEntry.objects.filter(pk=entry_at(index).pk).update(actor="mallory")
    broken = verified().broken
    assert broken is not None
    assert (broken.index, broken.finding) == (index, Finding.MODIFIED)
    with lifted():
        AuditLeaf.objects.filter(index=index).delete()
    broken = verified().broken
    assert broken is not None
    # The last leaf's place is only known from the tree and the checkpoints.
    assert (broken.index, broken.finding) == (index, Finding.MISSING if index < 21 else Finding.CUT)


@pytest.mark.django_db
@pytest.mark.parametrize("count", [3, 4, 5, 9, 22])
def test_an_export_may_be_longer_than_a_stretch(count: int, exported: Callable[[], Path]) -> None:
    write(count)
    found = log_verify(f"export:{exported()}", Roots(), length=4)
    assert (found.entries, found.broken) == (count, None)
    assert found.root == AuditCheckpoint.objects.get(size=count).root


@pytest.mark.django_db
def test_a_tile_that_was_changed_is_no_proof() -> None:
    with transaction.atomic():
        for number in range(600):
            entry_append(actor="tess", tag="oms:request:asked", subject="", payload={"n": number})
    tree_advance()
    with lifted():
        tile = AuditTile.objects.get(level=0, index=1)
        AuditTile.objects.filter(pk=tile.pk).update(hashes=bytes(8192))
    proof = proof_inclusion(seq=entry_at(3).pk)
    assert not verify_inclusion(entry_leaf(bytes_of(proof.entry)), 3, proof.size, proof.path, proof.root)


def test_it_imports_no_django() -> None:
    code = "import sys, witness.fsck; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
