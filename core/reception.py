"""What a signer does with a successor that is handed to it: what it knows itself, beyond what the document says.

What may follow while another one waits:

- Only a successor of the policy in force; whatever waited is then replaced and never comes into force.
- One that a quorum signed replaces another one only if it was drafted later. So a draft that was signed once and then
  kept back cannot undo the removals of the one that waits, and signers that hear both agree on one of them.
- It replaces a recovery in any case: where a quorum still speaks, nothing has to be recovered.
- A recovery replaces a recovery that was drafted earlier, and never what a quorum signed.
- What was replaced, rejected or followed is known by its digest, and never accepted again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.consents import check_unused
from core.errors import Refusal, require
from core.records import AccessionKind, PolicyRecord
from core.standing import heard, still_listed
from core.succession import check_successor, is_recovery

if TYPE_CHECKING:
    from core.consents import Voice
    from core.documents.policy import Policy, SignedPolicy
    from core.journal import Journal
    from core.pins import Pins


def _check_replaces(policy: Policy, *, recovery: bool, pins: Pins, journal: Journal, now: int) -> None:
    waiting = journal.waiting_at(now)
    if waiting is None:
        return
    slow = waiting.how is AccessionKind.RECOVERY
    require(
        slow or not recovery, Refusal.SUCCESSION, "a successor waits that a quorum signed: no recovery replaces it"
    )
    if slow and not recovery:
        return
    later = policy.header.created > pins.policy(waiting.policy).header.created
    require(later, Refusal.SUCCESSION, "a successor waits that was not drafted earlier: this one does not replace it")


def receive_successor(signed: SignedPolicy, pins: Pins, journal: Journal, *, now: int) -> PolicyRecord | None:
    """Accept a successor at this signer.

    Args:
        signed: The successor with its consents.
        pins: This signer's pins, with every policy that it accepted.
        journal: This signer's own memory. Not changed.
        now: This signer's own clock, Unix seconds.

    Returns:
        What has to be journalled; None if this policy is in force or waits already.

    Raises:
        RefusedError: `clock`, `succession`, `rejected`, `consent_replayed`, `counter`, or as `check_successor`.
    """
    require(now >= journal.clock, Refusal.CLOCK, "this signer's clock went back")
    policy = signed.policy
    in_force, waiting = journal.policy_at(now), journal.waiting_at(now)
    if policy.digest == in_force or (waiting is not None and waiting.policy == policy.digest):
        return None
    # One that was replaced while it waited cannot be played again to replace its replacement.
    known = policy.digest in journal.accepted or policy.digest in pins.policies
    require(not known, Refusal.SUCCESSION, "this policy was superseded")
    heard((), policy.digest, journal)

    def standing(voices: tuple[Voice, ...]) -> tuple[Voice, ...]:
        return heard(still_listed(voices, pins, journal, now=now), policy.digest, journal)

    accession = check_successor(signed, pins.policy(in_force), now=now, standing=standing)
    _check_replaces(policy, recovery=is_recovery(signed), pins=pins, journal=journal, now=now)
    check_unused(accession.voices, journal)
    return PolicyRecord(
        kind="policy",
        time=now,
        policy=policy.digest,
        number=policy.number,
        effective=accession.effective,
        how=accession.kind,
        consents=tuple(voice.used for voice in accession.voices),
    )
