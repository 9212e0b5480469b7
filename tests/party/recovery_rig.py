"""Recovery sites with SoftHSM tokens of their own, and ceremonies about a group's shares as people order them."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from core.canonical import canonical
from core.schema import write_struct
from tests.factories.ceremonies import ceremony, recovery_key, signed
from tests.signer.rig import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from core.documents.control import CeremonyKind, RecoveryKey, SignedCeremony
    from core.documents.policy import SignedPolicy
    from tests.party.rig import Group, Process


def recovery(state: Path, name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run one of a recovery site's commands to its end."""
    return subprocess.run(
        [sys.executable, "-m", "signer", "recovery", name, "--state", str(state), *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )


@dataclasses.dataclass(frozen=True)
class Site:
    """A recovery site and its two operators' halves."""

    state: Path
    halves: tuple[Path, Path]
    public_key: bytes

    @property
    def both(self) -> tuple[str, ...]:
        """The arguments by which both operators bring theirs."""
        return tuple(word for half in self.halves for word in ("--half", str(half)))

    def run(self, name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command with both halves."""
        return recovery(self.state, name, *self.both, *arguments)

    def pin(self, group: Group) -> None:
        """Install a group's genesis."""
        done = recovery(self.state, "pin", group.base / "genesis.json", "--expect", group.world.deployment)
        assert done.returncode == 0, done.stderr


def make_site(base: Path, name: str) -> Site:
    """Make a site, each half on a medium of its own."""
    halves = (base / f"{name}-operator-1" / "half", base / f"{name}-operator-2" / "half")
    for half in halves:
        half.parent.mkdir(mode=0o700)
    state = base / name
    done = recovery(state, "init", "--name", name, "--half", halves[0], "--half", halves[1])
    assert done.returncode == 0, done.stderr
    return Site(state, halves, bytes.fromhex(json.loads(done.stdout)["public_key"][2:]))


def key_at(site: Site, party: str, place: int = 1) -> RecoveryKey:
    """Return a site's key as a ceremony names it."""
    return dataclasses.replace(recovery_key(party, place), public_key=site.public_key)


def order(group: Group, kind: CeremonyKind, *names: str, **changes: Any) -> SignedCeremony:  # noqa: ANN401 - its fields
    """Return a ceremony about the group's wallet, signed by the quorum unless people are named."""
    group.world.now = int(time.time())
    return signed(group.world, ceremony(group.world, kind, group.wallet, **changes), *names)


def order_file(path: Path, given: SignedCeremony, later: Sequence[SignedPolicy] = ()) -> Path:
    """Write a ceremony as consoles read it."""
    whole = write_struct(given, "ceremony")
    policies = [write_struct(one, "signed_policy") for one in later]
    path.write_bytes(canonical({"ceremony": whole["document"], "consents": whole["consents"], "policies": policies}))
    return path


def hand(process: Process, given: SignedCeremony) -> dict[str, Any]:
    """Hand a ceremony to a party that serves."""
    return process.ask("ceremony", ceremony=write_struct(given, "ceremony"))


def backed_up(process: Process, given: SignedCeremony) -> dict[str, Any]:
    """Hand a backup's ceremony to a party, and have it done."""
    assert hand(process, given)["ok"]
    answer = process.ask("backup", ceremony=given.document.digest)
    assert answer["ok"], answer
    made: dict[str, Any] = answer["result"]
    return made


def write(path: Path, value: object) -> Path:
    """Write JSON as people carry it."""
    path.write_text(json.dumps(value))
    return path


def ordain(file: Path, parties: dict[str, Process], *more: str) -> subprocess.CompletedProcess[str]:
    """Hand a ceremony over as an operator does."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "courier.ordain", str(file)),
            *(f"--signer={name}={party.path}" for name, party in parties.items()),
            *more,
        ],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
