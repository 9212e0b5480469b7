"""What the extension is built from: exactly what was read, nothing that must not be there, licences we may use."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest

from tests.architecture.tree import ROOT

MPC = ROOT / "mpc"
# What decides about keys, by exact version. A change here is a change of cryptography: read ADR 16 first.
PINNED = {
    "dkls23-core": "0.6.2",
    "dkls23-secp256k1": "0.6.2",
    "k256": "0.14.0",
    "elliptic-curve": "0.14.3",
    "crypto-bigint": "0.7.10",
    "ecdsa": "0.17.0",
    "sha2": "0.11.1",
    "rand": "0.10.3",
    "getrandom": "0.4.3",
    "subtle": "2.6.1",
    "zeroize": "1.9.1",
    "zeroizing-alloc": "0.1.1",
    "postcard": "1.1.3",
    "pyo3": "0.30.1",
}
# Paillier and big-number libraries behind the attacks on GG18, GG20 and CGGMP; code under GPL, AGPL, LGPL (gmp) or a
# non-commercial licence; and what would reach the network.
ABSENT = re.compile(
    r"paillier|gmp|rug|num-bigint|openssl|curv-kzen|multi-party|cggmp|gg18|gg20|tss|synedrion|sl-|silence|safeheron"
    r"|fast-paillier|round-based|tokio|reqwest|hyper|rustls|curl|ureq|socket2"
)
# Each alone enough to use, change and pass on a crate; where one offers a choice, one of these has to be in it.
PERMISSIVE = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "ISC", "MIT", "Unicode-3.0", "Unlicense", "Zlib",
}  # fmt: skip
OURS = "countersign-mpc"


def toml(name: str) -> dict[str, Any]:
    return tomllib.loads((MPC / name).read_text(encoding="utf-8"))


LOCKED: list[dict[str, Any]] = toml("Cargo.lock")["package"]


def test_the_library_is_the_one_that_was_read() -> None:
    versions = {package["name"]: package["version"] for package in LOCKED}
    assert {name: versions.get(name) for name in PINNED} == PINNED


def test_one_of_each_that_computes() -> None:
    """Two versions of a curve would be two implementations, of which only one was looked at."""
    names = [package["name"] for package in LOCKED if package["name"] in PINNED]
    assert sorted(names) == sorted(PINNED)


def test_nothing_that_must_not_be_there() -> None:
    assert not [package["name"] for package in LOCKED if ABSENT.search(package["name"])]


def test_everything_has_a_hash_and_comes_from_the_registry() -> None:
    sources = {package.get("source") for package in LOCKED if package["name"] != OURS}
    assert len(sources) == 1
    assert str(sources.pop()).startswith("registry+")
    assert all(re.fullmatch(r"[0-9a-f]{64}", p["checksum"]) for p in LOCKED if p["name"] != OURS)


def test_every_licence_is_permissive() -> None:
    """The list is what `cargo metadata` says; bin/setup compares the two whenever it builds."""
    listed: dict[str, str] = json.loads((MPC / "licences.json").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(f"{p['name']} {p['version']}" for p in LOCKED if p["name"] != OURS)
    for crate, expression in listed.items():
        assert usable(expression), f"{crate}: {expression}"


def usable(expression: str) -> bool:
    """Whether one of the choices consists of permissive licences only."""
    parts = re.split(r"\s+AND\s+", expression.strip())
    return all(
        any(choice.strip() in PERMISSIVE for choice in re.split(r"\s+OR\s+|/", part.strip().strip("()")))
        for part in parts
    )


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("LGPL-3.0 OR MIT", True),
        ("MIT AND GPL-2.0", False),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", True),
        ("MIT/Apache-2.0", True),
        ("", False),
    ],
)
def test_the_reading_of_licences(expression: str, expected: bool) -> None:  # noqa: FBT001 - a table
    assert usable(expression) is expected


def test_what_we_ask_for_is_exact() -> None:
    for name, wanted in toml("Cargo.toml")["dependencies"].items():
        version = wanted if isinstance(wanted, str) else wanted["version"]
        assert re.fullmatch(r"=\d+\.\d+\.\d+", version), name


def test_a_panic_is_never_the_end_of_the_process() -> None:
    assert toml("Cargo.toml")["profile"]["release"]["panic"] == "unwind"


def test_our_code_has_no_unsafe_part() -> None:
    assert "#![forbid(unsafe_code)]" in (MPC / "src" / "lib.rs").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    "word",
    # Reconstruction, the trusted dealer, share repair, derivation, the weak randomness of its tests.
    ["re_key", "reconstruct", "lagrange", "interpolat", "repair", "insecure-rng", "unsafe ", "derive_from_path"],
)
def test_our_code_never_calls(word: str) -> None:
    sources = [MPC / "Cargo.toml", *sorted((MPC / "src").glob("*.rs"))]
    assert len(sources) > 10
    code = [
        (source.name, line)
        for source in sources
        for line in source.read_text(encoding="utf-8").splitlines()
        if not line.strip().startswith("//")
    ]
    assert not [(name, line) for name, line in code if word in line.lower()]


def test_no_cryptography_of_our_own() -> None:
    """Our code adds, multiplies and inverts nothing, but for the check that a secret belongs to its public share."""
    used: list[str] = []
    for source in sorted((MPC / "src").glob("*.rs")):
        text = source.read_text(encoding="utf-8")
        used += [
            f"{source.name}: {found}" for found in re.findall(r"GENERATOR \* [\w.]+|\.invert\(|Scalar::random", text)
        ]
    assert used == ["share.rs: GENERATOR * party.poly_point"]
