"""How much the signer's own checking costs: raw PKCS#11 signing beside full verified signatures over the socket.

Run as ``python -m tests.bench.signer``. Interleaved in one run, so that both see the same machine; every bundle is
new, with two approvals and a policy of 100 rules, and every reservation is fsynced. Last line: JSON.
"""

from __future__ import annotations

import json
import os
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from courier.client import exchange
from tests.signer.rig import Rig, make_template

if TYPE_CHECKING:
    from collections.abc import Callable

WARM_UP, ROUNDS = 20, int(os.environ.get("COUNTERSIGN_BENCH_ROUNDS", "300"))


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> int:
    """Measure and print."""
    raw: list[float] = []
    verified: list[float] = []
    with tempfile.TemporaryDirectory(prefix="cs-bench-") as folder:
        template = make_template(Path(folder) / "template")
        rig = Rig(template, Path(folder) / "state", extra_rules=97)
        policy = rig.world.policy
        rules = len(policy.guards) + len(policy.grants) + len(policy.escalations)
        rig.pin()
        bare = Rig(template, Path(folder) / "bare")
        # The raw side's token is a copy: the same module, file system and key, without the signer before it.
        with rig.served() as served, bare.hsm() as hsm:
            hsm.check_key(template.public_key)
            for turn in range(WARM_UP + ROUNDS):
                digest = secrets.token_bytes(32)
                request: dict[str, object] = {"v": 1, "op": "sign", "bundle": rig.bundle().to_json()}
                answers: list[dict[str, object]] = []
                raw_s = _timed(lambda d=digest: hsm.sign(template.public_key, d))  # type: ignore[misc]
                verified_s = _timed(lambda r=request, a=answers: a.append(exchange(served.path, r, 10)))  # type: ignore[misc]
                if answers[0]["ok"] is not True:
                    print(answers[0])
                    return 1
                if turn >= WARM_UP:
                    raw.append(raw_s)
                    verified.append(verified_s)
    print(f"{ROUNDS} rounds, {rules} rules and {len(policy.limits)} limits, 2 approvals, each reservation fsynced")
    figures = {
        "raw_p50_ms": round(statistics.median(raw) * 1000, 3),
        "verified_p50_ms": round(statistics.median(verified) * 1000, 3),
        "raw_per_s": round(len(raw) / sum(raw), 1),
        "verified_per_s": round(len(verified) / sum(verified), 1),
    }
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
