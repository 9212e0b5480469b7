"""The Ed25519 keys by which parties' words count: those that a policy names, now or when a word was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.documents.roster import SignerRole
from core.errors import Refusal, RefusedError, require
from core.lease import was_in_force

if TYPE_CHECKING:
    from core.documents.party import Certificate
    from core.documents.policy import Policy
    from core.journal import Journal
    from core.pins import Pins


def party_key(policy: Policy, party: str) -> bytes:
    """Return the Ed25519 key that a policy names for a party.

    Raises:
        RefusedError: `certificate`, if it names none.
    """
    for signer in policy.signers:
        if signer.id == party and signer.role is SignerRole.PARTY and signer.public_key is not None:
            return signer.public_key
    raise RefusedError(Refusal.CERTIFICATE, f"the policy names no party {party} with a key")


def keys_then(certificate: Certificate, pins: Pins, journal: Journal, *, now: int) -> dict[str, bytes]:
    """Return the key that each party had by the policy that was the newest to it when it gave its word.

    Args:
        certificate: The words.
        pins: The accepted policies.
        journal: This party's memory.
        now: Unix seconds.

    Raises:
        RefusedError: `wrong_policy` where one names a policy that was never in force here.
    """
    keys = {}
    for signed in certificate.reservations:
        named = signed.document.newest
        require(
            was_in_force(named, pins, journal, now=now), Refusal.WRONG_POLICY, "that policy was never in force here"
        )
        keys[signed.document.party] = party_key(pins.policy(named), signed.document.party)
    return keys


def check_teaches(certificate: Certificate, policy: Policy, pins: Pins, journal: Journal, *, now: int) -> None:
    """Refuse words that nobody could learn from later (`core.certificate.learn`).

    Over one such word a case would be signed all the same, and whoever was away could never count it: one corrupt
    party would leave honest ones behind for ever, one after the other.

    Args:
        certificate: The words, checked.
        policy: The newest policy.
        pins: The accepted policies.
        journal: This party's memory.
        now: Unix seconds.

    Raises:
        RefusedError: `behind` where a word names a policy that this party has not seen in force; `certificate` where
            its party had another key by the policy that it names.
    """
    try:
        keys = keys_then(certificate, pins, journal, now=now)
    except RefusedError as error:
        raise RefusedError(Refusal.BEHIND, "a word names a policy that was never in force here") from error
    for party, key in keys.items():
        same = party_key(policy, party) == key
        require(same, Refusal.CERTIFICATE, f"{party} has another key by the policy that its word names")
