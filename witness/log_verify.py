"""A whole log: its stretches in several processes, then the tree over them, and every checkpoint against it."""

from __future__ import annotations

import base64
import dataclasses
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING

from core.auditlog import ORIGIN, Break, Finding
from core.checkpoint import check_log, cosignatures, parse_signed_checkpoint
from core.errors import CheckpointError
from core.merkle import EMPTY_ROOT, Tree, node_hash
from witness.log_check import STRETCH, Stretch, check_stretch, stored_link
from witness.log_source import ExportSource, source_of
from witness.log_states import states_replay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from core.anchor import Anchor
    from core.checkpoint import SignedCheckpoint
    from witness.log_source import Extent, LogSource, StoredCheckpoint


@dataclasses.dataclass(frozen=True, kw_only=True)
class Roots:
    """What somebody brings from elsewhere; without any of it a log rewritten whole looks the same.

    `noted`: signed checkpoints that were kept elsewhere. `anchors`: checkpoints that the chain holds. `log` is the
    log's name and Ed25519 key, `witnesses` name and key of each, of whom `threshold` must have cosigned the newest
    checkpoint. `key`: the application's.
    """

    noted: tuple[SignedCheckpoint, ...] = ()
    anchors: tuple[Anchor, ...] = ()
    log: tuple[str, bytes] | None = None
    witnesses: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    threshold: int = 0
    key: bytes | None = None

    @property
    def rooted(self) -> bool:
        """Whether a log rewritten whole would be found."""
        return bool(self.noted or self.anchors) or self.log is not None or self.threshold > 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verified:
    """How far a log holds: `entries` leaves, ending with link `chain` and root `root` (hex).

    `requests`: how many requests' states were replayed and agree; None where the source holds no requests.
    """

    entries: int
    root: str
    chain: str
    waiting: int
    checkpoints: int
    broken: Break | None
    requests: int | None = None


def _quiet(_count: int) -> None:
    """Tell nobody."""


@lru_cache(maxsize=1)
def _opened(source: str) -> LogSource:
    """Return the source of this worker process, which reads many stretches of it."""
    return source_of(source, keep=True)


def _stretch(source: str, first: int, length: int, sizes: Sequence[int], key: bytes | None) -> Stretch:
    """Check one stretch in a process of its own."""
    opened = _opened(source)
    chain = ORIGIN if first == 0 else stored_link(opened, first - 1)
    rows = iter(opened.rows(first, length))
    return check_stretch(rows, first=first, chain=chain, sizes=sizes, key=key, tell=_quiet)


def _within(sizes: Iterable[int], first: int, length: int) -> list[int]:
    return [size for size in sizes if first < size <= first + length]


def _stretches(
    source: str,
    leaves: int,
    *,
    length: int,
    sizes: Sequence[int],
    key: bytes | None,
    processes: int,
    tell: Callable[[int], None],
) -> list[Stretch]:
    """Check every stretch; the first that breaks is the last one returned."""
    if leaves <= length:
        rows = iter(source_of(source).rows(0, max(leaves, 1)))
        return [check_stretch(rows, first=0, chain=ORIGIN, sizes=sizes, key=key, tell=tell)]
    done: list[Stretch] = []
    # One clean process that has imported what is needed, and that workers are forked from.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "witness.log_verify"])
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        work = [
            pool.submit(_stretch, source, first, length, _within(sizes, first, length), key)
            for first in range(0, leaves, length)
        ]
        for future in work:
            done.append(future.result())
            tell(done[-1].count)
            if done[-1].broken is not None:
                pool.shutdown(cancel_futures=True)
                break
    return done


def _joined(stretches: Sequence[Stretch], length: int) -> tuple[int, bytes, Break | None]:
    """Return how many leaves hold, the last link, and the first bad leaf."""
    chain, count = ORIGIN, 0
    for stretch in stretches:
        held = stretch.count
        if stretch.broken is not None:
            return count + held, stretch.chain if held else chain, stretch.broken
        count, chain = count + held, stretch.chain
        if held < length:
            break
    return count, chain, None


class _Roots:
    """The root at any size that a checkpoint names."""

    def __init__(self, stretches: Sequence[Stretch], length: int) -> None:
        self._length = length
        whole = [s for s in stretches if s.count == length and len(s.complete) == 1]
        self._tree = Tree(s.complete[0] for s in whole)
        self._edges = {size: edge for s in stretches for size, edge in s.edges.items()}

    def at(self, size: int) -> bytes | None:
        """Return the root of the first `size` leaves; None where they do not all hold."""
        if size == 0:
            return EMPTY_ROOT
        edge = self._edges.get(size)
        if edge is None:
            return None
        # The edge of a size at a stretch's very end is that stretch; what stands before it are whole stretches.
        before = (size - 1) // self._length
        root = edge[-1]
        for left in reversed(edge[:-1]):
            root = node_hash(left, root)
        level = 0
        while before:
            if before & 1:
                root = node_hash(self._tree.node(level, before - 1), root)
            before, level = before >> 1, level + 1
        return root


def _signed(stored: StoredCheckpoint, roots: Roots) -> SignedCheckpoint | None:
    """Return a stored checkpoint with its signatures; None if nobody has signed it.

    Raises:
        CheckpointError: If it is garbled, or a signature by a key that counts does not hold.
    """
    if not stored.lines or roots.log is None:
        return None
    if not all(isinstance(value, str) for value in (stored.root, *stored.lines)) or type(stored.size) is not int:
        raise CheckpointError("a checkpoint holds a value of another type than was written")
    root = base64.b64encode(bytes.fromhex(str(stored.root))).decode()
    raw = f"{roots.log[0]}\n{stored.size}\n{root}\n\n{''.join(str(line) for line in stored.lines)}".encode()
    signed = parse_signed_checkpoint(raw)
    check_log(signed, *roots.log)
    cosignatures(signed, roots.witnesses)
    return signed


def log_verify(
    source: str,
    roots: Roots,
    *,
    processes: int = 2,
    tell: Callable[[int], None] = _quiet,
    extent: Extent | None = None,
    length: int = STRETCH,
) -> Verified:
    """Re-verify a log from its stored records alone.

    Args:
        source: What `source_of` understands.
        roots: What was kept elsewhere.
        processes: How many processes read the database.
        tell: Called with how many more leaves are done.
        extent: What the log says of itself, if it was read already.
        length: Leaves that one process checks at a time; a power of two.

    Returns:
        How far it holds, and the first bad leaf.

    Raises:
        UnreadableError: If it cannot be read at all.
    """
    own = extent if extent is not None else source_of(source).extent()
    named = [c.size for c in own.checkpoints if type(c.size) is int] + [n.checkpoint.size for n in roots.noted]
    named += [anchor.size for anchor in roots.anchors]
    leaves = max(own.leaves, own.last + 1)
    if isinstance(source_of(source), ExportSource):
        # A file is read once, from its beginning to its end: one stretch, however long.
        length = max(length, 1 << leaves.bit_length())
    sizes = sorted({size for size in (*named, leaves) if 0 < size <= leaves})
    stretches = _stretches(source, leaves, sizes=sizes, key=roots.key, processes=processes, tell=tell, length=length)
    count, chain, broken = _joined(stretches, length)
    at = _Roots(stretches, length).at
    if broken is None and count < leaves:
        broken = Break(index=count, finding=Finding.MISSING, detail=f"leaf {count} is not there, others follow")
    if broken is None:
        broken = _compare(own, roots, stretches, ending=(count, chain), at=at)
    requests = None
    stored = None if broken is not None else source_of(source).states()
    if stored is not None:
        requests, broken = states_replay(stored, count)
    root = at(count)
    return Verified(
        entries=count,
        root="" if root is None else root.hex(),
        chain=chain.hex(),
        waiting=own.waiting,
        checkpoints=len(own.checkpoints),
        broken=broken,
        requests=requests,
    )


def _compare(
    own: Extent,
    roots: Roots,
    stretches: Sequence[Stretch],
    *,
    ending: tuple[int, bytes],
    at: Callable[[int], bytes | None],
) -> Break | None:
    """Hold leaves that hold by themselves against the tree, the checkpoints, and what was kept elsewhere."""
    links = {size: link for s in stretches for size, link in s.links.items()}
    (count, chain), held = ending, 0
    for stored in own.checkpoints:
        size = stored.size if type(stored.size) is int else -1
        if size > count:
            return Break(
                index=count, finding=Finding.CUT, detail=f"a checkpoint names {size} leaves, {count} are here"
            )
        root = at(size)
        if root is None or root.hex() != stored.root or links[size].hex() != stored.chain:
            detail = f"the checkpoint at {stored.size} has another root than the leaves before it"
            return Break(index=held, finding=Finding.REWRITTEN, detail=detail)
        try:
            _signed(stored, roots)
        except (CheckpointError, ValueError) as error:
            return Break(index=held, finding=Finding.REWRITTEN, detail=f"the checkpoint at {size}: {error}")
        held = size
    found = _compare_noted(roots, count, at) or _compare_anchors(roots, count, at)
    return found or _compare_ends(own, roots, count, chain)


def _compare_noted(roots: Roots, count: int, at: Callable[[int], bytes | None]) -> Break | None:
    seen: dict[int, bytes] = {}
    for noted in roots.noted:
        size, root = noted.checkpoint.size, noted.checkpoint.root
        if seen.setdefault(size, root) != root:
            detail = f"two checkpoints of {size} leaves were noted elsewhere, with different roots"
            return Break(index=0, finding=Finding.FORKED, detail=detail)
        if size > count:
            detail = f"a checkpoint of {size} leaves was noted elsewhere, {count} are here"
            return Break(index=count, finding=Finding.CUT, detail=detail)
        if at(size) != root:
            detail = f"the checkpoint of {size} leaves that was noted elsewhere has another root"
            return Break(index=0, finding=Finding.REWRITTEN, detail=detail)
    return None


def _compare_anchors(roots: Roots, count: int, at: Callable[[int], bytes | None]) -> Break | None:
    """Hold the log against the chain. Each anchor's log is the beginning of the next one's if all are of this one."""
    held = 0
    for anchor in sorted(roots.anchors, key=lambda one: one.size):
        if anchor.size > count:
            detail = f"the chain holds an anchor of {anchor.size} leaves, {count} are here"
            return Break(index=count, finding=Finding.CUT, detail=detail)
        if at(anchor.size) != anchor.root:
            detail = f"the anchor of {anchor.size} leaves that the chain holds has another root"
            return Break(index=held, finding=Finding.REWRITTEN, detail=detail)
        held = anchor.size
    return None


def _compare_ends(own: Extent, roots: Roots, count: int, chain: bytes) -> Break | None:
    """Compare with the tree's own row, and ask for the signatures that were promised."""
    if own.unplaced is not None:
        detail = f"entry {own.unplaced[0]} has no place and waits for none ({own.unplaced[1]} such)"
        return Break(index=count, finding=Finding.UNPLACED, detail=detail)
    expected = (count, chain.hex())
    if own.tree != expected and not (own.tree is None and count == 0):
        shown = "there is none" if own.tree is None else f"it names {own.tree[0]} leaves"
        cut = own.tree is not None and type(own.tree[0]) is int and own.tree[0] > count
        detail = f"{count} leaves are here; of the tree's own row, {shown}"
        return Break(index=count, finding=Finding.CUT if cut else Finding.NO_HEAD, detail=detail)
    return _compare_signers(own, roots, count)


def _compare_signers(own: Extent, roots: Roots, count: int) -> Break | None:
    """Whether the log's key, and enough witnesses, stand behind some checkpoint at all."""
    if roots.log is None:
        return None
    signed = [found for found in (_signed(stored, roots) for stored in own.checkpoints) if found is not None]
    best = max((len(cosignatures(found, roots.witnesses)) for found in signed), default=0)
    if (count and not signed) or best < roots.threshold:
        detail = f"{best} of {roots.threshold} witnesses, {len(signed)} checkpoints signed by the log"
        return Break(index=count, finding=Finding.REWRITTEN, detail=detail)
    return None
