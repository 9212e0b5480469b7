"""What an immutable log costs a writer, and what a reader gets from it. Run as ``python -m tests.bench.audit``.

A private PostgreSQL with fsync on. Each transaction updates a row of its own and writes one entry of some 300 bytes:
`plain` without any chain, `locked_chain` with a hash chain under a locked head row, `ours` as `audit.services` does
it, with the sequencer at work in a process of its own. Interleaved, the median of all rounds; again with 2 ms added
to each flush, as a cloud disk or a synchronous standby would. Last line: JSON.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

import django
import psycopg

from core.auditlog import entry_bytes, entry_mac
from core.merkle import Tree, leaf_hash
from demo.layout import ROOT
from demo.services.postgres import postgres
from witness.log_verify import Roots, log_verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = int(os.environ.get("COUNTERSIGN_BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("COUNTERSIGN_BENCH_SECONDS", "1.0"))
WRITERS = (1, 8, 32)
FSCK_ROWS = int(os.environ.get("COUNTERSIGN_BENCH_ROWS", "300000"))
PROOF_LEAVES = 1 << 15
PROOFS = 4000
_KEY = b"k" * 64
_PAYLOAD = json.dumps({"note": "x" * 200}, separators=(",", ":"))
_FIELDS = {"actor": "tess", "session": "", "tag": "oms:request:asked", "subject": "ab" * 32, "severity": "info"}
_COLUMNS = "at_us bigint, actor text, session text, tag text, subject text, severity text, payload text"
_TABLES = (
    "CREATE TABLE bench_order (id integer PRIMARY KEY, state integer NOT NULL)",
    "INSERT INTO bench_order SELECT n, 0 FROM generate_series(1, 64) n",
    f"CREATE TABLE bench_plain (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, {_COLUMNS}, mac text)",
    f"CREATE TABLE bench_chain (seq bigint PRIMARY KEY, {_COLUMNS}, hash text)",
    "CREATE TABLE bench_head (id integer PRIMARY KEY, seq bigint NOT NULL, hash text NOT NULL)",
    "INSERT INTO bench_head VALUES (1, 0, repeat('0', 64))",
)


def _row() -> tuple[list[object], bytes]:
    at_us = time.time_ns() // 1000
    raw = entry_bytes(at_us=at_us, payload=_PAYLOAD, **_FIELDS)
    values = [_FIELDS[name] for name in ("actor", "session", "tag", "subject", "severity")]
    return [at_us, *values, _PAYLOAD], raw


def _plain(connection: psycopg.Connection) -> None:
    row, raw = _row()
    connection.execute(
        "INSERT INTO bench_plain (at_us, actor, session, tag, subject, severity, payload, mac)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        [*row, entry_mac(_KEY, raw)],
    )


def _locked_chain(connection: psycopg.Connection) -> None:
    row, raw = _row()
    found = connection.execute("SELECT seq, hash FROM bench_head WHERE id = 1 FOR UPDATE").fetchone() or (0, "")
    digest = hashlib.sha256(found[1].encode() + raw).hexdigest()
    connection.execute(
        "INSERT INTO bench_chain VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)", [found[0] + 1, *row, digest]
    )
    connection.execute("UPDATE bench_head SET seq = %s, hash = %s WHERE id = 1", [found[0] + 1, digest])


@lru_cache(maxsize=1)
def _statement() -> bytes:
    """Return the product's own statement; its module wants Django's settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from audit.services import INSERT_ENTRY  # noqa: PLC0415 - only after the set-up

    return INSERT_ENTRY.encode()


def _ours(connection: psycopg.Connection) -> None:
    row, raw = _row()
    connection.execute(_statement(), [*row, entry_mac(_KEY, raw)])


_WAYS: dict[str, Callable[[psycopg.Connection], None]] = {
    "plain": _plain,
    "locked_chain": _locked_chain,
    "ours": _ours,
}


def _write(url: str, way: str, own: int, until: float, counts: list[int]) -> None:
    work, done = _WAYS[way], 0
    with psycopg.connect(url) as connection:
        while time.monotonic() < until:
            with connection.transaction():
                connection.execute("UPDATE bench_order SET state = state + 1 WHERE id = %s", [own])
                work(connection)
            done += 1
    counts.append(done)


def _writers(url: str, way: str, own: range, until: float, total: multiprocessing.Queue[int]) -> None:
    """Run some writers, each on a thread and a connection of its own."""
    counts: list[int] = []
    threads = [threading.Thread(target=_write, args=(url, way, row, until, counts)) for row in own]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total.put(sum(counts))


def _rate(url: str, way: str, writers: int) -> float:
    """Return transactions per second of so many writers in two processes."""
    context = multiprocessing.get_context("fork")
    total: multiprocessing.Queue[int] = context.Queue()
    until = time.monotonic() + SECONDS
    shares = [share for share in (writers // 2, writers - writers // 2) if share]
    processes, first = [], 1
    for share in shares:
        process = context.Process(target=_writers, args=(url, way, range(first, first + share), until, total))
        process.start()
        processes.append(process)
        first += share
    done = sum(total.get() for _ in processes)
    for process in processes:
        process.join()
    return done / SECONDS


@contextmanager
def _sequencer(environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "manage.py", "audit_sequence"], cwd=ROOT, env=environment)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _drained(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(1200):
            if connection.execute("SELECT NOT EXISTS (SELECT 1 FROM audit_pending)").fetchone() == (True,):
                return
            time.sleep(0.1)
    raise TimeoutError("the sequencer does not come to an end")


def _measure(url: str, writers: tuple[int, ...], suffix: str) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for turn in range(ROUNDS):
        for count in writers:
            # Another order in each round: whoever comes first after a pause has the quieter machine.
            ways = list(_WAYS) if turn % 2 else list(reversed(_WAYS))
            for way in ways:
                found.setdefault(f"{way}_{count}{suffix}", []).append(_rate(url, way, count))
                _drained(url)
    for name, rates in found.items():
        print(f"{name:26} {statistics.median(rates):9.0f}/s   {min(rates):.0f} … {max(rates):.0f}")
    return {name: round(statistics.median(rates), 1) for name, rates in found.items()}


def _window(url: str) -> dict[str, float]:
    """Return how long entries of a moderate load wait for a checkpoint, milliseconds."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT coalesce(max(seq), 0) FROM audit_entry").fetchone() or (0,)
        for _ in range(6):
            _rate(url, "ours", 8)
        _drained(url)
        waits = connection.execute(
            'SELECT (SELECT min(c.at_us) FROM audit_checkpoint c WHERE c.size > l."index") - e.at_us'
            " FROM audit_entry e JOIN audit_leaf l ON l.entry_id = e.seq WHERE e.seq > %s AND e.seq %% 7 = 0",
            [row[0]],
        ).fetchall()
    times = sorted(int(wait) / 1000 for (wait,) in waits)
    return {
        "window_p50_ms": round(statistics.median(times), 1),
        "window_p99_ms": round(times[int(len(times) * 0.99)], 1),
    }


def _fsck(url: str) -> float:
    """Return how many rows two processes verify in a second."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT count(*) FROM audit_entry").fetchone() or (0,)
        missing = max(0, FSCK_ROWS - int(row[0]))
        values, raw = _row()
        connection.execute(
            "INSERT INTO audit_entry (at_us, actor, session, tag, subject, severity, payload, mac)"
            " SELECT %s, %s, %s, %s, %s, %s, %s, %s FROM generate_series(1, %s)",
            [*values, entry_mac(_KEY, raw), missing],
        )
        _drained(url)
        connection.execute("VACUUM ANALYZE")
    rates = []
    for _ in range(3):
        began = time.perf_counter()
        result = log_verify(url, Roots(), processes=2)
        if result.broken is not None:
            raise RuntimeError(str(result.broken))
        rates.append(result.entries / (time.perf_counter() - began))
    return statistics.median(rates)


def _proofs() -> dict[str, float]:
    """Return inclusion proofs per second: ours beside pymerkle's, over the same leaves."""
    from pymerkle import InmemoryTree  # noqa: PLC0415 - an opponent, not a part

    own, other = Tree(), InmemoryTree(algorithm="sha256")
    for number in range(PROOF_LEAVES):
        own.append(leaf_hash(b"%d" % number))
        other.append_entry(b"%d" % number)
    rates: dict[str, list[float]] = {"proofs_per_s": [], "pymerkle_proofs_per_s": []}
    for _ in range(ROUNDS):
        for name, prove in (
            ("proofs_per_s", lambda n: own.inclusion(n, PROOF_LEAVES)),
            ("pymerkle_proofs_per_s", lambda n: other.prove_inclusion(n + 1, PROOF_LEAVES)),
        ):
            began = time.perf_counter()
            for number in range(PROOFS):
                prove(number * 8191 % PROOF_LEAVES)
            rates[name].append(PROOFS / (time.perf_counter() - began))
    return {name: round(statistics.median(found), 1) for name, found in rates.items()}


def main() -> int:
    """Measure and print."""
    with postgres() as cluster:
        os.environ["PGPASSWORD"] = cluster.password_file.read_text(encoding="ascii").strip()
        url = cluster.url("postgres")
        environment = os.environ | {
            "COUNTERSIGN_DATABASE_URL": url,
            "COUNTERSIGN_DATABASE_PASSWORD_FILE": str(cluster.password_file),
            "COUNTERSIGN_STATE_DIR": str(cluster.socket_dir.parent / "state"),
        }
        subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=ROOT, env=environment, check=True)
        cluster.run(*_TABLES)
        figures: dict[str, float] = {}
        _statement()
        with _sequencer(environment):
            _rate(url, "ours", 8)
            figures |= _measure(url, WRITERS, "")
            cluster.run("ALTER SYSTEM SET commit_delay = 2000", "ALTER SYSTEM SET commit_siblings = 0")
            cluster.run("SELECT pg_reload_conf()")
            figures |= _measure(url, (WRITERS[-1],), "_flush2ms")
            cluster.run("ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()")
            figures |= _window(url)
            figures["fsck_rows_per_s"] = round(_fsck(url))
    figures |= _proofs()
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
