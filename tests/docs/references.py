"""What pages of documentation name, and whether it exists: tests, pages, commands, alarms, refusals, code, files."""

from __future__ import annotations

import ast
import importlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from django.core.management import get_commands
from django.urls import URLPattern, URLResolver, get_resolver

from audit.tags import AuditTag
from core.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
_TICKED = re.compile(r"(?:\b(pages?|alarm|refusal|forgery) )?`([^`\n]+)`")
_PACKAGES = ("core", "oms", "policies", "approvals", "audit", "chains", "custody", "signer", "witness", "consent")
_MODULE_COMMAND = re.compile(r"python -m (\w+)(?: ([a-z]+))?")


def references(text: str) -> Iterator[tuple[str, str]]:
    """Yield what a text names in back-ticks, with the word before it that says what it is ("" for none)."""
    for match in _TICKED.finditer(text):
        yield (match[1] or "").removesuffix("s"), match[2]


@cache
def url_names() -> frozenset[str]:
    """Return the name of every address."""

    def walk(resolver: URLResolver, space: str) -> Iterator[str]:
        for part in resolver.url_patterns:
            if isinstance(part, URLResolver):
                yield from walk(part, f"{space}{part.namespace}:" if part.namespace else space)
            elif isinstance(part, URLPattern) and part.name:
                yield f"{space}{part.name}"

    return frozenset(walk(get_resolver(), ""))


@cache
def _tests_in(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _test_exists(reference: str) -> bool:
    name, _, function = reference.partition("::")
    path = ROOT / name
    return path.is_file() and (not function or function in _tests_in(path))


def _code_exists(reference: str) -> bool:
    parts = reference.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def _command_exists(package: str, command: str | None) -> bool:
    source = ROOT / package / "__main__.py"
    return source.is_file() and (not command or f'"{command}"' in source.read_text("utf-8"))


def _named(kind: str, reference: str) -> bool:
    if kind == "page":
        return reference in url_names()
    if kind == "forgery":
        return f'"{reference}"' in _forgery_sources()
    return reference in set(AuditTag if kind == "alarm" else Refusal)


def _command(reference: str) -> bool | None:
    first, *others = reference.split()
    if first == "manage.py":
        return bool(others) and others[0] in get_commands()
    if first.startswith("countersign-"):
        return (ROOT / "bin" / first).is_file()
    module = _MODULE_COMMAND.match(reference)
    return None if module is None else _command_exists(module[1], module[2])


def missing(kind: str, reference: str) -> bool | None:
    """Whether what is named does not exist; None if it names nothing that can be looked up."""
    exists: bool | None = None
    if kind:
        exists = _named(kind, reference)
    elif reference.startswith("tests/"):
        exists = _test_exists(reference)
    elif reference.startswith(("docs/", "bin/", *(f"{one}/" for one in _PACKAGES))) and " " not in reference:
        exists = (ROOT / reference).exists()
    elif re.fullmatch(rf"(?:{'|'.join(_PACKAGES)})(?:\.\w+)+", reference):
        exists = _code_exists(reference)
    else:
        exists = _command(reference)
    return None if exists is None else not exists


@cache
def _forgery_sources() -> str:
    return "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "demo" / "forgeries").glob("*.py")))
