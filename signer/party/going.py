"""A session about a case that goes on: what it was joined over, and whether that still stands.

A case is verified when its session is joined, and up to a minute may pass until it is signed. What people hand to
this party in between counts as it does before: a rejection, a withdrawal, a ban, a policy, a degraded mode's end.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.degraded import in_force
from core.errors import Refusal, require
from core.sessions import check_partners

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.documents.bundle import Bundle
    from core.journal import Journal, PendingPolicy
    from core.verified import Verified
    from signer.party.session import Session

Told = tuple[str, "PendingPolicy | None", int, tuple[str, ...]]


def told_by(journal: Journal, wallet: str, now: int) -> Told:
    """Return what this party was told beside cases: policies, how many vetoes, a wallet's degraded modes.

    Args:
        journal: This party's memory.
        wallet: CAIP-10 account.
        now: Unix seconds.
    """
    modes = tuple(mode.ceremony for mode in in_force(wallet, journal, now=now))
    return journal.policy_at(now), journal.waiting_at(now), len(journal.vetoes), modes


@dataclasses.dataclass(frozen=True)
class Going:
    """A session, its case, the token for it, and what this party had been told when it joined."""

    session: Session
    bundle: Bundle
    verified: Verified
    told: Told

    def check(self, journal: Journal, verify: Callable[[Bundle, int], Verified], *, now: int) -> None:
        """Refuse to go on where what was handed to this party since would have kept it from joining.

        Args:
            journal: This party's memory as it is now.
            verify: Verifies a case anew; what it returns is not spent.
            now: Unix seconds.

        Raises:
            RefusedError: `frozen` where a party of the session was banned or caught since; `session` where a degraded
                mode began or ended; else as `core.verify`.
        """
        check_partners(self.session.terms, journal)
        if told_by(journal, self.verified.wallet.id, now) == self.told:
            return
        parts = verify(self.bundle, now).parts
        # What was decided over divided limits stands on ceremonies as well: then nothing may have changed at all.
        same = parts == self.verified.parts == 1
        require(same, Refusal.SESSION, "a degraded mode began, ended or was told of since this session was joined")
