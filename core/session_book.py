"""What a party remembers of its sessions: their names for ever, how each ended, and whom it caught cheating."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from core.records import AbortRecord, SessionRecord


@dataclasses.dataclass
class _Session:
    """A session of parties that this one took part in. `over`: it ended with a signature."""

    wallet: str | None
    epoch: int
    signing_hash: bytes
    quorum: frozenset[str]
    over: bool = False


class SessionBook:
    """The sessions of one journal, as a fold over its records."""

    def __init__(self) -> None:
        """Start with none."""
        self._sessions: dict[bytes, _Session] = {}
        self._frozen: dict[tuple[str | None, int], set[str]] = {}

    def __contains__(self, name: object) -> bool:
        """Whether this party took part in a session of this name: it never does again."""
        return name in self._sessions

    def begin(self, record: SessionRecord) -> None:
        """Take a session into account."""
        self._sessions[record.session] = _Session(
            record.wallet, record.epoch, record.signing_hash, frozenset(record.quorum)
        )

    def end(self, signing_hash: bytes) -> None:
        """Note that the latest open session about these bytes ended with a signature."""
        for session in reversed(self._sessions.values()):
            if session.signing_hash == signing_hash and not session.over:
                session.over = True
                return

    def abort(self, record: AbortRecord) -> None:
        """Take the end of a session without a signature into account; the culprits of a ban are frozen.

        Raises:
            KeyError: If there never was such a session.
        """
        session = self._sessions[record.session]
        if record.ban:
            self._frozen.setdefault((session.wallet, session.epoch), set()).update(record.culprits)

    def is_about(self, hashes: Collection[bytes]) -> bool:
        """Whether this party took part in a session about any of these bytes."""
        return any(one.signing_hash in hashes for one in self._sessions.values())

    def about(self, signing_hash: bytes) -> frozenset[bytes]:
        """Return the sessions that this party joined about these 32 bytes, however they ended."""
        return frozenset(name for name, one in self._sessions.items() if one.signing_hash == signing_hash)

    def frozen(self, wallet: str, epoch: int) -> frozenset[str]:
        """Return the parties that were caught cheating in this epoch of a wallet's shares."""
        return frozenset(self._frozen.get((wallet, epoch), ()))

    def unfinished(self, wallet: str, epoch: int, *, banned: Collection[str] = ()) -> int:
        """Return how many sessions of this epoch ended without a signature, or have not ended.

        Args:
            wallet: CAIP-10 account.
            epoch: Of its shares.
            banned: Parties whose sessions do not count: people know whose doing they were, and they join none again.
        """
        mine = (one for one in self._sessions.values() if (one.wallet, one.epoch) == (wallet, epoch))
        return sum(not one.over and one.quorum.isdisjoint(banned) for one in mine)
