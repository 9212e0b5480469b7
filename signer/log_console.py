"""Pinning and start-up of the log's signer."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from core.checkpoint import log_origin
from core.documents.roster import SignerRole
from core.succession import check_genesis
from signer import failpoints
from signer.config import load_config
from signer.console import TYPED_DIGITS, open_hsm
from signer.errors import ConfigError, TokenKeyError
from signer.head import TokenHead, identity
from signer.host import check_host
from signer.log_key import LogKey
from signer.log_service import LogService
from signer.pinned import PinFile, read_pins, read_signed_policy, write_pins

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from core.documents.policy import Policy
    from signer.config import SignerConfig
    from signer.hsm import Hsm


def pin_log(state: Path, raw: bytes, confirm: Callable[[str], str]) -> str:
    """Install the first policy's digest as this log's pins.

    Args:
        state: The signer's folder; the caller holds its lock.
        raw: The signed genesis as JSON.
        confirm: Shows the digest and returns what people compared: it whole, or its first eight digits.

    Returns:
        What happened, in a sentence.

    Raises:
        ConfigError: If the digest is another, pins are installed, or the policy names another key for this log.
        CoreError: If the policy does not hold.
        SignerError: If the token does not hold the log's key.
    """
    config = load_config(state)
    signed = read_signed_policy(raw)
    policy = signed.policy
    if confirm(policy.digest).replace(" ", "").lower() not in (policy.digest, policy.digest[:TYPED_DIGITS]):
        raise ConfigError("that is not this policy's digest: nothing was installed")
    check_genesis(signed, policy.digest, now=int(time.time()))
    hsm = open_hsm(config)
    try:
        _check_named(policy, config, LogKey(hsm))
        check_host(policy.profile, config, maker=hsm.maker)
        pins = PinFile(
            kind="countersign.pins.v1",
            deployment=policy.digest,
            signer=config.signer,
            role=config.role,
            profile=policy.profile,
        )
        write_pins(state, pins)
    finally:
        hsm.close()
    return f"pinned; this signs the checkpoints of {log_origin(policy.digest)}"


def _check_named(policy: Policy, config: SignerConfig, key: LogKey) -> None:
    own = next((s for s in policy.signers if s.id == config.signer and s.role is SignerRole.LOG), None)
    if own is None:
        raise ConfigError(f"the policy names no signer {config.signer} in role log")
    if own.public_key != key.public:
        raise TokenKeyError("the policy names another key for this log than the token holds")


def start_log(config: SignerConfig) -> tuple[LogService, Hsm]:
    """Put a log's signer together; fail closed at the first part that does not fit.

    Raises:
        SignerError: If settings, pins, host or token do not fit.
        JournalError: If the token remembers another log.
    """
    pins = read_pins(config.state)
    if (pins.signer, pins.role) != (config.signer, config.role):
        raise ConfigError("signer.toml and the pins name different signers or roles")
    failpoint = failpoints.arm(pins.profile, os.environ.get(failpoints.ENVIRONMENT, ""))
    hsm = open_hsm(config)
    try:
        key = LogKey(hsm)
        check_host(pins.profile, config, maker=hsm.maker)
        head = TokenHead(hsm, identity(pins.deployment, config.signer))
        return LogService(log_origin(pins.deployment), key, head, failpoint), hsm
    except BaseException:
        hsm.close()
        raise
