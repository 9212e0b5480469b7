"""A desk whose wallet is held by real parties: processes of their own, each with its token and its journal."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from custody.parties import carry, line
from custody.services import wallet_create
from tests.custody.conftest import ACTOR, Desk, desk_open
from tests.party.rig import Group, serving
from tests.signer.rig import load_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.party.rig import Founded, Process


@dataclasses.dataclass
class PartyDesk(Desk):
    """A desk with parties, any of which can be started and stopped."""

    group: Group
    running: dict[str, tuple[ExitStack, Process]] = dataclasses.field(default_factory=dict)

    @property
    def sockets(self) -> dict[str, str]:
        """Where the parties listen, or would."""
        return {name: str(load_path(self.group.state(name))) for name in self.group.names}

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


@contextmanager
def party_desk(founded: Founded, settings: Any, *names: str) -> Iterator[PartyDesk]:  # noqa: ANN401 - pytest-django's wrapper
    """Open a desk on freshly pinned parties, of which those named run (none named: all)."""
    # What a worker remembers of other tests' parties, which have the same names.
    line._resting.clear()  # noqa: SLF001 - a new process would begin so
    carry._troubles.clear()  # noqa: SLF001 - as above
    with tempfile.TemporaryDirectory(prefix="cs-party-") as base, ExitStack() as stack:
        group = Group(founded, Path(base))
        node, proxy = desk_open(world=group.world, settings=settings, stack=stack)
        desk = PartyDesk(world=group.world, node=node, proxy=proxy, group=group)
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
