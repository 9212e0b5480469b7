"""A party's part in renewing a wallet's shares: what `core.refresh` allows, durably and in its order.

Whatever is asked twice is answered twice. Killed between any two steps, a party goes on from what its journal and its
files say, as soon as somebody shows it the same words again.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.canonical import canonical_of_codecs, parse, tagged_digest
from core.documents.control import CeremonyKind
from core.documents.party import SessionKind
from core.documents.renewal import KIND, Proof, Said, ShareTest, Word
from core.epochs import activated_by, active_epoch, made_of, next_epoch
from core.errors import CoreError, Refusal, RefusedError
from core.records import CeremonyStep, SignatureRecord
from core.refresh import activate, destroyed, join_refresh, join_test, may_destroy, renewing, stage
from core.schema import read_struct, write_struct
from mpc import RefreshSession, SignSession
from signer.backends import own_wallets
from signer.config import check_private
from signer.errors import ConfigError, ShareFileError, TokenKeyError
from signer.files import finish_destroying, write_new
from signer.party.candidates import Candidates, destroy_all, fingerprints
from signer.party.making import Work

if TYPE_CHECKING:
    from pathlib import Path

    from core.canonical import Json
    from core.documents.party import SessionTerms
    from core.documents.renewal import Made
    from core.documents.roster import Wallet
    from core.records import CeremonyRecord
    from core.verified import ShareTestToken
    from mpc import Share
    from signer.party.backups import Backups
    from signer.party.making import Host, Making
    from signer.party.session import Session

FOLDER = "renewals"
_PROOF_BYTES = 256 * 1024


class Renewals:
    """The refreshes that one party takes part in."""

    def __init__(self, host: Host, making: Making, backups: Backups) -> None:
        """Take what the party's parts share.

        Args:
            host: Journal, shares, key and pins.
            making: The live sessions.
            backups: The backups in this party's own folder, which end with the epoch that they are of.
        """
        self._host, self._making, self._backups = host, making, backups
        self._candidates = Candidates(host.backend.shares)
        self._folder = host.state / FOLDER

    def join(self, terms: SessionTerms, *, now: int) -> Json:
        """Join a session that makes new shares, or one that tests them.

        Raises:
            RefusedError: As `core.refresh.join_refresh` and `core.refresh.join_test`.
            SignerError: If token or shares do not let the party do its part.
        """
        record = self._known(terms.subject)
        wallet = renewing(record, self._host.pins(), self._host.journal, now=now)
        if terms.kind is SessionKind.TEST:
            return self._join_test(terms, record, wallet, now)
        share = self._host.backend.open(wallet)
        source = self._host.backend.epoch(wallet), bytes(share.session)
        share.wipe()
        joined = join_refresh(
            terms, record, source=source, pins=self._host.pins(), journal=self._host.journal, now=now
        )

        def start() -> RefreshSession:
            share = self._host.backend.open(wallet)
            try:
                return RefreshSession(share, session=joined.session)
            finally:
                share.wipe()

        def finish(session: Session, _: int) -> Json:
            return self._keep(record, wallet, session)

        return self._making.join(terms, joined, wallet.signers, Work(start, finish, freezes=True), now=now)

    def _keep(self, record: CeremonyRecord, wallet: Wallet, session: Session) -> Json:
        share: Share = session.share()
        try:
            if bytes(share.public_key) != wallet.public_key:
                raise TokenKeyError("the new shares are of another key")
            self._candidates.keep(self._host.backend.name(wallet.id, record.epoch), share)
        finally:
            share.wipe()
        self._host.store.failpoint("signer.renewal_kept")
        made = made_of(record, wallet.id, wallet.public_key, session.name, self._host.pins().deployment)
        return {"kept": self._speak(Said.KEPT, made)}

    def _join_test(self, terms: SessionTerms, record: CeremonyRecord, wallet: Wallet, now: int) -> Json:
        made = self._settled(record, wallet)
        if made is None:
            raise RefusedError(Refusal.SESSION, "this party has settled on no shares of this ceremony")
        active = self._host.backend.epoch(wallet)
        token, joined = join_test(
            terms, record, made, pins=self._host.pins(), journal=self._host.journal, active=active, now=now
        )

        def start() -> SignSession:
            token.journalled()
            return self._test(token, made, wallet, joined.session)

        def finish(session: Session, now: int) -> Json:
            signature = token.finish(session.signature())
            self._host.store.note(
                SignatureRecord(kind="signature", time=now, signing_hash=token.message, raw=signature)
            )
            return {"test": write_struct(ShareTest(quorum=token.quorum, signature=signature), "test")}

        return self._making.join(terms, joined, wallet.signers, Work(start, finish, freezes=True), now=now)

    def _test(self, token: ShareTestToken, made: Made, wallet: Wallet, session: bytes) -> SignSession:
        share = self._candidates.open(self._host.backend.name(wallet.id, made.epoch), made.session)
        try:
            others = [wallet.signers.index(name) + 1 for name in token.quorum]
            return SignSession(
                share,
                session=session,
                counterparties=[index for index in others if index != share.index],
                message_hash=token.spend(),
            )
        finally:
            share.wipe()

    def advance(self, value: object, *, now: int) -> Json:
        """Go as far as what is shown allows, and say how far that is; shown nothing, only say it.

        Args:
            value: A `Proof` as JSON.
            now: Unix seconds.

        Raises:
            RefusedError: As `core.refresh.stage`, `core.refresh.activate` and `core.refresh.may_destroy`.
            SignerError: If token, shares or disk do not let the party do its part; asked again, it goes on.
        """
        proof = read_struct(Proof, value, "proof")
        record = self._known(proof.ceremony)
        wallet = renewing(record, self._host.pins(), self._host.journal, now=now)
        if proof.kept:
            self._stage(proof, record, wallet, now)
        if proof.tests:
            self._activate(proof, record, wallet, now)
        if proof.activated:
            self._destroy(proof, record, wallet, now)
        return self._state(record, wallet)

    def _known(self, ceremony: str) -> CeremonyRecord:
        record = self._host.journal.ceremonies.find(ceremony)
        if record is None or record.what is not CeremonyKind.REFRESH:
            raise RefusedError(Refusal.CEREMONY, "no such refresh was handed to this party")
        return record

    def _kept(self, record: CeremonyRecord, wallet: Wallet) -> list[bytes]:
        return self._candidates.sessions(self._host.backend.name(wallet.id, record.epoch))

    def _settled(self, record: CeremonyRecord, wallet: Wallet) -> Made | None:
        """Return what this party settled on, if the share of it still waits here."""
        step = self._host.journal.ceremonies.done(record.ceremony).get(CeremonyStep.STAGED)
        for session in self._kept(record, wallet) if step is not None else ():
            made = made_of(record, wallet.id, wallet.public_key, session, self._host.pins().deployment)
            if step is not None and made.digest == step.evidence:
                return made
        return None

    def _stage(self, proof: Proof, record: CeremonyRecord, wallet: Wallet, now: int) -> None:
        step = stage(
            proof,
            record,
            kept=self._kept(record, wallet),
            active=self._host.backend.epoch(wallet),
            pins=self._host.pins(),
            journal=self._host.journal,
            now=now,
        )
        if step is not None:
            self._host.store.append(step)
            self._host.store.failpoint("signer.renewal_staged")

    def _activate(self, proof: Proof, record: CeremonyRecord, wallet: Wallet, now: int) -> None:
        shown = dataclasses.replace(proof, activated=())
        step = activate(
            shown,
            record,
            active=self._host.backend.epoch(wallet),
            pins=self._host.pins(),
            journal=self._host.journal,
            now=now,
        )
        if step is None:
            return
        if self._settled(record, wallet) is None:
            raise ShareFileError("the new share is not here any more: this party goes on with the one that it has")
        self._write(f"{record.ceremony}.proof.json", canonical_of_codecs(write_struct(shown, "proof")))
        self._host.store.failpoint("signer.renewal_proven")
        self._host.store.append(step)
        self._host.store.failpoint("signer.renewal_activated")
        # Opening it puts it in its place.
        self._host.backend.ready(wallet)
        self._host.store.failpoint("signer.renewal_adopted")

    def _destroy(self, proof: Proof, record: CeremonyRecord, wallet: Wallet, now: int) -> None:
        may_destroy(proof, record, pins=self._host.pins(), journal=self._host.journal, now=now)
        self._host.backend.ready(wallet)
        for folder in (self._host.backend.shares.folder, self._backups.folder):
            finish_destroying(folder)
        name = self._host.backend.name(wallet.id, record.epoch)
        old = [*self._candidates.superseded(name), *self._backups.kept(wallet.id, record.epoch - 1)]
        if CeremonyStep.DESTROYED in self._host.journal.ceremonies.done(record.ceremony):
            # An old file that was copied back is no more welcome than it was.
            destroy_all(old)
            return
        path = self._folder / f"{record.ceremony}.destroyed.json"
        # A run that was stopped has written down what is gone by now.
        listed = fingerprints(old) | self._listed(path)
        content = canonical_of_codecs({"ceremony": record.ceremony, "destroyed": dict(listed)})
        self._write(path.name, content)
        self._host.store.failpoint("signer.renewal_listed")
        destroy_all(old)
        self._host.store.failpoint("signer.renewal_wiped")
        evidence = tagged_digest("shares-destroyed", content)
        self._host.store.append(destroyed(record, evidence, now=now))
        self._host.store.failpoint("signer.renewal_destroyed")

    def _listed(self, path: Path) -> dict[str, str]:
        """Return what a list says was to be destroyed; nothing where there is no list."""
        try:
            value = parse(path.read_bytes(), max_bytes=_PROOF_BYTES)
        except (OSError, CoreError):
            return {}
        known = value.get("destroyed") if isinstance(value, dict) else None
        return {str(name): str(one) for name, one in known.items()} if isinstance(known, dict) else {}

    def _write(self, name: str, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        (self._folder / name).unlink(missing_ok=True)
        write_new(self._folder / name, content, mode=0o400)

    def _speak(self, said: Said, made: Made, evidence: str | None = None) -> Json:
        word = Word(kind=KIND, party=self._host.pins().signer, said=said, made=made, evidence=evidence)
        return write_struct(self._host.key.speak(word), "word")

    def _state(self, record: CeremonyRecord, wallet: Wallet) -> Json:
        done = self._host.journal.ceremonies.done(record.ceremony)
        share = self._host.backend.open(wallet)
        source, active = bytes(share.session), self._host.backend.epoch(wallet)
        share.wipe()
        deployment = self._host.pins().deployment
        waiting = [] if CeremonyStep.ACTIVATED in done else self._kept(record, wallet)
        kept = [made_of(record, wallet.id, wallet.public_key, session, deployment) for session in waiting]
        proof = self._proof(record)
        activated = gone = None
        if CeremonyStep.ACTIVATED in done and active == record.epoch:
            made = made_of(record, wallet.id, wallet.public_key, source, deployment)
            activated = self._speak(Said.ACTIVATED, made)
            if CeremonyStep.DESTROYED in done:
                gone = self._speak(Said.DESTROYED, made, done[CeremonyStep.DESTROYED].evidence)
        return {
            "ceremony": record.ceremony,
            "wallet": wallet.id,
            "epoch": record.epoch,
            "steps": {str(step): one.evidence for step, one in done.items()},
            "active": active,
            "source": "0x" + source.hex(),
            "kept": [self._speak(Said.KEPT, one) for one in kept],
            "proof": None if proof is None else write_struct(proof, "proof"),
            "activated": activated,
            "destroyed": gone,
        }

    def _proof(self, record: CeremonyRecord) -> Proof | None:
        """Return the proof by which this party went over, to be shown to others; None if it did not, or lost it."""
        step = self._host.journal.ceremonies.done(record.ceremony).get(CeremonyStep.ACTIVATED)
        if step is None:
            return None
        path = self._folder / f"{record.ceremony}.proof.json"
        try:
            check_private(path, most=0o400)
            proof = read_struct(Proof, parse(path.read_bytes(), max_bytes=_PROOF_BYTES), "proof")
        except (OSError, ConfigError, CoreError):
            return None
        return proof if proof.digest == step.evidence else None

    def status(self, *, now: int) -> Json:
        """Say of each wallet which epoch is in use, since when, by which ceremony, and which number is next."""
        journal, pins = self._host.journal, self._host.pins()
        told: Json = {}
        for wallet in own_wallets(pins.policy(journal.policy_at(now)), pins.signer):
            record = activated_by(journal, wallet.id)
            since = journal.start.time if journal.start is not None else 0
            if record is not None:
                since = journal.ceremonies.done(record.ceremony)[CeremonyStep.ACTIVATED].time
            epoch = active_epoch(journal, wallet.id)
            known = self._host.backend.epochs.get(wallet.id, 0) if epoch is None else epoch
            told[wallet.id] = {
                "epoch": known,
                "since": since,
                "ceremony": None if record is None else record.ceremony,
                "next": next_epoch(journal, wallet.id, known),
            }
        return told
