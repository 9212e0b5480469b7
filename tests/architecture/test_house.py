"""Small rules of the house that no linter knows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.architecture import tree

if TYPE_CHECKING:
    from pathlib import Path

# Whoever installs says where from; a host in a lock would be a second, silent answer. Written in two halves,
# so that this file does not name them either.
REGISTRIES = tuple(
    f"{name}.{end}"
    for name, end in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry.npmjs", "org"),
        ("yarnpkg", "com"),
        ("crates", "io"),
        ("deb.debian", "org"),
        ("archive.ubuntu", "com"),
    )
)
# Folders of somebody's machine.
PLACES = re.compile("/" + r"(?:root|work|home/[a-z]+)/")
# How Cargo's lock says "not from a folder or a repository": a fixed word of its format, whatever host serves it.
CARGO_WORD = "registry+https://github.com/rust-lang/crates." + "io-index"
VAGUE_NAMES = frozenset({"utils", "util", "helpers", "helper", "misc", "common"})


def is_text(path: Path) -> bool:
    """Whether it can be read as text."""
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    return True


TEXTS = [path for path in tree.files() if is_text(path)]


@pytest.mark.parametrize("path", TEXTS, ids=tree.name)
def test_no_registry_and_no_machine_is_named(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.name == "Cargo.lock":
        text = text.replace(CARGO_WORD, "")
    assert not [host for host in REGISTRIES if host in text]
    assert PLACES.search(text) is None


@pytest.mark.parametrize("path", tree.files("*/migrations/*.py"), ids=tree.name)
def test_migrations_say_what_they_do(path: Path) -> None:
    assert path.name == "__init__.py" or re.fullmatch(r"\d{4}_[a-z0-9_]+\.py", path.name)
    assert "_auto_" not in path.name
    assert not path.name.endswith("_initial.py")


def test_no_two_migrations_of_an_app_share_a_number() -> None:
    numbers = [str(path.with_name(path.name[:4])) for path in tree.files("*/migrations/0*.py")]
    assert sorted(set(numbers)) == sorted(numbers)


def test_modules_are_named_for_what_they_hold() -> None:
    vague = [tree.name(path) for path in tree.files("*.py") if path.stem in VAGUE_NAMES]
    assert not vague


def test_nothing_listens_to_models() -> None:
    """Signals of models are a workflow that nobody can read; work is called by name."""
    signals = ("post_save", "pre_save", "post_delete", "pre_delete", "m2m_changed")
    listeners = [
        tree.name(path)
        for path in tree.files("*.py")
        if tree.name(path) != "tests/architecture/test_house.py" and any(s in path.read_text() for s in signals)
    ]
    assert not listeners
