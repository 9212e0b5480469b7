"""Starts and stops the demonstration's processes: signer, consent host, web tier, and in full mode all the rest."""

from __future__ import annotations

import compileall
import os
import socket
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import requests

from demo.attesting import ATTESTER_ID, ATTESTER_PORT, attester_url
from demo.institution import SIGNER_ID, Institution, found, web_origin
from demo.keepers import LOG_SIGNER_ID, WITNESS_ID
from demo.layout import ROOT, Layout, accounts_choose
from demo.services.anvil import anvil
from demo.services.postgres import postgres
from demo.services.processes import ServiceError, running, stop
from demo.services.redis import redis
from demo.steps import run_as

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from demo.services.postgres import Cluster
    from demo.telling import Teller

WEB_PORT, CONSENT_PORT, WITNESS_PORT = 8000, 8001, 8002
DATABASE, WEB_ROLE = "countersign", "countersign_web"
LEASE_SECONDS = 10
"""How long the witness's leases last here; elsewhere ten minutes."""
_BLOCK_SECONDS = 1
_PROBE_SECONDS = 2


def _precompile() -> None:
    """Compile our modules once: the other users cannot write beside them, and would do it at each start."""
    for package in sorted(file.parent for file in ROOT.glob("*/__init__.py")):
        compileall.compile_dir(package, quiet=2)


def _check_free(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise ServiceError(f"port {port} is in use; the demonstration needs it: stop what listens there")


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=_PROBE_SECONDS, allow_redirects=False).status_code < 500  # noqa: PLR2004 - HTTP
    except requests.RequestException:
        return False


def _reachable(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


class Site:
    """Runs one process after another, each under its own user, and remembers their ids."""

    def __init__(self, stack: ExitStack, layout: Layout, environment: dict[str, str], owner: dict[str, str]) -> None:
        """Remember where things go; `owner` holds the settings of whoever owns the tables."""
        self._stack = stack
        self._layout = layout
        self.environment = environment
        self.owner = owner
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
                user=uid,
                env={**os.environ, "HOME": "/nonexistent", **env},
                directory=ROOT,
            )
        )
        self.pids[name] = process.pid
        self._processes[name] = process

    def stop(self, name: str) -> None:
        """Stop one process; `start` may start it again."""
        stop(self._processes.pop(name))

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
    return {SIGNER_ID: layout.socket_dir / "signer.sock", LOG_SIGNER_ID: layout.log_socket}


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


def _migrate(layout: Layout, environment: dict[str, str], cluster: Cluster | None) -> dict[str, str]:
    """Make the tables; on PostgreSQL as their owner, who lets the web tier's role in. Return the owner's settings."""
    if cluster is None:
        run_as(layout.accounts.web, "manage.py", "migrate", "--verbosity", "0", env=environment)
        return environment
    owner = environment | {
        "COUNTERSIGN_DATABASE_URL": cluster.url(DATABASE),
        "COUNTERSIGN_DATABASE_PASSWORD_FILE": str(cluster.password_file),
    }
    run_as(None, "manage.py", "migrate", "--verbosity", "0", env=owner)
    cluster.run(
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {WEB_ROLE}",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {WEB_ROLE}",
        database=DATABASE,
    )
    run_as(None, "manage.py", "audit_grants", "--role", WEB_ROLE, env=owner)
    return owner


def _start_signers(site: Site, layout: Layout) -> None:
    """Start the wallets' signer, the log's signer, the witness and the attester."""
    sockets, accounts = _sockets(layout), layout.accounts
    for name, uid, state, place in (
        ("signer", accounts.signer, layout.signer, sockets[SIGNER_ID]),
        ("log-signer", accounts.log, layout.log, sockets[LOG_SIGNER_ID]),
    ):
        command = ("-m", "signer", "serve", "--state", state)
        site.start(name, uid, *command, ready=lambda place=place: _reachable(place))
    site.witness_start()
    attester = ("-m", "attester", "serve", "--state", layout.attester, "--port", str(ATTESTER_PORT))
    site.start("attester", accounts.attester, *attester, ready=lambda: _answers(f"{attester_url()}/status"))


def _start_web(site: Site, layout: Layout) -> None:
    consent = ("-m", "consent", "serve", "--root", layout.consent, "--port", str(CONSENT_PORT))
    site.start(
        "consent",
        layout.accounts.consent,
        *consent,
        ready=lambda: _answers(f"http://localhost:{CONSENT_PORT}/"),
    )
    web = ("-m", "gunicorn", "config.wsgi", "--config", "python:config.gunicorn", "--bind", f"127.0.0.1:{WEB_PORT}")
    site.start(
        "web", layout.accounts.web, *web, ready=lambda: _answers(web_origin() + "/sign-in/"), **site.environment
    )


def _start_workers(site: Site, layout: Layout) -> None:
    """Full mode: workers, beat, the sequencer, and a courier for each signer: it knows the broker and one socket."""
    environment = site.environment
    celery = ("-m", "celery", "--app", "config.celery")
    site.start(
        "worker",
        layout.accounts.web,
        *(*celery, "worker", "--pool", "prefork", "--concurrency", "1", "--loglevel", "INFO"),
        *("--hostname", "worker@countersign"),
        ready=" ready.",
        **environment,
    )
    beat = ("beat", "--loglevel", "INFO", "--schedule", layout.web / "beat-schedule")
    site.start("beat", layout.accounts.web, *celery, *beat, ready="beat: Starting", **environment)
    # What gives entries their places runs on its own: the log does not wait for a worker that waits for a signer.
    sequence = ("manage.py", "audit_sequence", "--interval", "100")
    site.start("sequencer", layout.accounts.web, *sequence, ready=lambda: True, **environment)
    for name, (signer, place) in zip(("courier", "log-courier"), _sockets(layout).items(), strict=True):
        courier = {
            "COUNTERSIGN_BROKER_URL": environment["COUNTERSIGN_BROKER_URL"],
            "COUNTERSIGN_SIGNER_SOCKETS": f"{signer}={place}",
        }
        command = ("-m", "courier", "--signer", signer)
        site.start(name, layout.accounts.courier, *command, ready=" ready.", **courier)


@contextmanager
def site_running(base: Path, *, full: bool, tell: Teller) -> Iterator[tuple[Institution, Site]]:
    """Found an institution and run its site for as long as the block lasts.

    Args:
        base: Where everything goes; emptied first.
        full: PostgreSQL, Redis, Celery workers and couriers instead of SQLite and a thread.
        tell: Where progress is told.

    Raises:
        ServiceError: If something cannot be started.
    """
    for port in (WEB_PORT, CONSENT_PORT, WITNESS_PORT, ATTESTER_PORT):
        _check_free(port)
    _precompile()
    accounts, missing = accounts_choose()
    layout = Layout(base, accounts)
    layout.prepare(caller=accounts.courier if full else accounts.web)
    if missing:
        tell.step(f"isolation: {missing}")
    else:
        tell.step("isolation: web, signers, courier, witness and consent host run under users of their own")
        if not full:
            tell.step("isolation: the courier is a thread of the web tier (FULL=1 gives it a process and a user)")
    with ExitStack() as stack:
        environment, cluster = _environment(layout), None
        if full:
            cluster, services = _full_services(stack, layout, tell)
            environment |= services
        owner = _migrate(layout, environment, cluster)
        node = stack.enter_context(anvil(block_time_s=_BLOCK_SECONDS, directory=layout.base / "chain"))
        caller = accounts.courier if full else accounts.web
        institution = found(layout, node, environment, [os.geteuid() if caller is None else caller], tell)
        site = Site(stack, layout, environment, owner)
        _start_signers(site, layout)
        _start_web(site, layout)
        if full:
            _start_workers(site, layout)
        tell.step("running: " + ", ".join(f"{name} (pid {pid})" for name, pid in site.pids.items()))
        yield institution, site
