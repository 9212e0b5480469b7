"""The leases that a signer holds: in memory only, so that a restart has to ask again.

A challenge is random, this signer's own, and used once. Few are outstanding at a time; the oldest goes.
"""

from __future__ import annotations

import dataclasses
import secrets
from typing import TYPE_CHECKING

from core.documents.lease import SignedLease
from core.errors import Refusal, RefusedError, require
from core.journal import Journal
from core.lease import CHALLENGE_SECONDS, NOTHING_HELD, Challenge, check_leases
from core.names import COUNT, DIGEST, HASH32, SLUG
from core.schema import Base64Url, HexData, Integer, Items, Maybe, Struct, of, write_struct

if TYPE_CHECKING:
    from core.canonical import Json
    from core.lease import Held
    from core.pins import Pins

OUTSTANDING_MOST = 8
_BYTES = 32
_HASHES = Items(HexData(most=_BYTES, exact=True), most=64)


@dataclasses.dataclass(frozen=True, kw_only=True)
class KnownSize:
    """How many records of this journal a witness saw last, as somebody says."""

    witness: str = of(SLUG)
    size: int = of(Integer())


_KNOWN = Items(Struct(lambda: KnownSize), most=64)
_LEASES = Items(Struct(lambda: SignedLease), least=1, most=64)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Continues:
    """Proof for one witness that the journal continues what it saw; empty where it does not."""

    witness: str = of(SLUG)
    old: int = of(Integer())
    proof: tuple[bytes, ...] = of(_HASHES)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Beginning:
    """The first line of a journal that a ceremony started, and its place in the tree."""

    line: bytes = of(Base64Url(most=128 * 1024))
    path: tuple[bytes, ...] = of(_HASHES)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """What is carried to witnesses: the challenge, where the journal stands, and that it continues what they saw.

    `needed`: how many of them have to lease, by the newest policy in force.
    """

    deployment: str = of(DIGEST)
    signer: str = of(SLUG)
    challenge: bytes = of(HASH32)
    size: int = of(Integer(least=1))
    root: bytes = of(HASH32)
    continues: tuple[Continues, ...] = of(Items(Struct(lambda: Continues), most=64))
    needed: int = of(COUNT)
    start: Beginning | None = of(Maybe(Struct(lambda: Beginning)))


class Leases:
    """Challenges that wait, and what was granted."""

    def __init__(self) -> None:
        """Hold nothing."""
        self._outstanding: dict[bytes, Challenge] = {}
        self.held: Held = NOTHING_HELD

    def challenge(self, value: object, pins: Pins, journal: Journal, *, now: int) -> Json:
        """Make a challenge.

        Args:
            value: ``[{"witness", "size"}]``: how far each witness saw this journal; whoever says so is not believed.
            pins: This signer's pins.
            journal: This signer's memory.
            now: This signer's clock, Unix seconds.

        Raises:
            RefusedError: `clock`.
            DocumentError: If the value is malformed.
        """
        known: tuple[KnownSize, ...] = _KNOWN.read(value, "known")
        require(now >= journal.clock, Refusal.CLOCK, "this signer's clock went back")
        tree = journal.tree
        made = Challenge(value=secrets.token_bytes(_BYTES), at=now, size=tree.size, root=tree.root())
        self._outstanding = {
            one.value: one for one in self._outstanding.values() if one.at <= now < one.at + CHALLENGE_SECONDS
        }
        while len(self._outstanding) >= OUTSTANDING_MOST:
            self._outstanding.pop(next(iter(self._outstanding)))
        self._outstanding[made.value] = made
        asked = Asked(
            deployment=pins.deployment,
            signer=pins.signer,
            challenge=made.value,
            size=made.size,
            root=made.root,
            continues=tuple(
                Continues(
                    witness=one.witness,
                    old=one.size,
                    # One that saw more than there is: this journal went back, and the witness has to hear of it.
                    proof=tuple(tree.consistency(one.size)) if one.size <= tree.size else (),
                )
                for one in known
            ),
            needed=pins.policy(journal.policy_at(now)).witness_threshold,
            start=_beginning(journal),
        )
        return write_struct(asked, "challenge")

    def take(self, value: object, pins: Pins, journal: Journal, *, now: int) -> None:
        """Take leases over an outstanding challenge, which is used up by it.

        Args:
            value: Signed leases.
            pins: This signer's pins.
            journal: This signer's memory.
            now: This signer's clock, Unix seconds.

        Raises:
            RefusedError: `lease` or `clock`.
            DocumentError: If the value is malformed.
        """
        leases: tuple[SignedLease, ...] = _LEASES.read(value, "leases")
        challenge = self._outstanding.get(leases[0].document.challenge)
        if challenge is None:
            raise RefusedError(Refusal.LEASE, "no such challenge is outstanding: used, expired or never made here")
        held = check_leases(leases, challenge, pins, journal, now=now)
        del self._outstanding[challenge.value]
        self.held = held


def _beginning(journal: Journal) -> Beginning | None:
    start = journal.start
    if start is None or start.ceremony is None:
        return None
    return Beginning(line=Journal().encode(start), path=tuple(journal.tree.inclusion(0)))
