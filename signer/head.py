"""The journal's head inside the token: what a rolled-back or truncated journal file cannot match.

Two private data objects take turns, so that a write torn by a crash spoils only the older copy. The value lies in
CKA_LABEL because that is the one text that SoftHSM lets a data object change (CKA_VALUE is fixed at creation, and a
new object for each head costs ten times as much: 2 ms against 0.2 ms).

A token serves one journal. A head of another deployment or signer stops everything: the key has a past here.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from pkcs11 import Attribute, ObjectClass

from core.canonical import canonical, tagged_digest
from core.errors import JournalError

if TYPE_CHECKING:
    from pkcs11 import Object, Session

    from signer.hsm import Hsm

APPLICATION = "countersign journal head"
_PLACES = (b"\x00", b"\x01")
"""CKA_OBJECT_ID of the two copies."""
_NONE = "none"
_LABEL = re.compile(r"1:([0-9a-f]{32}):([0-9]{1,15}):([0-9a-f]{64}):([0-9a-f]{64}|none)")
_EMPTY = "1:empty"


def identity(deployment: str, signer: str) -> str:
    """Name a journal in 32 hex digits, short enough for any token's label."""
    return tagged_digest("journal-identity", canonical([deployment, signer]))[:32]


@dataclasses.dataclass(frozen=True)
class Head:
    """The last authority record that this token saw. `ceremony`: the one that started this journal, if any did."""

    owner: str
    sequence: int
    hash: str
    ceremony: str | None

    @property
    def label(self) -> str:
        """The text that the token keeps."""
        return f"1:{self.owner}:{self.sequence}:{self.hash}:{self.ceremony or _NONE}"


@dataclasses.dataclass(frozen=True)
class HeadReading:
    """What the token holds. `whole`: both copies can be read; a torn one means that a write was interrupted."""

    head: Head | None
    whole: bool


class TokenHead:
    """Reads and moves the head of one journal."""

    def __init__(self, hsm: Hsm, owner: str) -> None:
        """Say whose head this is.

        Args:
            hsm: The token.
            owner: `identity` of deployment and signer.
        """
        self._hsm = hsm
        self.owner = owner
        self._generation = -1
        self._objects: dict[bytes, Object] = {}
        self._current = b""
        self.known: Head | None = None

    def read(self) -> HeadReading:
        """Read both copies.

        Returns:
            The newer one; None for a token that never held a head.

        Raises:
            JournalError: For another journal's head, doubled copies, or none that can be read.
            HsmUnavailableError: If the token is away.
        """
        return self._hsm.run(self._read)

    def _read(self, session: Session) -> HeadReading:
        found = list(session.get_objects({Attribute.CLASS: ObjectClass.DATA, Attribute.APPLICATION: APPLICATION}))
        objects: dict[bytes, Object] = {}
        heads: dict[bytes, Head] = {}
        empty = 0
        for item in found:
            place = bytes(item[Attribute.OBJECT_ID])
            if place not in _PLACES or place in objects:
                raise JournalError("the token holds more journal heads than a signer writes")
            objects[place] = item
            label = str(item[Attribute.LABEL])
            empty += label == _EMPTY
            match = _LABEL.fullmatch(label)
            if match is not None:
                owner, sequence, digest, ceremony = match.groups()
                heads[place] = Head(owner, int(sequence), digest, None if ceremony == _NONE else ceremony)
        if any(head.owner != self.owner for head in heads.values()):
            raise JournalError("the token holds the journal head of another signer or deployment")
        if not heads and empty != len(found):
            raise JournalError("the token's journal head cannot be read")
        self._objects = objects
        self._generation = self._hsm.generation
        if not heads:
            self.known = None
            return HeadReading(None, whole=True)
        self._current = max(heads, key=lambda place: heads[place].sequence)
        self.known = heads[self._current]
        return HeadReading(self.known, whole=len(heads) + empty == len(_PLACES))

    def create(self, head: Head) -> None:
        """Write the first head of a token, or the head of a journal that a ceremony started.

        Raises:
            JournalError: As `read`.
            HsmUnavailableError: If the token is away.
        """
        if self.read().head is None:
            self._hsm.run(lambda session: self._put(session, _PLACES[1], _EMPTY))
            self._hsm.run(lambda session: self._put(session, _PLACES[0], head.label))
            self.read()
        else:
            # Over the older copy first, then over the newer: its sequence may be the higher one.
            self._hsm.run(lambda session: self._move(session, head, anew=True))
            self._hsm.run(lambda session: self._move(session, head, anew=True))

    def write(self, head: Head) -> None:
        """Move the head.

        Raises:
            JournalError: If the token, opened again meanwhile, does not hold what it held before.
            HsmUnavailableError: If the token is away; the journal then leads by one.
        """
        self._hsm.run(lambda session: self._move(session, head))

    def _move(self, session: Session, head: Head, *, anew: bool = False) -> None:
        if self._generation != self._hsm.generation:
            # A token that went away and came back may be an older copy of itself.
            before = self.known
            after = self._read(session).head
            if after not in (before, head):
                raise JournalError("the token came back with another journal head")
        place = next(p for p in _PLACES if p != self._current)
        if not anew:
            self._check_alone(place)
        self._put(session, place, head.label)
        self._current, self.known = place, head

    def _check_alone(self, other: bytes) -> None:
        """Refuse if somebody else moved the head: what one of two signers journals, the other does not know.

        Raises:
            JournalError: If the newer copy is not what was written here, or the older one is newer than that.
        """
        if self.known is None:
            return
        current, older = self._objects.get(self._current), self._objects.get(other)
        match = _LABEL.fullmatch(str(older[Attribute.LABEL])) if older is not None else None
        overtaken = match is not None and int(match.group(2)) > self.known.sequence
        if current is None or str(current[Attribute.LABEL]) != self.known.label or overtaken:
            raise JournalError("somebody else moved this token's journal head: two signers share a token")

    def _put(self, session: Session, place: bytes, label: str) -> None:
        target = self._objects.get(place)
        if target is not None:
            target[Attribute.LABEL] = label
            return
        self._objects[place] = session.create_object(
            {
                Attribute.CLASS: ObjectClass.DATA,
                Attribute.TOKEN: True,
                Attribute.PRIVATE: True,
                Attribute.MODIFIABLE: True,
                Attribute.APPLICATION: APPLICATION,
                Attribute.OBJECT_ID: place,
                Attribute.LABEL: label,
            }
        )
