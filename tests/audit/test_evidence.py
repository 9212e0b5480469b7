"""Evidence packages: a period that is provably whole, and each way in which one that is not is found."""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from audit.errors import EvidenceError, TreeBrokenError
from audit.evidence import evidence_files, evidence_find, microseconds
from audit.models import AuditEntry, AuditLeaf
from audit.services import entry_append
from core.canonical import canonical
from tests.append_only import lifted
from tests.audit.signed_log import place, say, sign
from tests.audit.tampering import entry_at
from tests.witness.receipts import LOG, ROOTS, public
from witness.evidence import FAILS, FIRST, HOLDS, LAST, LEAVES, PERIOD, UNUSABLE, main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.django_db


def wait_a_second() -> None:
    """Times of witnesses are whole seconds: the next one has to begin."""
    time.sleep(1.001 - time.time() % 1)


@pytest.fixture
def period() -> tuple[dt.datetime, dt.datetime]:
    """Five entries and a checkpoint before the period, seven entries in it, three and a checkpoint after it."""
    say(5)
    sign(at=timezone.now() - dt.timedelta(seconds=2))
    begin = timezone.now()
    say(3)
    say(4, subject="=x")
    end = timezone.now()
    wait_a_second()
    say(3)
    sign(at=timezone.now())
    return begin, end


@pytest.fixture
def package(period: tuple[dt.datetime, dt.datetime], tmp_path: Path) -> Path:
    folder = tmp_path / "evidence"
    begin, end = (at.isoformat() for at in period)
    call_command("audit_evidence", begin=begin, end=end, out=str(folder), stdout=sys.stderr)
    return folder


def test_a_period_is_proven_whole(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(package), *ROOTS]) == HOLDS
    text = capsys.readouterr().out
    for words in (
        "from leaf 5 on 10 entries, none missing",
        "witnessed before the period began",
        "witnessed after the period ended",
        "7 of the entries say that they were written in the period",
        "VERIFIED",
    ):
        assert words in text
    assert "python -m witness evidence" in (package / "README.txt").read_text()


def test_the_export_is_an_entry_of_its_own(package: Path) -> None:
    assert package.is_dir()
    entry = AuditEntry.objects.order_by("-seq")[0]
    assert (entry.tag, json.loads(entry.payload)["first"]) == ("audit:log:exported", 5)


def test_without_keys_it_is_unrooted(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(package)]) == UNUSABLE
    assert "UNROOTED" in capsys.readouterr().out


def test_another_key_refuses_it(package: Path) -> None:
    assert main([str(package), "--log", f"{LOG.partition('=')[0]}={public(5).hex()}"]) == FAILS


def _lines(package: Path) -> list[bytes]:
    return (package / LEAVES).read_bytes().splitlines(keepends=True)


def _drop(package: Path) -> None:
    (package / LEAVES).write_bytes(b"".join(_lines(package)[:3] + _lines(package)[4:]))


def _cut(package: Path) -> None:
    (package / LEAVES).write_bytes(b"".join(_lines(package)[:-1]))


def _add(package: Path) -> None:
    value = json.loads(_lines(package)[-1])
    (package / LEAVES).write_bytes(b"".join([*_lines(package), canonical(value | {"index": 15}) + b"\n"]))


def _swap(package: Path) -> None:
    lines = _lines(package)
    one, other = (json.loads(line) for line in lines[2:4])
    one["entry"], other["entry"] = other["entry"], one["entry"]
    lines[2:4] = [canonical(value) + b"\n" for value in (one, other)]
    (package / LEAVES).write_bytes(b"".join(lines))


def _change(package: Path) -> None:
    raw = (package / LEAVES).read_bytes()
    (package / LEAVES).write_bytes(raw.replace(b'"actor":"rita"', b'"actor":"ravi"', 1))


def _renumber(package: Path) -> None:
    value = json.loads((package / PERIOD).read_bytes())
    lines = [json.loads(line) for line in _lines(package)[1:]]
    (package / LEAVES).write_bytes(b"".join(canonical(v | {"index": v["index"] - 1}) + b"\n" for v in lines))
    (package / PERIOD).write_bytes(canonical(value) + b"\n")


def _edge(package: Path) -> None:
    value = json.loads((package / PERIOD).read_bytes())
    value["edge"] = value["edge"][::-1]
    (package / PERIOD).write_bytes(canonical(value) + b"\n")


def _widen_back(package: Path) -> None:
    _widen(package, from_us=-3_000_000)


def _widen_on(package: Path) -> None:
    _widen(package, to_us=60_000_000)


def _widen(package: Path, **by: int) -> None:
    value = json.loads((package / PERIOD).read_bytes())
    (package / PERIOD).write_bytes(canonical(value | {name: value[name] + more for name, more in by.items()}) + b"\n")


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        (_drop, "leaf 8 should come next"),
        (_cut, "leaf 14 is not there"),
        (_add, "leaf 15 should come next"),
        (_swap, "do not lead to the root"),
        (_change, "do not lead to the root"),
        (_renumber, "leaf 14 is not there"),
        (_edge, "does not give the root"),
        (_widen_back, "begins before witnesses saw the first checkpoint"),
        (_widen_on, "ends after witnesses saw the last checkpoint"),
    ],
)
def test_what_was_tampered_with_is_found(
    package: Path, tamper: Callable[[Path], None], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(package)
    assert main([str(package), *ROOTS]) == FAILS
    assert says in capsys.readouterr().out


@pytest.mark.parametrize(("name", "step"), [(FIRST, 1), (LAST, 1), (PERIOD, 1), (LEAVES, 7)])
def test_a_flipped_bit_is_found(package: Path, name: str, step: int) -> None:
    raw = (package / name).read_bytes()
    for at in range(0, len(raw), step):
        flipped = bytearray(raw)
        flipped[at] ^= 1 << at % 8
        (package / name).write_bytes(flipped)
        if main([str(package), *ROOTS]) == HOLDS:
            # Which period was asked for is nobody's secret: any that the checkpoints cover is proven as well.
            asked, held = json.loads(raw), json.loads(flipped)
            assert {field for field in asked if asked[field] != held[field]} <= {"from_us", "to_us"}, (name, at)
            assert name == PERIOD
    (package / name).write_bytes(raw)
    assert main([str(package), *ROOTS]) == HOLDS


@pytest.mark.parametrize("name", [PERIOD, FIRST, LAST, LEAVES])
def test_a_missing_file_is_unreadable(package: Path, name: str) -> None:
    (package / name).unlink()
    assert main([str(package), *ROOTS]) == UNUSABLE


@pytest.mark.parametrize("raw", [b"", b"{}\n", b"[]\n", b"{", b"\xff", b"[" * 9999])
def test_what_is_no_period_is_unreadable(package: Path, raw: bytes) -> None:
    (package / PERIOD).write_bytes(raw)
    assert main([str(package), *ROOTS]) == UNUSABLE


def test_the_first_entries_of_a_log_need_no_checkpoint_before_them(tmp_path: Path) -> None:
    begin = timezone.now()
    say(3)
    end = timezone.now()
    wait_a_second()
    sign(at=timezone.now())
    folder = tmp_path / "from-the-start"
    call_command("audit_evidence", begin=begin.isoformat(), end=end.isoformat(), out=str(folder), stdout=sys.stderr)
    assert not (folder / FIRST).exists()
    assert main([str(folder), *ROOTS]) == HOLDS


def test_a_quiet_period_is_proven_quiet(
    period: tuple[dt.datetime, dt.datetime], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = period[1]
    folder = tmp_path / "quiet"
    end = begin + dt.timedelta(milliseconds=1)
    call_command("audit_evidence", begin=begin.isoformat(), end=end.isoformat(), out=str(folder), stdout=sys.stderr)
    capsys.readouterr()
    assert main([str(folder), *ROOTS]) == HOLDS
    assert "0 of the entries say" in capsys.readouterr().out


def test_checkpoints_by_more_witnesses_are_preferred(tmp_path: Path) -> None:
    say(2)
    sign(at=timezone.now() - dt.timedelta(seconds=9))
    say(2)
    sign(at=timezone.now() - dt.timedelta(seconds=5), witnesses=())
    begin = timezone.now()
    say(2)
    end = timezone.now()
    wait_a_second()
    say(1)
    sign(at=timezone.now(), witnesses=("w-1",))
    say(1)
    sign(at=timezone.now())
    found = evidence_find(from_us=microseconds(begin), to_us=microseconds(end), now=timezone.now())
    assert (found.first, found.last) == (2, 8)
    assert tmp_path.is_dir()


def test_nothing_is_promised_that_cannot_be_proven(period: tuple[dt.datetime, dt.datetime]) -> None:
    begin, end = (microseconds(at) for at in period)
    now = timezone.now()
    with pytest.raises(EvidenceError, match="has ended"):
        evidence_find(from_us=begin, to_us=microseconds(now) + 10**9, now=now)
    with pytest.raises(EvidenceError, match="begins before"):
        evidence_find(from_us=end, to_us=begin, now=now)
    with pytest.raises(EvidenceError, match="no checkpoint was signed"):
        evidence_find(from_us=begin, to_us=microseconds(now), now=now)


def test_a_period_with_entries_that_wait_is_not_given_out() -> None:
    begin = microseconds(timezone.now())
    with transaction.atomic():
        entry_append(actor="rita", tag="oms:request:asked", subject="", payload={})
    now = timezone.now()
    with pytest.raises(EvidenceError, match="wait for their place"):
        evidence_find(from_us=begin, to_us=microseconds(now), now=now)


def test_a_tampered_log_gives_no_package(period: tuple[dt.datetime, dt.datetime]) -> None:
    begin, end = (microseconds(at) for at in period)
    found = evidence_find(from_us=begin, to_us=end, now=timezone.now())
    with lifted():
        AuditEntry.objects.filter(pk=entry_at(7).pk).update(actor="mallory")
    with pytest.raises(TreeBrokenError, match="do not give the root"):
        [list(parts) for _, parts in evidence_files(evidence=found)]
    with lifted():
        AuditLeaf.objects.filter(index=7).delete()
    with pytest.raises(TreeBrokenError, match="run countersign-fsck"):
        [list(parts) for _, parts in evidence_files(evidence=found)]
    with pytest.raises(TreeBrokenError, match="have no place"):
        evidence_find(from_us=begin, to_us=end, now=timezone.now())


@pytest.mark.parametrize(("begin", "end"), [("yesterday", "today"), ("2026-13-01", "2026-12-01"), ("", "")])
def test_times_that_are_none_are_refused(begin: str, end: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="written like"):
        call_command("audit_evidence", begin=begin, end=end, out=str(tmp_path / "x"))


def test_nothing_is_written_over(period: tuple[dt.datetime, dt.datetime], tmp_path: Path) -> None:
    begin, end = (at.isoformat() for at in period)
    with pytest.raises(CommandError, match="exists"):
        call_command("audit_evidence", begin=begin, end=end, out=str(tmp_path))
    place()
