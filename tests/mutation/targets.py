"""Which modules are mutated, and which tests have to notice: the quickest first."""

from __future__ import annotations

_CORE = "tests/core/test_"
_POLICY = f"{_CORE}policy.py"
_ENGINE = f"{_CORE}engine.py"
_CHECK = f"{_CORE}policy_check.py"
_ROWS = f"{_CORE}policy_conditions.py"
_EDGES = f"{_CORE}policy_edges.py"
_NAMES = f"{_CORE}policy_names.py"
_CERTIFICATE = [f"{_CORE}certificate_edges.py", f"{_CORE}certificate.py"]

TARGETS: dict[str, list[str]] = {
    "core/decision.py": [_POLICY, _ENGINE],
    "core/policy.py": [_POLICY, _ENGINE],
    "core/engine.py": [_POLICY, _ENGINE, f"{_CORE}engine_pair.py"],
    "core/engine_index.py": [_ENGINE],
    "core/engine_compile.py": [_ENGINE],
    "core/engine_pair.py": [f"{_CORE}engine_pair.py"],
    "core/conditions.py": [f"{_CORE}conditions.py", _POLICY],
    "core/quorum.py": [f"{_CORE}quorum.py", _POLICY],
    "core/limits.py": [f"{_CORE}limits.py", _POLICY],
    "core/policy_check.py": [_EDGES, _CHECK, _ROWS],
    "core/policy_conditions.py": [_NAMES, _ROWS, _CHECK],
    "core/policy_roster.py": [_EDGES, _CHECK, _ROWS],
    "core/lane_memory.py": [f"{_CORE}lane_memory.py"],
    "core/certificate.py": [*_CERTIFICATE, f"{_CORE}degraded.py", f"{_CORE}certificate_simulation.py"],
}
