"""v1 is frozen: the bytes and digests of every document type stay what they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.canonical import canonical, parse
from core.documents.base import Document
from core.documents.bundle import CaseFile
from core.schema import read_struct, write_struct
from tests.vectors import generate

FROZEN: dict[str, Any] = json.loads(generate.FILE.read_text(encoding="utf-8"))
MADE = generate.documents()


@pytest.mark.parametrize("name", MADE)
def test_a_document_has_its_frozen_bytes_and_digest(name: str) -> None:
    frozen = FROZEN["documents"][name]
    assert MADE[name].to_bytes().decode() == frozen["canonical"]
    assert MADE[name].digest == frozen["digest"]


@pytest.mark.parametrize("name", MADE)
def test_frozen_bytes_are_read_back_as_the_document(name: str) -> None:
    assert type(MADE[name]).from_bytes(FROZEN["documents"][name]["canonical"].encode()) == MADE[name]


def test_a_kept_case_file_stays_readable() -> None:
    raw = FROZEN["case_file"].encode()
    case = read_struct(CaseFile, parse(raw), "case")
    assert canonical(write_struct(case, "case")) == raw


def test_every_document_type_has_a_vector() -> None:
    assert {cls.TYPE for cls in Document.__subclasses__()} == {MADE[name].TYPE for name in MADE}


def test_no_frozen_vector_is_forgotten() -> None:
    assert set(FROZEN["documents"]) == set(MADE)


def test_no_two_documents_share_a_digest() -> None:
    digests = [one["digest"] for name, one in FROZEN["documents"].items() if name != "consent-about-mandate"]
    assert len(set(digests)) == len(digests)


def test_the_generator_does_not_overwrite_what_is_frozen(capsys: pytest.CaptureFixture[str]) -> None:
    before = generate.FILE.read_bytes()
    assert generate.main([]) == 1
    assert generate.FILE.read_bytes() == before
    assert "frozen" in capsys.readouterr().err
