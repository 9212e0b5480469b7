"""The witness: a process of somebody else's that cosigns what continues all that it saw, and nothing else.

Its face is `witness.web`; what people hand in and what signers ask for is `witness.desk`'s.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
import stat
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.checkpoint import Checkpoint, check_log, cosignature_message, witness_signature
from core.errors import CheckpointError, WitnessError
from core.lease import LONGEST
from core.merkle import EMPTY_ROOT
from core.witnessing import FORBIDDEN, UNKNOWN_LOG, Addition, advance
from witness.desk import Desk

if TYPE_CHECKING:
    from pathlib import Path

    from witness.store import WitnessStore

KEY_FILE, SETTINGS_FILE, STORE_FILE = "key", "witness.json", "seen.sqlite3"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_KEY_BYTES = 32
log = logging.getLogger("witness")


class WitnessConfigError(Exception):
    """The witness's folder cannot be used; the message says what to change."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WitnessConfig:
    """A witness's name, as the policy names it, its key, the logs that it watches: name and Ed25519 key.

    `lease_seconds`: how long a lease of it lasts.
    """

    name: str
    key: Ed25519PrivateKey
    logs: dict[str, bytes]
    lease_seconds: int = LONGEST


class Witness:
    """Decides about checkpoints and remembers what it signed."""

    def __init__(self, config: WitnessConfig, store: WitnessStore) -> None:
        """Take over configuration and memory."""
        self._config = config
        self._store = store
        self._public = config.key.public_key().public_bytes_raw()
        self.desk = Desk(config, store)

    def cosign(self, addition: Addition, *, now: int) -> bytes:
        """Cosign a checkpoint, and return the line to put under it.

        Args:
            addition: What the log asks.
            now: This witness's own clock, Unix seconds.

        Raises:
            WitnessError: With the status to answer.
        """
        checkpoint = addition.signed.checkpoint
        key = self._config.logs.get(checkpoint.origin)
        if key is None:
            raise WitnessError(UNKNOWN_LOG, "this witness does not watch that log")
        try:
            check_log(addition.signed, checkpoint.origin, key)
        except CheckpointError as error:
            raise WitnessError(FORBIDDEN, str(error)) from error
        self._store.advance(
            checkpoint.origin,
            addition.signed.to_bytes(),
            lambda seen: advance(seen, addition.old, checkpoint, addition.proof),
        )
        signature = self._config.key.sign(cosignature_message(checkpoint, now))
        line = witness_signature(checkpoint, self._config.name, self._public, now, signature)
        log.info("cosigned %s at %d", checkpoint.origin, checkpoint.size)
        return line.line().encode()

    def note(self, origin: str) -> bytes | None:
        """Return the newest checkpoint of a log that was signed here."""
        return self._store.notes().get(origin)


def init_state(state: Path, name: str, logs: dict[str, bytes]) -> bytes:
    """Make a witness's folder with a key of its own. Logs may follow with `watch_log`.

    Returns:
        The Ed25519 public key, 32 bytes, for the policy.

    Raises:
        WitnessConfigError: If the folder is used already, or the name cannot stand in a policy.
    """
    if _NAME.fullmatch(name) is None:
        raise WitnessConfigError(f"name: {name!r} is not a roster id (lower-case letters, digits, '.', '_', '-')")
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (state / KEY_FILE).exists():
        raise WitnessConfigError(f"{state}: holds a witness already")
    key = Ed25519PrivateKey.generate()
    handle = os.open(state / KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(handle, "wb") as file:
        file.write(key.private_bytes_raw().hex().encode() + b"\n")
    _write_settings(state, name, logs)
    return key.public_key().public_bytes_raw()


def watch_log(state: Path, origin: str, public: bytes) -> None:
    """Have a witness watch one more log. A log's name stands for one key for ever.

    The policy names the witness's key, and the log's name holds the policy's digest: so the key is made first.

    Args:
        state: The witness's folder.
        origin: The log's name, as it stands in every checkpoint.
        public: The log's Ed25519 key, 32 bytes.

    Raises:
        WitnessConfigError: If the name is watched with another key, is none, or the folder cannot be used.
    """
    config = _read_config(state)
    if config.logs.get(origin, public) != public:
        raise WitnessConfigError(f"{origin}: is watched with another key")
    try:
        Checkpoint(origin=origin, size=0, root=EMPTY_ROOT)
    except CheckpointError as error:
        raise WitnessConfigError(str(error)) from error
    _write_settings(state, config.name, {**config.logs, origin: public})


def _write_settings(state: Path, name: str, logs: dict[str, bytes]) -> None:
    """Write the settings whole or not at all."""
    settings = {"name": name, "logs": {origin: public.hex() for origin, public in logs.items()}}
    draft = state / f"{SETTINGS_FILE}.new"
    draft.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    draft.replace(state / SETTINGS_FILE)


def load_config(state: Path, *, watching: bool = True) -> WitnessConfig:
    """Read a witness's folder, to serve from it.

    Args:
        state: The folder.
        watching: Whether it has to watch a log already.

    Raises:
        WitnessConfigError: Saying what is wrong.
    """
    config = _read_config(state)
    if watching and not config.logs:
        raise WitnessConfigError(f"{state}: no log is watched yet: python -m witness watch")
    return config


def _read_config(state: Path) -> WitnessConfig:
    path = state / KEY_FILE
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o377:
            raise WitnessConfigError(f"{path}: open to others; its mode must be 0400")
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
        settings = json.loads((state / SETTINGS_FILE).read_text(encoding="utf-8"))
        logs = {str(origin): bytes.fromhex(public) for origin, public in settings["logs"].items()}
        name = str(settings["name"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WitnessConfigError(f"{state}: cannot be read as a witness's folder: {error}") from error
    if len(key) != _KEY_BYTES or any(len(public) != _KEY_BYTES for public in logs.values()):
        raise WitnessConfigError(f"{state}: a key has 32 bytes")
    return WitnessConfig(name=name, key=Ed25519PrivateKey.from_private_bytes(key), logs=logs)
