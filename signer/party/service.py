"""What a party does with a request: it verifies the whole case as any signer, and signs only together with others.

prepare  look at a case and change nothing
reserve  verify it, journal its reservation, give this party's word on it
learn    journal reservations that this party missed, from their certificates
certificates  answer those that it joined with or was taught, for parties that missed them
join     verify the case again, over all that was learned (unless nothing has changed: `signer.party.kept`); journal
         the session's name; give this party's word on it
begin    with everybody's word: the first round
turn     one round after the other, until the signature is there, checked and written down

Sessions of ceremonies, which make shares or test them, are beside these: `signer.party.making`.

A relay carries all of it and is believed nothing: every step checks what it is told against the case, the journal and
the other parties' signatures.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, cast

from core.certificate import join, learn, reservation_of
from core.degraded import in_force
from core.documents.party import Certificate, SessionKind, SessionTerms, SignedHello
from core.errors import Refusal, RefusedError, require
from core.keccak import keccak256
from core.names import HASH32
from core.party_keys import party_key
from core.records import AbortRecord, SignatureRecord
from core.schema import Items, Struct, read_struct, write_struct
from mpc import SignSession
from signer.party.backups import Backups
from signer.party.envelopes import ENVELOPE, members, written
from signer.party.generation import Generations
from signer.party.going import Going, told_by
from signer.party.holdings import PartyHoldings
from signer.party.kept import Ground, KeptCase
from signer.party.making import Host, Making
from signer.party.refresh import Renewals
from signer.party.session import SESSIONS_MOST, AbortedError, Session
from signer.party.shelf import FILE, Shelf
from signer.service import Service

if TYPE_CHECKING:
    from pathlib import Path

    from core.canonical import Json
    from core.documents.bundle import Bundle
    from core.pins import Pins
    from core.verified import Verified
    from signer.destruction import Holder
    from signer.party.backend import PartyBackend
    from signer.party.party_key import PartyKey
    from signer.store import JournalStore

_CERTIFICATES = Items(Struct(lambda: Certificate), most=256)
_HELLOS = Items(Struct(lambda: SignedHello), least=1, most=16)
_ENVELOPES = Items(ENVELOPE, most=64)
_REASON_MOST = 200


class PartyService(Service):
    """One party's state. One request at a time."""

    def __init__(self, *, state: Path, pins: Pins, store: JournalStore, backend: PartyBackend, key: PartyKey) -> None:
        """Take over what start-up has checked.

        Args:
            state: The party's folder.
            pins: Pins with every accepted policy.
            store: The journal, in step with the token.
            backend: The shares.
            key: The party's own key.
        """
        super().__init__(state=state, pins=pins, store=store, backend=backend)
        self._shares = backend
        self._key = key
        self._sessions: dict[bytes, Going] = {}
        self._kept = KeptCase()
        self._shelf = Shelf(state / FILE)
        self._backups = Backups(state, store, backend)
        host = Host(state=state, store=store, backend=backend, key=key, pins=lambda: self.pins)
        self._making = Making(host)
        self._renewals = Renewals(host, self._making, self._backups)
        self._generations = Generations(host, self._making)

    def handle(self, request: Json, *, now: int) -> Json:
        """Carry out one request, as `Service.handle`."""
        op = request["op"]
        steps = {
            "prepare": self._prepare,
            "reserve": self._reserve,
            "learn": self._learn,
            "certificates": lambda told, _: self._shelf.page(told["since"]),
            "join": self._join,
            "begin": self._begin,
            "turn": self._turn,
            "greet": self._greet,
            "refresh": self._refresh,
            "generate": lambda told, at: self._generations.advance(told["generation"], now=at),
            "backup": self._back_up,
            "drilled": self._drilled,
        }
        if op == "sign":
            raise RefusedError(Refusal.UNSUPPORTED, "a party signs in a session with others, never alone")
        if op not in steps:
            return super().handle(request, now=now)
        if now > self.journal.clock:
            self.journal.saw(now)
        self._store.catch_up()
        return steps[str(op)](request, now)

    def _greet(self, request: Json, now: int) -> Json:
        terms = read_struct(SessionTerms, request["terms"], "terms")
        if terms.kind is SessionKind.SIGN:
            raise RefusedError(Refusal.SESSION, "a session about a case is joined with the case")
        if terms.kind is SessionKind.KEY_GENERATION:
            return self._generations.join(terms, now=now)
        return self._renewals.join(terms, now=now)

    def _refresh(self, request: Json, now: int) -> Json:
        return self._renewals.advance(request["proof"], now=now)

    def status(self, *, now: int) -> Json:
        """Say as well which epoch of each wallet's shares is in use, and since when."""
        return {**super().status(now=now), "shares": self._renewals.status(now=now)}

    def _back_up(self, request: Json, now: int) -> Json:
        return self._backups.seal(request["ceremony"], self.pins, now=now)

    def _drilled(self, request: Json, now: int) -> Json:
        return self._backups.drilled(request["attestation"], self.pins, now=now)

    def settle(self) -> None:
        """Make the last signature record durable, and keep the newest certificates, when their answers are out."""
        super().settle()
        self._shelf.settle()

    def _holder(self) -> Holder:
        return PartyHoldings(self._shares, self._backups)

    def _lane(self, wallet: str) -> Json:
        """Say as well how many cancels were counted: whoever keeps certificates sees what is missing here."""
        return {**super()._lane(wallet), "cancels": self.journal.cancels(wallet)}

    def _verify(self, bundle: Bundle, now: int) -> Verified:
        verified = self._kept.take(bundle, self._ground(now))
        if verified is None:
            verified = self._verified(bundle, now)
        banned = self.pins.signer in self.journal.ceremonies.banned(verified.wallet.id)
        require(not banned, Refusal.FROZEN, "people have banned this party from this wallet")
        self._shares.ready(verified.wallet)
        return verified

    def _ground(self, now: int) -> Ground:
        return Ground(head=self.journal.head, now=now, pins=self.pins, held=self._leases.held)

    def _journalled(self, bundle: Bundle, now: int) -> Verified:
        verified = self._verify(bundle, now)
        if verified.record is not None and verified.waits_for_journal:
            self._store.append(verified.record)
            verified.journalled()
        return verified

    def _prepare(self, request: Json, now: int) -> Json:
        bundle = self._kept.read(request["bundle"])
        verified = self._verify(bundle, now)
        self._kept.keep(bundle, verified, self._ground(now))
        stored = None
        if verified.stored is not None:
            made = self._signature(verified.stored, keccak256(verified.stored), repeated=True)
            stored = write_struct(made, "signature")
        wallet = verified.wallet
        going_on = [list(mode.signers) for mode in in_force(wallet.id, self.journal, now=now)]
        return {"epoch": self._shares.epoch(wallet), "stored": stored, "going_on": going_on}

    def _reserve(self, request: Json, now: int) -> Json:
        bundle = self._kept.read(request["bundle"])
        verified = self._journalled(bundle, now)
        self._kept.keep(bundle, verified, self._ground(now))
        self.failpoint("party.after_reserve")
        number = secrets.token_hex(16)
        document = reservation_of(bundle, verified, self.pins, self.journal, now=now, number=number)
        return write_struct(self._key.reserve(document), "reservation")

    def _learn(self, request: Json, now: int) -> Json:
        learned = 0
        for certificate in _CERTIFICATES.read(request["certificates"], "certificates"):
            record = learn(certificate, self.pins, self.journal, now=now)
            if record is not None:
                self._store.append(record)
                learned += 1
            self._shelf.put(certificate.reservations[0].document.binding, write_struct(certificate, "certificate"))
        return {"learned": learned}

    def _join(self, request: Json, now: int) -> Json:
        joining = members(request["joining"], {"bundle", "certificate", "terms"}, "joining")
        bundle = self._kept.read(joining["bundle"])
        certificate = read_struct(Certificate, joining["certificate"], "certificate")
        terms = read_struct(SessionTerms, joining["terms"], "terms")
        verified = self._journalled(bundle, now)
        if verified.stored is not None:
            raise RefusedError(Refusal.SESSION, "this very transaction is signed: prepare answers with it")
        epoch = self._shares.epoch(verified.wallet)
        record = join(
            bundle, verified, certificate, terms, pins=self.pins, journal=self.journal, epoch=epoch, now=now
        )
        self._store.append(record)
        self._shelf.put(certificate.reservations[0].document.binding, cast("Json", joining["certificate"]))
        self.failpoint("party.after_join")
        indices = {name: place for place, name in enumerate(verified.wallet.signers, start=1)}
        session = Session(terms, self.pins, self._key, indices, now=now)
        self._make_room(now)
        told = told_by(self.journal, verified.wallet.id, now)
        self._sessions[session.name] = Going(session, bundle, verified, told)
        return write_struct(session.hello, "hello")

    def _make_room(self, now: int) -> None:
        for name in [name for name, going in self._sessions.items() if going.session.is_late(now)]:
            del self._sessions[name]
        while len(self._sessions) >= SESSIONS_MOST:
            del self._sessions[next(iter(self._sessions))]

    def _find(self, value: object, now: int) -> tuple[Session, Verified]:
        name = HASH32.read(value, "session")
        live = self._sessions.get(name)
        if live is None or live.session.is_late(now):
            self._sessions.pop(name, None)
            raise RefusedError(Refusal.SESSION, "no such session goes on here")
        self._check_halt(now)
        try:
            live.check(self.journal, self._verified, now=now)
        except RefusedError:
            del self._sessions[name]
            raise
        return live.session, live.verified

    def _begin(self, request: Json, now: int) -> Json:
        beginning = members(request["beginning"], {"session", "hellos"}, "beginning")
        if beginning["session"] in self._making:
            return self._making.begin(request, now)
        session, verified = self._find(beginning["session"], now)
        hellos = _HELLOS.read(beginning["hellos"], "hellos")
        policy = self.pins.policy(self.journal.policy_at(now))
        keys = {name: party_key(policy, name) for name in session.terms.quorum}
        share = self._shares.open(verified.wallet)
        try:
            own = share.index
            others = [verified.wallet.signers.index(name) + 1 for name in session.terms.quorum]

            def protocol() -> SignSession:
                return SignSession(
                    share,
                    session=session.name,
                    counterparties=[index for index in others if index != own],
                    message_hash=verified.spend(),
                )

            envelopes = session.begin(hellos, keys, protocol, now=now)
        except AbortedError as error:
            raise self._aborted(session, error, now) from error
        finally:
            share.wipe()
        return written(envelopes)

    def _turn(self, request: Json, now: int) -> Json:
        turn = members(request["turn"], {"session", "envelopes"}, "turn")
        if turn["session"] in self._making:
            return self._making.turn(request, now)
        session, verified = self._find(turn["session"], now)
        envelopes = _ENVELOPES.read(turn["envelopes"], "envelopes")
        try:
            answer = session.advance(envelopes)
        except AbortedError as error:
            raise self._aborted(session, error, now) from error
        if not session.done:
            return written(answer)
        del self._sessions[session.name]
        raw, transaction_hash = verified.finish(session.signature())
        record = SignatureRecord(kind="signature", time=now, signing_hash=session.terms.message_hash, raw=raw)
        self._store.note(record)
        self.failpoint("party.after_signature_record")
        made = self._signature(raw, transaction_hash, repeated=False)
        return {"envelopes": [], "signature": write_struct(made, "signature")}

    def _check_halt(self, now: int) -> None:
        """A halt stops what goes on, too; so does a clock that went back."""
        if self.journal.halted or now < self.journal.clock:
            raise RefusedError(Refusal.HALTED, "this signer is halted, or its clock went back")

    def _aborted(self, session: Session, error: AbortedError, now: int) -> RefusedError:
        self._sessions.pop(session.name, None)
        record = AbortRecord(
            kind="abort",
            time=now,
            session=session.name,
            reason=error.reason[:_REASON_MOST] or "aborted",
            culprits=error.culprits,
            ban=error.ban and bool(error.culprits),
            consents=(),
        )
        self._store.append(record)
        blame = f"; caught: {', '.join(error.culprits)}" if error.culprits else ""
        return RefusedError(Refusal.SESSION, f"the session ended: {error.reason[:_REASON_MOST]}{blame}")
