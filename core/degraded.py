"""Degraded mode: a threshold wallet whose parties go on below their certificates, because people said so.

Parties that cannot reach each other count limits, nonces and mandates alone. So while a ceremony of kind `degraded`
is in force at a party, everything of that wallet is decided there over limits divided by n - t + 1, and only mandates
that name their nonce are signed. At most t - 1 parties lie; each session of t has an honest one, which counts what it
signs within its own part; and n - t + 1 parts are enough, however parties take turns (ADR 24).

The mode is over when its time is, or as soon as anybody's rejection or withdrawal was handed to the party. What was
signed in it is learned from its certificates for ever.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.documents.control import CeremonyKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from core.canonical import Json
    from core.documents.party import Certificate
    from core.documents.policy import Policy
    from core.documents.roster import Wallet
    from core.journal import Journal
    from core.records import CeremonyRecord

DEGRADED_SECONDS_MOST = 7 * 24 * 3600
"""How long a threshold wallet may go on below its certificates before people have to say so anew."""
_MOST_POLICIES = 16


def in_force(wallet: str, journal: Journal, *, now: int) -> tuple[CeremonyRecord, ...]:
    """Return the degraded ceremonies of a wallet (CAIP-10) that this signer goes by at `now` (Unix seconds)."""
    ended = {subject for subject, _ in journal.vetoes}
    known = journal.ceremonies.about(wallet, CeremonyKind.DEGRADED)
    return tuple(record for record in known if now < record.expires and record.ceremony not in ended)


def parts_of(wallet: Wallet) -> int:
    """Return into how many parts a wallet's limits fall in degraded mode: n - t + 1."""
    return len(wallet.signers) - wallet.threshold + 1


def parts_now(wallet: Wallet, journal: Journal, *, now: int) -> int:
    """Return what limits are divided by at `now` (Unix seconds): 1 unless a degraded mode is in force here."""
    return parts_of(wallet) if in_force(wallet.id, journal, now=now) else 1


_DIVIDED: dict[tuple[str, int], Policy] = {}


def divided(policy: Policy, parts: int) -> Policy:
    """Return a policy with every limit divided, rounded down; guards, grants and escalations stay as they are.

    That is limits of amount, value, number and fee, of a window or of each transaction, hard or asking for people.

    Args:
        policy: A policy that `core.policy_check` accepts.
        parts: Into how many parts, 1 or more.
    """
    if parts == 1:
        return policy
    name = (policy.digest, parts)
    if name not in _DIVIDED:
        if len(_DIVIDED) >= _MOST_POLICIES:
            _DIVIDED.clear()
        limits = tuple(dataclasses.replace(limit, most=limit.most // parts) for limit in policy.limits)
        _DIVIDED[name] = dataclasses.replace(policy, limits=limits)
    return _DIVIDED[name]


def may_join(records: Iterable[CeremonyRecord], parties: Collection[str]) -> tuple[CeremonyRecord, ...]:
    """Return those of some ceremonies that name all of these parties as going on."""
    return tuple(record for record in records if set(parties) <= set(record.signers))


def going_together(told: Mapping[str, Json], ready: Iterable[str], threshold: int) -> tuple[str, ...]:
    """Return the parties that go on in one degraded mode, as those say that are in it; nobody where they are too few.

    Args:
        told: What each party answered; its `going_on` lists the parties of each mode that it goes by.
        ready: The parties that would sign the case.
        threshold: How many sign together.
    """
    named: dict[tuple[str, ...], list[str]] = {}
    for name in ready:
        modes = told[name].get("going_on")
        for mode in modes if isinstance(modes, list) else ():
            parties = tuple(one for one in mode if isinstance(one, str)) if isinstance(mode, list) else ()
            if name in parties:
                named.setdefault(parties, []).append(name)
    most = max(named.values(), key=len, default=[])
    return tuple(most) if len(most) >= threshold else ()


def known_for(certificate: Certificate, wallet: str, journal: Journal) -> tuple[CeremonyRecord, ...]:
    """Return the degraded ceremonies, in force or over, in whose time a certificate's words were all given.

    Args:
        certificate: The words.
        wallet: What they are about.
        journal: The memory of whoever learns from them.
    """
    given = [signed.document.header.created for signed in certificate.reservations]
    return tuple(
        record
        for record in journal.ceremonies.about(wallet, CeremonyKind.DEGRADED)
        if all(record.expires - DEGRADED_SECONDS_MOST <= created < record.expires for created in given)
    )
