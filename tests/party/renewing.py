"""Refreshes and further keys as people order them, carried to real parties; and parties that die at a named point."""

from __future__ import annotations

import copy
import dataclasses
import secrets
import shutil
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from core.ceremony_script import Renewal, Renewed, refresh_script
from core.documents.control import CeremonyKind
from core.generation_script import Generation, generate_script
from core.schema import write_struct
from signer.failpoints import ENVIRONMENT
from signer.party.shares import FOLDER
from tests.factories.ceremonies import ceremony, signed
from tests.party.rig import serving
from tests.signer.rig import point_softhsm

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from core.documents.control import SignedCeremony
    from core.founding import FoundingPlan
    from core.party_script import Batch
    from courier.relay import Relay
    from tests.party.rig import Group, Process


def order(group: Group, epoch: int = 1, **changes: Any) -> SignedCeremony:  # noqa: ANN401 - fields of Ceremony
    """Have the quorum order a refresh."""
    group.world.now = int(time.time())
    return signed(group.world, ceremony(group.world, CeremonyKind.REFRESH, group.wallet, epoch=epoch, **changes))


def refresh(group: Group, relay: Relay, ordered: SignedCeremony) -> Renewed:
    """Carry a refresh to its end, or as far as it goes."""
    renewal = Renewal(signed=ordered, wallet=group.wallet, chance=secrets.token_bytes(32))
    return relay.drive(refresh_script(renewal))


def carry(group: Group, relay: Relay, ordered: SignedCeremony, until: str) -> Batch:
    """Carry a refresh until a step is about to be asked for; return that batch."""
    renewal = Renewal(signed=ordered, wallet=group.wallet, chance=secrets.token_bytes(32))
    script = refresh_script(renewal)
    batch = next(script)
    while batch.step != until:
        batch = script.send(relay.ask(batch.frames))
    return batch


def clone(group: Group, base: Path) -> Group:
    """Copy a group whose processes have ended, to be used from now on."""
    made = copy.copy(group)
    made.world = copy.copy(group.world)
    made.world.now = int(time.time())
    made.base = base
    shutil.copytree(group.base, base, dirs_exist_ok=True)
    for name in made.names:
        point_softhsm(made.state(name))
    return made


def epochs(parties: Mapping[str, Process], group: Group) -> list[int]:
    """Ask all parties which epoch they use."""
    return [one.ask("status")["result"]["shares"][group.wallet.id]["epoch"] for one in parties.values()]


def files(group: Group, party: str) -> list[str]:
    """Return what a party's share files end in, newest names last."""
    return sorted(".".join(path.name.split(".")[2:]) for path in (group.state(party) / FOLDER).iterdir())


def planned(group: Group, **changes: Any) -> tuple[SignedCeremony, FoundingPlan]:  # noqa: ANN401 - fields of the plan
    """Have the quorum order a key of the group's parties."""
    group.world.now = int(time.time())
    plan = dataclasses.replace(group.plan, **({"label": "Second", "nonce": secrets.token_bytes(32)} | changes))
    document = ceremony(
        group.world,
        CeremonyKind.KEY_GENERATION,
        None,
        signers=group.names,
        threshold=group.plan.threshold,
        plan=plan.digest,
    )
    return signed(group.world, document), plan


def generate(relay: Relay, ordered: SignedCeremony, plan: FoundingPlan) -> dict[str, dict[str, Any]]:
    """Carry the making of a key to its end, or as far as it goes."""
    return relay.drive(generate_script(Generation(signed=ordered, plan=plan, chance=secrets.token_bytes(32))))


def stands(party: Process, ordered: SignedCeremony) -> dict[str, Any]:
    """Ask a party where it stands."""
    empty = {"ceremony": ordered.document.digest, "kept": [], "tests": [], "activated": []}
    answer: dict[str, Any] = party.ask("refresh", proof=empty)
    return answer


def hand(party: Process, ordered: SignedCeremony) -> dict[str, Any]:
    """Hand a party the ceremony."""
    return party.ask("ceremony", ceremony=write_struct(ordered, "ceremony"))


@contextmanager
def up(group: Group, dying: Mapping[str, str]) -> Iterator[dict[str, Process]]:
    """Run all parties; each of `dying` ends itself at the named point."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                serving(
                    group.state(name),
                    "serve",
                    environment={ENVIRONMENT: dying[name]} if name in dying else None,
                )
            )
            for name in group.names
        }


def signs(group: Group, relay: Relay) -> str:
    """Have a fresh case signed; return the raw transaction."""
    made, _ = relay.sign(group.bundle().to_json(), group.wallet)
    raw: str = made["raw"]
    assert raw.startswith("0x02")
    return raw
