"""Where a demonstration keeps its things, and which user owns what."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[1]
WEB_UID, SIGNER_UID, COURIER_UID, CONSENT_UID, LOG_UID, WITNESS_UID, ATTESTER_UID = range(64_101, 64_108)
"""Numbers without an entry in the user database: nothing on the machine belongs to them."""
PARTIES = ("party-1", "party-2", "party-3", "party-4", "party-5")
"""Roster ids of those who hold a share of the threshold wallet, in the order of their indices."""
PARTY_UIDS = dict(zip(PARTIES, range(64_108, 64_113), strict=True))
_PROBE_SECONDS = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Accounts:
    """The user of each part; None: our own."""

    web: int | None
    signer: int | None
    courier: int | None
    consent: int | None
    log: int | None
    witness: int | None
    attester: int | None
    parties: Mapping[str, int] | None

    def party(self, name: str) -> int | None:
        """Return the user of one party."""
        return None if self.parties is None else self.parties[name]

    @property
    def separate(self) -> bool:
        """Whether the parts run under users of their own."""
        return self.web is not None


def accounts_choose() -> tuple[Accounts, str]:
    """Return the users to run under, and in words which isolation is missing.

    Only root can choose users, and they must be able to run this very interpreter and read this folder.
    """
    together = Accounts(
        web=None, signer=None, courier=None, consent=None, log=None, witness=None, attester=None, parties=None
    )
    if os.geteuid() != 0:
        return together, "not root: web, signers, parties, courier and witness share one user"
    probe = subprocess.run(
        [sys.executable, "-c", "import core.keccak"],
        cwd=ROOT,
        user=WEB_UID,
        group=WEB_UID,
        extra_groups=[],
        capture_output=True,
        timeout=_PROBE_SECONDS,
        check=False,
    )
    if probe.returncode != 0:
        return together, "other users cannot read this folder or its Python: all parts share one user"
    apart = Accounts(
        web=WEB_UID,
        signer=SIGNER_UID,
        courier=COURIER_UID,
        consent=CONSENT_UID,
        log=LOG_UID,
        witness=WITNESS_UID,
        attester=ATTESTER_UID,
        parties=PARTY_UIDS,
    )
    return apart, ""


@dataclasses.dataclass(frozen=True)
class Layout:
    """The folders of one demonstration."""

    base: Path
    accounts: Accounts

    @property
    def signer(self) -> Path:
        """The signer's own folder: token, PIN, pins, journal. Nobody else may look in."""
        return self.base / "signer"

    @property
    def socket_dir(self) -> Path:
        """Where the signer's socket lies: outside its own folder, which is shut."""
        return self.base / "socket"

    @property
    def log(self) -> Path:
        """The folder of the log's own signer: another token, another key."""
        return self.base / "log-signer"

    @property
    def log_socket(self) -> Path:
        """Where the log's signer listens."""
        return self.base / "log-socket" / "signer.sock"

    def party(self, name: str) -> Path:
        """Return a party's own folder: token, PIN, share, pins, journal."""
        return self.base / name

    def party_socket(self, name: str) -> Path:
        """Return where a party listens."""
        return self.base / f"{name}-socket" / "signer.sock"

    @property
    def sockets(self) -> tuple[Path, ...]:
        """Every socket of a signer."""
        return (self.socket_dir / "signer.sock", self.log_socket, *map(self.party_socket, PARTIES))

    @property
    def witness(self) -> Path:
        """The witness's own folder: its key, and the last checkpoint that it saw."""
        return self.base / "witness"

    @property
    def attester(self) -> Path:
        """The attester's own folder: its key, and its settings with its nodes and prices."""
        return self.base / "attester"

    @property
    def web(self) -> Path:
        """The web tier's own folder: its database and secret key."""
        return self.base / "web"

    @property
    def consent(self) -> Path:
        """What the consent host serves besides its page: pins and policy."""
        return self.base / "consent"

    @property
    def papers(self) -> Path:
        """Public papers that change hands at the genesis, and kept cases."""
        return self.base / "papers"

    @property
    def logs(self) -> Path:
        """What the processes print."""
        return self.base / "logs"

    def prepare(self, *, caller: int | None) -> None:
        """Begin with empty folders, each its owner's.

        Args:
            caller: The one user that may reach the signers' sockets.
        """
        if self.base.exists():
            shutil.rmtree(self.base)
        self.base.mkdir(parents=True)
        self.base.chmod(0o755)
        owners = {
            self.signer: (self.accounts.signer, 0o700),
            self.socket_dir: (self.accounts.signer, 0o755),
            self.log: (self.accounts.log, 0o700),
            self.log_socket.parent: (self.accounts.log, 0o755),
            self.witness: (self.accounts.witness, 0o700),
            self.attester: (self.accounts.attester, 0o700),
            self.web: (self.accounts.web, 0o700),
            self.consent: (self.accounts.consent, 0o755),
            self.papers: (self.accounts.web, 0o755),
            self.logs: (None, 0o755),
        }
        for name in PARTIES:
            owners[self.party(name)] = (self.accounts.party(name), 0o700)
            owners[self.party_socket(name).parent] = (self.accounts.party(name), 0o755)
        for folder, (owner, mode) in owners.items():
            folder.mkdir()
            folder.chmod(mode)
            if owner is not None:
                os.chown(folder, owner, owner)
        if caller is not None:
            # Set-group-id: the socket belongs to the caller's group, without an entry in the group database.
            for place in self.sockets:
                os.chown(place.parent, -1, caller)
                place.parent.chmod(0o2755)
