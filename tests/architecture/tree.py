"""What is in the repository: the files that git tracks, or would."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Folders with an `__init__.py` that are no component of the product.
NOT_COMPONENTS = frozenset({"tests"})


@cache
def files(*patterns: str) -> tuple[Path, ...]:
    """List tracked and not yet tracked files; what .gitignore names is not ours to judge."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    # A file that was removed and not yet committed is still listed.
    paths = {ROOT / name for name in listed.split("\0") if name}
    return tuple(sorted(path for path in paths if path.is_file()))


def name(path: Path) -> str:
    """Name a file as people do."""
    return str(path.relative_to(ROOT))


@cache
def parsed(path: Path) -> ast.Module:
    """Parse a module."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def packages() -> list[str]:
    """List the components that are Python packages."""
    found = {path.parent.name for path in files("*/__init__.py") if path.parent.parent == ROOT}
    return sorted(found - NOT_COMPONENTS)


def imported(path: Path) -> set[str]:
    """Return every module that a file imports, wherever in it, dotted."""
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def called(path: Path) -> set[str]:
    """Return the plain names that a file calls."""
    calls = (node for node in ast.walk(parsed(path)) if isinstance(node, ast.Call))
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)}
