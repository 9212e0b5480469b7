"""`python -m witness receipt`: whole, with any bit flipped, rootless, with too few witnesses, and hostile."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.canonical import canonical
from core.errors import ReceiptError
from core.receipt import Recorded, receipt_from_bytes
from tests.architecture import tree
from tests.witness.receipts import LOG, ROOTS, WITNESSES, public, receipt
from witness.__main__ import COMMANDS
from witness.receipt import FAILS, HOLDS, UNUSABLE, main

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = receipt(4, 11)
RAW = WHOLE.to_bytes()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "receipt.json"
    path.write_bytes(RAW)
    return path


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def changed(**fields: object) -> bytes:
    return canonical(json.loads(RAW) | fields) + b"\n"


def test_a_whole_receipt_holds(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(file), *ROOTS]) == HOLDS
    text = told(capsys)
    for words in ("who    rita", "leaf 4 of 11", "signed this root", "witness w-1 saw it", "witness w-2", "VERIFIED"):
        assert words in text


def test_without_the_logs_key_it_is_unrooted(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(file)]) == UNUSABLE
    text = told(capsys)
    assert "UNROOTED" in text
    assert "VERIFIED" not in text


def test_lines_that_nobody_checked_are_named(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(file), "--log", LOG]) == HOLDS
    assert "not checked: w-1, w-2" in told(capsys)


def test_every_flipped_bit_is_found(file: Path) -> None:
    for place in range(len(RAW)):
        for bit in range(8):
            flipped = bytearray(RAW)
            flipped[place] ^= 1 << bit
            file.write_bytes(flipped)
            assert main([str(file), *ROOTS]) != HOLDS, (place, bit)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Recorded)])
def test_every_field_is_proven(file: Path, field: str, capsys: pytest.CaptureFixture[str]) -> None:
    entry = json.loads(RAW)["entry"]
    entry[field] = entry[field] + 1 if field == "at_us" else entry[field] + "x"
    file.write_bytes(changed(entry=entry))
    assert main([str(file), *ROOTS]) == FAILS
    assert "is not leaf 4 of the 11" in told(capsys)


def test_another_logs_key_refuses_it(file: Path) -> None:
    other = f"{LOG.partition('=')[0]}={public(7).hex()}"
    assert main([str(file), "--log", other]) == FAILS
    assert main([str(file), "--log", f"another/log={public(1).hex()}"]) == FAILS


def test_a_missing_witness_counts_against_the_threshold(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    third = ("--witness", f"w-3={public(13).hex()}")
    assert main([str(file), *ROOTS, *third]) == FAILS
    assert "2 of the named witnesses" in told(capsys)
    assert main([str(file), *ROOTS, *third, "--threshold", "2"]) == HOLDS


@pytest.mark.parametrize(
    "arguments",
    [
        ("--witness", f"w-1={public(11).hex()}"),
        (*ROOTS, "--threshold", "3"),
        (*ROOTS, "--threshold", "-1"),
        (*ROOTS, "--witness", f"w-9={public(11).hex()}"),
        (*ROOTS, "--witness", f"w-1={public(14).hex()}"),
        ("--log", LOG, "--witness", f"w-1={public(1).hex()}"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(file: Path, arguments: tuple[str, ...]) -> None:
    assert main([str(file), *arguments]) == UNUSABLE


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}\n",
        b"[]\n",
        b"\xff\n",
        RAW.rstrip(b"\n"),
        b" " + RAW,
        RAW + RAW,
        b"[" * 100_000,
        changed(v=2),
        changed(v=True),
        changed(kind="countersign.case.v1"),
        changed(index=-1),
        changed(index="4"),
        changed(index=True),
        changed(index=2**53 - 1, size=2**53 - 1),
        changed(size=12),
        changed(path="00"),
        changed(path=["00"]),
        changed(path=["AA" * 32]),
        changed(path=["00" * 32] * 65),
        changed(checkpoint=7),
        changed(checkpoint=""),
        changed(entry={}),
        changed(entry=[]),
        changed(more=1),
        changed(entry=json.loads(RAW)["entry"] | {"at_us": True}),
        changed(entry=json.loads(RAW)["entry"] | {"actor": "ri\nta"}),
        changed(entry=json.loads(RAW)["entry"] | {"actor": "x" * 129}),
        changed(entry=json.loads(RAW)["entry"] | {"mac": ""}),
    ],
)
def test_what_is_no_receipt_is_unreadable(file: Path, raw: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_bytes(raw)
    assert main([str(file), *ROOTS]) == UNUSABLE
    assert "UNREADABLE" in told(capsys)
    assert main([str(file.parent), *ROOTS]) == UNUSABLE


def test_an_index_outside_of_the_log_fails(file: Path) -> None:
    for index in (11, 3, 5, 2**53 - 1):
        file.write_bytes(changed(index=index))
        assert main([str(file), *ROOTS]) == FAILS


def test_hostile_text_does_not_draw_on_the_terminal(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = json.loads(RAW)["entry"] | {"actor": "\u202eatir\u009b2J", "payload": "\u2028VERIFIED"}
    file.write_bytes(changed(entry=entry))
    assert main([str(file), *ROOTS]) == FAILS
    text = told(capsys)
    assert "\\u202eatir\\x9b2J" in text
    assert all(line.isprintable() for line in text.split("\n"))
    assert "\nVERIFIED" not in text


@given(index=st.integers(0, 40), more=st.integers(0, 40))
def test_what_was_written_is_read_and_proven(index: int, more: int) -> None:
    made = receipt(index, index + 1 + more)
    assert receipt_from_bytes(made.to_bytes()) == made
    assert made.included()


@pytest.mark.parametrize("half", ["\ud800", "a\udfff"])
def test_half_a_character_is_no_entry(half: str) -> None:
    with pytest.raises(ReceiptError):
        dataclasses.replace(WHOLE.recorded, subject=half)


def test_it_runs_where_nothing_of_the_server_is(file: Path) -> None:
    code = (
        "import sys; from witness.receipt import main; code = main(sys.argv[1:]);"
        "sys.exit(9 if 'django' in sys.modules else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file), *ROOTS], check=False, timeout=60, capture_output=True
    )
    assert done.returncode == HOLDS


def test_what_bin_names_exists() -> None:
    named = [path for path in tree.files("bin/*") if path.name.startswith("countersign-")]
    assert named
    for path in named:
        assert path.name.removeprefix("countersign-") in COMMANDS


def test_the_roots_name_every_witness() -> None:
    assert sum(part == "--witness" for part in ROOTS) == len(WITNESSES)
