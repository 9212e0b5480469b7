"""A desk whose wallet is held by real parties: processes of their own, each with its token and its journal."""

from __future__ import annotations

import dataclasses
import json
import socketserver
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from courier.client import exchange
from custody.models import Job
from custody.parties import carry, lessons, line
from custody.services import wallet_create
from signer import wire
from tests.custody.conftest import ACTOR, Desk, desk_open
from tests.party.renewing import clone
from tests.party.rig import RELAY_SECONDS, serving
from tests.signer.rig import load_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.party.rig import Group, Process


class Between:
    """Stands before a party's socket, passes on what is asked, and changes or withholds what is answered."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.directory = tempfile.TemporaryDirectory(prefix="cs-between-")
        self.listens = f"{self.directory.name}/s"
        self.asked: Counter[str] = Counter()
        self.distort: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]] | None = None
        self.silent_seconds = 0.0
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                header = self.rfile.read(wire.HEADER.size)
                request = json.loads(self.rfile.read(wire.HEADER.unpack(header)[0]))
                outer.asked[request["op"]] += 1
                if outer.silent_seconds:
                    time.sleep(outer.silent_seconds)
                    return
                answer = exchange(outer.path, request, RELAY_SECONDS)
                if outer.distort is not None:
                    answer = outer.distort(request, answer)
                self.wfile.write(wire.frame(answer))

        self._server = socketserver.ThreadingUnixStreamServer(self.listens, Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        """Go away."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.directory.cleanup()


@dataclasses.dataclass
class PartyDesk(Desk):
    """A desk with parties, any of which can be started and stopped."""

    group: Group
    settings: Any
    running: dict[str, tuple[ExitStack, Process]] = dataclasses.field(default_factory=dict)
    betweens: dict[str, Between] = dataclasses.field(default_factory=dict)

    @property
    def sockets(self) -> dict[str, str]:
        """Where the parties listen, or would."""
        own = {name: str(load_path(self.group.state(name))) for name in self.group.names}
        return own | {name: one.listens for name, one in self.betweens.items()}

    def between(self, name: str) -> Between:
        """Stand before a party, from now on."""
        self.betweens[name] = Between(self.sockets[name])
        self.settings.COUNTERSIGN_SIGNER_SOCKETS = self.sockets
        return self.betweens[name]

    def start(self, *names: str, environment: dict[str, str] | None = None) -> None:
        """Start parties; none named: all that are down."""
        for name in names or tuple(one for one in self.group.names if one not in self.running):
            stack = ExitStack()
            self.running[name] = (
                stack,
                stack.enter_context(serving(self.group.state(name), "serve", environment=environment)),
            )

    def stop(self, *names: str) -> None:
        """End parties without warning."""
        for name in names or tuple(self.running):
            stack, process = self.running.pop(name)
            process.kill()
            stack.close()

    def lane(self, name: str) -> dict[str, Any]:
        """Return where a party's memory of the wallet stands, as it says itself."""
        status: dict[str, Any] = self.running[name][1].ask("status")["result"]
        found: dict[str, Any] = status["lanes"][self.group.wallet.id]
        return found


def due(job: Job) -> Job:
    """Have a job looked at now, whatever it waits for."""
    Job.objects.filter(pk=job.pk).update(due_at="2020-01-01T00:00:00Z", lease_until=None)
    return job


@contextmanager
def party_desk(pinned: Group, settings: Any, *names: str) -> Iterator[PartyDesk]:  # noqa: ANN401 - pytest-django's wrapper
    """Open a desk on copies of freshly pinned parties, of which those named run (none named: all)."""
    # What a worker remembers of other tests' parties, which have the same names.
    line._resting.clear()  # noqa: SLF001 - a new process would begin so
    carry._troubles.clear()  # noqa: SLF001 - as above
    lessons._useless.clear()  # noqa: SLF001 - as above
    with tempfile.TemporaryDirectory(prefix="cs-party-") as base, ExitStack() as stack:
        group = clone(pinned, Path(base))
        node, proxy = desk_open(world=group.world, settings=settings, stack=stack)
        desk = PartyDesk(world=group.world, node=node, proxy=proxy, group=group, settings=settings)
        settings.COUNTERSIGN_SIGNER_SOCKETS = desk.sockets
        settings.COUNTERSIGN_SIGNER_TIMEOUT_SECONDS = 5.0
        wallet = group.wallet
        wallet_create(
            actor=ACTOR,
            caip10=wallet.id,
            label=wallet.label,
            kind=wallet.kind,
            public_key=wallet.public_key,
            signers=wallet.signers,
            threshold=wallet.threshold,
        )
        desk.start(*names)
        group.world.now = int(time.time())
        try:
            yield desk
        finally:
            desk.stop()
            for one in desk.betweens.values():
                one.close()
