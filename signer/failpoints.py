"""Named points at which a test kills this process, to prove that nothing is lost and nothing is signed twice.

Inert unless the *pinned* profile is `demo` and the environment names a point: ``COUNTERSIGN_FAILPOINT=<name>[:<n>]``
dies at the n-th passage. An environment cannot arm them in production.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import TYPE_CHECKING

from core.documents.roster import Profile
from signer.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

ENVIRONMENT = "COUNTERSIGN_FAILPOINT"
PREFIXES = ("signer.", "party.", "clone.")
NAMES = (
    "signer.before_journal_fsync",
    "signer.after_journal_fsync",
    "signer.after_head",
    "signer.after_sign",
    "signer.after_signature_record",
    "signer.before_answer",
)
"""Points of every case."""
CEREMONY_NAMES = (
    "signer.renewal_joined",
    "signer.renewal_kept",
    "signer.renewal_staged",
    "signer.renewal_proven",
    "signer.renewal_activated",
    "signer.renewal_adopted",
    "signer.renewal_listed",
    "signer.renewal_wiped",
    "signer.renewal_destroyed",
    "signer.generation_kept",
    "signer.generation_staged",
    "signer.generation_adopted",
    "signer.generation_activated",
    "signer.before_destruction",
    "signer.clone_made",
    "signer.clone_wrapped",
    "signer.clone_written",
    "signer.clone_locked",
    "signer.clone_kept",
    "signer.before_step",
)
"""Points of ceremonies."""
PARTY_NAMES = ("party.after_reserve", "party.after_join", "party.after_signature_record")
CLONE_NAMES = ("clone.unwrapped", "clone.locked", "clone.kept", "clone.transport_destroyed")
"""Points at a second token's console."""


def _pass(name: str) -> None:
    """Do nothing."""


def arm(profile: Profile, wanted: str) -> Callable[[str], None]:
    """Return what the signer calls at each point.

    Args:
        profile: The pinned profile.
        wanted: ``<name>`` or ``<name>:<n>``; empty for none. Names of other processes' points are none of ours.

    Raises:
        ConfigError: For a signer's point that does not exist, so that no test waits for one that never comes.
    """
    name, _, nth = wanted.partition(":")
    if profile is not Profile.DEMO or not name.startswith(PREFIXES):
        return _pass
    if name not in (*NAMES, *CEREMONY_NAMES, *PARTY_NAMES, *CLONE_NAMES) or (nth and not nth.isdigit()):
        raise ConfigError(f"{ENVIRONMENT}: unknown point {wanted!r}")
    passed: Counter[str] = Counter()

    def die(at: str) -> None:
        passed[at] += 1
        if at == name and passed[at] == int(nth or "1"):
            os.kill(os.getpid(), signal.SIGKILL)

    return die
