"""Mutants that no test can notice, each with the reason: they mean the same, or differ only in time and memory."""

from __future__ import annotations

EXPLAINED: dict[tuple[str, str, str, str], str] = {}
"""By module, function, the code as it is and as the mutant has it."""
