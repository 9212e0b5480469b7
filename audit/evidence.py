"""Evidence packages: every entry between two signed checkpoints around a period, so that completeness is provable.

Who checks one uses `python -m witness evidence` of a release, never a program that came with the package.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

from django.db.models import Max, Min

from audit.errors import EvidenceError, ProofMissingError, TreeBrokenError
from audit.models import AuditCheckpoint, AuditEntry, AuditLeaf
from audit.notes import note_of
from audit.receipts import recorded_of
from audit.tiles import StoredTree
from core.canonical import canonical
from core.checkpoint import claimed_times
from core.merkle import Frontier, edge_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from core.checkpoint import SignedCheckpoint

KIND = "countersign.evidence.v1"
PERIOD, LEAVES, FIRST, LAST, README = (
    "period.json",
    "leaves.jsonl",
    "first.checkpoint",
    "last.checkpoint",
    "README.txt",
)
_CHUNK = 1_000
_LOOKED = 64
_SECOND = 1_000_000
_WORDS = """Evidence from the audit log of a Countersign installation.

{first} to {last}: every entry that got its place in the log between the two checkpoints, {count} in all.
Asked for: {from_at} to {to_at} (UTC).

  leaves.jsonl       one entry a line, in the order of the log
  first.checkpoint   the log before the first of them, as the log and its witnesses signed it (if there was any)
  last.checkpoint    the log after the last of them
  period.json        the period, the sizes, and the hashes that stand for everything before

To check it, take a release of Countersign from somebody whom you trust (not from whoever gave you this folder), and
the log's and the witnesses' keys from the signed policy or from the witnesses themselves:

  python -m witness evidence FOLDER --log NAME=HEX --witness NAME=HEX --witness NAME=HEX --threshold K

It needs no network, no database and no server. It answers VERIFIED, or says what does not hold.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """The stretch of the log that covers a period. Times in microseconds, UTC; `begin` None: from the start on."""

    from_us: int
    to_us: int
    begin: SignedCheckpoint | None
    end: SignedCheckpoint

    @property
    def first(self) -> int:
        """The index of the first entry."""
        return 0 if self.begin is None else self.begin.checkpoint.size

    @property
    def last(self) -> int:
        """The index behind the last entry."""
        return self.end.checkpoint.size


def microseconds(at: dt.datetime) -> int:
    """Return a time as the log writes it."""
    return (at - dt.datetime.fromtimestamp(0, tz=dt.UTC)) // dt.timedelta(microseconds=1)


def evidence_find(*, from_us: int, to_us: int, now: dt.datetime) -> Evidence:
    """Choose the stretch that covers a period: from a checkpoint made before it to one made after it.

    Args:
        from_us: The period's beginning, microseconds, UTC.
        to_us: Its end, itself left out.
        now: The current time.

    Raises:
        EvidenceError: The period makes no sense or is not over, or no checkpoint after it is signed yet.
        TreeBrokenError: What is stored does not fit together: the log was tampered with.
    """
    if not 0 <= from_us < to_us or to_us > microseconds(now):
        raise EvidenceError("the period begins before it ends, and has ended")
    entries = AuditEntry.objects.filter(at_us__gte=from_us, at_us__lt=to_us)
    if entries.filter(pending__isnull=False).exists():
        raise EvidenceError("entries of this period wait for their place in the log: try again in a moment")
    # One statement sees one state: an entry that just gets its place has either the one or the other.
    if entries.filter(pending__isnull=True, leaf__isnull=True).exists():
        raise TreeBrokenError("entries of this period have no place and wait for none: run countersign-fsck")
    leaves = AuditLeaf.objects.filter(entry__at_us__gte=from_us, entry__at_us__lt=to_us)
    extent = leaves.aggregate(low=Min("index"), high=Max("index"))
    low, high = extent["low"], extent["high"]
    if low is None or high is None:
        # A quiet period lies before the first entry that follows it.
        following = AuditEntry.objects.filter(at_us__gte=to_us).order_by("at_us", "seq").first()
        low = AuditLeaf.objects.filter(entry=following).values_list("index", flat=True).first() or 0
        high = low - 1
    begin, end = _begin(from_us, low), _end(to_us, high)
    if end is None:
        raise EvidenceError("no checkpoint was signed after the period's end yet: try again in a moment")
    if begin is not None and begin.checkpoint.size > end.checkpoint.size:
        raise TreeBrokenError("checkpoints stand out of order: run countersign-fsck")
    return Evidence(from_us=from_us, to_us=to_us, begin=begin, end=end)


def _notes(checkpoints: Iterable[AuditCheckpoint]) -> Iterator[SignedCheckpoint]:
    for checkpoint in checkpoints:
        try:
            yield note_of(checkpoint=checkpoint)
        except ProofMissingError:
            continue


def _begin(from_us: int, low: int) -> SignedCheckpoint | None:
    """Return a checkpoint that was signed before the period: of the newest ones, that with the most lines."""
    signed = AuditCheckpoint.objects.filter(signatures__at_us__lt=from_us, size__gt=0, size__lte=low)
    notes = _notes(signed.order_by("-size").distinct()[:_LOOKED])
    # A witness's second has begun before what it stamps.
    early = [note for note in notes if all((time + 1) * _SECOND <= from_us for time in claimed_times(note))]
    return max(early, key=lambda note: (len(note.signatures), note.checkpoint.size), default=None)


def _end(to_us: int, high: int) -> SignedCheckpoint | None:
    """Return a checkpoint that was signed after the period: of the oldest ones, that with the most lines."""
    signed = AuditCheckpoint.objects.filter(signatures__at_us__gte=to_us, size__gt=high)
    notes = _notes(signed.order_by("size").distinct()[:_LOOKED])
    late = [note for note in notes if all(time * _SECOND >= to_us for time in claimed_times(note))]
    return max(late, key=lambda note: (len(note.signatures), -note.checkpoint.size), default=None)


def _period(evidence: Evidence) -> bytes:
    edge = edge_of(evidence.first, StoredTree().node)
    value = {
        "v": 1,
        "kind": KIND,
        "from_us": evidence.from_us,
        "to_us": evidence.to_us,
        "first": evidence.first,
        "last": evidence.last,
        "edge": [hashed.hex() for hashed in edge],
    }
    return canonical(value) + b"\n"


def _leaves(evidence: Evidence) -> Iterator[bytes]:
    """Yield the entries, and at the end refuse those that do not give the root that was signed."""
    frontier = Frontier(evidence.first, edge_of(evidence.first, StoredTree().node))
    while frontier.size < evidence.last:
        end = min(frontier.size + _CHUNK, evidence.last)
        rows = AuditLeaf.objects.select_related("entry").filter(index__gte=frontier.size, index__lt=end)
        lines = []
        for row in rows.order_by("index"):
            if row.index != frontier.size:
                break
            recorded = recorded_of(row=row.entry)
            frontier.append(recorded.leaf())
            lines.append(canonical({"index": row.index, "entry": recorded.to_json()}) + b"\n")
        if frontier.size != end:
            raise TreeBrokenError(f"leaf {frontier.size} or its entry is not stored: run countersign-fsck")
        yield b"".join(lines)
    if frontier.root() != evidence.end.checkpoint.root:
        raise TreeBrokenError("the stored entries do not give the root that was signed: run countersign-fsck")


def evidence_files(*, evidence: Evidence) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Yield the files of a package: name, and contents in parts. Each file is read before the next is asked for.

    Raises:
        TreeBrokenError: While reading, if what is stored is not what was signed.
    """
    words = _WORDS.format(
        first=f"Leaf {evidence.first}",
        last=f"leaf {evidence.last - 1}",
        count=evidence.last - evidence.first,
        from_at=dt.datetime.fromtimestamp(evidence.from_us // _SECOND, tz=dt.UTC).isoformat(),
        to_at=dt.datetime.fromtimestamp(evidence.to_us // _SECOND, tz=dt.UTC).isoformat(),
    )
    yield README, [words.encode()]
    yield PERIOD, [_period(evidence)]
    if evidence.begin is not None:
        yield FIRST, [evidence.begin.to_bytes()]
    yield LAST, [evidence.end.to_bytes()]
    yield LEAVES, _leaves(evidence)
