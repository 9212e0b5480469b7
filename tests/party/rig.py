"""Parties in processes of their own, each with a SoftHSM token: they make their key, then they are pinned."""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.canonical import canonical
from core.documents.roster import Profile, SignerEntry, SignerRole, Wallet, WalletKind
from core.founding import KIND, FoundingParty, FoundingPlan
from core.schema import write_struct
from courier.client import exchange
from courier.relay import Relay
from signer.provision import init_state
from tests.factories.world import CHAIN, World
from tests.signer.rig import ROOT, START_SECONDS, command, load_path, point_softhsm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.documents.bundle import Bundle

GWEI = 10**9
RELAY_SECONDS = 30.0


@dataclasses.dataclass(frozen=True)
class Founded:
    """Folders of parties whose key is made, before any policy is pinned."""

    base: Path
    plan: FoundingPlan
    made: dict[str, str]

    def state(self, party: str) -> Path:
        """Return a party's folder."""
        return self.base / party


@dataclasses.dataclass
class Process:
    """A party that serves."""

    process: subprocess.Popen[bytes]
    path: str
    log: Path

    def ask(self, op: str, **fields: object) -> dict[str, Any]:
        """Send one request."""
        return exchange(self.path, {"v": 1, "op": op, **fields}, RELAY_SECONDS)

    def kill(self) -> None:
        """End it without warning."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def serving(state: Path, *arguments: str, environment: dict[str, str] | None = None) -> Iterator[Process]:
    """Run `python -m signer …` on a folder until it listens; stop it politely at the end."""
    log = Path(tempfile.mkdtemp(prefix="cs-log-")) / "log"
    path = load_path(state)
    path.unlink(missing_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "signer", arguments[0], "--state", str(state), *arguments[1:]],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        end = time.monotonic() + START_SECONDS
        while not path.exists():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.02)
        yield Process(process, str(path), log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(log.parent)


def plan_of(base: Path, threshold: int, names: tuple[str, ...]) -> FoundingPlan:
    """Make each party's folder, token and keys, and plan their key."""
    parties = []
    for place, name in enumerate(names, start=1):
        init_state(base / name, name, role=SignerRole.PARTY, socket_path=None, allowed_uids=(), group=None)
        made = command(base / name, "keygen")
        assert made.returncode == 0, made.stderr
        key = bytes.fromhex(json.loads(made.stdout.splitlines()[-1])["public_key"][2:])
        domains = {name: f"{name}-{place}" for name in ("host", "site", "administrator", "vendor")}
        parties.append(FoundingParty(id=name, public_key=key, **domains))
    return FoundingPlan(
        kind=KIND,
        profile=Profile.DEMO,
        label="Warm",
        chain=CHAIN,
        threshold=threshold,
        parties=tuple(parties),
        nonce=secrets.token_bytes(32),
    )


def make_key(base: Path, plan: FoundingPlan) -> dict[str, str]:
    """Have the parties make their key, each in its own process; return what all of them say came out."""
    file = base / "plan.json"
    file.write_bytes(canonical(write_struct(plan, "plan")))
    with ExitStack() as stack:
        sockets = {
            party.id: stack.enter_context(serving(base / party.id, "found", str(file), "--expect", plan.digest)).path
            for party in plan.parties
        }
        done = subprocess.run(
            [
                *(sys.executable, "-m", "courier.found", str(file)),
                *(f"--party={name}={path}" for name, path in sockets.items()),
            ],
            cwd=ROOT,
            capture_output=True,
            check=False,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        *said, last = done.stdout.splitlines()
        made: dict[str, str] = json.loads(last)
        assert said == [f"{party.id} says {made['address']}" for party in plan.parties]
        return made


def found(base: Path, threshold: int, parties: int) -> Founded:
    """Make a t-of-n key."""
    plan = plan_of(base, threshold, tuple(f"party-{place}" for place in range(1, parties + 1)))
    return Founded(base, plan, make_key(base, plan))


class Group:
    """A deployment whose one wallet is held by the founded parties."""

    def __init__(self, founded: Founded, base: Path, **world: Any) -> None:  # noqa: ANN401 - fields of World
        shutil.copytree(founded.base, base, dirs_exist_ok=True)
        self.base, self.plan = base, founded.plan
        self.names = tuple(party.id for party in founded.plan.parties)
        public_key = bytes.fromhex(founded.made["public_key"][2:])
        self.wallet = Wallet(
            id=f"{CHAIN}:{founded.made['address']}",
            label="Warm",
            kind=WalletKind.MPC,
            public_key=public_key,
            signers=self.names,
            threshold=founded.plan.threshold,
        )
        signers = tuple(
            SignerEntry(
                id=party.id,
                role=SignerRole.PARTY,
                public_key=party.public_key,
                host=party.host,
                site=party.site,
                administrator=party.administrator,
                vendor=party.vendor,
            )
            for party in founded.plan.parties
        )
        overrides = {"signers": signers, "wallets": (self.wallet,), **world.pop("overrides", {})}
        self.world = World(now=int(time.time()), wallet_public_key=public_key, overrides=overrides, **world)
        self.nonce = 0
        for name in self.names:
            point_softhsm(self.state(name))
        self.pin()

    def state(self, party: str) -> Path:
        """Return a party's folder."""
        return self.base / party

    def pin(self) -> None:
        """Install the genesis at every party's console."""
        file = self.base / "genesis.json"
        file.write_bytes(canonical(write_struct(self.world.signed_policy, "signed_policy")))
        for name in self.names:
            done = command(self.state(name), "pin", str(file), "--expect", self.world.policy.digest)
            assert done.returncode == 0, done.stderr
        self.world.now = int(time.time())

    def bundle(self, *, nonce: int | None = None, value: int = 10**12, **changes: Any) -> Bundle:  # noqa: ANN401
        """Make a fresh case at the next nonce; `named`: its mandate is for that nonce only."""
        self.world.now = int(time.time())
        intent = self.world.intent(value=value, max_fee_per_gas=10 * GWEI, max_priority_fee_per_gas=GWEI)
        at = self.nonce if nonce is None else nonce
        only = at if changes.pop("named", False) else None
        mandate = self.world.mandate(intent, asker=changes.pop("asker", "tessa"), nonce=only)
        made = self.world.bundle(mandate, nonce=at, **changes)
        if nonce is None:
            self.nonce += 1
        return made

    @contextmanager
    def up(self, *names: str) -> Iterator[dict[str, Process]]:
        """Run these parties (none named: all)."""
        with ExitStack() as stack:
            yield {name: stack.enter_context(serving(self.state(name), "serve")) for name in names or self.names}


@contextmanager
def relay_to(parties: dict[str, Process]) -> Iterator[Relay]:
    """Connect a relay to parties."""
    with Relay({name: party.path for name, party in parties.items()}, RELAY_SECONDS) as relay:
        yield relay
