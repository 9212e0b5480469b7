"""Renewing the shares of a threshold wallet: what a party may do when, and what it has to be shown first.

    known      the quorum's ceremony names the new epoch
    kept       a session of all parties made new shares; each is durable beside the one in use     (its word: kept)
    staged     a party saw that all n keep shares of one session: it settles on that session, for good
    tested     quorums that cover all parties signed a test over the staged shares
    activated  a party saw that: it uses the new epoch from now on                             (its word: activated)
    destroyed  a party saw that all n use it: what lies below the new epoch is destroyed       (its word: destroyed)

Two rules keep the wallet alive. Whoever sees the proof of a higher epoch uses that one; and nothing is destroyed but
what lies below an epoch that all n say they use. The proof of an epoch takes every honest party's staged share, which
is durable and not destroyed before. So whatever is shown to whom, and whoever stops where, all honest parties hold
the highest epoch of which there is a proof, and go there as soon as they see it. A ceremony that comes to nothing is
followed by one with the next number; a number is never used twice.

A party settles on one session in each ceremony, so there are no proofs of two sessions of one epoch.

Pure, as all of `core`: whoever uses it journals the returned records durably before anything leaves the process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.ceremonies import begun
from core.documents.control import CeremonyKind
from core.documents.party import SessionKind
from core.documents.renewal import Said
from core.documents.roster import WalletKind
from core.epochs import check_words, message_of_test, next_epoch
from core.errors import EncodingError, Refusal, RefusedError, require
from core.evm import finish_signature
from core.records import CeremonyStep, CeremonyStepRecord, SessionRecord
from core.sessions import session_id
from core.verified import SEAL, ShareTestToken
from core.verify import check_clock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.documents.party import SessionTerms
    from core.documents.renewal import Made, Proof, ShareTest
    from core.documents.roster import Wallet
    from core.journal import Journal
    from core.pins import Pins
    from core.records import CeremonyRecord

ATTEMPTS_MOST = 8
"""Sessions of one ceremony that may be begun to make shares: each party that stops late costs one."""
TESTS_MOST = 32
"""Sessions of one new epoch that may end without a test signature, of those that the epoch may have at all."""


def renewing(record: CeremonyRecord, pins: Pins, journal: Journal, *, now: int) -> Wallet:
    """Return the wallet that a refresh is about, as the newest policy names it.

    Raises:
        RefusedError: `unknown_wallet`, or `ceremony` where the policy has changed its parties since.
    """
    policy = pins.policy(journal.policy_at(now))
    wallet = next((one for one in policy.wallets if one.id == record.wallet), None)
    if wallet is None or wallet.kind is not WalletKind.MPC:
        raise RefusedError(Refusal.UNKNOWN_WALLET, "the policy knows no such threshold wallet")
    same = (wallet.signers, wallet.threshold) == (record.signers, record.threshold)
    require(same, Refusal.CEREMONY, "the wallet has other parties now than this ceremony names")
    return wallet


def _check_open(record: CeremonyRecord, pins: Pins, journal: Journal, now: int, active: int) -> None:
    begun(record.ceremony, CeremonyKind.REFRESH, pins, journal, now=now)
    require(record.wallet is not None, Refusal.CEREMONY, "a refresh names its wallet")
    newest = next_epoch(journal, str(record.wallet), active) - 1
    current = record.epoch == newest > active
    require(current, Refusal.CEREMONY, f"epoch {newest} was ordered since, or is in use: this ceremony is over")


def _joined(
    terms: SessionTerms, record: CeremonyRecord, wallet: Wallet, pins: Pins, journal: Journal, *, now: int
) -> SessionRecord:
    same = (terms.wallet, terms.public_key, terms.threshold, terms.epoch, terms.subject) == (
        *(wallet.id, wallet.public_key, wallet.threshold),
        *(record.epoch, record.ceremony),
    )
    require(same, Refusal.SESSION, "the session is about something else than this ceremony")
    require(pins.signer in terms.quorum, Refusal.SESSION, "this party is not in the session")
    name = session_id(terms, pins.deployment)
    require(name not in journal.sessions, Refusal.SESSION, "this session's name was used before")
    caught = journal.ceremonies.banned(wallet.id) | journal.sessions.frozen(wallet.id, record.epoch)
    gone = sorted(set(terms.quorum) & caught)
    require(not gone, Refusal.FROZEN, f"banned, or caught while this epoch was made: {', '.join(gone)}")
    making = terms.kind is SessionKind.REFRESH
    return SessionRecord(
        kind="session",
        time=now,
        session=name,
        wallet=wallet.id,
        epoch=record.epoch,
        quorum=terms.quorum,
        signing_hash=bytes.fromhex(record.ceremony) if making else terms.message_hash,
        consents=(),
    )


def join_refresh(
    terms: SessionTerms,
    record: CeremonyRecord,
    *,
    source: tuple[int, bytes],
    pins: Pins,
    journal: Journal,
    now: int,
) -> SessionRecord:
    """Decide whether this party takes part in a session that makes new shares.

    Args:
        terms: The session's terms.
        record: The ceremony, as this party knows it.
        source: Epoch and session of the share that this party uses now.
        pins: This party's pins.
        journal: This party's memory.
        now: Unix seconds.

    Returns:
        The record that spends the session's name, to be journalled before the first round.

    Raises:
        RefusedError: `ceremony`, `session`, `frozen`, or as `core.ceremonies.begun`; `behind` where the parties use
            shares of different sessions: whoever is behind has to be shown the proof of the newer one.
    """
    wallet = renewing(record, pins, journal, now=now)
    _check_open(record, pins, journal, now, source[0])
    require(terms.kind is SessionKind.REFRESH, Refusal.SESSION, "no session of a refresh")
    settled = CeremonyStep.STAGED in journal.ceremonies.done(record.ceremony)
    require(not settled, Refusal.SESSION, "this party has settled on a session of this ceremony")
    require(terms.quorum == wallet.signers, Refusal.SESSION, "a refresh takes all parties, in their order")
    same = terms.message_hash == source[1]
    require(same, Refusal.BEHIND, f"this party uses shares of epoch {source[0]}, of another session than these terms")
    tried = len(journal.sessions.about(bytes.fromhex(record.ceremony)))
    few = tried < ATTEMPTS_MOST
    require(few, Refusal.CEREMONY, f"{tried} sessions of this ceremony came to nothing: order the next epoch")
    return _joined(terms, record, wallet, pins, journal, now=now)


def join_test(
    terms: SessionTerms, record: CeremonyRecord, made: Made, *, pins: Pins, journal: Journal, active: int, now: int
) -> tuple[ShareTestToken, SessionRecord]:
    """Decide whether this party takes part in a test signature over the shares that it settled on.

    Args:
        terms: The session's terms; their bytes must be those that `message_of_test` says.
        record: The ceremony.
        made: What this party's staged share is of.
        pins: This party's pins.
        journal: This party's memory.
        active: The epoch that this party uses.
        now: Unix seconds.

    Returns:
        The token for these bytes, and the record that spends the session's name.

    Raises:
        RefusedError: `ceremony`, `session`, `frozen`, or as `core.ceremonies.begun`.
    """
    wallet = renewing(record, pins, journal, now=now)
    _check_open(record, pins, journal, now, active)
    require(terms.kind is SessionKind.TEST, Refusal.SESSION, "no session of a test")
    step = journal.ceremonies.done(record.ceremony).get(CeremonyStep.STAGED)
    settled = step is not None and step.evidence == made.digest
    require(settled, Refusal.SESSION, "this party has not settled on these shares")
    _check_quorum(terms.quorum, wallet)
    message = message_of_test(made, terms.quorum)
    require(terms.message_hash == message, Refusal.SESSION, "a test is over the bytes that the ceremony gives")
    tried = journal.sessions.unfinished(wallet.id, record.epoch)
    few = tried < TESTS_MOST
    require(few, Refusal.FROZEN, f"{tried} sessions of this epoch ended without a signature: order the next one")
    joined = _joined(terms, record, wallet, pins, journal, now=now)
    return ShareTestToken(SEAL, message=message, quorum=terms.quorum, public_key=wallet.public_key), joined


def _check_quorum(quorum: tuple[str, ...], wallet: Wallet) -> None:
    places = [wallet.signers.index(party) for party in quorum if party in wallet.signers]
    ordered = len(places) == len(quorum) == wallet.threshold and places == sorted(set(places))
    require(ordered, Refusal.SESSION, f"a test takes {wallet.threshold} of the wallet's parties, in their order")


def _step(record: CeremonyRecord, step: CeremonyStep, evidence: str, now: int) -> CeremonyStepRecord:
    return CeremonyStepRecord(
        kind="ceremony_step", time=now, ceremony=record.ceremony, step=step, evidence=evidence, consents=()
    )


def stage(
    proof: Proof,
    record: CeremonyRecord,
    *,
    kept: Iterable[bytes],
    active: int,
    pins: Pins,
    journal: Journal,
    now: int,
) -> CeremonyStepRecord | None:
    """Settle on the session whose shares all parties keep; None if this party has settled on it before.

    Args:
        proof: With the word of every party that its share is durable.
        record: The ceremony.
        kept: The sessions of this ceremony whose shares this party keeps itself.
        active: The epoch that this party uses.
        pins: This party's pins.
        journal: This party's memory.
        now: Unix seconds.

    Raises:
        RefusedError: `ceremony` where the words do not hold, or it settled on another session; or as `begun`.
    """
    wallet = renewing(record, pins, journal, now=now)
    made = check_words(proof.kept, Said.KEPT, record, pins.policy(journal.policy_at(now)), pins.deployment)
    about = (made.wallet, made.public_key) == (wallet.id, wallet.public_key)
    require(about, Refusal.CEREMONY, "these words are about another wallet's shares")
    before = journal.ceremonies.done(record.ceremony).get(CeremonyStep.STAGED)
    if before is not None:
        same = before.evidence == made.digest
        require(same, Refusal.CEREMONY, "this party has settled on another session: order the next epoch")
        return None
    _check_open(record, pins, journal, now, active)
    require(made.session in set(kept), Refusal.CEREMONY, "this party keeps no share of that session")
    return _step(record, CeremonyStep.STAGED, made.digest, now)


def _check_tests(tests: Iterable[ShareTest], made: Made, wallet: Wallet) -> None:
    covered: set[str] = set()
    for test in tests:
        _check_quorum(test.quorum, wallet)
        try:
            finish_signature(message_of_test(made, test.quorum), test.signature, wallet.public_key)
        except EncodingError as error:
            raise RefusedError(Refusal.CEREMONY, "a test signature is not of these shares' test") from error
        covered.update(test.quorum)
    missing = sorted(set(wallet.signers) - covered)
    require(not missing, Refusal.CEREMONY, f"no test signature shows the new share of {', '.join(missing)}")


def activate(
    proof: Proof, record: CeremonyRecord, *, active: int, pins: Pins, journal: Journal, now: int
) -> CeremonyStepRecord | None:
    """Go over to a new epoch, by what anybody may show, also long after the ceremony; None if this party has.

    Args:
        proof: With every party's word that its share is durable, and tests by quorums that cover all parties.
        record: The ceremony.
        active: The epoch that this party uses.
        pins: This party's pins.
        journal: This party's memory.
        now: Unix seconds.

    Raises:
        RefusedError: `ceremony` where it is no proof, or this party never settled on these shares, or uses a higher
            epoch; `halted`, `clock`.
    """
    if CeremonyStep.ACTIVATED in journal.ceremonies.done(record.ceremony):
        return None
    check_clock(journal, now)
    wallet = renewing(record, pins, journal, now=now)
    made = check_words(proof.kept, Said.KEPT, record, pins.policy(journal.policy_at(now)), pins.deployment)
    step = journal.ceremonies.done(record.ceremony).get(CeremonyStep.STAGED)
    settled = step is not None and step.evidence == made.digest
    require(settled, Refusal.CEREMONY, "this party has not settled on these shares")
    require(record.epoch > active, Refusal.CEREMONY, f"this party uses epoch {active} already")
    _check_tests(proof.tests, made, wallet)
    return _step(record, CeremonyStep.ACTIVATED, proof.digest, now)


def may_destroy(proof: Proof, record: CeremonyRecord, *, pins: Pins, journal: Journal, now: int) -> None:
    """Let this party destroy what lies below a ceremony's epoch.

    Args:
        proof: With the word of every party that it uses the new epoch.
        record: The ceremony.
        pins: This party's pins.
        journal: This party's memory.
        now: Unix seconds.

    Raises:
        RefusedError: `ceremony`; `halted`, `clock`.
    """
    check_clock(journal, now)
    made = check_words(proof.activated, Said.ACTIVATED, record, pins.policy(journal.policy_at(now)), pins.deployment)
    done = journal.ceremonies.done(record.ceremony)
    step = done.get(CeremonyStep.STAGED)
    ours = CeremonyStep.ACTIVATED in done and step is not None and step.evidence == made.digest
    require(ours, Refusal.CEREMONY, "this party does not use that epoch: show it the proof first")


def destroyed(record: CeremonyRecord, evidence: str, *, now: int) -> CeremonyStepRecord:
    """Return the record of a destruction.

    Args:
        record: The ceremony, after `may_destroy`.
        evidence: The digest of the list of what was destroyed.
        now: Unix seconds.
    """
    return _step(record, CeremonyStep.DESTROYED, evidence, now)
