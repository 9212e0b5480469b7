"""The whole line under test: a real node, a behaving signer, an institution, and custody's own rows."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from chains.services import chain_create, node_create
from core.documents.consent import Decision, SubjectType
from core.documents.control import Cancel
from core.documents.roster import WalletKind
from custody.models import CancelOrder, ChainRule, Job
from custody.services import cancel_order_create, chain_rule_set, job_create, wallet_create
from custody.sweep import sweep_once
from demo.services.anvil import anvil
from tests.factories.world import CHAIN, ETHER, World, header
from tests.fakes.proxy import LyingNode
from tests.fakes.signer import FakeSigner
from tests.signer.log_rig import log, made_log  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.documents.mandate import Intent
    from demo.services.anvil import Node

ROOT = Path(__file__).resolve().parents[2]
ACTOR = "system:test"
PATIENCE = 90.0
"""Seconds until a test gives up: only what hangs takes them, and a machine that is full must not."""


@dataclasses.dataclass
class Desk:
    """Everything from a handed-over case to the chain, whoever signs."""

    world: World
    node: Node
    proxy: LyingNode

    @property
    def sockets(self) -> dict[str, str]:
        """Where whoever signs listens, by roster id."""
        raise NotImplementedError

    def intent(self, **changes: Any) -> Intent:  # noqa: ANN401 - fields of Intent
        """Make an intent of 1 ether, unless told otherwise."""
        return self.world.intent(**({"value": ETHER} | changes))

    def hand_over(
        self,
        intent: Intent | None = None,
        approvers: tuple[str, ...] = ("rita", "ravi"),
        *,
        nonce: int | None = None,
    ) -> Job:
        """Hand a fully consented case to custody, as oms does; its mandate may name its nonce."""
        mandate = self.world.mandate(intent or self.intent(), nonce=nonce)
        consents = (
            self.world.consent(mandate.digest, mandate.asker.id, Decision.ASK),
            *(self.world.consent(mandate.digest, name) for name in approvers),
        )
        with transaction.atomic():
            return job_create(
                actor=ACTOR,
                mandate=mandate,
                intent=mandate.order.intent,  # type: ignore[union-attr]  # World makes single orders
                consents=consents,
                now=timezone.now(),
            )

    def cancel(self, job: Job, by: tuple[str, ...] = ("rita",), **changes: Any) -> CancelOrder:  # noqa: ANN401 - fields of Cancel
        """Order a cancel of a job's nonce, with the consents of these people, as oms does."""
        fields: dict[str, Any] = {
            "header": header("cancel", self.world.deployment, now=self.world.now),
            "policy": self.world.policy.digest,
            "intent": job.intent_digest,
            "wallet": self.world.wallet,
            "max_fee_per_gas": 300 * 10**9,
            "max_priority_fee_per_gas": 5 * 10**9,
            "reason": "stuck",
        }
        document = Cancel(**(fields | changes))
        consents = tuple(self.world.consent(document.digest, name, subject_type=SubjectType.CANCEL) for name in by)
        return cancel_order_create(actor=ACTOR, document=document, consents=consents, now=timezone.now())

    def rule(self, **changes: Any) -> None:  # noqa: ANN401 - fields of ChainRule
        """Change how custody works on the chain."""
        chain_rule_set(actor=ACTOR, rule=ChainRule(chain_id=CHAIN, **changes))

    def sweep_until(self, job: Job, *states: str, seconds: float = PATIENCE) -> Job:
        """Sweep in this process until the job is in one of the states."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            sweep_once(now=timezone.now(), most=1)
            job.refresh_from_db()
            if job.state in states:
                return job
            time.sleep(0.02)
        raise AssertionError(f"{job.state} ({job.error_code}: {job.error}), not {states}")

    def sweep_until_trouble(self, job: Job, code: str, seconds: float = PATIENCE) -> Job:
        """Sweep in this process until the job says that this kind of trouble holds it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            sweep_once(now=timezone.now(), most=1)
            job.refresh_from_db()
            if job.error_code == code:
                return job
            time.sleep(0.02)
        raise AssertionError(f"{job.state} ({job.error_code}: {job.error}), no {code}")

    def wait_until(self, jobs: list[Job], state: str, seconds: float = PATIENCE) -> None:
        """Let time and blocks pass while worker processes work, until all jobs are in the state."""
        deadline = time.monotonic() + seconds
        states: list[tuple[str, str]] = []
        while time.monotonic() < deadline:
            self.mine()
            states = [Job.objects.values_list("state", "error").get(pk=job.pk) for job in jobs]
            if all(found == state for found, _ in states):
                return
            time.sleep(0.05)
        raise AssertionError(f"{states}, not {state}")

    def automine(self, *, on: bool) -> None:
        """Let the node mine each transaction at once, or only when told."""
        self.node.call("evm_setAutomine", on)

    def mine(self, blocks: int = 1) -> None:
        """Let blocks pass."""
        self.node.call("anvil_mine", hex(blocks))

    def mined_count(self) -> int:
        """Return how many transactions of the wallet are mined."""
        address = self.world.wallet.rpartition(":")[2]
        return int(self.node.call("eth_getTransactionCount", address, "latest"), 16)

    def balance(self, address: str) -> int:
        """Return a balance in wei."""
        return int(self.node.call("eth_getBalance", address, "latest"), 16)

    @contextmanager
    def worker(self, *, failpoint: str = "") -> Iterator[subprocess.Popen[bytes]]:
        """Run a worker process; with a failpoint it kills itself there."""
        given = {
            "database": str(connection.settings_dict["NAME"]),
            "sockets": self.sockets,
        }
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.fakes.worker_settings",
            "COUNTERSIGN_TEST_WORKER": json.dumps(given),
            "COUNTERSIGN_FAILPOINT": failpoint,
        }
        command = [sys.executable, "manage.py", "worker", "--interval", "0.05"]
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            _, errors = process.communicate(timeout=PATIENCE)
            if b"Traceback" in errors:
                sys.stderr.write(errors.decode(errors="replace"))


@dataclasses.dataclass
class Line(Desk):
    """A desk whose one signer behaves."""

    signer: FakeSigner

    @property
    def sockets(self) -> dict[str, str]:
        """The one signer's."""
        return {self.world.signer: self.signer.path}


def desk_open(*, world: World, settings: Any, stack: ExitStack) -> tuple[Node, LyingNode]:  # noqa: ANN401 - pytest-django's wrapper
    """Start a node that mines at once, and configure it, behind a proxy, as the only one of its chain."""
    node = stack.enter_context(anvil())
    proxy = stack.enter_context(LyingNode(node.url))
    settings.COUNTERSIGN_SIGNER_TIMEOUT_SECONDS = 2.0
    settings.COUNTERSIGN_POLL_SECONDS = 0.01
    settings.COUNTERSIGN_RESEND_SECONDS = 0.2
    settings.COUNTERSIGN_NODE_TIMEOUT_SECONDS = 0.5
    node.call("anvil_setBalance", world.wallet.rpartition(":")[2], hex(1000 * ETHER))
    chain_create(actor=ACTOR, caip2=CHAIN, name="Dev chain", native_symbol="ETH", confirmation_depth=3)
    node_create(actor=ACTOR, chain=CHAIN, label="anvil", url=proxy.url)
    return node, proxy


@pytest.fixture
def line(transactional_db: None, settings: Any) -> Iterator[Line]:  # noqa: ANN401, ARG001 - pytest-django's wrapper; asks for the database
    """A line whose node mines at once, with depth 3 and a proxy as the only configured node."""
    world = World(now=int(time.time()))
    with ExitStack() as stack:
        signer = stack.enter_context(FakeSigner(world))
        settings.COUNTERSIGN_SIGNER_SOCKETS = {world.signer: signer.path}
        node, proxy = desk_open(world=world, settings=settings, stack=stack)
        wallet_create(
            actor=ACTOR,
            caip10=world.wallet,
            label="Treasury Hot",
            kind=WalletKind.HSM,
            public_key=world.wallet_public_key,
            signers=(world.signer,),
        )
        yield Line(world=world, node=node, signer=signer, proxy=proxy)
