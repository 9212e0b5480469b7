"""Who keeps the audit log honest: a signer of its own for its checkpoints, and a witness that remembers the last one.

Both are processes of their own, with folders, keys and, where the demonstration can choose, users of their own.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from core.checkpoint import log_origin
from core.documents.roster import SignerRole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from core.documents.policy import Policy
    from demo.layout import Layout
    from demo.steps import Consoles

LOG_SIGNER_ID, WITNESS_ID = "log-1", "witness-1"


@dataclasses.dataclass(frozen=True)
class Roots:
    """What an outsider holds the log against, all of it from the policy that people signed."""

    origin: str
    log_key: bytes
    witness_key: bytes

    @classmethod
    def of(cls, policy: Policy) -> Roots:
        """Read them from the first policy."""
        (log_key,) = (s.public_key for s in policy.signers if s.role is SignerRole.LOG and s.public_key is not None)
        (witness,) = policy.witnesses
        return cls(log_origin(policy.digest), log_key, witness.public_key)

    @property
    def words(self) -> tuple[str, ...]:
        """The roots as `countersign-fsck` takes them."""
        log, witness = f"{self.origin}={self.log_key.hex()}", f"{WITNESS_ID}={self.witness_key.hex()}"
        return ("--log", log, "--witness", witness)


def keepers_make(layout: Layout, consoles: Consoles, callers: Sequence[int]) -> dict[str, str]:
    """Have both make their keys.

    Args:
        layout: Prepared folders.
        consoles: Where people take the steps.
        callers: Users that may reach the log signer's socket.

    Returns:
        What the policy's description leaves open: the public keys.
    """
    uid = layout.accounts.log
    allowed = [word for caller in callers for word in ("--allow-uid", str(caller))]
    consoles.run(
        *("log", uid),
        *("-m", "signer", "init", "--state", layout.log, "--signer-id", LOG_SIGNER_ID, "--role", "log"),
        *("--socket", layout.log_socket, *allowed),
    )
    made = consoles.run("log", uid, "-m", "signer", "keygen", "--state", layout.log)
    log_key: str = json.loads(made.strip().splitlines()[-1])["public_key"]
    init = ("-m", "witness", "init", "--state", layout.witness, "--name", WITNESS_ID)
    witness_key = consoles.run("witness", layout.accounts.witness, *init).strip().partition("=")[2]
    return {"log_key": log_key, "witness_key": f"0x{witness_key}"}


def keepers_pin(layout: Layout, consoles: Consoles, policy: Policy, signed: Path) -> None:
    """Install the genesis at the log signer's console, and tell the witness which log and whom it watches."""
    pin = ("-m", "signer", "pin", "--state", layout.log, signed, "--expect", policy.digest)
    consoles.run("log", layout.accounts.log, *pin)
    roots = Roots.of(policy)
    watch = ("-m", "witness", "watch", "--state", layout.witness, "--log", f"{roots.origin}={roots.log_key.hex()}")
    consoles.run("witness", layout.accounts.witness, *watch)
    # From then on it leases to the institution's signers, and takes what its people sign.
    pin = ("-m", "witness", "pin", "--state", layout.witness, signed, "--expect", policy.digest)
    consoles.run("witness", layout.accounts.witness, *pin)
