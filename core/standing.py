"""Who may still speak at this signer: removals that it has heard of, and vetoes that were handed to it.

A consent is judged under the policy that it names. But somebody whom the newest policy no longer lists, or no longer
with this very key, counts for nothing any more; nor does whom a successor removes that a quorum signed and that only
waits for its delay. A recovery removes nobody before it is in force: it comes from no quorum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.documents.consent import Decision
from core.errors import Refusal, require
from core.records import AccessionKind

if TYPE_CHECKING:
    from core.consents import Voice
    from core.documents.policy import Policy
    from core.journal import Journal
    from core.pins import Pins


def rosters(pins: Pins, journal: Journal, *, now: int) -> tuple[Policy, ...]:
    """Return the policies whose rosters all have to list whoever counts: the newest, and one that waits.

    Args:
        pins: The accepted policies.
        journal: This signer's memory.
        now: This signer's clock, Unix seconds; a clock that went back does not bring anybody back.
    """
    at = max(now, journal.clock)
    waiting = journal.waiting_at(at)
    named = [journal.policy_at(at)]
    if waiting is not None and waiting.how is not AccessionKind.RECOVERY:
        named.append(waiting.policy)
    return tuple(pins.policy(digest) for digest in named)


def _listed(policy: Policy) -> set[tuple[str, bytes | None, bytes]]:
    people = {(person.id, key.credential_id, key.public_key) for person in policy.people for key in person.keys}
    return people | {(client.id, None, client.public_key) for client in policy.clients}


def still_listed(voices: tuple[Voice, ...], pins: Pins, journal: Journal, *, now: int) -> tuple[Voice, ...]:
    """Leave out whoever was removed, or whose key was, here or in a successor that waits.

    Args:
        voices: Verified consents.
        pins: The accepted policies.
        journal: This signer's memory.
        now: This signer's clock, Unix seconds.
    """
    lists = [_listed(policy) for policy in rosters(pins, journal, now=now)]
    return tuple(
        voice for voice in voices if all((voice.actor, voice.used.credential, voice.key) in one for one in lists)
    )


def heard(voices: tuple[Voice, ...], subject: str, journal: Journal) -> tuple[Voice, ...]:
    """Apply the vetoes that were handed to this signer itself.

    Args:
        voices: Verified consents about the subject.
        subject: The document's digest.
        journal: This signer's memory.

    Returns:
        The voices of all who did not withdraw here.

    Raises:
        RefusedError: `rejected`.
    """
    gone = set()
    for (document, actor), decision in journal.vetoes.items():
        if document == subject:
            require(decision is not Decision.REJECT, Refusal.REJECTED, "a rejection was handed to this signer")
            gone.add(actor)
    return tuple(voice for voice in voices if voice.actor not in gone)
