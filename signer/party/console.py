"""A party's commands at its console, and its start: where its parts are held against each other."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from core.documents.roster import SignerRole
from core.errors import RefusedError
from signer import failpoints
from signer.console import check_start, open_hsm
from signer.errors import ConfigError, TokenKeyError
from signer.party.backend import PartyBackend
from signer.party.founding import FoundingService, name_shares, read_plan
from signer.party.party_key import PartyKey, make_party_key
from signer.party.service import PartyService
from signer.party.shares import ShareStore, make_share_key
from signer.pinned import read_pins

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.documents.policy import Policy
    from signer.config import SignerConfig
    from signer.hsm import Hsm


def make_keys(hsm: Hsm) -> bytes:
    """Make a party's own key and the one that wraps its shares; return the first one's public half, 32 bytes.

    Raises:
        HsmError: If the token does not make what was asked for.
    """
    make_share_key(hsm)
    return make_party_key(hsm)


def start_founding(config: SignerConfig, raw: bytes, confirm: Callable[[str], str]) -> tuple[FoundingService, Hsm]:
    """Put together what makes a key with the other parties.

    Args:
        config: The party's settings; the caller holds the folder's lock.
        raw: The plan as JSON.
        confirm: Shows the plan's digest and returns what people compared.

    Raises:
        ConfigError: If settings and plan do not fit, or another digest was compared.
        SignerError: If the token does not hold the party's keys.
    """
    if config.role is not SignerRole.PARTY:
        raise ConfigError("role: only a party makes a key together with others")
    plan = read_plan(raw, confirm)
    hsm = open_hsm(config)
    try:
        return FoundingService(plan, config.signer, PartyKey(hsm), ShareStore(config.state, hsm)), hsm
    except BaseException:
        hsm.close()
        raise


def check_party(policy: Policy, config: SignerConfig, hsm: Hsm) -> PartyBackend:
    """Hold a party's token and shares against the policy that is being pinned, and name its shares after it.

    Raises:
        SignerError: If the policy names another key for this party, or a share is missing.
    """
    check_named(policy, config.signer, PartyKey(hsm))
    shares = ShareStore(config.state, hsm)
    name_shares(shares, policy, config.signer)
    return PartyBackend(shares, deployment=policy.deployment, party=config.signer)


def check_named(policy: Policy, party: str, key: PartyKey) -> None:
    """Hold a party's own key against the policy's entry.

    Raises:
        ConfigError: If the policy names no such party.
        TokenKeyError: If it names another key.
    """
    own = next((one for one in policy.signers if one.id == party and one.role is SignerRole.PARTY), None)
    if own is None:
        raise ConfigError(f"the policy names no signer {party} in role party")
    if own.public_key != key.public:
        raise TokenKeyError("the policy names another key for this party than the token holds")


def start_party(config: SignerConfig) -> tuple[PartyService, Hsm]:
    """Put a party together; fail closed at the first part that does not fit.

    Raises:
        SignerError: If settings, pins, host, token or shares do not fit.
        JournalError: If the journal does not.
    """
    pin_file = read_pins(config.state)
    failpoint = failpoints.arm(pin_file.profile, os.environ.get(failpoints.ENVIRONMENT, ""))
    hsm = open_hsm(config)
    try:
        key = PartyKey(hsm)
        backend = PartyBackend(ShareStore(config.state, hsm), deployment=pin_file.deployment, party=config.signer)
        pins, store = check_start(config, pin_file, hsm, backend)
        check_named(pins.policy(store.journal.policy), config.signer, key)
    except RefusedError as error:
        hsm.close()
        raise ConfigError(str(error)) from error
    except BaseException:
        hsm.close()
        raise
    store.failpoint = failpoint
    return PartyService(state=config.state, pins=pins, store=store, backend=backend, key=key), hsm
