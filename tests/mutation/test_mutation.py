"""Every mutant of what decides is noticed by a test, or explained: by `make soak` only, it takes its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.mutation.equivalents import EXPLAINED
from tests.mutation.mutators import mutant_names, mutants
from tests.mutation.runner import ROOT, hunt
from tests.mutation.targets import TARGETS
from tests.soak import SOAK

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="hours; by `make soak`")
@pytest.mark.timeout(6 * 3600)
@pytest.mark.parametrize("module", TARGETS)
def test_every_mutant_is_noticed_or_explained(module: str, tmp_path: Path) -> None:
    tally = hunt(module, TARGETS[module], tmp_path)
    left = [f"{m.function}: {m.original} → {m.mutated}" for m in tally.survivors if m.name not in EXPLAINED]
    assert tally.killed > 0
    assert not left, "\n".join(left)


def test_what_is_explained_is_a_mutant_and_says_why() -> None:
    names = {name for module in TARGETS for name in mutant_names(module, (ROOT / module).read_text())}
    assert not [name for name in EXPLAINED if name not in names], "explains what is no mutant any more"
    assert all(len(why) > 20 for why in EXPLAINED.values())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b", {"a <= b", "a >= b"}),
        ("a == b", {"a != b"}),
        ("a and b", {"a or b"}),
        ("not a", {"a"}),
        ("a + 1", {"a - 1", "2"}),
        ("True", {"False"}),
        ("a is None", {"a is not None"}),
        ("a in b", {"a not in b"}),
    ],
)
def test_expressions_are_mutated(source: str, expected: set[str]) -> None:
    text = f"def f(a, b):\n    x: int = 5\n    y = {source}\n    return y\n"
    found = {mutant.mutated for mutant in mutants("m", text)}
    assert found - {"return None", "return True", "return False", "6"} == expected


def test_statements_are_mutated_and_only_in_functions() -> None:
    text = (
        'LEAST = 1\ndef f(a: int = 1) -> int:\n    """Say."""\n    if a:\n        raise ValueError(a)\n    return a\n'
    )
    found = [(mutant.function, mutant.original, mutant.mutated) for mutant in mutants("m", text)]
    assert found == [
        ("f", "if a:", "if not a:"),
        ("f", "raise ValueError(a)", "pass"),
        ("f", "return a", "return None"),
        ("f", "return a", "return True"),
        ("f", "return a", "return False"),
    ]


def test_a_mutant_is_a_module_that_differs_in_one_place() -> None:
    text = "def f(a):\n    return a > 1 and a < 9\n"
    sources = [mutant.source for mutant in mutants("m", text)]
    assert len(set(sources)) == len(sources)
    assert {mutant.name for mutant in mutants("m", text)} == mutant_names("m", text)
    assert "def f(a):\n    return a > 1 or a < 9" in sources
    assert "def f(a):\n    return a > 1 and a <= 9" in sources
