"""The commands of ceremonies: out as a file, in from a file, and shown in plain lines."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from audit.models import AuditEntry
from core.ceremony_lifecycle import CeremonyState
from core.documents.control import CeremonyKind, SignedCeremony
from core.schema import read_struct, write_struct
from custody.models import KeyCeremony
from tests.custody.ceremony_rig import PORT, Rig
from tests.factories.ceremonies import ceremony, signed
from tests.factories.parties import Parties

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def rig(db: None, settings: Any) -> Rig:  # noqa: ARG001, ANN401 - asks for the database; pytest-django's wrapper
    settings.COUNTERSIGN_SIGNER_PORT = PORT
    settings.COUNTERSIGN_WITNESSES = {}
    return Rig(now=int(timezone.now().timestamp()))


def told(*command: str) -> str:
    out = io.StringIO()
    call_command(*command, stdout=out)
    return out.getvalue()


def test_out_as_a_file_that_signers_take(rig: Rig, tmp_path: Path) -> None:
    made = rig.order(CeremonyKind.DRILL)
    file = tmp_path / "drill.json"
    assert made.digest in told("ceremony_export", made.digest[:8], "--out", str(file))
    value = json.loads(file.read_bytes())
    assert read_struct(SignedCeremony, value, "ceremony").document.digest == made.digest
    assert rig.request("party-1", {"v": 1, "op": "ceremony", "ceremony": value})["ok"]
    assert AuditEntry.objects.filter(tag="custody:ceremony:exported").count() == 1
    with pytest.raises(CommandError, match="exists"):
        told("ceremony_export", made.digest, "--out", str(file))


@pytest.mark.parametrize("digest", ["", "f" * 64, "abc", "%" * 8, "\x00" * 8, "F" * 64])
@pytest.mark.usefixtures("rig")
def test_what_is_no_digest(tmp_path: Path, digest: str) -> None:
    for command in (("ceremony_show", digest), ("ceremony_export", digest, "--out", str(tmp_path / "x"))):
        with pytest.raises(CommandError):
            told(*command)


def test_a_draft_is_not_exported(rig: Rig, tmp_path: Path) -> None:
    made = rig.draft(CeremonyKind.DRILL)
    with pytest.raises(CommandError, match="not ordered"):
        told("ceremony_export", made.digest, "--out", str(tmp_path / "x"))
    assert not (tmp_path / "x").exists()


def imported(tmp_path: Path, whole: SignedCeremony) -> str:
    file = tmp_path / "in.json"
    file.write_text(json.dumps(write_struct(whole, "ceremony")))
    return told("ceremony_import", str(file))


def test_in_from_a_file_with_its_quorum(rig: Rig, tmp_path: Path) -> None:
    document = rig.document(CeremonyKind.DRILL)
    assert "is consenting; 1 new" in imported(tmp_path, signed(rig.world, document, "adam"))
    whole = signed(rig.world, document, "anna")
    assert "is ordered; 1 new" in imported(tmp_path, whole)
    assert "0 new" in imported(tmp_path, whole), "the same again changes nothing"
    rig.sweep(waits=60)
    assert KeyCeremony.objects.get().state == CeremonyState.RUNNING


def test_a_file_that_does_not_hold(rig: Rig, tmp_path: Path) -> None:
    document, other = rig.document(CeremonyKind.DRILL), rig.document(CeremonyKind.REFRESH)
    wrong = SignedCeremony(document=document, consents=signed(rig.world, other).consents)
    with pytest.raises(CommandError, match="another document"):
        imported(tmp_path, wrong)
    assert KeyCeremony.objects.get().state == CeremonyState.DRAFTED
    for raw in (b"", b"{}", b"[" * 9000, b"\xff", b'{"document":1,"consents":[]}'):
        file = tmp_path / "bad.json"
        file.write_bytes(raw)
        with pytest.raises(CommandError):
            told("ceremony_import", str(file))
    with pytest.raises(CommandError):
        told("ceremony_import", str(tmp_path / "missing"))


def test_a_document_of_another_institution(rig: Rig, tmp_path: Path) -> None:
    theirs = Parties(now=rig.world.now)
    with pytest.raises(CommandError, match="deployment"):
        imported(tmp_path, signed(theirs.world, ceremony(theirs.world, CeremonyKind.DRILL, theirs.wallet)))
    assert not KeyCeremony.objects.exists()


def test_shown_in_plain_lines(rig: Rig) -> None:
    assert told("ceremony_list") == "no ceremony\n"
    rig.away = {"party-2"}
    made = rig.order(CeremonyKind.DRILL)
    rig.sweep(waits=60)
    assert made.digest[:16] in told("ceremony_list")
    shown = told("ceremony_show", made.digest)
    assert "party-2 take: away, asked 1 times, unreachable" in shown
    assert "party-1 take: done" in shown
    assert "transcript: holds" in shown
