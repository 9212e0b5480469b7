"""Where people hand in what they signed, and where signers ask for leases.

Nobody who asks is believed: a document is verified by `core` before it is kept, and a lease names only a journal that
continues all that was seen of it. One request at a time; what is answered is durable.
"""

from __future__ import annotations

import dataclasses
import logging
import secrets
import threading
from typing import TYPE_CHECKING, cast

from core.canonical import canonical, parse
from core.checkpoint import Checkpoint
from core.documents.base import VERSION, Header
from core.documents.lease import Lease, SignedLease
from core.errors import CoreError, Refusal, RefusedError, WitnessError
from core.journal import authority_leaf, line_hash
from core.lease import LONGEST
from core.merkle import HASH_BYTES, verify_inclusion
from core.names import DIGEST, HASH32, SLUG
from core.records import RECORD, StartRecord
from core.schema import Base64Url, HexData, Integer, Items, Maybe, Struct, of, read_struct, write_struct
from core.witnessing import BAD_REQUEST, CONFLICT, FORBIDDEN, NOTHING, UNKNOWN_LOG, UNPROVEN, Seen, advance
from witness.archive import Archive, JournalSeen
from witness.knowledge import Knowledge, check_pinned, read_handed

if TYPE_CHECKING:
    from core.canonical import Json
    from core.documents.policy import SignedPolicy
    from witness.knowledge import Handed
    from witness.service import WitnessConfig
    from witness.store import WitnessStore

DOCUMENT_BYTES = 1024 * 1024
LEASE_BYTES = 256 * 1024
_HASHES = Items(HexData(most=HASH_BYTES, exact=True), most=64)
_TRANSIENT = frozenset({Refusal.CLOCK, Refusal.SUCCESSION, Refusal.WRONG_POLICY, Refusal.HALTED})
"""Refusals that say what this witness knows, not that the document is bad: answered as a conflict."""
log = logging.getLogger("witness")


@dataclasses.dataclass(frozen=True, kw_only=True)
class JournalStart:
    """The first line of a journal that a ceremony started anew, and its place in the journal's tree."""

    line: bytes = of(Base64Url(most=128 * 1024))
    path: tuple[bytes, ...] = of(_HASHES)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LeaseRequest:
    """What a signer has carried here: its challenge, where its journal stands, and that it continues size `old`."""

    deployment: str = of(DIGEST)
    signer: str = of(SLUG)
    challenge: bytes = of(HASH32)
    size: int = of(Integer(least=1))
    root: bytes = of(HASH32)
    old: int = of(Integer())
    proof: tuple[bytes, ...] = of(_HASHES)
    start: JournalStart | None = of(Maybe(Struct(lambda: JournalStart)))


class Desk:
    """One deployment's desk at a witness. Without a pinned genesis it answers 404."""

    def __init__(self, config: WitnessConfig, store: WitnessStore) -> None:
        """Read back what was kept; a witness without pins has nothing.

        Raises:
            CoreError: If what is stored is not what was kept.
        """
        self._config = config
        self._public = config.key.public_key().public_bytes_raw()
        self._archive = Archive(store)
        self._lock = threading.Lock()
        self._digests: set[str] = set()
        self._known = self._load()

    def _load(self) -> Knowledge | None:
        kept = self._archive.documents()
        if not kept:
            return None
        known: Knowledge | None = None
        for one in kept:
            (handed,) = read_handed(parse(one.body, max_bytes=DOCUMENT_BYTES))
            if known is None:
                known = Knowledge(cast("SignedPolicy", handed.value), witness=self._config.name)
                for line in self._archive.lines():
                    known.journal.apply(line)
            else:
                known.take(handed, at=one.at)
            self._digests.add(handed.digest)
        return known

    def pin(self, genesis: SignedPolicy, digest: str, *, now: int) -> None:
        """Install the deployment whose digest people compared. Installed once, for ever.

        Raises:
            WitnessError: 409, if another deployment is pinned here.
            RefusedError: If the genesis does not hold or names another key for this witness.
        """
        with self._lock:
            if self._known is not None:
                if self._known.deployment != digest:
                    raise WitnessError(CONFLICT, "another deployment is pinned here")
                return
            check_pinned(genesis, digest, witness=self._config.name, public_key=self._public, now=now)
            known = Knowledge(genesis, witness=self._config.name)
            line = known.journal.encode(known.start(now=now))
            body = canonical(write_struct(genesis, "signed_policy"))
            self._archive.keep(digest=digest, kind="policy", at=now, body=body, line=line)
            known.journal.apply(line)
            self._digests.add(digest)
            self._known = known

    def _pinned(self) -> Knowledge:
        if self._known is None:
            raise WitnessError(UNKNOWN_LOG, "no deployment is pinned at this witness")
        return self._known

    def hand_in(self, raw: bytes, *, now: int) -> Json:
        """Take what somebody signed; what is known already changes nothing.

        Args:
            raw: JSON: a signed policy, a halt, a resume, a veto, a rejection or withdrawal, or ``{"ceremony",
                "consents"}`` of a journal start.
            now: This witness's clock, Unix seconds.

        Returns:
            ``{"taken": [{"kind", "digest", "new"}]}``.

        Raises:
            WitnessError: With the status to answer.
        """
        with self._lock:
            known = self._pinned()
            try:
                documents = read_handed(parse(raw, max_bytes=DOCUMENT_BYTES))
            except CoreError as error:
                raise WitnessError(BAD_REQUEST, str(error)[:400]) from error
            return {"taken": [self._take(known, document, now) for document in documents]}

    def _take(self, known: Knowledge, handed: Handed, now: int) -> Json:
        told: Json = {"kind": handed.kind, "digest": handed.digest, "new": handed.digest not in self._digests}
        if handed.digest in self._digests:
            return told
        try:
            record = known.check(handed, now=now)
        except RefusedError as error:
            status = CONFLICT if error.code in _TRANSIENT else FORBIDDEN
            raise WitnessError(status, f"{error.code}: {error.message}") from error
        line = None if record is None else known.journal.encode(record)
        body = canonical(handed.json)
        self._archive.keep(digest=handed.digest, kind=handed.kind, at=now, body=body, line=line)
        if line is not None:
            known.journal.apply(line)
        known.take(handed, at=now)
        self._digests.add(handed.digest)
        log.info("took %s %s", handed.kind, handed.digest)
        return told

    def documents(self, after: int) -> Json:
        """Return what signers have to learn, in order of arrival: a page, and from where to go on.

        Raises:
            WitnessError: 404 without pins.
        """
        with self._lock:
            self._pinned()
            page = self._archive.page(after)
        rows: list[object] = [
            {"number": one.number, "kind": one.kind, "digest": one.digest, "document": parse(one.body)}
            for one in page
        ]
        return {"documents": rows, "next": page[-1].number if page else after}

    def status(self, *, now: int) -> Json:
        """Say which deployment this is and what is known, for people and for whoever hands documents over."""
        with self._lock:
            known = self._pinned()
            newest = known.newest(now=now)
            return {
                "witness": self._config.name,
                "deployment": known.deployment,
                "policy": newest.digest,
                "number": newest.number,
                "halts": {one.id: list(known.halts_of(one.id)) for one in newest.signers},
                "vetoes": len(known.vetoes(now=now)),
                "alarms": [{"at": at, "words": words} for at, words in self._archive.alarms()],
            }

    def lease(self, raw: bytes, *, now: int) -> SignedLease:
        """Lease: say to a signer what is known, if its journal continues what was seen of it.

        Raises:
            WitnessError: 400 malformed, 403 another deployment or signer, 404 no pins, 409 another size was seen last
                (the body says which), 422 it does not continue that.
        """
        try:
            asked = read_struct(LeaseRequest, parse(raw, max_bytes=LEASE_BYTES), "lease")
        except CoreError as error:
            raise WitnessError(BAD_REQUEST, str(error)[:400]) from error
        with self._lock:
            known = self._pinned()
            if asked.deployment != known.deployment or not known.is_signer(asked.signer, now=now):
                raise WitnessError(FORBIDDEN, "no signer of the deployment that is pinned here")
            try:
                self._archive.advance(asked.signer, lambda before: self._seen(known, asked, before))
            except WitnessError as error:
                self._alarm_of(asked, error, now)
                raise
            return self._sign(known, asked, now)

    def _seen(self, known: Knowledge, asked: LeaseRequest, before: JournalSeen) -> JournalSeen:
        ceremony = _ceremony(known, asked)
        anew = ceremony is not None and ceremony not in before.ceremonies
        if not anew and asked.size < before.seen.size:
            raise _ForkedError(CONFLICT, str(before.seen.size))
        if not anew and (asked.size, asked.old) == (before.seen.size,) * 2 and asked.root != before.seen.root:
            raise _ForkedError(CONFLICT, str(before.seen.size))
        origin = f"countersign/{known.deployment}/journal/{asked.signer}"
        checkpoint = Checkpoint(origin=origin, size=asked.size, root=asked.root)
        if ceremony is not None and anew:
            after = advance(NOTHING, 0, checkpoint, ())
            return JournalSeen(seen=after, ceremonies=(*before.ceremonies, ceremony))
        after = advance(Seen(size=before.seen.size, root=before.seen.root), asked.old, checkpoint, asked.proof)
        return JournalSeen(seen=after, ceremonies=before.ceremonies)

    def _alarm_of(self, asked: LeaseRequest, error: WitnessError, now: int) -> None:
        if isinstance(error, _ForkedError):
            words = f"journal of {asked.signer}: {asked.size} records, {error} were seen: rolled back or another one"
        elif error.status == UNPROVEN:
            words = f"journal of {asked.signer}: {asked.size} records do not continue what was seen: forked or forged"
        else:
            return
        log.critical("%s", words)
        self._archive.alarm(at=now, words=words)

    def _sign(self, known: Knowledge, asked: LeaseRequest, now: int) -> SignedLease:
        lease = Lease(
            header=Header(
                type=Lease.TYPE,
                version=VERSION,
                deployment=known.deployment,
                id=secrets.token_hex(16),
                created=now,
                expires=now + min(self._config.lease_seconds, LONGEST),
            ),
            witness=self._config.name,
            signer=asked.signer,
            challenge=asked.challenge,
            journal_size=asked.size,
            journal_root=asked.root,
            policy=known.newest(now=now).digest,
            halts=known.halts_of(asked.signer),
            vetoes=known.vetoes(now=now),
        )
        log.info("leased to %s at %d records", asked.signer, asked.size)
        return SignedLease(document=lease, signature=self._config.key.sign(bytes.fromhex(lease.digest)))


class _ForkedError(WitnessError):
    """The journal is smaller than what was seen, or another one of the same size."""


def _ceremony(known: Knowledge, asked: LeaseRequest) -> str | None:
    """Return the ceremony that provably started the journal that is shown, if people handed it in here.

    Raises:
        WitnessError: 422, if the start is not this journal's.
    """
    if asked.start is None:
        return None
    try:
        value = parse(asked.start.line, max_bytes=LEASE_BYTES)
        record = RECORD.read(value["record"] if isinstance(value, dict) else None, "start")
    except (CoreError, KeyError) as error:
        raise WitnessError(UNPROVEN, "the start is no line of a journal") from error
    leaf = authority_leaf(line_hash(asked.start.line))
    if not verify_inclusion(leaf, 0, asked.size, asked.start.path, asked.root):
        raise WitnessError(UNPROVEN, "the start is not this journal's")
    if not isinstance(record, StartRecord) or (record.deployment, record.signer) != (known.deployment, asked.signer):
        raise WitnessError(UNPROVEN, "the start of another journal")
    digest = record.ceremony
    return digest if digest is not None and known.ceremonies.get(digest) == asked.signer else None
