"""The playbook names nothing that is not there, and every step says what enforces it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.docs.references import ROOT, missing, references

if TYPE_CHECKING:
    from pathlib import Path

PLAYBOOK = ROOT / "docs" / "playbook"
PAGES = sorted(PLAYBOOK.glob("*.md"))
PROCEDURES = [page for page in PAGES if page.name != "README.md"]
WANTED = {
    "first-start", "policy-change", "halt-and-resume", "onboarding", "lost-quorum", "signer-replacement",
    "stuck-transaction", "log-alarm", "node-disagreement", "suspicious-request", "backup-and-restore",
    "share-backup", "lost-party", "party-ban", "key-destruction", "evidence-export", "consent-page", "recovery-keys",
    "lost-key", "offboarding",
    "key-rotation", "degraded-mode", "ceremonies", "hsm-clone",
}  # fmt: skip
_LINK = re.compile(r"\]\(([^)#:]+)\)")
_PEOPLE = "– (people)"  # noqa: RUF001 - as the pages write it


def steps(page: Path) -> list[list[str]]:
    """Return the cells of each row of a page's tables of steps."""
    lines = [line for line in page.read_text("utf-8").splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in rows if row[0].strip().isdigit()]


def test_each_procedure_has_a_page_and_the_index_leads_there() -> None:
    assert {page.stem for page in PROCEDURES} >= WANTED
    index = (PLAYBOOK / "README.md").read_text("utf-8")
    assert [name for name in sorted(WANTED) if f"({name}.md)" not in index] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_it_names_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    gone = [f"{kind} {name}".strip() for kind, name in references(text) if missing(kind, name)]
    gone += [link for link in _LINK.findall(text) if not (page.parent / link).is_file()]
    assert gone == []


@pytest.mark.parametrize("page", PROCEDURES, ids=lambda page: page.stem)
def test_every_step_says_what_enforces_it(page: Path) -> None:
    rows = steps(page)
    assert [row[0] for row in rows] == [str(number) for number in range(1, len(rows) + 1)]
    assert rows
    for row in rows:
        assert len(row) == 4, row
        known = [name for kind, name in references(row[3]) if missing(kind, name) is False]
        assert known or row[3] == _PEOPLE, f"step {row[0]} of {page.name} names nothing that enforces it"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("", "tests/core/test_control.py::test_that_is_not_there"),
        ("", "tests/core/test_gone.py"),
        ("", "core.succession.check_nothing"),
        ("", "manage.py unheard"),
        ("", "countersign-unheard FILE"),
        ("", "python -m signer unheard"),
        ("", "docs/gone.md"),
        ("page", "oms:gone"),
        ("alarm", "audit:log:gone"),
        ("refusal", "gone"),
        ("forgery", "gone"),
    ],
)
def test_what_does_not_exist_is_found(kind: str, name: str) -> None:
    assert missing(kind, name)
