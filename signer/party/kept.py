"""The case that this party verified last, for the next step of the very same case.

`core.verify` says the same whenever it is asked about the same bundle, pins, journal, leases and second. A step that
comes while nothing of that has changed takes over what the step before it found; any other verifies anew. A token is
given away once, so nothing is ever spent twice.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.canonical import canonical_of_codecs
from core.documents.bundle import Bundle

if TYPE_CHECKING:
    from core.lease import Held
    from core.pins import Pins
    from core.verified import Verified


@dataclasses.dataclass(frozen=True)
class Ground:
    """All that a verification stands on beside the case: the journal by its head, the second, pins and leases."""

    head: str
    now: int
    pins: Pins
    held: Held

    def is_same(self, other: Ground) -> bool:
        """Whether nothing has changed; pins and leases are replaced whole, never edited."""
        same = self.head == other.head and self.now == other.now
        return same and self.pins is other.pins and self.held is other.held


class KeptCase:
    """One case: its text, what was read from it, and its unspent token."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._text = b""
        self._bundle: Bundle | None = None
        self._verified: tuple[Ground, Verified] | None = None

    def read(self, value: object) -> Bundle:
        """Read a bundle, or return the last one if this is its text again.

        Raises:
            CoreError: If it is none.
        """
        text = canonical_of_codecs(value)
        if self._bundle is None or text != self._text:
            bundle = Bundle.from_json(value)
            self._text, self._bundle, self._verified = text, bundle, None
        return self._bundle

    def keep(self, bundle: Bundle, verified: Verified, ground: Ground) -> None:
        """Keep the token of the bundle that was read last; of any other nothing is kept."""
        self._verified = (ground, verified) if bundle is self._bundle else None

    def take(self, bundle: Bundle, ground: Ground) -> Verified | None:
        """Give away the token of this bundle, if all that it stands on is the same."""
        kept, self._verified = self._verified, None
        if kept is None or bundle is not self._bundle or not kept[0].is_same(ground):
            return None
        return kept[1]
