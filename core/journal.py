"""A signer's own memory, as a pure fold over its records: lanes, intents, draws, floors, halts, the highest clock.

The signer stores lines and fsyncs them; this module says what they mean, and refuses what does not continue.
Every line is hash-chained. A record that uses up authority is an *authority record*: the token keeps the hash of
the last one, and the file may lead it by one (a crash between fsync and token). Signature records only help
repetition: losing the last one costs a second signature of the same bytes, never of others.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, cast

from core.canonical import canonical, canonical_of_codecs, parse, tagged_digest
from core.ceremony_book import CeremonyBook
from core.errors import CoreError, JournalError
from core.lane_memory import LaneMemories
from core.limits import UNBOUNDED, DrawBook, ScopeKey, amount_of, scope_keys, scope_of
from core.merkle import Tree, leaf_hash
from core.records import (
    RECORD,
    AbortRecord,
    AccessionKind,
    CeremonyRecord,
    CeremonyStepRecord,
    CertifiedRecord,
    HaltRecord,
    PolicyRecord,
    Record,
    ReserveRecord,
    ResumeRecord,
    SessionRecord,
    SignatureRecord,
    StartRecord,
    UsedConsent,
    VetoRecord,
)
from core.session_book import SessionBook

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.documents.consent import Decision
    from core.documents.party import Binding
    from core.documents.policy import Limit
    from core.limits import Draw

ORIGIN = "0" * 64
"""What the first line names as its predecessor."""
MAX_LINE = 1024 * 1024


@dataclasses.dataclass
class Slot:
    """What a nonce holds: one intent, its attempts' fees, at most one cancel."""

    intent: str
    attempts: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    cancel: str | None = None
    cancel_attempts: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    hashes: set[bytes] = dataclasses.field(default_factory=set)

    def take(self, fees: tuple[int, int], cancel: str | None, signing_hash: bytes) -> None:
        """Add an attempt of the intent, or of its one cancel."""
        self.hashes.add(signing_hash)
        if cancel is None:
            self.attempts.append(fees)
        else:
            self.cancel = cancel
            self.cancel_attempts.append(fees)


@dataclasses.dataclass(frozen=True)
class PendingPolicy:
    """A successor that was accepted, and is in force from `effective` on."""

    policy: str
    number: int
    effective: int
    how: AccessionKind


def line_hash(line: bytes) -> str:
    """Return the chain hash of a journal line (without its newline)."""
    return tagged_digest("journal", line)


def authority_leaf(head: str) -> bytes:
    """Return the leaf of an authority record in `Journal.tree`, from its chain hash (RFC 9162)."""
    return leaf_hash(bytes.fromhex(head))


class Journal:
    """The state that follows from a journal's lines. Implements `core.limits.Totals`."""

    def __init__(self) -> None:
        """Start before the first line."""
        self.sequence = 0
        self.head = ORIGIN
        self.authority: tuple[str, ...] = ()
        self.tree = Tree()
        self.start: StartRecord | None = None
        self.clock = 0
        self.policy = ""
        self.number = 0
        self.pending: PendingPolicy | None = None
        self.accepted: dict[str, PendingPolicy] = {}
        self.lanes: dict[str, int] = {}
        self.slots: dict[tuple[str, int], Slot] = {}
        self.intents: dict[str, tuple[str, int]] = {}
        self.signatures: dict[bytes, bytes] = {}
        self.counters: dict[tuple[bytes, int], bytes] = {}
        self.consents: dict[str, bytes] = {}
        self.halts: dict[str, str] = {}
        self.lifted: set[str] = set()
        self.vetoes: dict[tuple[str, str], Decision] = {}
        self.sessions = SessionBook()
        self.ceremonies = CeremonyBook()
        self._cancels: dict[str, int] = {}
        self._memories = LaneMemories()
        self._draws = DrawBook()
        self._encoded: tuple[bytes, Record, str] | None = None
        self._draw_of: dict[str, Draw] = {}

    @classmethod
    def load(cls, lines: Iterable[bytes]) -> Journal:
        """Replay all lines.

        Raises:
            JournalError: Naming the first line that does not continue.
        """
        journal = cls()
        for line in lines:
            journal.apply(line)
        if journal.start is None:
            msg = "the journal is empty"
            raise JournalError(msg)
        return journal

    def encode(self, record: Record) -> bytes:
        """Return the line (without newline) that would append the record. Nothing changes yet."""
        try:
            line = canonical_of_codecs(
                {
                    "sequence": self.sequence + 1,
                    "previous": self.head,
                    "record": RECORD.write(record, "record"),
                }
            )
        except CoreError as error:
            msg = f"the record cannot be written: {error}"
            raise JournalError(msg) from error
        self._encoded = (line, record, self.head)
        return line

    def apply(self, line: bytes) -> Record:
        """Take a line that is on disk into account.

        Raises:
            JournalError: If it is not the continuation of this journal.
        """
        record = self._own(line)
        if record is None:
            record = self._read(line)
        if (self.start is None) != isinstance(record, StartRecord) or record.time < self.clock:
            msg = f"journal line {self.sequence + 1}: a start in the wrong place, or time runs backwards"
            raise JournalError(msg)
        self._take(record)
        self.sequence += 1
        self.head = line_hash(line)
        self.clock = record.time
        if not isinstance(record, SignatureRecord):
            self.authority = (*self.authority[-1:], self.head)
            self.tree.append(authority_leaf(self.head))
        return record

    def _own(self, line: bytes) -> Record | None:
        """Return the record of the very bytes object that `encode` has just made for this head; nothing else's."""
        if self._encoded is None or self._encoded[0] is not line or self._encoded[2] != self.head:
            return None
        return self._encoded[1]

    def _read(self, line: bytes) -> Record:
        """Read a line from elsewhere, strictly."""
        at = f"journal line {self.sequence + 1}"
        try:
            value = parse(line, max_bytes=MAX_LINE)
            if not isinstance(value, dict) or set(value) != {"sequence", "previous", "record"}:
                msg = f"{at}: not a journal line"
                raise JournalError(msg)
            record = cast("Record", RECORD.read(value["record"], at))
        except CoreError as error:
            msg = f"{at}: {error}"
            raise JournalError(msg) from error
        follows = type(value["sequence"]) is int and value["sequence"] == self.sequence + 1
        if canonical(value) != line or not follows or value["previous"] != self.head:
            msg = f"{at}: does not continue the chain"
            raise JournalError(msg)
        return record

    def _take(self, record: Record) -> None:
        self._settle(record.time)
        if not isinstance(record, SignatureRecord):
            self._use_up(record.consents)
        if isinstance(record, ReserveRecord):
            self._reserve(record)
        elif isinstance(record, SignatureRecord):
            self.signatures[record.signing_hash] = record.raw
            self.sessions.end(record.signing_hash)
        elif isinstance(record, StartRecord):
            self._begin(record)
        elif isinstance(record, PolicyRecord):
            self.pending = PendingPolicy(record.policy, record.number, record.effective, record.how)
            self.accepted[record.policy] = self.pending
        elif isinstance(record, HaltRecord):
            self.halts[record.halt] = record.actor
        elif isinstance(record, ResumeRecord):
            self.halts.pop(record.halt, None)
            self.lifted.add(record.halt)
        elif isinstance(record, VetoRecord):
            self.vetoes[(record.subject, record.actor)] = record.decision
            if self.pending is not None and self.pending.policy == record.subject:
                self.pending = None
        else:
            self._take_more(record)

    def _take_more(
        self, record: CertifiedRecord | SessionRecord | AbortRecord | CeremonyRecord | CeremonyStepRecord
    ) -> None:
        """Take what parties and ceremonies leave behind."""
        try:
            if isinstance(record, CertifiedRecord):
                self._certified(record)
            elif isinstance(record, SessionRecord):
                self.sessions.begin(record)
            elif isinstance(record, AbortRecord):
                self.sessions.abort(record)
            elif isinstance(record, CeremonyRecord):
                self.ceremonies.learn(record)
            else:
                self.ceremonies.step(record)
        except KeyError as error:
            msg = f"journal line {self.sequence + 1}: speaks of a session or a ceremony that never was, or twice"
            raise JournalError(msg) from error

    def _begin(self, record: StartRecord) -> None:
        self.start = record
        self.policy, self.number = record.policy, record.number
        for lane in record.lanes:
            self.lanes[lane.wallet] = lane.next_nonce
            self._memories.start(lane.wallet, lane.next_nonce)

    def _use_up(self, consents: Iterable[UsedConsent]) -> None:
        for used in consents:
            self.consents[used.id] = used.challenge
            if used.credential is not None and used.counter:
                self.counters[(used.credential, used.counter)] = used.challenge

    def _reserve(self, record: ReserveRecord) -> None:
        place = (record.wallet, record.nonce)
        slot = self.slots.get(place)
        if slot is None:
            if record.nonce != self.next_nonce(record.wallet):
                msg = f"journal line {self.sequence + 1}: nonce {record.nonce} is not the lane's next"
                raise JournalError(msg)
            slot = self.slots[place] = Slot(record.intent)
            self.lanes[record.wallet] = record.nonce + 1
            self.intents[record.intent] = place
        if slot.intent != record.intent:
            msg = f"journal line {self.sequence + 1}: nonce {record.nonce} holds another intent"
            raise JournalError(msg)
        self._attempt(slot, record, record.draw)

    def _attempt(self, slot: Slot, made: ReserveRecord | Binding, draw: Draw | None) -> None:
        if made.cancel is not None and slot.cancel is None:
            self._cancels[made.wallet] = self.cancels(made.wallet) + 1
        slot.take((made.max_fee_per_gas, made.max_priority_fee_per_gas), made.cancel, made.signing_hash)
        self._memories.hold(made.wallet, made.nonce, slot.intent, slot.cancel)
        if draw is not None:
            self._draws.add(draw)
            self._draw_of[made.cancel or made.intent] = draw

    def _certified(self, record: CertifiedRecord) -> None:
        """Take over what other parties certified, also in place of what only this party reserved."""
        binding = record.binding
        place = (binding.wallet, binding.nonce)
        slot = self.slots.get(place)
        if slot is None:
            if binding.nonce != self.next_nonce(binding.wallet):
                msg = f"journal line {self.sequence + 1}: nonce {binding.nonce} is not the lane's next"
                raise JournalError(msg)
            self.lanes[binding.wallet] = binding.nonce + 1
        if slot is None or slot.intent != binding.intent:
            slot = self.slots[place] = Slot(binding.intent)
            # The other intent keeps its place: it was never certified, and no other nonce will ever hold it here.
            self.intents[binding.intent] = place
        self._attempt(slot, binding, record.draw)

    def _settle(self, now: int) -> None:
        if self.pending is not None and now >= self.pending.effective:
            self.policy, self.number, self.pending = self.pending.policy, self.pending.number, None

    def policy_at(self, now: int) -> str:
        """Return the digest of the newest policy that is in force at `now` (Unix seconds)."""
        if self.pending is not None and now >= self.pending.effective:
            return self.pending.policy
        return self.policy

    def waiting_at(self, now: int) -> PendingPolicy | None:
        """Return the successor that still waits for its delay to pass at `now` (Unix seconds), if any."""
        return self.pending if self.pending is not None and now < self.pending.effective else None

    def next_nonce(self, wallet: str) -> int:
        """Return the next nonce of a wallet's lane (CAIP-10 account)."""
        return self.lanes.get(wallet, 0)

    def cancels(self, wallet: str) -> int:
        """Return how many cancels of a wallet's nonces were counted."""
        return self._cancels.get(wallet, 0)

    def lane_digest(self, wallet: str) -> str:
        """Return the digest of all intents and cancels that a wallet's nonces hold here; 64 hex digits."""
        return self._memories.digest(wallet)

    def holds(self, binding: Binding) -> bool:
        """Whether exactly this attempt is reserved: this intent at this nonce, or its cancel, at these fees."""
        slot = self.slots.get((binding.wallet, binding.nonce))
        if slot is None or slot.intent != binding.intent or binding.cancel not in (None, slot.cancel):
            return False
        return binding.signing_hash in slot.hashes

    def joined(self, wallet: str, nonce: int) -> bool:
        """Whether this party took part in a session about what it holds at a nonce."""
        slot = self.slots.get((wallet, nonce))
        return slot is not None and self.sessions.is_about(slot.hashes)

    def saw(self, now: int) -> None:
        """Remember the highest clock that this process has seen, also where nothing is journalled."""
        self.clock = max(self.clock, now)

    @property
    def halted(self) -> bool:
        """Whether any halt is in force. Only halts that name this signer, or all, are journalled."""
        return bool(self.halts)

    def used(self, limit: Limit, key: ScopeKey, *, now: int) -> int:
        """Return what a limit's window holds for a scope; full where a restarted journal cannot know."""
        start = None if limit.window is None else now - limit.window
        first = self.start
        if first is not None and first.full and (start is None or start <= first.time):
            return UNBOUNDED
        return self._draws.since(scope_of(limit), key, start)

    def draw_of(self, document: str) -> Draw | None:
        """Return what an intent (or a cancel) drew when it was first reserved."""
        return self._draw_of.get(document)

    def totals_without(self, document: str) -> OthersTotals:
        """Return the totals of all other cases: a repeated case does not count against itself twice."""
        return OthersTotals(self, self.draw_of(document))


@dataclasses.dataclass(frozen=True)
class OthersTotals:
    """A journal's totals less one draw that is being decided again."""

    journal: Journal
    own: Draw | None

    def used(self, limit: Limit, key: ScopeKey, *, now: int) -> int:
        """As `Journal.used`, without the own draw while it is in the window."""
        total = self.journal.used(limit, key, now=now)
        if self.own is None or total >= UNBOUNDED or key not in scope_keys(limit.per, self.own):
            return total
        in_window = limit.window is None or self.own.time >= now - limit.window
        return total - amount_of(limit.measure, limit.asset, self.own) if in_window else total
