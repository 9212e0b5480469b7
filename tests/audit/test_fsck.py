"""Tampering that a database owner can do, and what fsck makes of it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction

from audit.models import AuditCheckpoint, AuditEntry, AuditLeaf, AuditSignature, AuditTile, AuditTree
from audit.sequencer import tree_advance
from audit.services import entry_append
from core.auditlog import Finding, bytes_of, chain_link, entry_leaf
from core.checkpoint import Checkpoint, SignedCheckpoint, cosignature_message, log_signature, witness_signature
from core.merkle import Tree
from tests.append_only import lifted
from witness.fsck import main
from witness.log_verify import Roots, log_verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from witness.log_verify import Verified

ORIGIN = "countersign/test/log"
LOG = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
WITNESS = Ed25519PrivateKey.from_private_bytes(b"\x02" * 32)


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def write(count: int) -> None:
    for number in range(count):
        with transaction.atomic():
            entry_append(actor="tess", tag="oms:request:asked", subject=str(number), payload={"n": number})
        if number % 3 == 2:
            tree_advance()
    while tree_advance():
        pass


def entry_at(index: int) -> AuditEntry:
    return AuditLeaf.objects.select_related("entry").get(index=index).entry


def modify() -> None:
    AuditEntry.objects.filter(pk=entry_at(4).pk).update(payload='{"n":400}')


def modify_with_its_leaf() -> None:
    modify()
    from audit.selectors import entry_of  # noqa: PLC0415 - only this tampering computes as the house does

    leaf = entry_leaf(bytes_of(entry_of(row=entry_at(4))))
    AuditLeaf.objects.filter(index=4).update(leaf=leaf.hex())


def _recompute(first: int) -> None:
    """Compute leaves, links, edge and tree anew, as whoever rewrites a log would."""
    from audit.selectors import entry_of  # noqa: PLC0415 - as above

    chain = bytes.fromhex(AuditLeaf.objects.get(index=first - 1).chain)
    for row in AuditLeaf.objects.select_related("entry").filter(index__gte=first).order_by("index"):
        leaf = entry_leaf(bytes_of(entry_of(row=row.entry)))
        chain = chain_link(chain, leaf)
        AuditLeaf.objects.filter(index=row.index).update(leaf=leaf.hex(), chain=chain.hex())
    AuditTree.objects.update(chain=chain.hex())


def rewrite_with_links() -> None:
    modify()
    _recompute(4)


def rewrite_everything() -> None:
    rewrite_with_links()
    leaves = [bytes.fromhex(leaf) for leaf in AuditLeaf.objects.order_by("index").values_list("leaf", flat=True)]
    tree = Tree(leaves)
    for checkpoint in AuditCheckpoint.objects.all():
        chain = AuditLeaf.objects.get(index=checkpoint.size - 1).chain
        AuditCheckpoint.objects.filter(pk=checkpoint.pk).update(root=tree.root(checkpoint.size).hex(), chain=chain)


def delete_entry() -> None:
    AuditEntry.objects.filter(pk=entry_at(4).pk).delete()


def delete_entry_and_leaf() -> None:
    delete_entry()
    AuditLeaf.objects.filter(index=4).delete()


def swap_entries() -> None:
    fourth, fifth = entry_at(4).pk, entry_at(5).pk
    AuditLeaf.objects.filter(index=4).update(entry_id=-1)
    AuditLeaf.objects.filter(index=5).update(entry_id=fourth)
    AuditLeaf.objects.filter(index=4).update(entry_id=fifth)


def swap_whole_leaves() -> None:
    swap_entries()
    fourth, fifth = AuditLeaf.objects.get(index=4), AuditLeaf.objects.get(index=5)
    AuditLeaf.objects.filter(index=4).update(leaf=fifth.leaf)
    AuditLeaf.objects.filter(index=5).update(leaf=fourth.leaf)


def cut_tail() -> None:
    AuditLeaf.objects.filter(index__gte=6).delete()


def cut_tail_and_tree() -> None:
    cut_tail()
    AuditTree.objects.update(size=6, chain=AuditLeaf.objects.get(index=5).chain)


def take_out_of_the_queue() -> None:
    with transaction.atomic():
        entry_append(actor="tess", tag="oms:request:asked", subject="hidden", payload={})
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_pending")


def change_a_type() -> None:
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("UPDATE audit_entry SET payload = x'ff00' WHERE seq = %s", [entry_at(4).pk])
    else:
        modify()


@pytest.fixture
def exported(tmp_path: Path) -> Callable[[], Path]:
    """Export the log into a file that does not exist yet."""
    made: list[Path] = []

    def export() -> Path:
        file = tmp_path / f"log-{len(made)}.jsonl"
        call_command("audit_export", out=str(file), stderr=sys.stdout)
        made.append(file)
        return file

    return export


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


def signed_checkpoint(size: int, *, witnessed: bool = True) -> SignedCheckpoint:
    stored = AuditCheckpoint.objects.get(size=size)
    checkpoint = Checkpoint(origin=ORIGIN, size=size, root=bytes.fromhex(stored.root))
    lines = [log_signature(checkpoint, public(LOG), LOG.sign(checkpoint.note()))]
    if witnessed:
        signature = WITNESS.sign(cosignature_message(checkpoint, 1_790_000_000))
        lines.append(witness_signature(checkpoint, "w-1", public(WITNESS), 1_790_000_000, signature))
    for line in lines:
        AuditSignature.objects.create(checkpoint=stored, name=line.name, line=line.line(), at_us=1)
    return SignedCheckpoint(checkpoint=checkpoint, signatures=tuple(lines))


ROOTED = ["--log", f"{ORIGIN}={public(LOG).hex()}", "--witness", f"w-1={public(WITNESS).hex()}"]


@pytest.mark.django_db
def test_only_what_is_brought_from_elsewhere_finds_a_log_rewritten_whole(
    exported: Callable[[], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(9)
    noted = tmp_path / "checkpoint"
    noted.write_bytes(signed_checkpoint(9).to_bytes())
    honest = exported()
    assert main(["--export", str(honest), "--checkpoint", str(noted), *ROOTED]) == 0
    assert "UNROOTED" not in capsys.readouterr().out
    with lifted():
        rewrite_everything()
    rewritten = exported()
    capsys.readouterr()
    assert main(["--export", str(rewritten)]) == 0
    assert "UNROOTED" in capsys.readouterr().out
    assert main(["--export", str(rewritten), "--checkpoint", str(noted)]) == 1
    assert main(["--export", str(rewritten), *ROOTED]) == 1
    assert "rewritten" in capsys.readouterr().out


@pytest.mark.django_db
def test_an_old_copy_is_found_by_a_newer_checkpoint(
    exported: Callable[[], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(3)
    old = exported()
    write(6)
    size = AuditCheckpoint.objects.order_by("-size")[0].size
    noted = tmp_path / "checkpoint"
    noted.write_bytes(signed_checkpoint(size).to_bytes())
    capsys.readouterr()
    assert main(["--export", str(old), "--checkpoint", str(noted)]) == 1
    assert "cut off" in capsys.readouterr().out


@pytest.mark.django_db
def test_witnesses_that_did_not_sign_are_missed(
    exported: Callable[[], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    write(3)
    signed_checkpoint(3, witnessed=False)
    file = str(exported())
    assert main(["--export", file, *ROOTED]) == 1
    assert "0 of 1 witnesses" in capsys.readouterr().out
    assert main(["--export", file, *ROOTED, "--threshold", "0"]) == 0


@pytest.mark.django_db
def test_two_checkpoints_of_one_size_are_a_fork(
    exported: Callable[[], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(3)
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(signed_checkpoint(3).to_bytes())
    forked = Checkpoint(origin=ORIGIN, size=3, root=b"\x07" * 32)
    line = log_signature(forked, public(LOG), LOG.sign(forked.note()))
    other.write_bytes(SignedCheckpoint(checkpoint=forked, signatures=(line,)).to_bytes())
    arguments = ["--export", str(exported()), "--checkpoint", str(one), "--checkpoint", str(other)]
    assert main(arguments) == 1
    assert "two logs under one name" in capsys.readouterr().out


@pytest.mark.django_db
def test_the_applications_key_finds_entries_that_it_did_not_write(
    exported: Callable[[], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(2)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_entry (at_us, actor, session, tag, subject, severity, payload, mac)"
            " VALUES (1, 'mallory', '', 'oms:request:asked', '', 'info', '{}', '00')"
        )
    while tree_advance():
        pass
    key = tmp_path / "key"
    key.write_bytes(settings.COUNTERSIGN_AUDIT_KEY + b"\n")
    file = str(exported())
    assert main(["--export", file]) == 0
    capsys.readouterr()
    assert main(["--export", file, "--key-file", str(key)]) == 1
    assert "BROKEN at leaf 2: not written by the application" in capsys.readouterr().out


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


@pytest.mark.django_db
def test_every_flipped_bit_of_an_export_is_found(exported: Callable[[], Path], tmp_path: Path) -> None:
    write(3)
    noted = tmp_path / "checkpoint"
    noted.write_bytes(signed_checkpoint(3).to_bytes())
    raw = exported().read_bytes()
    # What stands in no hash: numbers of insertion, codes (checked with the key), and who waits.
    free = [b'"seq":', b'"mac":"']
    changed = tmp_path / "changed"
    missed = []
    for place in range(0, len(raw), 7):
        changed.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        if main(["--export", str(changed), "--checkpoint", str(noted), *ROOTED]) == 0:
            missed.append(place)
    assert len(missed) < len(raw) // 7
    for place in missed:
        before = raw[:place]
        assert any(before.rfind(name) > max(before.rfind(b',"a'), before.rfind(b'"}')) for name in free), place


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
def test_a_tile_that_was_changed_is_no_proof() -> None:
    with transaction.atomic():
        for number in range(600):
            entry_append(actor="tess", tag="oms:request:asked", subject="", payload={"n": number})
    tree_advance()
    from audit.selectors import proof_inclusion  # noqa: PLC0415 - beside what it proves
    from core.merkle import verify_inclusion  # noqa: PLC0415 - as above

    with lifted():
        tile = AuditTile.objects.get(level=0, index=1)
        AuditTile.objects.filter(pk=tile.pk).update(hashes=bytes(8192))
    proof = proof_inclusion(seq=entry_at(3).pk)
    assert not verify_inclusion(entry_leaf(bytes_of(proof.entry)), 3, proof.size, proof.path, proof.root)


def test_it_imports_no_django() -> None:
    code = "import sys, witness.fsck; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
