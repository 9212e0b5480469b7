"""What the pinned profile demands of this host: token, users, environment. Production refuses a demonstration.

What it demands of the policy itself is `core.profile`; both run before the signer's first request.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from core.documents.roster import Profile
from signer import failpoints
from signer.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from signer.config import SignerConfig

_SOFTWARE_TOKENS = ("softhsm", "kryoptic", "opencryptoki soft", "nss")


def host_problems(
    profile: Profile, config: SignerConfig, *, maker: str, uid: int, environment: Mapping[str, str]
) -> Iterator[str]:
    """Yield what this host lacks for a profile.

    Args:
        profile: The pinned profile.
        config: The signer's settings.
        maker: What the token and its module say about themselves; empty if it was not opened.
        uid: The user that the signer runs as.
        environment: The process environment.
    """
    if profile is not Profile.PRODUCTION:
        return
    if any(name in maker.lower() for name in _SOFTWARE_TOKENS):
        yield f"token: {maker}: production takes a hardware token"
    if uid == 0:
        yield "user: production does not run a signer as root"
    if uid in config.socket.allowed_uids:
        yield f"socket.allowed_uids: user {uid} is the signer's own; a courier runs under another"
    if 0 in config.socket.allowed_uids:
        yield "socket.allowed_uids: root is no courier"
    if environment.get(failpoints.ENVIRONMENT):
        yield f"{failpoints.ENVIRONMENT}: is set"


def check_host(profile: Profile, config: SignerConfig, *, maker: str) -> None:
    """Refuse to go on where this host does not fit the profile.

    Raises:
        ConfigError: With all problems.
    """
    problems = list(host_problems(profile, config, maker=maker, uid=os.geteuid(), environment=os.environ))
    if problems:
        raise ConfigError("; ".join(problems))
