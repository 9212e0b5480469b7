"""Named points at which a test kills this process, to prove that nothing is lost and nothing happens twice.

Inert unless the settings allow it *and* the environment names a point: ``COUNTERSIGN_FAILPOINT=<name>[:<n-th>]``.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

from django.conf import settings

ENVIRONMENT = "COUNTERSIGN_FAILPOINT"
FAILPOINTS = (
    "custody.claim.after_commit",
    "custody.pin.before_commit",
    "custody.pin.after_commit",
    "custody.sign.before_request",
    "custody.sign.after_answer",
    "custody.parties.prepare",
    "custody.parties.reserve",
    "custody.parties.join",
    "custody.parties.keep",
    "custody.parties.begin",
    "custody.parties.round",
    "custody.store.before_commit",
    "custody.store.after_commit",
    "custody.send.before_commit",
    "custody.send.after_commit",
    "custody.send.after_send",
    "custody.sent.before_commit",
    "custody.sent.after_commit",
    "custody.live.before_commit",
    "custody.live.after_commit",
    "custody.include.before_commit",
    "custody.include.after_commit",
    "custody.final.before_commit",
    "custody.final.after_commit",
    "custody.raise.before_commit",
    "custody.raise.after_commit",
    "custody.raise_store.before_commit",
    "custody.raise_store.after_commit",
    "custody.cancel_store.before_commit",
    "custody.cancel_store.after_commit",
    "custody.reorg.before_commit",
    "custody.reorg.after_commit",
    "custody.ceremony.after_claim",
    "custody.ceremony.after_answer",
    "custody.ceremony.after_batch",
)
_passed: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Die here, by SIGKILL, if a test asks for it.

    Raises:
        ValueError: For a name that is not listed, so that no test waits for a point that never comes.
    """
    if name not in FAILPOINTS:
        msg = f"unknown failpoint {name}"
        raise ValueError(msg)
    if not getattr(settings, "COUNTERSIGN_FAILPOINTS_ENABLED", False):
        return
    wanted, _, nth = os.environ.get(ENVIRONMENT, "").partition(":")
    if wanted != name:
        return
    _passed[name] += 1
    if _passed[name] == int(nth or "1"):
        os.kill(os.getpid(), signal.SIGKILL)
