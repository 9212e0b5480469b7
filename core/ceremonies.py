"""Ceremonies: what people order to be done to keys and shares, beside a journal's start (`core.control`).

A ceremony takes the policy's ceremony quorum, at least two people, each with a consent made at the consent origin.
What each kind must name:

key_generation  the parties, in the order of their indices, t, and the plan's digest; no wallet yet
refresh         a threshold wallet, all its parties in their order, its t, and the epoch that follows
backup, drill   a wallet, the signers that do it, the epoch of their shares (0 for an HSM's key), for a backup one
                recovery key for each of them
restore         a wallet, the one signer that gets its share back, the share's epoch, and the transport key of that
                signer's token as its recovery key
ban             a threshold wallet and the parties that never take part again; t of the others are left
degraded        a threshold wallet and the parties that go on without the others: at least t, fewer than certify. One
                that is over is taken as of when people agreed, by parties that were away: for learning, and no more
destroy         a wallet, also one that only earlier policies name, the signers, and the newest epoch that is
                destroyed with all before it
clone           no wallet yet, the one HSM signer that makes the key, and the transport key of the second token, which
                shares neither host nor administrator with that signer

Pure, as all of `core`: whoever uses it journals the returned record before anything is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.certificate import certificate_size
from core.consents import Subject, approvers, check_consents, check_unused
from core.degraded import DEGRADED_SECONDS_MOST
from core.documents.base import check_deployment, check_lifetime
from core.documents.consent import Decision, SubjectType
from core.documents.control import CeremonyKind
from core.documents.roster import SignerRole, WalletKind
from core.epochs import active_epoch, next_epoch
from core.errors import Refusal, RefusedError, require
from core.founding import domain_problems
from core.lease import Lessor, check_fresh
from core.quorum import describe, is_filled
from core.records import CeremonyRecord
from core.recovery import check_apart, check_recovery, check_transport, wallet_named
from core.standing import heard, still_listed
from core.verify import check_clock, current_policy, policies_for

if TYPE_CHECKING:
    from core.documents.control import Ceremony, SignedCeremony
    from core.documents.policy import Policy
    from core.documents.roster import Wallet
    from core.journal import Journal
    from core.pins import Pins
    from core.records import UsedConsent

LEAST_PEOPLE = 2


def _is_over(document: Ceremony, now: int) -> bool:
    """Whether a degraded mode's time has passed: whoever was away takes it all the same, to learn what was signed."""
    return document.kind is CeremonyKind.DEGRADED and now >= document.header.expires


def _agreed_at(signed: SignedCeremony) -> int:
    """Return when the last person of a ceremony said so."""
    return max(signed.document.header.created, *(one.statement.header.created for one in signed.consents), 0)


def _only_current(digest: str, pins: Pins, journal: Journal, *, now: int) -> tuple[Policy, ...]:
    return (current_policy(digest, pins, journal, now=now),)


def _used_consents(
    signed: SignedCeremony, policy: Policy, pins: Pins, journal: Journal, *, now: int, at: int
) -> tuple[UsedConsent, ...]:
    """Count the people of a ceremony at `at`; what was handed to this signer since ends nothing that is over."""
    document = signed.document
    subject = Subject(
        type=SubjectType.CEREMONY, digest=document.digest, policy=policy.digest, deployment=pins.deployment
    )
    voices = check_consents(signed.consents, subject, policy, now=at)
    check_unused(voices, journal)
    rejected = any(voice.decision is Decision.REJECT for voice in voices)
    require(not rejected, Refusal.REJECTED, "somebody rejected this ceremony")
    listed = still_listed(voices, pins, journal, now=now)
    counted = listed if _is_over(document, now) else heard(listed, document.digest, journal)
    people = approvers(counted, barred=frozenset())
    enough = len({one.person.id for one in people}) >= LEAST_PEOPLE and is_filled(policy.controls.ceremony, people)
    require(enough, Refusal.QUORUM, f"a ceremony takes {describe(policy.controls.ceremony)}, at least two people")
    return tuple(voice.used for voice in voices)


def _wallet(document: Ceremony, policy: Policy) -> Wallet:
    wallet = next((one for one in policy.wallets if one.id == document.wallet), None)
    if wallet is None:
        raise RefusedError(Refusal.UNKNOWN_WALLET, "the policy knows no such wallet")
    return wallet


def _check_generation(document: Ceremony, policy: Policy) -> None:
    require(document.wallet is None and document.epoch == 0, Refusal.CEREMONY, "a new key has no wallet and no epoch")
    require(document.plan is not None, Refusal.CEREMONY, "the plan of a new key is named by its digest")
    entries = {entry.id: entry for entry in policy.signers}
    known = all(name in entries for name in document.signers)
    require(known, Refusal.WRONG_SIGNER, "the policy does not name every party of this ceremony")
    enough = LEAST_PEOPLE <= document.threshold <= len(document.signers)
    require(enough, Refusal.CEREMONY, f"{document.threshold} of {len(document.signers)} parties is no threshold")
    problems = list(domain_problems((entries[name] for name in document.signers), document.threshold, policy.profile))
    require(not problems, Refusal.CEREMONY, "; ".join(problems))


def _check_refresh(document: Ceremony, wallet: Wallet, journal: Journal) -> None:
    whole = (document.signers, document.threshold) == (wallet.signers, wallet.threshold)
    require(whole, Refusal.CEREMONY, "a refresh names all parties in their order, and their threshold")
    least = next_epoch(journal, wallet.id, active_epoch(journal, wallet.id) or 0)
    higher = document.epoch >= least
    require(
        higher, Refusal.CEREMONY, f"epoch {document.epoch} was ordered before: this party takes {least} or higher"
    )


def _check_ban(document: Ceremony, wallet: Wallet, journal: Journal) -> None:
    gone = {*document.signers, *journal.ceremonies.banned(wallet.id)}
    left = len(wallet.signers) - len(gone)
    enough = left >= wallet.threshold
    require(enough, Refusal.CEREMONY, f"{left} parties would be left, {wallet.threshold} sign")


def _check_degraded(document: Ceremony, wallet: Wallet) -> None:
    size, needed = len(document.signers), certificate_size(len(wallet.signers), wallet.threshold)
    fits = wallet.threshold <= size < needed
    require(fits, Refusal.CEREMONY, f"a degraded mode takes {wallet.threshold} to {needed - 1} parties, not {size}")
    lasts = document.header.expires - document.header.created
    short = lasts <= DEGRADED_SECONDS_MOST
    require(short, Refusal.CEREMONY, f"a degraded mode lasts {DEGRADED_SECONDS_MOST} seconds at most")


def _check_clone(document: Ceremony, policy: Policy) -> None:
    """Hold the making of an HSM's key and its clone against the policy: a key that exists already is never cloned."""
    require(document.wallet is None and document.epoch == 0, Refusal.CEREMONY, "a key is cloned when it is made")
    alone = len(document.signers) == 1 and document.threshold == 1
    require(alone, Refusal.CEREMONY, "a clone is about one signer, which signs alone")
    entry = next((one for one in policy.signers if one.id == document.signers[0]), None)
    own = entry is not None and entry.role is SignerRole.HSM
    require(own, Refusal.WRONG_SIGNER, "the policy knows no such signer with a token of its own")
    check_apart(document, policy)


def _check_shape(document: Ceremony, policy: Policy, pins: Pins, journal: Journal) -> None:
    """Hold what a ceremony names against the policy's wallet."""
    kind = document.kind
    once = len(set(document.signers)) == len(document.signers)
    require(once, Refusal.CEREMONY, "a ceremony names a signer twice")
    require(not document.lanes and document.not_before == 0, Refusal.CEREMONY, "only a journal's start names lanes")
    keyed = kind in (CeremonyKind.BACKUP, CeremonyKind.CLONE, CeremonyKind.RESTORE)
    require(
        keyed == bool(document.recovery), Refusal.CEREMONY, "backups, restores and clones name keys, and nothing else"
    )
    planned = kind is CeremonyKind.KEY_GENERATION
    require(planned == (document.plan is not None), Refusal.CEREMONY, "a plan belongs to the making of a key")
    if planned:
        _check_generation(document, policy)
        return
    if kind is CeremonyKind.CLONE:
        _check_clone(document, policy)
        return
    destroying = kind is CeremonyKind.DESTROY
    wallet = wallet_named(document.wallet, policy, pins) if destroying else _wallet(document, policy)
    own = set(document.signers) <= set(wallet.signers)
    require(own, Refusal.WRONG_SIGNER, "the ceremony names signers that this wallet does not have")
    require(
        document.threshold == wallet.threshold, Refusal.CEREMONY, f"this wallet's threshold is {wallet.threshold}"
    )
    shared = kind in (CeremonyKind.REFRESH, CeremonyKind.BAN, CeremonyKind.DEGRADED)
    require(not shared or wallet.kind is WalletKind.MPC, Refusal.CEREMONY, f"only threshold wallets have a {kind}")
    one = kind is not CeremonyKind.RESTORE or len(document.signers) == 1
    require(one, Refusal.CEREMONY, f"a {kind} is about one signer")
    if kind is CeremonyKind.REFRESH:
        _check_refresh(document, wallet, journal)
    elif kind is CeremonyKind.BACKUP:
        check_recovery(document, wallet, policy, journal)
    elif kind is CeremonyKind.RESTORE:
        check_transport(document, policy, journal)
    elif kind is CeremonyKind.BAN:
        _check_ban(document, wallet, journal)
    elif kind is CeremonyKind.DEGRADED:
        _check_degraded(document, wallet)


def _concerns(document: Ceremony, policy: Policy, signer: str) -> bool:
    """Whether a signer has to know a ceremony: its wallet's signers all do, also those that others act for."""
    return signer in document.signers or any(
        signer in wallet.signers for wallet in policy.wallets if wallet.id == document.wallet
    )


def check_ceremony(
    signed: SignedCeremony, pins: Pins, journal: Journal, *, now: int, held: Lessor | None
) -> CeremonyRecord | None:
    """Accept a ceremony of the quorum; None if it is known here.

    Args:
        signed: The document with its consents.
        pins: This signer's pins.
        journal: This signer's memory. Not changed.
        now: Unix seconds, by this signer's own clock.
        held: The leases that this signer holds; None at its console, where two people stand and no witness answers.

    Raises:
        RefusedError: `ceremony` where it names what its kind must not, or not what it must; `quorum`, `rejected`,
            `wrong_policy`, `wrong_signer`, `unknown_wallet`, `lease`, `halted` (a ban is taken all the same), or as
            for any consent.
    """
    document = signed.document
    if document.digest in journal.ceremonies:
        return None
    require(document.kind is not CeremonyKind.JOURNAL_START, Refusal.CEREMONY, "a journal starts at the console")
    check_deployment(document, pins.deployment)
    late = _is_over(document, now)
    at = _agreed_at(signed) if late else now
    check_lifetime(document, now=at)
    require(now >= max(at, journal.clock), Refusal.CLOCK, "this signer's clock went back")
    known = policies_for if late else _only_current
    policy, *_ = policies = known(document.policy, pins, journal, now=now)
    if document.kind is not CeremonyKind.BAN:
        check_clock(journal, now)
    require(_concerns(document, policy, pins.signer), Refusal.WRONG_SIGNER, "the ceremony does not name this signer")
    _check_shape(document, policy, pins, journal)
    used = _used_consents(signed, policy, pins, journal, now=now, at=at)
    if held is not None:
        check_fresh(held, policies[-1], now=now)
    return record_of(document, used, now=now)


def record_of(document: Ceremony, used: tuple[UsedConsent, ...], *, now: int) -> CeremonyRecord:
    """Return what a journal keeps of a ceremony. `now` in Unix seconds."""
    return CeremonyRecord(
        kind="ceremony",
        time=now,
        ceremony=document.digest,
        what=document.kind,
        signers=document.signers,
        wallet=document.wallet,
        epoch=document.epoch,
        threshold=document.threshold,
        plan=document.plan,
        recovery=document.recovery,
        expires=document.header.expires,
        consents=used,
    )


def check_draft(document: Ceremony, pins: Pins, journal: Journal) -> None:
    """Hold a document against the policy that it names before people sign it: for whoever drafts one.

    Args:
        document: The document.
        pins: That policy and those before it.
        journal: The ceremonies that the drafter knows of. Signers go by their own.

    Raises:
        RefusedError: As `check_ceremony` would for what the document says.
    """
    _check_shape(document, pins.policy(document.policy), pins, journal)


def begun(digest: str, kind: CeremonyKind, pins: Pins, journal: Journal, *, now: int) -> CeremonyRecord:
    """Return a ceremony that this signer knows and may work on now.

    Args:
        digest: The document's.
        kind: What it has to be.
        pins: This signer's pins.
        journal: This signer's memory.
        now: Unix seconds.

    Raises:
        RefusedError: `ceremony` if it is not known, another kind's, over, or not this signer's to do; `halted`,
            `clock`; `rejected` where somebody's no was handed over since.
    """
    record = journal.ceremonies.find(digest)
    if record is None or record.what is not kind:
        raise RefusedError(Refusal.CEREMONY, "no such ceremony was handed to this signer")
    check_clock(journal, now)
    heard((), digest, journal)
    require(now < record.expires, Refusal.EXPIRED, "this ceremony's time is over")
    require(pins.signer in record.signers, Refusal.WRONG_SIGNER, "this ceremony is for others")
    return record
