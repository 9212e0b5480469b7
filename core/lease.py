"""Leases of witnesses: the signer's rule 5, and what a witness may say about a signer's journal.

A signer cannot know what nobody shows it. So it asks for the word of k witnesses, each over its own fresh challenge:
the time, how far they know its journal, the newest policy, the halts and the vetoes that people handed to them. What
a witness names and the signer does not know was withheld, and nothing is signed until it is handed over.

Source: the architecture, *The signer*, rule 5; RFC 8032 (Ed25519); RFC 9162 (consistency of the journal's tree).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from core.documents.consent import Decision
from core.ed25519 import is_signed
from core.errors import Refusal, RefusedError, require
from core.standing import rosters

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.documents.lease import Lease, NamedVeto, SignedLease
    from core.documents.policy import Policy
    from core.journal import Journal
    from core.pins import Pins

LONGEST = 600
"""The longest lease, seconds."""
CLOCK_BOUND = 60
"""By how much a witness's clock and the signer's may differ, either way, seconds."""
CHALLENGE_SECONDS = 60
"""For how long a challenge waits for its leases, by the signer's clock."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Challenge:
    """What a signer asks witnesses to sign over: random bytes, when, and where its journal stood.

    `size` and `root` are those of `Journal.tree`: authority records only, which no power cut takes back.
    """

    value: bytes
    at: int
    size: int
    root: bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Granted:
    """One witness's lease that held when it was taken. `expires`: Unix seconds."""

    witness: str
    public_key: bytes
    expires: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Held:
    """The leases that a signer holds, in memory only."""

    granted: tuple[Granted, ...]

    def live(self, policy: Policy, *, now: int) -> tuple[Granted, ...]:
        """Return the leases that last, of witnesses whom this policy names."""
        named = {(witness.id, witness.public_key) for witness in policy.witnesses}
        return tuple(one for one in self.granted if now < one.expires and (one.witness, one.public_key) in named)


class _Offline:
    """Stands where no lease can be: a kept case is looked at long after its leases have ended."""


OFFLINE: Final = _Offline()
"""For `core.casefile` only; an architecture test names who may use it."""
NOTHING_HELD = Held(granted=())
Lessor = Held | _Offline


def check_fresh(held: Lessor, policy: Policy, *, now: int) -> str:
    """Refuse to sign without live leases of as many witnesses as the newest policy asks for.

    Args:
        held: What this signer holds.
        policy: The newest policy in force.
        now: The signer's clock, Unix seconds.

    Returns:
        What was checked, in a sentence.

    Raises:
        RefusedError: `lease`.
    """
    needed = policy.witness_threshold
    if not needed:
        return "the policy names no witnesses, so no lease is needed"
    if isinstance(held, _Offline):
        return f"what lasted minutes a kept case cannot show: live leases of {needed} of the policy's witnesses"
    live = sorted({one.witness for one in held.live(policy, now=now)})
    require(
        len(live) >= needed,
        Refusal.LEASE,
        f"no live lease: {needed} of the policy's witnesses have to say that nothing newer is known, {len(live)} do",
    )
    return f"leased by {', '.join(live)}"


def check_leases(
    leases: Iterable[SignedLease], challenge: Challenge, pins: Pins, journal: Journal, *, now: int
) -> Held:
    """Accept the leases that witnesses signed over one challenge.

    What does not hold does not count. But one that holds and names what this signer does not know refuses them all:
    something was withheld.

    Args:
        leases: What was carried here.
        challenge: This signer's own, outstanding one.
        pins: This signer's pins, with every policy that it accepted.
        journal: This signer's own memory.
        now: This signer's clock, Unix seconds.

    Raises:
        RefusedError: `clock`, or `lease` with what is missing.
    """
    require(now >= journal.clock, Refusal.CLOCK, "this signer's clock went back")
    late = not challenge.at <= now < challenge.at + CHALLENGE_SECONDS
    require(not late, Refusal.LEASE, "this challenge has expired")
    policy = pins.policy(journal.policy_at(now))
    keys = {witness.id: witness.public_key for witness in policy.witnesses}
    granted: dict[str, Granted] = {}
    problems = []
    for signed in leases:
        lease = signed.document
        try:
            _check_one(signed, keys, challenge, pins, now)
        except RefusedError as error:
            problems.append(f"{lease.witness}: {error.message}")
            continue
        check_known(lease, pins, journal, now=now)
        granted[lease.witness] = Granted(
            witness=lease.witness, public_key=keys[lease.witness], expires=lease.header.expires
        )
    if len(granted) < max(policy.witness_threshold, 1):
        counted = f"leases of {policy.witness_threshold} of the policy's witnesses are needed, {len(granted)} hold"
        raise RefusedError(Refusal.LEASE, "; ".join([counted, *problems[:5]])[:500])
    return Held(granted=tuple(granted.values()))


def _check_one(signed: SignedLease, keys: dict[str, bytes], challenge: Challenge, pins: Pins, now: int) -> None:
    lease, header = signed.document, signed.document.header
    key = keys.get(lease.witness)
    if key is None:
        raise RefusedError(Refusal.LEASE, "the policy in force names no such witness")
    require(
        is_signed(key, signed.signature, bytes.fromhex(lease.digest)), Refusal.LEASE, "its signature does not hold"
    )
    require(header.deployment == pins.deployment, Refusal.LEASE, "a lease of another deployment")
    require(lease.signer == pins.signer, Refusal.LEASE, "a lease for another signer")
    require(lease.challenge == challenge.value, Refusal.LEASE, "a lease over another challenge")
    where = (lease.journal_size, lease.journal_root)
    require(where == (challenge.size, challenge.root), Refusal.LEASE, "a lease over another journal")
    ahead, behind = header.created - now, challenge.at - header.created
    require(ahead <= CLOCK_BOUND, Refusal.LEASE, f"its clock is {ahead} s ahead of this signer's")
    require(behind <= CLOCK_BOUND, Refusal.LEASE, f"its clock is {behind} s behind this signer's")
    require(header.expires - header.created <= LONGEST, Refusal.LEASE, f"it lasts longer than {LONGEST} s")
    require(now < header.expires, Refusal.LEASE, "it has expired")


def check_known(lease: Lease, pins: Pins, journal: Journal, *, now: int) -> None:
    """Refuse while a witness knows something that this signer does not.

    Raises:
        RefusedError: `lease`.
    """
    about = f"witness {lease.witness} names"
    require(
        lease.policy in pins.policies,
        Refusal.LEASE,
        f"{about} policy {lease.policy[:16]}…, which was not handed to this signer",
    )
    for halt in lease.halts:
        known = halt in journal.halts or halt in journal.lifted
        require(known, Refusal.LEASE, f"{about} halt {halt[:16]}…, which was not handed to this signer")
    for veto in lease.vetoes:
        heard = _heard(veto, journal) or _moot(veto, pins, journal, now=now)
        what = "rejection" if veto.decision is Decision.REJECT else "withdrawal"
        require(
            heard,
            Refusal.LEASE,
            f"{about} a {what} by {veto.actor} of {veto.subject[:16]}…, which was not handed to this signer",
        )


def _heard(veto: NamedVeto, journal: Journal) -> bool:
    return journal.vetoes.get((veto.subject, veto.actor)) in (Decision.REJECT, veto.decision)


def _moot(veto: NamedVeto, pins: Pins, journal: Journal, *, now: int) -> bool:
    """Whether this signer could not take a veto any more: its person was removed, or the policy came into force."""
    listed = all(
        veto.actor in {*(one.id for one in policy.people), *(one.id for one in policy.clients)}
        for policy in rosters(pins, journal, now=now)
    )
    return not listed or was_in_force(veto.subject, pins, journal, now=now)


def was_in_force(digest: str, pins: Pins, journal: Journal, *, now: int) -> bool:
    """Whether a policy is in force at this signer, or was."""
    at: str | None = journal.policy_at(max(now, journal.clock))
    while at is not None and at != digest:
        at = pins.policy(at).previous
    return at is not None
