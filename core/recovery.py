"""Where backups may go, where a restored share may go, and what may be destroyed: rules of three kinds of ceremony.

A backup opens for whoever holds its recovery key, so a failure domain holds what it keeps alive and what it could
recover together: nowhere as many as sign. And a backup that dies with the signer it is for, or that the signer's own
administrator opens, is none.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from core.documents.control import CeremonyKind
from core.documents.roster import WalletKind
from core.errors import Refusal, RefusedError, require
from core.founding import DOMAINS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from core.documents.control import Ceremony, RecoveryKey
    from core.documents.policy import Policy
    from core.documents.roster import Profile, SignerEntry, Wallet
    from core.journal import Journal
    from core.pins import Pins

APART = ("host", "administrator")
"""What a signer and the place of its backup never share."""


def _together(
    entries: Iterable[SignerEntry], keys: Iterable[RecoveryKey], threshold: int, profile: Profile
) -> Iterator[str]:
    """Yield every failure domain that has, alive or recoverable, as many shares as sign."""
    entries, keys = tuple(entries), tuple(keys)
    for domain in DOMAINS[profile]:
        held: dict[str, set[str]] = defaultdict(set)
        recovered = {str(getattr(key, domain)) for key in keys}
        for entry in entries:
            held[str(getattr(entry, domain))].add(entry.id)
        for key in keys:
            held[str(getattr(key, domain))].add(key.signer)
        # What holds too many shares without any backup is the policy's matter (`core.founding`).
        for name in sorted(recovered):
            if len(held[name]) >= threshold:
                yield f"{domain} {name} would hold or recover {len(held[name])} shares: {threshold} of them sign"


def check_apart(document: Ceremony, policy: Policy) -> dict[str, SignerEntry]:
    """Hold each key that a backup or a clone is wrapped to against the signer that it is for.

    Args:
        document: It names only signers that the policy has.
        policy: Where they are.

    Returns:
        The policy's signers by id.

    Raises:
        RefusedError: `ceremony`.
    """
    named = tuple(key.signer for key in document.recovery)
    require(named == document.signers, Refusal.CEREMONY, "a backup names one recovery key for each signer, in order")
    distinct = len({key.public_key for key in document.recovery}) == len(named)
    require(distinct, Refusal.CEREMONY, "two shares would be wrapped to one recovery key")
    entries = {entry.id: entry for entry in policy.signers}
    for key in document.recovery:
        own = entries[key.signer]
        shared = [domain for domain in APART if getattr(key, domain) == getattr(own, domain)]
        require(not shared, Refusal.CEREMONY, f"{key.signer} and its backup would share their {' and '.join(shared)}")
    return entries


def check_recovery(document: Ceremony, wallet: Wallet, policy: Policy, journal: Journal) -> None:
    """Hold the recovery keys of a backup against the policy, and against the backups from before.

    Raises:
        RefusedError: `ceremony`.
    """
    entries = check_apart(document, policy)
    if wallet.kind is not WalletKind.MPC:
        return
    before = [
        key
        for record in journal.ceremonies.about(wallet.id, CeremonyKind.BACKUP)
        if record.epoch == document.epoch
        for key in record.recovery
    ]
    holders = [entries[name] for name in wallet.signers]
    problems = list(_together(holders, (*before, *document.recovery), wallet.threshold, policy.profile))
    require(not problems, Refusal.CEREMONY, "; ".join(problems))


def check_transport(document: Ceremony, policy: Policy, journal: Journal) -> None:
    """Hold the key to which a share is released for a restored signer against that signer's entry in the policy.

    Raises:
        RefusedError: `ceremony`, or `frozen` for a party that people have banned.
    """
    banned = set(document.signers) & journal.ceremonies.banned(document.wallet or "")
    require(not banned, Refusal.FROZEN, "people have banned this party from this wallet")
    named = tuple(key.signer for key in document.recovery)
    require(
        named == document.signers, Refusal.CEREMONY, "a restore names the transport key of the signer's new token"
    )
    (key,) = document.recovery
    (own,) = (entry for entry in policy.signers if entry.id == key.signer)
    domains = ("host", "site", "administrator", "vendor")
    same = all(getattr(key, domain) == getattr(own, domain) for domain in domains)
    require(same, Refusal.CEREMONY, f"the transport key is not where the policy has {key.signer}")


def wallet_named(name: str | None, policy: Policy, pins: Pins) -> Wallet:
    """Return a wallet's entry in the newest of a policy and those that it followed that names it.

    Args:
        name: CAIP-10 account.
        policy: Where to begin.
        pins: The policies that were accepted here.

    Raises:
        RefusedError: `unknown_wallet`.
    """
    at: Policy | None = policy
    while at is not None:
        found = next((one for one in at.wallets if one.id == name), None)
        if found is not None:
            return found
        at = None if at.previous is None else pins.policy(at.previous)
    raise RefusedError(Refusal.UNKNOWN_WALLET, "no policy knows such a wallet")


def still_named(name: str, pins: Pins, journal: Journal, *, now: int) -> bool:
    """Whether a wallet's key may still be needed: the policy in force names it, or the one that waits does."""
    waiting = journal.waiting_at(now)
    digests = {journal.policy_at(now), *(() if waiting is None else (waiting.policy,))}
    return any(wallet.id == name for digest in digests for wallet in pins.policy(digest).wallets)
