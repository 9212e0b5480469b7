"""Pins and accepted policies on disk. Written at the console only, re-checked from the genesis at every start.

`pins.json` is what two people compared. `policies/<digest>.json` holds each signed policy: the file's name proves
nothing, so each is hashed again and each succession is checked again. The journal says which of them count.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.canonical import canonical, parse
from core.documents.policy import Policy, SignedPolicy
from core.documents.roster import Profile, SignerRole
from core.errors import CoreError
from core.names import DIGEST, SLUG
from core.pins import Pins
from core.schema import Choice, Constant, of, read_struct, write_struct
from core.succession import check_genesis, check_successor, signed_by
from signer.config import check_private
from signer.errors import ConfigError
from signer.files import write_new

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PINS_FILE = "pins.json"
POLICY_FOLDER = "policies"
POLICY_BYTES = 16 * 1024 * 1024
_LONGEST_CHAIN = 10_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class PinFile:
    """What was installed: genesis digest, own name and role, and the profile that the genesis names."""

    kind: str = of(Constant("countersign.pins.v1"))
    deployment: str = of(DIGEST)
    signer: str = of(SLUG)
    role: SignerRole = of(Choice(SignerRole))
    profile: Profile = of(Choice(Profile))


def read_pins(state: Path) -> PinFile:
    """Read `pins.json`.

    Raises:
        ConfigError: If nothing was pinned, or the file is open to others or broken.
    """
    path = state / PINS_FILE
    check_private(path, most=0o400)
    try:
        return read_struct(PinFile, parse(path.read_bytes()), PINS_FILE)
    except CoreError as error:
        raise ConfigError(str(error)) from error


def write_pins(state: Path, pins: PinFile) -> None:
    """Install pins. What is installed is never replaced.

    Raises:
        ConfigError: If other pins are installed.
    """
    if (state / PINS_FILE).exists():
        if read_pins(state) != pins:
            raise ConfigError("other pins are installed here; a new deployment takes a new state folder and token")
        return
    write_new(state / PINS_FILE, canonical(write_struct(pins, PINS_FILE)), mode=0o400)


def read_signed_policy(raw: bytes) -> SignedPolicy:
    """Read a signed policy from JSON text.

    Raises:
        CoreError: If it is not one.
    """
    return read_struct(SignedPolicy, parse(raw, max_bytes=POLICY_BYTES), "signed_policy")


def store_policy(state: Path, signed: SignedPolicy) -> None:
    """Keep an accepted policy, durably, before the journal names it."""
    folder = state / POLICY_FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{signed.policy.digest}.json"
    if not path.exists():
        write_new(path, canonical(write_struct(signed, "signed_policy")), mode=0o400)


def _load(state: Path, digest: str) -> SignedPolicy:
    path = state / POLICY_FOLDER / f"{digest}.json"
    check_private(path, most=0o400)
    try:
        signed = read_signed_policy(path.read_bytes())
    except CoreError as error:
        raise ConfigError(f"policy {digest[:16]}…: {error}") from error
    if signed.policy.digest != digest:
        raise ConfigError(f"policy {digest[:16]}…: the file holds another policy")
    return signed


def check_chain(
    chain: Iterable[SignedPolicy], deployment: str, *, waited_until: int | None = None
) -> dict[str, Policy]:
    """Check policies from the genesis on, each by its predecessor's quorum or recovery keys.

    Args:
        chain: Signed policies, each after its predecessor.
        deployment: The genesis digest.
        waited_until: Where no journal says when they were received: by when each must have waited its delay since
            it was signed (Unix seconds). The signatures' own dates are all there is then.

    Raises:
        ConfigError: At the first that does not follow.
    """
    known: dict[str, Policy] = {}
    for signed in chain:
        policy = signed.policy
        try:
            if policy.previous is None:
                check_genesis(signed, deployment, now=signed_by(signed))
            elif policy.previous not in known:
                raise ConfigError(f"policy {policy.number}: its predecessor is not known here")
            else:
                accession = check_successor(signed, known[policy.previous], now=signed_by(signed))
                if waited_until is not None and accession.effective > waited_until:
                    raise ConfigError(f"policy {policy.number}: its delay has not passed since it was signed")
        except CoreError as error:
            raise ConfigError(f"policy {policy.number} ({policy.digest[:16]}…): {error}") from error
        known[policy.digest] = policy
    return known


def load_pins(state: Path, named: Iterable[str]) -> Pins:
    """Load the pins with the policies that the journal names, and all before them.

    Args:
        state: The signer's folder.
        named: Digests from the journal: where it started and what it accepted, in order.

    Raises:
        ConfigError: If any is missing, changed, or does not follow from the genesis.
    """
    pins = read_pins(state)
    chain: list[SignedPolicy] = []
    have: set[str] = set()
    for digest in (pins.deployment, *named):
        branch: list[SignedPolicy] = []
        at: str | None = digest
        while at is not None and at not in have:
            if len(branch) > _LONGEST_CHAIN:
                raise ConfigError("the chain of policies does not end at the genesis")
            have.add(at)
            branch.append(_load(state, at))
            at = branch[-1].policy.previous
        chain.extend(reversed(branch))
    policies = check_chain(chain, pins.deployment)
    if policies[pins.deployment].profile is not pins.profile:
        raise ConfigError(f"{PINS_FILE}: names another profile than the genesis")
    return Pins(deployment=pins.deployment, signer=pins.signer, role=pins.role, policies=policies)
