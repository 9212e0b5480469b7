"""Pins and a journal on a host that had none: by a genesis that people compared, and a ceremony of the quorum.

A party that gets its share back begins so, and a signer whose key comes back from its clone.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.control import check_journal_start
from core.pins import Pins
from signer.console import TYPED_DIGITS
from signer.errors import ConfigError
from signer.head import TokenHead, identity
from signer.pinned import PinFile, check_chain, read_pins, read_signed_policy, store_policy, write_pins
from signer.recovery.orders import read_order
from signer.store import create_journal, open_journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from core.documents.policy import SignedPolicy
    from core.documents.roster import SignerRole
    from core.records import StartRecord
    from signer.hsm import Hsm
    from signer.store import JournalStore


@dataclasses.dataclass(frozen=True)
class Beginning:
    """What pins and journal begin with, checked, and not installed yet."""

    file: PinFile
    chain: tuple[SignedPolicy, ...]
    start: StartRecord
    pins: Pins


def check_beginning(
    state: Path,
    files: tuple[bytes, bytes],
    name: tuple[str, SignerRole],
    confirm: Callable[[str], str],
    now: int,
) -> Beginning:
    """Check what a host is to begin with, and install nothing.

    Args:
        state: The host's folder.
        files: The signed genesis; the ceremony that starts the journal, with the policies after the genesis.
        name: The signer's roster id and role.
        confirm: Shows the genesis digest and returns what people compared.
        now: Unix seconds.

    Raises:
        ConfigError: If another digest was compared, other pins are installed, or policies and ceremony do not fit.
        CoreError: If a policy or the ceremony does not hold.
    """
    signer, role = name
    genesis = read_signed_policy(files[0])
    digest = genesis.policy.digest
    if confirm(digest).replace(" ", "").lower() not in (digest, digest[:TYPED_DIGITS]):
        raise ConfigError("that is not this policy's digest: nothing was installed")
    order = read_order(files[1])
    chain = (genesis, *order.later)
    known = check_chain(chain, digest, waited_until=now)
    document = order.signed.document
    if document.policy != chain[-1].policy.digest:
        raise ConfigError("the journal's start names another policy than the last one that was brought")
    policy = known[document.policy]
    start = check_journal_start(document, order.signed.consents, policy, signer, now=now)
    pins = PinFile(
        kind="countersign.pins.v1",
        deployment=digest,
        signer=signer,
        role=role,
        profile=genesis.policy.profile,
    )
    if (state / "pins.json").exists() and read_pins(state) != pins:
        raise ConfigError("other pins are installed here; a new deployment takes a new state folder and token")
    accepted = Pins(deployment=digest, signer=signer, role=role, policies=known)
    return Beginning(pins, chain, start, accepted)


def begin(state: Path, beginning: Beginning, hsm: Hsm) -> JournalStore:
    """Install pins and start the journal, unless this very ceremony has started it already; open it."""
    pins = beginning.file
    write_pins(state, pins)
    for signed in beginning.chain:
        store_policy(state, signed)
    owner = identity(pins.deployment, pins.signer)
    head = TokenHead(hsm, owner)
    known = head.read().head
    if known is None or known.ceremony != beginning.start.ceremony:
        create_journal(state, head, beginning.start)
    return open_journal(state, TokenHead(hsm, owner), deployment=pins.deployment, signer=pins.signer)
