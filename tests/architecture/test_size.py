"""A file can be read in one go, a function seen at one glance."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from tests.architecture import tree

if TYPE_CHECKING:
    from pathlib import Path

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70

SOURCES = tree.files("*.py", "*.js", "*.css", "*.html", "*.bash", "bin/*")
PYTHON = tree.files("*.py")


def is_generated(path: Path) -> bool:
    """Whether nobody wrote it by hand: migrations, and what others publish and we only serve."""
    parts = path.relative_to(tree.ROOT).parts
    return bool({"migrations", "vendor"} & set(parts)) or path.name.endswith((".min.js", ".min.css"))


@pytest.mark.parametrize("path", [path for path in SOURCES if not is_generated(path)], ids=tree.name)
def test_files_are_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= FILE_LINES_MAX, f"{lines} lines: split it by meaning"


@pytest.mark.parametrize("path", [path for path in PYTHON if not is_generated(path)], ids=tree.name)
def test_functions_are_short(path: Path) -> None:
    long = {}
    for node in ast.walk(tree.parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                long[node.name] = lines
    assert not long, "split them"
