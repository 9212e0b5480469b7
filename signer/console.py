"""Pinning, recovery and start-up: where a signer's parts are put together and held against each other."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from core.canonical import parse
from core.control import check_journal_start
from core.documents.consent import SIGNED_CONSENTS
from core.documents.control import Ceremony
from core.documents.policy import SignedPolicy
from core.documents.roster import SignerRole
from core.records import StartRecord
from core.schema import read_struct
from core.succession import check_genesis
from signer import failpoints
from signer.backends import HsmBackend, check_keys
from signer.clones.kept import Clones
from signer.config import load_config, read_pin
from signer.errors import ConfigError
from signer.head import TokenHead, identity
from signer.host import check_host
from signer.hsm import Hsm
from signer.pinned import (
    POLICY_BYTES,
    PinFile,
    check_chain,
    load_pins,
    read_pins,
    read_signed_policy,
    store_policy,
    write_pins,
)
from signer.service import Service
from signer.store import create_journal, open_journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from core.documents.policy import Policy
    from core.pins import Pins
    from signer.backends import Backend
    from signer.config import SignerConfig
    from signer.store import JournalStore

TYPED_DIGITS = 8


def open_hsm(config: SignerConfig) -> Hsm:
    """Return the configured token, not opened yet."""
    return Hsm(config.token, lambda: read_pin(config.token.pin_file))


def in_groups(digest: str) -> str:
    """Spell a digest in groups of four, as two people read it to each other."""
    return " ".join(digest[i : i + 4] for i in range(0, len(digest), 4))


def pin_genesis(state: Path, raw: bytes, confirm: Callable[[str], str]) -> str:
    """Install the first policy as this signer's pins, and start its first journal.

    Args:
        state: The signer's folder; the caller holds its lock.
        raw: The signed genesis as JSON.
        confirm: Shows the digest and returns what people compared: it whole, or its first eight digits.

    Returns:
        What happened, in a sentence.

    Raises:
        ConfigError: If the digest is another, pins are installed, or host and policy do not fit.
        CoreError: If the policy does not hold.
        SignerError: If the token does not hold the wallet keys.
    """
    config = load_config(state)
    signed = read_signed_policy(raw)
    policy = signed.policy
    compared = confirm(policy.digest).replace(" ", "").lower()
    if compared not in (policy.digest, policy.digest[:TYPED_DIGITS]):
        raise ConfigError("that is not this policy's digest: nothing was installed")
    now = int(time.time())
    check_genesis(signed, policy.digest, now=now)
    if not any(entry.id == config.signer and entry.role is config.role for entry in policy.signers):
        raise ConfigError(f"the policy names no signer {config.signer} in role {config.role}")
    hsm = open_hsm(config)
    try:
        keys = check_keys(policy, config.signer, _backend(policy, config, hsm))
        check_host(policy.profile, config, maker=hsm.maker)
        head = TokenHead(hsm, identity(policy.digest, config.signer))
        known = head.read().head
        pins = PinFile(
            kind="countersign.pins.v1",
            deployment=policy.digest,
            signer=config.signer,
            role=config.role,
            profile=policy.profile,
        )
        write_pins(state, pins)
        store_policy(state, signed)
        if known is not None:
            return f"pinned; {keys} keys found; the token has a journal already, none was started"
        start = StartRecord(
            kind="start",
            time=now,
            deployment=policy.digest,
            signer=config.signer,
            policy=policy.digest,
            number=policy.number,
            full=False,
            not_before=0,
            ceremony=None,
            lanes=(),
            consents=(),
        )
        create_journal(state, head, start)
        return f"pinned; {keys} keys found; the first journal was started"
    finally:
        hsm.close()


def _backend(policy: Policy, config: SignerConfig, hsm: Hsm) -> Backend:
    if config.role is not SignerRole.PARTY:
        hsm.check_closed()
        return HsmBackend(hsm)
    # Only a party needs the extension that shares are made of.
    from signer.party.console import check_party  # noqa: PLC0415 - as above

    return check_party(policy, config, hsm)


def recover(state: Path, raw: bytes) -> str:
    """Start a journal anew by a ceremony of the policy's quorum; the old file is kept aside.

    Args:
        state: The signer's folder; the caller holds its lock.
        raw: ``{"ceremony", "consents", "policies"}`` as JSON; `policies` are the signed successors from the genesis
            (left out) to the one that the ceremony names, which this signer may have lost.

    Raises:
        CoreError: If the ceremony does not hold.
        SignerError: If pins, token or disk do not let it.
    """
    config = load_config(state)
    pins = read_pins(state)
    value = parse(raw, max_bytes=POLICY_BYTES)
    if not isinstance(value, dict) or set(value) != {"ceremony", "consents", "policies"}:
        raise ConfigError("ceremony, consents and policies are expected")
    ceremony = Ceremony.from_json(value["ceremony"])
    consents = SIGNED_CONSENTS.read(value["consents"], "consents")
    policies = value["policies"]
    if not isinstance(policies, list):
        raise ConfigError("policies: a list is expected")
    later = [read_struct(SignedPolicy, one, "policies") for one in policies]
    now = int(time.time())
    known = dict(load_pins(state, ()).policies)
    genesis = read_signed_policy((state / "policies" / f"{pins.deployment}.json").read_bytes())
    known |= check_chain([genesis, *later], pins.deployment, waited_until=now)
    if ceremony.policy not in known:
        raise ConfigError("the ceremony names a policy that is neither pinned nor handed over")
    start = check_journal_start(ceremony, consents, known[ceremony.policy], pins.signer, now=now)
    hsm = open_hsm(config)
    try:
        head = TokenHead(hsm, identity(pins.deployment, pins.signer))
        for signed in later:
            store_policy(state, signed)
        create_journal(state, head, start)
    finally:
        hsm.close()
    return f"a new journal was started; every window is full, and mandates from before {start.not_before} are refused"


def start_service(config: SignerConfig) -> tuple[Service, Hsm]:
    """Put a signer together and hold its parts against each other; fail closed at the first that does not fit.

    Args:
        config: The signer's settings; the caller holds the folder's lock.

    Raises:
        SignerError: If settings, pins, host or token do not fit.
        JournalError: If the journal does not.
    """
    pin_file = read_pins(config.state)
    failpoint = failpoints.arm(pin_file.profile, os.environ.get(failpoints.ENVIRONMENT, ""))
    hsm = open_hsm(config)
    backend = HsmBackend(hsm, Clones(config.state))
    try:
        hsm.check_closed()
        pins, store = check_start(config, pin_file, hsm, backend)
    except BaseException:
        hsm.close()
        raise
    store.failpoint = failpoint
    return Service(state=config.state, pins=pins, store=store, backend=backend), hsm


def check_start(config: SignerConfig, pin_file: PinFile, hsm: Hsm, backend: Backend) -> tuple[Pins, JournalStore]:
    """Hold settings, pins, host, token, journal and keys of a wallet's signer or party against each other.

    Raises:
        SignerError: If settings, pins, host or token do not fit.
        JournalError: If the journal does not.
    """
    if (pin_file.signer, pin_file.role) != (config.signer, config.role):
        raise ConfigError("signer.toml and the pins name different signers or roles")
    head = TokenHead(hsm, identity(pin_file.deployment, pin_file.signer))
    store = open_journal(config.state, head, deployment=pin_file.deployment, signer=pin_file.signer)
    pins = load_pins(config.state, store.policies)
    check_host(pin_file.profile, config, maker=hsm.maker)
    backend.follow(store.journal)
    check_keys(pins.policy(store.journal.policy), config.signer, backend)
    return pins, store
