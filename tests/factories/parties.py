"""Parties of a threshold wallet in memory: real documents, real signatures, a journal each, and no shares.

What the protocol adds (sessions over sockets, shares in tokens) is `tests/party`; this is about who may say what.
"""

from __future__ import annotations

import dataclasses
import secrets
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.cancel import verify_cancel
from core.ceremonies import check_ceremony
from core.certificate import certificate_size, join, learn, reservation_of
from core.documents.control import CeremonyKind
from core.documents.party import Certificate, Reservation, SessionKind, SessionTerms, SignedReservation
from core.documents.roster import SignerEntry, SignerRole, Wallet, WalletKind
from core.evm import Type2
from core.verify import verify
from tests.factories.ceremonies import ceremony, signed
from tests.factories.world import CHAIN, NOW, World

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.documents.bundle import Bundle
    from core.documents.control import SignedCeremony
    from core.documents.policy import Policy
    from core.journal import Journal
    from core.pins import Pins
    from core.records import SessionRecord
    from core.verified import Verified


@dataclasses.dataclass
class Party:
    """An honest party; a corrupt one is whoever uses its `key` for other words."""

    id: str
    key: Ed25519PrivateKey
    pins: Pins
    journal: Journal

    def verify(self, bundle: Bundle, now: int) -> Verified:
        """Verify a case and journal its reservation."""
        check = verify if bundle.cancel is None else verify_cancel
        verified = check(bundle, self.pins, self.journal, now)
        if verified.record is not None:
            self.journal.apply(self.journal.encode(verified.record))
            verified.journalled()
        return verified

    def sign(self, document: Reservation) -> SignedReservation:
        """Sign any words at all."""
        return SignedReservation(document=document, signature=self.key.sign(bytes.fromhex(document.digest)))

    def reserve(self, bundle: Bundle, now: int) -> SignedReservation:
        """Give this party's word, as `signer.party.service` does."""
        verified = self.verify(bundle, now)
        number = secrets.token_hex(16)
        return self.sign(reservation_of(bundle, verified, self.pins, self.journal, now=now, number=number))

    def learn(self, certificate: Certificate, now: int) -> bool:
        """Journal what was missed."""
        record = learn(certificate, self.pins, self.journal, now=now)
        if record is not None:
            self.journal.apply(self.journal.encode(record))
        return record is not None

    def take(self, order: SignedCeremony, now: int) -> None:
        """Take a ceremony, as every signer does."""
        record = check_ceremony(order, self.pins, self.journal, now=now, held=None)
        if record is not None:
            self.journal.apply(self.journal.encode(record))

    def join(self, bundle: Bundle, certificate: Certificate, terms: SessionTerms, now: int) -> SessionRecord:
        """Join a session, as `signer.party.service` does."""
        verified = self.verify(bundle, now)
        record = join(
            bundle, verified, certificate, terms, pins=self.pins, journal=self.journal, epoch=terms.epoch, now=now
        )
        self.journal.apply(self.journal.encode(record))
        verified.spend()
        return record


class Parties:
    """n parties of which t sign for each of three wallets."""

    def __init__(
        self,
        threshold: int = 3,
        parties: int = 5,
        *,
        now: int = NOW,
        public_key: bytes = b"",
        **overrides: Any,  # noqa: ANN401 - of Policy
    ) -> None:
        names = tuple(f"party-{place}" for place in range(1, parties + 1))
        keys = {name: Ed25519PrivateKey.generate() for name in names}
        signers = tuple(
            SignerEntry(
                id=name,
                role=SignerRole.PARTY,
                public_key=keys[name].public_key().public_bytes_raw(),
                host=f"host-{name}",
                site=f"site-{name}",
                administrator=f"person-{name}",
                vendor="softhsm",
            )
            for name in names
        )
        plain = World(now=now, wallet_public_key=public_key)
        self.wallet_key = plain.wallet_key
        self.wallet = dataclasses.replace(
            plain.policy.wallets[0], kind=WalletKind.MPC, signers=names, threshold=threshold
        )
        self.wallets = (
            self.wallet,
            self._another("Second", threshold, names),
            self._another("Third", threshold, names),
        )
        fields = {"signers": signers, "wallets": self.wallets, **overrides}
        self.world = World(now=now, signer=names[0], wallet_public_key=plain.wallet_public_key, overrides=fields)
        self.size = certificate_size(parties, threshold)
        self.all = {
            name: Party(
                name,
                keys[name],
                dataclasses.replace(self.world.pins, signer=name, role=SignerRole.PARTY),
                self.world.make_journal(signer=name),
            )
            for name in names
        }

    @staticmethod
    def _another(label: str, threshold: int, names: tuple[str, ...]) -> Wallet:
        other = World()
        return dataclasses.replace(
            other.policy.wallets[0],
            id=f"{CHAIN}:{other.policy.wallets[0].address}",
            label=label,
            kind=WalletKind.MPC,
            signers=names,
            threshold=threshold,
        )

    def __getitem__(self, place: int) -> Party:
        """Return a party by its place, from 1."""
        return self.all[f"party-{place}"]

    @property
    def policy(self) -> Policy:
        """The policy that all of them pinned."""
        return self.world.policy

    def case(self, nonce: int = 0, *, wallet: int = 0, named: bool = False, **intent: Any) -> Bundle:  # noqa: ANN401 - of Intent
        """Make a case of one of the three wallets; `named`: its mandate is for that nonce only."""
        made = self.world.intent(**({"wallet": self.wallets[wallet].id} | intent))
        mandate = self.world.mandate(made, nonce=nonce if named else None)
        return self.world.bundle(mandate, nonce=nonce)

    def degrade(self, *places: int, known: Iterable[int] | None = None, **changes: Any) -> SignedCeremony:  # noqa: ANN401
        """Open a degraded mode in which these parties go on, and hand it to them (or to those that `known` names)."""
        signers = tuple(f"party-{place}" for place in places)
        made = ceremony(self.world, CeremonyKind.DEGRADED, self.wallet, **({"signers": signers} | changes))
        order = signed(self.world, made)
        for place in places if known is None else known:
            self[place].take(order, self.world.now)
        return order

    def certificate(self, bundle: Bundle, *places: int) -> Certificate:
        """Have these parties reserve a case."""
        return Certificate(reservations=tuple(self[place].reserve(bundle, self.world.now) for place in places))

    def terms(self, bundle: Bundle, quorum: Iterable[int], **changes: Any) -> SessionTerms:  # noqa: ANN401
        """Make a session's terms about a case."""
        intent, attempt = bundle.intent, bundle.attempt
        wallet = next(one for one in self.wallets if one.id == intent.wallet)
        transaction = Type2(
            chain_id=intent.chain_id,
            nonce=attempt.nonce,
            max_priority_fee_per_gas=attempt.max_priority_fee_per_gas,
            max_fee_per_gas=attempt.max_fee_per_gas,
            gas=intent.gas,
            to=intent.to,
            value=intent.value,
            data=intent.data,
        )
        fields: dict[str, Any] = {
            "kind": SessionKind.SIGN,
            "wallet": wallet.id,
            "public_key": wallet.public_key,
            "epoch": 0,
            "threshold": wallet.threshold,
            "quorum": tuple(f"party-{place}" for place in quorum),
            "message_hash": transaction.signing_hash,
            "subject": intent.digest,
            "nonce": secrets.token_bytes(32),
        }
        return SessionTerms(**(fields | changes))
