"""Starts and stops the demonstration's processes: signer, consent host, web tier, and in full mode all the rest."""

from __future__ import annotations

import compileall
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import requests

from demo.anchoring import anchor_settings
from demo.attesting import ATTESTER_ID, ATTESTER_PORT, attester_url
from demo.institution import SIGNER_ID, Institution, found, web_origin
from demo.keepers import LOG_SIGNER_ID, WITNESS_ID
from demo.layout import PARTIES, ROOT, Layout, accounts_choose
from demo.place import check_place
from demo.services.anvil import anvil
from demo.services.postgres import postgres
from demo.services.processes import reachable, running, stop
from demo.services.redis import redis
from demo.steps import Console

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from demo.services.postgres import Cluster
    from demo.telling import Teller

WEB_PORT, CONSENT_PORT, WITNESS_PORT = 8000, 8001, 8002
DATABASE, WEB_ROLE = "countersign", "countersign_web"
LEASE_SECONDS = 10
"""How long the witness's leases last here; elsewhere ten minutes."""
_BLOCK_SECONDS = 1
_PROBE_SECONDS = 2
_START_SECONDS = 60
"""How long a process may take that starts at the same time as a dozen others."""


def _precompile() -> None:
    """Compile our modules once: the other users cannot write beside them, and would do it at each start."""
    for package in sorted(file.parent for file in ROOT.glob("*/__init__.py")):
        compileall.compile_dir(package, quiet=2)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=_PROBE_SECONDS, allow_redirects=False).status_code < 500  # noqa: PLR2004 - HTTP
    except requests.RequestException:
        return False


class Site:
    """Runs one process after another, each under its own user, and remembers their ids."""

    def __init__(self, stack: ExitStack, layout: Layout, environment: dict[str, str], *, caller: int | None) -> None:
        """Open the consoles; `owner` will hold the settings of whoever owns the tables.

        Args:
            stack: Ends what is started.
            layout: Where things go.
            environment: The web tier's settings.
            caller: The user that may reach the signers' sockets.
        """
        self._stack = stack
        self._layout = layout
        self.logs = layout.logs
        self.environment = self.owner = environment
        web = Console(layout.accounts.web, layout.logs / "web-console.log", env=environment, django=True)
        self.web = stack.enter_context(web)
        self._carrier = stack.enter_context(Console(caller, layout.logs / "carrier.log"))
        self.pids: dict[str, int] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, uid: int | None, *command: str | Path, ready: object, **env: str) -> None:
        """Start a Python module of ours and wait until it is ready."""
        log = self._layout.logs / f"{name}.log"
        check = ready if callable(ready) else (lambda: log.exists() and str(ready) in log.read_text(encoding="utf-8"))
        process = self._stack.enter_context(
            running(
                [sys.executable, *command],
                ready=check,
                log=log,
                ready_s=_START_SECONDS,
                user=uid,
                env={**os.environ, "HOME": "/nonexistent", **env},
                directory=ROOT,
            )
        )
        self.pids[name] = process.pid
        self._processes[name] = process

    def carry(self, place: Path, request: dict[str, object]) -> dict[str, Any]:
        """Hand a request to a signer's socket as its courier would, under the courier's user; return the answer.

        Raises:
            ServiceError: If there is none.
        """
        answer: dict[str, Any] = json.loads(self._carrier.run("-m", "demo.carry", place, given=json.dumps(request)))
        return answer

    def relay(self, *places: str, given: str) -> str:
        """Carry a case among parties until it is signed, as `demo.relay`; return what it prints.

        Raises:
            ServiceError: If it is not signed.
        """
        return self._carrier.run("-m", "demo.relay", *places, given=given)

    @staticmethod
    def start_all(*starts: Callable[[], None]) -> None:
        """Start several at the same time, and wait until all are ready."""
        with ThreadPoolExecutor(max(1, len(starts))) as pool:
            for started in [pool.submit(start) for start in starts]:
                started.result()

    def stop(self, *names: str) -> None:
        """Stop processes at the same time; `start` may start them again."""
        with ThreadPoolExecutor(max(1, len(names))) as pool:
            list(pool.map(stop, [self._processes.pop(name) for name in names]))

    def stop_all(self) -> None:
        """Stop every process, at the same time."""
        self.stop(*self._processes)

    def party_start(self, name: str) -> None:
        """Start one party of the threshold wallet."""
        layout = self._layout
        self.signer_start(name, layout.accounts.party(name), layout.party(name), layout.party_socket(name))

    def signer_start(self, name: str, uid: int | None, state: Path, place: Path) -> None:
        """Start a signer on its folder; `place` is where it listens."""
        self.start(name, uid, "-m", "signer", "serve", "--state", state, ready=partial(reachable, place))

    def witness_start(self) -> None:
        """Start the witness. Its leases are short, so that the story can wait for one to end."""
        layout = self._layout
        witness = ("-m", "witness", "serve", "--state", layout.witness, "--port", str(WITNESS_PORT))
        lease = ("--lease-seconds", str(LEASE_SECONDS))
        self.start(
            "witness", layout.accounts.witness, *witness, *lease, ready=lambda: _answers(f"{witness_url()}/status")
        )

    def ended(self) -> list[str]:
        """Name the processes that do not run any more."""
        return [name for name, process in self._processes.items() if process.poll() is not None]


def _sockets(layout: Layout) -> dict[str, Path]:
    """Return where each signer listens."""
    parties = {name: layout.party_socket(name) for name in PARTIES}
    return {SIGNER_ID: layout.socket_dir / "signer.sock", LOG_SIGNER_ID: layout.log_socket, **parties}


def witness_url() -> str:
    """Return where the witness answers."""
    return f"http://127.0.0.1:{WITNESS_PORT}"


def _environment(layout: Layout) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "COUNTERSIGN_STATE_DIR": str(layout.web),
        "COUNTERSIGN_DEMO": "yes",
        "COUNTERSIGN_WEB_ORIGIN": web_origin(),
        "COUNTERSIGN_SIGNER_SOCKETS": ",".join(f"{name}={place}" for name, place in _sockets(layout).items()),
        "COUNTERSIGN_LOG_SIGNER": LOG_SIGNER_ID,
        "COUNTERSIGN_WITNESSES": f"{WITNESS_ID}={witness_url()}",
        "COUNTERSIGN_ATTESTERS": f"{ATTESTER_ID}={attester_url()}",
        "COUNTERSIGN_LOG_LEVEL": "WARNING",
    }


def _own_secret(file: Path, owner: int | None) -> str:
    """Make up a secret in a file that only its owner reads."""
    secret = os.urandom(32).hex()
    file.touch(mode=0o600)
    file.write_text(secret, encoding="ascii")
    if owner is not None:
        os.chown(file, owner, owner)
    return secret


def _full_services(stack: ExitStack, layout: Layout, tell: Teller) -> tuple[Cluster, dict[str, str]]:
    """Start PostgreSQL and Redis of our own; return the cluster and the settings that point to both."""
    cluster = stack.enter_context(postgres(layout.base / "postgres"))
    broker = stack.enter_context(redis(layout.base / "broker", socket_mode="777"))
    password, secret, marks = (layout.web / name for name in ("database-password", "secret-key", "audit-key"))
    _own_secret(secret, layout.accounts.web)
    _own_secret(marks, layout.accounts.web)
    cluster.run(
        f"CREATE DATABASE {DATABASE}",
        f"CREATE ROLE {WEB_ROLE} LOGIN PASSWORD '{_own_secret(password, layout.accounts.web)}'",
    )
    tell.step(f"PostgreSQL (pid {cluster.pid}) and Redis (pid {broker.pid}), each on a socket of its own")
    return cluster, {
        "COUNTERSIGN_MODE": "full",
        "COUNTERSIGN_DATABASE_URL": cluster.url(DATABASE, user=WEB_ROLE),
        "COUNTERSIGN_DATABASE_PASSWORD_FILE": str(password),
        "COUNTERSIGN_BROKER_URL": broker.url,
        "COUNTERSIGN_SECRET_KEY_FILE": str(secret),
        "COUNTERSIGN_AUDIT_KEY_FILE": str(marks),
    }


def _migrate(site: Site, cluster: Cluster | None) -> dict[str, str]:
    """Make the tables; on PostgreSQL as their owner, who lets the web tier's role in. Return the owner's settings."""
    if cluster is None:
        site.web.run("manage.py", "migrate", "--verbosity", "0")
        return site.environment
    owner = site.environment | {
        "COUNTERSIGN_DATABASE_URL": cluster.url(DATABASE),
        "COUNTERSIGN_DATABASE_PASSWORD_FILE": str(cluster.password_file),
    }
    with Console(None, site.logs / "owner-console.log", env=owner, django=True) as console:
        console.run("manage.py", "migrate", "--verbosity", "0")
        cluster.run(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {WEB_ROLE}",
            f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {WEB_ROLE}",
            database=DATABASE,
        )
        console.run("manage.py", "audit_grants", "--role", WEB_ROLE)
    return owner


def _open(stack: ExitStack, services: ExitStack, layout: Layout, *, full: bool, tell: Teller) -> Site:
    """Start what the web tier rests on, open the consoles, and make the tables."""
    environment, cluster = _environment(layout), None
    if full:
        cluster, settings = _full_services(services, layout, tell)
        environment |= settings
    # The user that may reach the signers' sockets carries to them.
    site = Site(stack, layout, environment, caller=layout.accounts.courier if full else layout.accounts.web)
    site.owner = _migrate(site, cluster)
    return site


def _signer_starts(site: Site, layout: Layout) -> list[Callable[[], None]]:
    """Return what starts the signers, the parties, the witness, the attester and the consent host."""
    sockets, accounts = _sockets(layout), layout.accounts
    attester = ("-m", "attester", "serve", "--state", layout.attester, "--port", str(ATTESTER_PORT))
    consent = ("-m", "consent", "serve", "--root", layout.consent, "--port", str(CONSENT_PORT))
    return [
        partial(site.signer_start, "signer", accounts.signer, layout.signer, sockets[SIGNER_ID]),
        partial(site.signer_start, "log-signer", accounts.log, layout.log, sockets[LOG_SIGNER_ID]),
        *(partial(site.party_start, name) for name in PARTIES),
        site.witness_start,
        partial(
            site.start, "attester", accounts.attester, *attester, ready=lambda: _answers(f"{attester_url()}/status")
        ),
        partial(
            site.start,
            *("consent", accounts.consent, *consent),
            ready=lambda: _answers(f"http://localhost:{CONSENT_PORT}/"),
        ),
    ]


def _web_starts(site: Site, layout: Layout, *, full: bool) -> list[Callable[[], None]]:
    """Return what starts the web tier; in full mode with a worker, beat and the sequencer."""
    uid, environment = layout.accounts.web, site.environment
    web = ("-m", "gunicorn", "config.wsgi", "--config", "python:config.gunicorn", "--bind", f"127.0.0.1:{WEB_PORT}")
    celery = ("-m", "celery", "--app", "config.celery")
    worker = (*celery, "worker", "--pool", "prefork", "--concurrency", "1", "--loglevel", "INFO")
    beat = (*celery, "beat", "--loglevel", "INFO", "--schedule", layout.web / "beat-schedule")
    # What gives entries their places runs on its own: the log does not wait for a worker that waits for a signer.
    sequence = ("manage.py", "audit_sequence", "--interval", "100")
    starts: list[Callable[[], None]] = [
        partial(site.start, "web", uid, *web, ready=lambda: _answers(web_origin() + "/sign-in/"), **environment)
    ]
    if full:
        named = ("--hostname", "worker@countersign")
        starts += [
            partial(site.start, "worker", uid, *worker, *named, ready=" ready.", **environment),
            partial(site.start, "beat", uid, *beat, ready="beat: Starting", **environment),
            partial(site.start, "sequencer", uid, *sequence, ready=lambda: True, **environment),
        ]
    return starts


def courier_name(signer: str) -> str:
    """Return what the process of a signer's courier is called here."""
    return {SIGNER_ID: "courier", LOG_SIGNER_ID: "log-courier"}.get(signer, f"courier-{signer}")


def _couriers_start(site: Site, layout: Layout) -> None:
    """Start a courier for each signer and each party: it knows the broker and one socket."""
    starts = (
        partial(
            site.start,
            *(courier_name(signer), layout.accounts.courier, "-m", "courier", "--signer", signer),
            ready=" ready.",
            COUNTERSIGN_BROKER_URL=site.environment["COUNTERSIGN_BROKER_URL"],
            COUNTERSIGN_SIGNER_SOCKETS=f"{signer}={place}",
        )
        for signer, place in _sockets(layout).items()
    )
    site.start_all(*starts)


def _tell_isolation(missing: str, *, full: bool, tell: Teller) -> None:
    if missing:
        tell.step(f"isolation: {missing}")
        return
    tell.step("isolation: web, signers, each party, courier, witness and consent host run under users of their own")
    if not full:
        tell.step("isolation: the courier is a thread of the web tier (FULL=1 gives it processes and a user)")


@contextmanager
def site_running(base: Path, *, full: bool, tell: Teller) -> Iterator[tuple[Institution, Site]]:
    """Found an institution and run its site for as long as the block lasts.

    Args:
        base: Where everything goes; emptied first.
        full: PostgreSQL, Redis, Celery workers and couriers instead of SQLite and a thread.
        tell: Where progress is told.

    Raises:
        UnfitError: If nothing can be started here now.
        ServiceError: If something cannot be started.
    """
    check_place(base, (WEB_PORT, CONSENT_PORT, WITNESS_PORT, ATTESTER_PORT))
    _precompile()
    accounts, missing = accounts_choose()
    layout = Layout(base, accounts)
    caller = accounts.courier if full else accounts.web
    layout.prepare(caller=caller)
    _tell_isolation(missing, full=full, tell=tell)
    # Whatever is in `stack` may use a database and a broker until it has ended.
    with ExitStack() as services, ExitStack() as stack, ThreadPoolExecutor(2) as beside:
        # Databases, tables and couriers wait for nobody's keys.
        opened = beside.submit(_open, stack, services, layout, full=full, tell=tell)
        couriers = beside.submit(lambda: _couriers_start(opened.result(), layout) if full else None)
        node = stack.enter_context(anvil(block_time_s=_BLOCK_SECONDS, directory=layout.base / "chain"))
        institution = found(layout, node, caller=caller, web=lambda: opened.result().web, tell=tell)
        site = opened.result()
        site.environment |= anchor_settings(layout, institution.policy)
        site.start_all(*_web_starts(site, layout, full=full), *_signer_starts(site, layout))
        couriers.result()
        tell.step("running: " + ", ".join(f"{name} (pid {pid})" for name, pid in site.pids.items()))
        try:
            yield institution, site
        finally:
            site.stop_all()
