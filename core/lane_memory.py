"""What a journal holds in each lane, in one digest: whoever names the same digest has counted the same cases.

A lane is the sequence of a wallet's nonces. Each link hashes the one before with what its nonce holds, so two parties
with the same last link hold the same intents and cancels at all their nonces. Where a nonce gets another content (a
certificate takes the place of what was only reserved, a cancel is added), its link and all later ones are made anew.
"""

from __future__ import annotations

from core.canonical import canonical_of_codecs, tagged_digest


class LaneMemory:
    """One wallet's lane. `first`: the nonce that this journal begins with; what came before is not known here."""

    def __init__(self, wallet: str, first: int) -> None:
        """Begin before the first nonce."""
        self._first = first
        self._links = [tagged_digest("lane", canonical_of_codecs({"wallet": wallet, "first": first}))]
        self._contents: list[tuple[str, str | None]] = []

    @property
    def digest(self) -> str:
        """The last link, 64 hex digits."""
        return self._links[-1]

    def hold(self, nonce: int, intent: str, cancel: str | None) -> None:
        """Note what a nonce holds from now on: an intent's digest, and its cancel's if it has one.

        Args:
            nonce: One that is held already, or the next one.
            intent: The intent's digest.
            cancel: The cancel's digest.
        """
        place = nonce - self._first
        self._contents[place:] = [(intent, cancel), *self._contents[place + 1 :]]
        del self._links[place + 1 :]
        for content in self._contents[place:]:
            link = canonical_of_codecs({"before": self._links[-1], "intent": content[0], "cancel": content[1]})
            self._links.append(tagged_digest("lane", link))


class LaneMemories:
    """All lanes of one journal."""

    def __init__(self) -> None:
        """Hold nothing."""
        self._lanes: dict[str, LaneMemory] = {}

    def start(self, wallet: str, first: int) -> None:
        """Begin a lane at a nonce other than 0."""
        self._lanes[wallet] = LaneMemory(wallet, first)

    def hold(self, wallet: str, nonce: int, intent: str, cancel: str | None) -> None:
        """As `LaneMemory.hold`."""
        self._lane(wallet).hold(nonce, intent, cancel)

    def digest(self, wallet: str) -> str:
        """Return the last link of a wallet's lane."""
        return self._lane(wallet).digest

    def _lane(self, wallet: str) -> LaneMemory:
        if wallet not in self._lanes:
            self._lanes[wallet] = LaneMemory(wallet, 0)
        return self._lanes[wallet]
