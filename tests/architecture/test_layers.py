"""The drawing in the architecture is what import-linter checks; here we check that it checks everything."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from tests.architecture import tree

if TYPE_CHECKING:
    from pathlib import Path

# Processes on the other side of a trust boundary. None may bring the web tier's world with it.
APART = ("consent", "core", "courier", "mpc", "signer", "witness")
HOUSE_OF_THE_WEB = ("django", "rest_framework", "psycopg", "web3", "config", "approvals", "oms")

CORE_MAY_IMPORT = frozenset(
    {
        # Ours and the language's.
        "core",
        "__future__",
        # Encoding, signatures, curves: computation and nothing else.
        "Crypto.Hash",
        "coincurve",
        "cryptography",
        "eth_abi",
        "fido2",
        "rfc8785",
        "rlp",
        # The part of the standard library that reads no time, file, socket, environment or randomness.
        "abc",
        "base64",
        "binascii",
        "bisect",
        "collections",
        "contextlib",
        "dataclasses",
        "decimal",
        "enum",
        "fractions",
        "functools",
        "hashlib",
        "heapq",
        "hmac",
        "itertools",
        "json",
        "math",
        "operator",
        "re",
        "string",
        "struct",
        "types",
        "typing",
        "unicodedata",
    }
)
# Builtins that reach outside of the process or around the reader.
CORE_MAY_NOT_CALL = frozenset({"open", "input", "print", "exec", "eval", "compile", "__import__", "breakpoint"})


def settings() -> dict[str, Any]:
    """Read import-linter's part of pyproject.toml."""
    with (tree.ROOT / "pyproject.toml").open("rb") as file:
        read: dict[str, Any] = tomllib.load(file)["tool"]["importlinter"]
    return read


def test_every_package_is_watched() -> None:
    assert sorted(settings()["root_packages"]) == tree.packages()


def test_no_import_is_excused() -> None:
    contracts = settings()["contracts"]
    assert not [contract["name"] for contract in contracts if "ignore_imports" in contract]


@pytest.mark.parametrize("package", [package for package in APART if package in tree.packages()])
def test_every_process_apart_has_its_contract(package: str) -> None:
    contracts = [c for c in settings()["contracts"] if c["type"] == "forbidden" and package in c["source_modules"]]
    assert contracts, f"forbid {package} to import the rest of the house"
    others = {*tree.packages(), "tests"} - {package, "core", "mpc"}
    assert not others - {module for c in contracts for module in c["forbidden_modules"]}


@pytest.mark.parametrize("package", [package for package in APART if package in tree.packages()])
def test_a_clean_interpreter_gets_nothing_of_the_web_tier(package: str) -> None:
    modules = [module_name(path) for path in tree.files(f"{package}/*.py") if path.name != "__main__.py"]
    script = "\n".join(
        (
            "import importlib, json, sys",
            # A courier bars Django before it loads Celery, whose messaging library would import parts of it.
            *(("from courier.__main__ import bar_django", "bar_django()") if package == "courier" else ()),
            *(f"importlib.import_module({module!r})" for module in modules),
            f"print(json.dumps([name for name in {HOUSE_OF_THE_WEB!r} if sys.modules.get(name) is not None]))",
        )
    )
    command = [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(tree.ROOT)!r})\n{script}"]
    loaded = subprocess.run(command, capture_output=True, text=True, check=False, env={})
    assert loaded.stdout.strip() == "[]", loaded.stderr


@pytest.mark.parametrize("path", tree.files("core/*.py"), ids=tree.name)
def test_core_is_pure(path: Path) -> None:
    outside = {
        module
        for module in tree.imported(path)
        if not any(module == allowed or module.startswith(f"{allowed}.") for allowed in CORE_MAY_IMPORT)
    }
    assert not outside, "core is a function of its arguments: no I/O, no clock, no randomness"
    assert not tree.called(path) & CORE_MAY_NOT_CALL


def module_name(path: Path) -> str:
    """Name a module as an import does."""
    parts = path.relative_to(tree.ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
