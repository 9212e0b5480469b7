"""Who may make the one-shot token or let it be spent: the verifying modules of `core`, nobody else in the product."""

from __future__ import annotations

from tests.architecture import tree

MAY = {
    *("core/verified.py", "core/verify.py", "core/cancel.py", "core/certificate.py", "core/refresh.py"),
    "core/clones.py",
}


def test_only_the_verifiers_hold_the_seal() -> None:
    product = [path for path in tree.files("*.py") if not tree.name(path).startswith("tests/")]
    named = {tree.name(path) for path in product if "SEAL" in path.read_text(encoding="utf-8")}
    assert named == MAY


def test_only_kept_cases_are_verified_without_a_lease() -> None:
    product = [path for path in tree.files("*.py") if not tree.name(path).startswith("tests/")]
    named = {tree.name(path) for path in product if "OFFLINE" in path.read_text(encoding="utf-8")}
    assert named == {"core/lease.py", "core/casefile.py"}
