"""A party's own key inside the token. It signs its word to other parties, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.documents.party import Hello, Reservation, SignedHello, SignedReservation
from core.documents.renewal import SignedWord, Word
from signer.identity_key import IdentityKey, make_identity_key

if TYPE_CHECKING:
    from signer.hsm import Hsm

LABEL = "countersign party"


class PartyKey:
    """The one key by which other parties know this one."""

    def __init__(self, hsm: Hsm) -> None:
        """Find the key.

        Raises:
            TokenKeyError: If there is not exactly one, or it could have left the token.
            HsmUnavailableError: If the token is away.
        """
        self._key = IdentityKey(hsm, LABEL)
        self.public = self._key.public

    def reserve(self, document: Reservation) -> SignedReservation:
        """Give this party's word on a reservation.

        Raises:
            HsmError: If the token does not sign.
        """
        return SignedReservation(document=document, signature=self._key.sign(bytes.fromhex(document.digest)))

    def greet(self, document: Hello) -> SignedHello:
        """Give this party's word on a session.

        Raises:
            HsmError: If the token does not sign.
        """
        return SignedHello(document=document, signature=self._key.sign(bytes.fromhex(document.digest)))

    def speak(self, word: Word) -> SignedWord:
        """Give this party's word on shares that a ceremony made.

        Raises:
            HsmError: If the token does not sign.
        """
        return SignedWord(word=word, signature=self._key.sign(bytes.fromhex(word.digest)))


def make_party_key(hsm: Hsm) -> bytes:
    """Make the party's key, and return its public half, 32 bytes; the one that is there is kept.

    Raises:
        TokenKeyError: If the token did not make what was asked for.
        HsmUnavailableError: If the token is away.
    """
    return make_identity_key(hsm, LABEL)
