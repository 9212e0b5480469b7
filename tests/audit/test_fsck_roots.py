"""What only evidence from elsewhere finds: a log cut at its end, rolled back, forked or rewritten whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import connection

from audit.models import AuditCheckpoint, AuditSignature
from audit.sequencer import tree_advance
from core.checkpoint import Checkpoint, SignedCheckpoint, cosignature_message, log_signature, witness_signature
from tests.append_only import lifted
from tests.audit.tampering import rewrite_everything, write
from witness.fsck import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ORIGIN = "countersign/test/log"
LOG = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
WITNESS = Ed25519PrivateKey.from_private_bytes(b"\x02" * 32)


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


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
