"""Reservation certificates: what a party of a threshold wallet needs before it takes part in a signature.

Any t parties can sign, so t of them that never met the others would each count limits, nonces and mandates alone.
A certificate holds the word of q parties that they journalled one and the same reservation, 2q > n + t - 1. Two
certificates then share at least t parties, one of them honest; and that one reserves a nonce once, and counts what it
counted before. What a party missed it takes from certificates, before it joins: so whoever joins has counted all that
any honest party behind the certificate had.

Pure, as all of `core`: whoever uses it journals the returned records durably before anything leaves the process.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.degraded import in_force, known_for, may_join
from core.documents.base import Header, check_deployment
from core.documents.party import Binding, LaneState, Reservation, SessionKind
from core.documents.roster import WalletKind
from core.draws import one_draw
from core.ed25519 import is_signed
from core.errors import Refusal, RefusedError, require
from core.party_keys import check_teaches, keys_then, party_key
from core.records import CertifiedRecord, SessionRecord
from core.sessions import session_id
from core.verified import SEAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from core.documents.bundle import Bundle
    from core.documents.party import Certificate, SessionTerms, SignedReservation
    from core.documents.policy import Policy
    from core.documents.roster import Wallet
    from core.journal import Journal
    from core.limits import Draw
    from core.pins import Pins
    from core.records import CeremonyRecord
    from core.verified import Verified

ABORTS_MOST = 64
"""Sessions of one wallet and epoch that may end without a signature: each may tell a cheating peer a bit.

Those with a party that people have banned since count no more: else one that stops in every session, and in every
refresh, would leave honest parties that sign nothing for ever, not even what empties the wallet.
"""


def certificate_size(parties: int, threshold: int) -> int:
    """Return the least q with 2q > n + t - 1: 4 for 3-of-5, 3 for 2-of-3.

    Args:
        parties: n, those that hold a share.
        threshold: t, those that a signature takes.
    """
    return (parties + threshold - 1) // 2 + 1


def binding_of(bundle: Bundle, verified: Verified) -> Binding:
    """Return what a verified case binds its nonce to."""
    cancel = None if bundle.cancel is None else bundle.cancel.document
    return Binding(
        intent=bundle.intent.digest,
        mandate=bundle.mandate.digest,
        wallet=verified.wallet.id,
        nonce=bundle.attempt.nonce,
        max_fee_per_gas=bundle.attempt.max_fee_per_gas,
        max_priority_fee_per_gas=bundle.attempt.max_priority_fee_per_gas,
        cancel=None if cancel is None else cancel.digest,
        signing_hash=verified.transaction.signing_hash,
    )


def lanes_of(journal: Journal, policy: Policy, party: str) -> tuple[LaneState, ...]:
    """Return how far a party's memory of its wallets reaches, in the order of their names."""
    held = sorted(wallet.id for wallet in policy.wallets if party in wallet.signers)
    return tuple(
        LaneState(
            wallet=name,
            next_nonce=journal.next_nonce(name),
            cancels=journal.cancels(name),
            held=journal.lane_digest(name),
        )
        for name in held
    )


def reservation_of(
    bundle: Bundle, verified: Verified, pins: Pins, journal: Journal, *, now: int, number: str
) -> Reservation:
    """Write down what this party gives its word on. Its own record of it is journalled already.

    Args:
        bundle: The case.
        verified: What `core.verify` or `core.cancel` made of it.
        pins: This party's pins.
        journal: This party's memory, the reservation included.
        now: Unix seconds.
        number: A fresh document id, 32 hex digits.

    Raises:
        RefusedError: `certificate`, if the reservation was not journalled.
    """
    binding = binding_of(bundle, verified)
    draw = journal.draw_of(binding.cancel or binding.intent)
    if draw is None:
        raise RefusedError(Refusal.CERTIFICATE, "nothing was reserved for this case here")
    newest = pins.policy(journal.policy_at(now))
    return Reservation(
        header=Header(
            type=Reservation.TYPE,
            version=1,
            deployment=pins.deployment,
            id=number,
            created=now,
            expires=bundle.header.expires,
        ),
        party=pins.signer,
        policy=bundle.policy,
        newest=newest.digest,
        binding=binding,
        draw=dataclasses.replace(draw, time=0),
        lanes=lanes_of(journal, newest, pins.signer),
    )


def _check_one(signed: SignedReservation, binding: Binding, wallet: Wallet, key: bytes, pins: Pins) -> None:
    document = signed.document
    check_deployment(document, pins.deployment)
    require(document.party in wallet.signers, Refusal.CERTIFICATE, f"{document.party} holds no share of this wallet")
    require(document.binding == binding, Refusal.CERTIFICATE, f"{document.party} reserved something else")
    genuine = is_signed(key, signed.signature, bytes.fromhex(document.digest))
    require(genuine, Refusal.CERTIFICATE, f"the reservation is not {document.party}'s")


def check_certificate(
    certificate: Certificate,
    binding: Binding,
    wallet: Wallet,
    policy: Policy,
    pins: Pins,
    *,
    modes: Iterable[CeremonyRecord] = (),
    keys: Mapping[str, bytes] | None = None,
) -> tuple[str, ...]:
    """Accept a certificate of one binding by enough distinct parties of a wallet.

    Args:
        certificate: The reservations; one that does not hold refuses them all.
        binding: What they must all be about.
        wallet: The newest policy's entry.
        policy: The newest policy, which names the parties' keys.
        pins: This party's pins.
        modes: Degraded ceremonies under any one of which t of the parties that it names are enough.
        keys: Other Ed25519 keys than the newest policy's, by party; only for learning what is past.

    Returns:
        The parties that gave their word.

    Raises:
        RefusedError: `certificate` or `wrong_deployment`.
    """
    require(wallet.kind is WalletKind.MPC, Refusal.CERTIFICATE, "only threshold wallets have certificates")
    for signed in certificate.reservations:
        party = signed.document.party
        _check_one(signed, binding, wallet, party_key(policy, party) if keys is None else keys[party], pins)
    parties = tuple(signed.document.party for signed in certificate.reservations)
    require(len(set(parties)) == len(parties), Refusal.CERTIFICATE, "a party gave its word twice")
    needed = certificate_size(len(wallet.signers), wallet.threshold)
    enough = len(parties) >= (wallet.threshold if may_join(modes, parties) else needed)
    require(enough, Refusal.CERTIFICATE, f"{len(parties)} parties reserved this, {needed} have to")
    return parties


def learn(certificate: Certificate, pins: Pins, journal: Journal, *, now: int) -> CertifiedRecord | None:
    """Take a reservation that this party missed from its certificate; None if it was counted already.

    It counts as drawn now, which is later than it was, so it leaves every window later: too much is the safe side.
    Where this party itself had reserved the nonce for another intent, that reservation can never be certified any
    more (see the module's text), and what it drew stays drawn. What fewer than q parties signed in degraded mode is
    learned by whoever knows its ceremony, in its time or later, and only at a nonce that holds nothing else here; so
    is what a party's earlier key gave its word on, before people gave that party another one.

    Raises:
        RefusedError: `certificate`, `unknown_wallet`, `nonce` for one that comes before others that are missing,
            `denied` where the parties do not agree on what was drawn.
    """
    require(now >= journal.clock, Refusal.CLOCK, "this signer's clock went back")
    binding = certificate.reservations[0].document.binding
    policy = pins.policy(journal.policy_at(now))
    wallet = next((one for one in policy.wallets if one.id == binding.wallet), None)
    if wallet is None or pins.signer not in wallet.signers:
        raise RefusedError(Refusal.UNKNOWN_WALLET, "this party holds no share of that wallet")
    modes = known_for(certificate, wallet.id, journal)
    keys = keys_then(certificate, pins, journal, now=now)
    parties = check_certificate(certificate, binding, wallet, policy, pins, modes=modes, keys=keys)
    if journal.holds(binding):
        return None
    slot = journal.slots.get((binding.wallet, binding.nonce))
    whole = len(parties) >= certificate_size(len(wallet.signers), wallet.threshold)
    current = all(party_key(policy, party) == key for party, key in keys.items())
    free = (whole and current) or slot is None or slot.intent == binding.intent
    require(free, Refusal.CERTIFICATE, "fewer words, or earlier keys', put nothing in the place of another case")
    following = journal.next_nonce(binding.wallet)
    in_order = slot is not None or binding.nonce == following
    require(in_order, Refusal.NONCE, f"what comes before is missing: the next nonce of this wallet is {following}")
    other = slot is not None and slot.intent != binding.intent and journal.joined(binding.wallet, binding.nonce)
    require(not other, Refusal.CERTIFICATE, "this party has seen another certificate of this nonce: parties lie")
    known = journal.draw_of(binding.cancel or binding.intent)
    joined = one_draw([signed.document.draw for signed in certificate.reservations])
    return CertifiedRecord(
        kind="certified",
        time=now,
        binding=binding,
        draw=None if known is not None else dataclasses.replace(joined, time=now),
        parties=parties,
        consents=(),
    )


def _check_alike(certificate: Certificate) -> None:
    """Refuse words that were not given over one and the same memory.

    So the honest words of two certificates are ordered: what the party that gave both held at the first, all held at
    the second. Whoever gave a word on the last of any number of cases has counted, and allowed, the sum of them all.
    """
    told: dict[str, tuple[int, str]] = {}
    for signed in certificate.reservations:
        for lane in signed.document.lanes:
            state = (lane.next_nonce, lane.held)
            require(
                told.setdefault(lane.wallet, state) == state,
                Refusal.BEHIND,
                f"{signed.document.party} remembers other cases of {lane.wallet} than the parties before it: hand "
                "them each other's certificates, and have them reserve this case again",
            )


def _own_draw(binding: Binding, now_drawn: Draw, journal: Journal) -> Draw:
    """Return the most that a case draws by this party's own reckoning: when it was reserved first, and now.

    Prices may have changed in between, and other parties may have reserved it first only since.
    """
    known = journal.draw_of(binding.cancel or binding.intent)
    if known is None:
        raise RefusedError(Refusal.CERTIFICATE, "nothing was reserved for this case here")
    first, present = dataclasses.replace(known, time=0), dataclasses.replace(now_drawn, time=0)
    try:
        return one_draw([first, present])
    except RefusedError:
        return first


def _check_draws(certificate: Certificate, binding: Binding, own: Draw) -> None:
    """Refuse words that draw more than this party makes of the case: whoever learns from them would count that.

    Nothing would be signed that may not be, but a lie would fill limits, at every party that was away, for as long as
    their windows last. A word that draws less is joined to the others, which draw what is right. Parties may remember
    differently who asked for what a cancel ends (`core.cancel`); that keeps none from being signed.
    """
    for signed in certificate.reservations:
        told = signed.document.draw
        if binding.cancel is not None:
            told = dataclasses.replace(told, order=own.order, initiators=own.initiators, desk=own.desk)
        try:
            more = one_draw([own, told]) != own
        except RefusedError:
            more = True
        require(not more, Refusal.CERTIFICATE, f"{signed.document.party} says that this case draws something else")


def _check_behind(certificate: Certificate, policy: Policy, pins: Pins, journal: Journal) -> None:
    mine = {lane.wallet: lane for lane in lanes_of(journal, policy, pins.signer)}
    for signed in certificate.reservations:
        for lane in signed.document.lanes:
            own = mine.get(lane.wallet)
            if own is None:
                continue
            reaches = own.next_nonce >= lane.next_nonce and own.cancels >= lane.cancels
            require(
                reaches,
                Refusal.BEHIND,
                f"{signed.document.party} knows of nonces up to {lane.next_nonce} and {lane.cancels} cancels of "
                f"{lane.wallet}, this party of {own.next_nonce} and {own.cancels}: hand it their certificates first",
            )


def _check_terms(terms: SessionTerms, binding: Binding, wallet: Wallet, pins: Pins, epoch: int) -> None:
    subject = binding.cancel or binding.intent
    same = (
        terms.kind is SessionKind.SIGN
        and (terms.wallet, terms.public_key, terms.threshold) == (wallet.id, wallet.public_key, wallet.threshold)
        and (terms.message_hash, terms.subject) == (binding.signing_hash, subject)
    )
    require(same, Refusal.SESSION, "the session is about something else than this case")
    require(terms.epoch == epoch, Refusal.SESSION, f"this party's share is of epoch {epoch}, not {terms.epoch}")
    places = [wallet.signers.index(party) for party in terms.quorum if party in wallet.signers]
    ordered = len(places) == len(terms.quorum) == wallet.threshold and places == sorted(set(places))
    require(ordered, Refusal.SESSION, f"a session takes {wallet.threshold} of the wallet's parties, in their order")
    require(pins.signer in terms.quorum, Refusal.SESSION, "this party is not in the session")


def join(
    bundle: Bundle,
    verified: Verified,
    certificate: Certificate,
    terms: SessionTerms,
    *,
    pins: Pins,
    journal: Journal,
    epoch: int,
    now: int,
) -> SessionRecord:
    """Decide whether this party takes part in one session about a verified case; lets the token be spent if so.

    Args:
        bundle: The case.
        verified: Verified and journalled just now, by this party itself, over all that it has learned.
        certificate: The word of q parties.
        terms: The session's terms.
        pins: This party's pins.
        journal: This party's memory, the case's reservation included.
        epoch: The epoch of this party's share.
        now: Unix seconds.

    Returns:
        The record that spends the session's name, to be journalled before the first round.

    Raises:
        RefusedError: `certificate`, `behind`, `session` or `frozen`.
    """
    binding = binding_of(bundle, verified)
    require(journal.holds(binding), Refusal.CERTIFICATE, "this case is not reserved here")
    policy = pins.policy(journal.policy_at(now))
    wallet = verified.wallet
    # What was decided over whole limits never goes on below a whole certificate.
    given = known_for(certificate, wallet.id, journal) if verified.parts > 1 else ()
    modes = [mode for mode in in_force(wallet.id, journal, now=now) if mode in given]
    words = check_certificate(certificate, binding, wallet, policy, pins, modes=may_join(modes, terms.quorum))
    out = journal.ceremonies.banned(wallet.id)
    banned = sorted({*words, *terms.quorum} & out)
    require(not banned, Refusal.FROZEN, f"banned from this wallet by people: {', '.join(banned)}")
    check_teaches(certificate, policy, pins, journal, now=now)
    _check_draws(certificate, binding, _own_draw(binding, verified.draw, journal))
    _check_alike(certificate)
    _check_behind(certificate, policy, pins, journal)
    _check_terms(terms, binding, wallet, pins, epoch)
    name = session_id(terms, pins.deployment)
    require(name not in journal.sessions, Refusal.SESSION, "this session's name was used before")
    frozen = sorted(set(terms.quorum) & journal.sessions.frozen(wallet.id, epoch))
    require(not frozen, Refusal.FROZEN, f"frozen after an abort, until people renew the shares: {', '.join(frozen)}")
    aborted = journal.sessions.unfinished(wallet.id, epoch, banned=out)
    few = aborted < ABORTS_MOST
    require(few, Refusal.FROZEN, f"{aborted} sessions of this epoch ended without a signature: renew the shares")
    verified.certify(SEAL)
    return SessionRecord(
        kind="session",
        time=now,
        session=name,
        wallet=wallet.id,
        epoch=epoch,
        quorum=terms.quorum,
        signing_hash=binding.signing_hash,
        consents=(),
    )
