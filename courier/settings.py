"""What a courier is told by its environment: a broker and sockets. It has no other settings and no secrets."""

from __future__ import annotations

import os
from pathlib import Path

BROKER = "COUNTERSIGN_BROKER_URL"
SOCKETS = "COUNTERSIGN_SIGNER_SOCKETS"
EXCHANGE_SECONDS = 8.0
"""Less than the web tier waits, so that it hears why."""


class CourierSettingError(Exception):
    """A setting is missing or wrong: the courier does not start."""


def broker_url() -> str:
    """Return the broker's address, from the file that `COUNTERSIGN_BROKER_URL_FILE` names, or from the environment.

    Raises:
        CourierSettingError: If neither is there.
    """
    file = os.environ.get(f"{BROKER}_FILE")
    if file is not None:
        try:
            url = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise CourierSettingError(f"{BROKER}_FILE: {file} cannot be read") from error
    else:
        url = os.environ.get(BROKER, "")
    if not url.startswith(("redis://", "rediss://", "redis+socket://")):
        raise CourierSettingError(f"{BROKER} (or {BROKER}_FILE): the address of a Redis is expected")
    return url


def signer_sockets() -> dict[str, str]:
    """Read ``hsm-1=/run/hsm-1.sock,hsm-2=/run/hsm-2.sock``.

    Raises:
        CourierSettingError: If it is missing or looks otherwise.
    """
    sockets: dict[str, str] = {}
    for part in filter(None, os.environ.get(SOCKETS, "").split(",")):
        name, _, path = (piece.strip() for piece in part.partition("="))
        if not name or not path.startswith("/") or name in sockets:
            raise CourierSettingError(f"{SOCKETS}: must look like name=/path,name=/path, not {part!r}")
        sockets[name] = path
    if not sockets:
        raise CourierSettingError(f"{SOCKETS}: is not set")
    return sockets
