"""Which epoch's share a party uses, and what parties say of new ones: read from a journal, and from signed words.

The journal decides, never which files lie on a disk: a file that was copied back changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.canonical import canonical_of_codecs, tagged_digest
from core.documents.control import CeremonyKind
from core.documents.renewal import Made
from core.ed25519 import is_signed
from core.errors import Refusal, require
from core.party_keys import party_key
from core.records import CeremonyStep

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.documents.policy import Policy
    from core.documents.renewal import Said, SignedWord
    from core.journal import Journal
    from core.records import CeremonyRecord


def active_epoch(journal: Journal, wallet: str) -> int | None:
    """Return the epoch whose share this party uses, as its journal says; None where it has never changed.

    Args:
        journal: This party's memory.
        wallet: CAIP-10 account.
    """
    ends = {CeremonyKind.REFRESH: CeremonyStep.ACTIVATED, CeremonyKind.RESTORE: CeremonyStep.RESTORED}
    reached = (
        record.epoch
        for record in journal.ceremonies.about(wallet, *ends)
        if ends[record.what] in journal.ceremonies.done(record.ceremony)
    )
    return max(reached, default=None)


def next_epoch(journal: Journal, wallet: str, active: int) -> int:
    """Return the number that the next refresh of a wallet has to name: above all that were used or ordered."""
    ordered = (record.epoch for record in journal.ceremonies.about(wallet, CeremonyKind.REFRESH))
    return max((active, *ordered)) + 1


def settled_on(journal: Journal, wallet: str, epoch: int) -> tuple[CeremonyRecord, str] | None:
    """Return the ceremony of an epoch, and what this party settled on in it (`Made.digest`), if it did."""
    for record in journal.ceremonies.about(wallet, CeremonyKind.REFRESH):
        step = journal.ceremonies.done(record.ceremony).get(CeremonyStep.STAGED)
        if record.epoch == epoch and step is not None and step.evidence is not None:
            return record, step.evidence
    return None


def activated_by(journal: Journal, wallet: str) -> CeremonyRecord | None:
    """Return the refresh to which the epoch in use belongs; None where it has never changed, or was restored."""
    epoch = active_epoch(journal, wallet)
    for record in journal.ceremonies.about(wallet, CeremonyKind.REFRESH):
        if record.epoch == epoch and CeremonyStep.ACTIVATED in journal.ceremonies.done(record.ceremony):
            return record
    return None


def made_of(record: CeremonyRecord, wallet: str, public_key: bytes, session: bytes, deployment: str) -> Made:
    """Say what a session of a ceremony made."""
    return Made(
        deployment=deployment,
        ceremony=record.ceremony,
        wallet=wallet,
        public_key=public_key,
        epoch=record.epoch,
        session=session,
    )


def message_of_test(made: Made, quorum: tuple[str, ...]) -> bytes:
    """Return the 32 bytes that a quorum signs to show that its new shares work.

    SHA-256 under a tag of our own: no transaction's Keccak-256 hash, and of no text that others give a meaning.
    """
    named = {"made": made.digest, "wallet": made.wallet, "epoch": made.epoch, "quorum": list(quorum)}
    return bytes.fromhex(tagged_digest("refresh-test", canonical_of_codecs(named)))


def check_words(
    words: Iterable[SignedWord], said: Said, record: CeremonyRecord, policy: Policy, deployment: str
) -> Made:
    """Accept the same word of every party of a ceremony.

    Args:
        words: One of each party that the ceremony names.
        said: What they have to say.
        record: The ceremony.
        policy: The newest policy, which names the parties' keys.
        deployment: The pinned deployment.

    Returns:
        What all of them say was made.

    Raises:
        RefusedError: `ceremony`, naming whose word does not hold.
    """
    found: dict[str, Made] = {}
    for signed in words:
        word = signed.word
        named = word.party in record.signers and word.party not in found
        require(named, Refusal.CEREMONY, f"{word.party} is none of this ceremony's parties, or spoke twice")
        genuine = is_signed(party_key(policy, word.party), signed.signature, bytes.fromhex(word.digest))
        require(genuine and word.said is said, Refusal.CEREMONY, f"this is not {word.party}'s word that it {said}")
        found[word.party] = word.made
    missing = sorted(set(record.signers) - set(found))
    require(not missing, Refusal.CEREMONY, f"the word of every party is needed: {', '.join(missing)} did not speak")
    made = found[record.signers[0]]
    other = sorted(name for name, one in found.items() if one != made)
    require(not other, Refusal.CEREMONY, f"the parties do not say the same: {', '.join(other)}")
    about = (made.ceremony, made.epoch, made.deployment) == (record.ceremony, record.epoch, deployment)
    require(about, Refusal.CEREMONY, "these words are about another ceremony")
    return made
