"""A signer and a second token, both with SoftHSM, and the ceremonies that make a key together with its clone."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core.canonical import canonical
from core.documents.control import CeremonyKind
from core.documents.roster import Wallet, WalletKind
from core.evm import address_of
from core.schema import write_struct
from demo.forgeries.keepers import watched
from signer.clones.birth import make_with_clone
from signer.clones.site import CloneSite
from signer.files import exclusive
from signer.recovery.opening_key import CLONING
from signer.recovery.orders import pin_site
from signer.recovery.token import init_site, open_site, read_half
from signer.store import no_failpoint
from tests.factories.ceremonies import ceremony, recovery_key, signed
from tests.factories.succession import next_policy
from tests.factories.world import CHAIN
from tests.forgery.institutions import adapt
from tests.signer.rig import ROOT, Rig, Template, point_softhsm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from core.documents.control import SignedCeremony
    from core.documents.policy import SignedPolicy
    from signer.clones.kept import CloneFile
    from signer.hsm import Hsm


@dataclasses.dataclass(frozen=True)
class Second:
    """A second token's folder with its two operators' halves."""

    state: Path
    halves: tuple[Path, Path]

    @property
    def both(self) -> tuple[str, ...]:
        return tuple(read_half(path) for path in self.halves)

    @contextmanager
    def open(self, at: Callable[[str], None] = no_failpoint) -> Iterator[CloneSite]:
        with exclusive(self.state):
            site = CloneSite(self.state, self.both, now=int(time.time()), at=at)
            try:
                yield site
            finally:
                site.close()

    @contextmanager
    def hsm(self) -> Iterator[Hsm]:
        hsm = open_site(self.state, self.both)
        try:
            yield hsm
        finally:
            hsm.close()

    def command(self, name: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        halves = [word for half in self.halves for word in ("--half", str(half))]
        return clone_command(name, "--state", self.state, *halves, *arguments, **environment)


def clone_command(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one of the commands of `python -m signer clone` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "signer", "clone", *map(str, arguments)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
    )


def killed(work: Callable[[], object]) -> bool:
    """Run work in a process of its own, and say whether it was killed on the way.

    A fork, not a new interpreter: no token is open here, and a start would cost a hundred times what is tried.
    """
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def make_second(folder: Path) -> Second:
    """Make a second token; its transport key is made when it is asked for."""
    halves = (folder / "operator-1" / "half", folder / "operator-2" / "half")
    for half in halves:
        half.parent.mkdir(mode=0o700, parents=True)
    init_site(folder / "second", "vault", halves, CLONING)
    return Second(folder / "second", halves)


def copied(second: Second, folder: Path) -> Second:
    """Return a copy of a second token, as its disk would be copied."""
    shutil.copytree(second.state.parent, folder)
    (folder / "second").chmod(0o700)
    point_softhsm(folder / "second")
    return Second(folder / "second", (folder / "operator-1" / "half", folder / "operator-2" / "half"))


class CloneHouse:
    """A signer of a witnessed deployment, and a second token that is pinned to it."""

    def __init__(self, template: Template, second: Second, folder: Path) -> None:
        self.rig = Rig(template, folder / "hsm-1")
        controls = dataclasses.replace(self.rig.world.policy.controls, succession_delay=0)
        adapt(self.rig.world, controls=controls, **watched(self.rig.world.policy.signers))
        self.rig.pin()
        self.world, self.folder = self.rig.world, folder
        self.second = copied(second, folder / "vault")
        pin_site(self.second.state, self.rig.genesis, lambda digest: digest, now=self.world.now)
        self.files = 0

    def transport(self) -> bytes:
        with self.second.open() as site:
            return site.key()

    def order(self, kind: CeremonyKind = CeremonyKind.CLONE, *names: str, **changes: Any) -> SignedCeremony:  # noqa: ANN401
        """Return a clone's ceremony, signed by the quorum unless people are named."""
        self.world.now = int(time.time())
        fields: dict[str, Any] = {"signers": ("hsm-1",), "threshold": 1} | changes
        if kind is CeremonyKind.CLONE and "recovery" not in fields:
            key = dataclasses.replace(recovery_key("hsm-1", 1), public_key=self.transport())
            fields["recovery"] = (key,)
        fields = {"wallet": None} | fields
        return signed(self.world, dataclasses.replace(ceremony(self.world, kind, None), **fields), *names)

    def file(self, given: SignedCeremony, *later: SignedPolicy) -> Path:
        """Write a ceremony as consoles read it."""
        self.files += 1
        path = self.folder / f"order-{self.files}.json"
        whole = write_struct(given, "ceremony")
        policies = [write_struct(one, "signed_policy") for one in later]
        value = {"ceremony": whole["document"], "consents": whole["consents"], "policies": policies}
        path.write_bytes(canonical(value))
        return path

    def make(self, given: SignedCeremony) -> CloneFile:
        with exclusive(self.rig.state):
            return make_with_clone(self.rig.state, self.file(given).read_bytes(), now=int(time.time()))

    def make_command(self, given: SignedCeremony, out: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        arguments = ("--ceremony", self.file(given), "--out", out)
        return clone_command("make", "--state", self.rig.state, *arguments, **environment)

    def take(
        self,
        clone: CloneFile | bytes,
        given: SignedCeremony,
        confirm: Callable[[str], str] = lambda digest: digest,
        at: Callable[[str], None] = no_failpoint,
    ) -> dict[str, Any]:
        raw = clone if isinstance(clone, bytes) else json.dumps(clone.json).encode()
        with self.second.open(at) as site:
            taken: dict[str, Any] = site.take(raw, self.file(given).read_bytes(), confirm)
        return taken

    def wallet(self, made: CloneFile, **changes: Any) -> Wallet:  # noqa: ANN401 - fields of Wallet
        """Return the wallet that a policy may name then."""
        fields: dict[str, Any] = {
            "id": f"{CHAIN}:{address_of(made.public_key)}",
            "label": "Treasury with a clone",
            "kind": WalletKind.HSM,
            "public_key": made.public_key,
            "signers": ("hsm-1",),
            "threshold": 1,
            "clone": made.ceremony,
        }
        return Wallet(**(fields | changes))

    def named(self, *wallets: Wallet, **changes: Any) -> SignedPolicy:  # noqa: ANN401 - fields of Policy
        """Return a successor with these wallets beside the first one."""
        self.world.now = int(time.time())
        policy = next_policy(self.world, wallets=(*self.world.policy.wallets, *wallets), **changes)
        return self.world.sign_policy(policy, "adam", "anna")


@dataclasses.dataclass(frozen=True)
class Made:
    """A key that was made with its clone, which was not taken yet."""

    house: CloneHouse
    given: SignedCeremony
    clone: CloneFile
