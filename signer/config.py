"""What an operator sets for one signer: `signer.toml` in its state folder. A bad value stops the start.

Nothing in here is a policy: who may sign what stands in the pins. This says where the token, the PIN and the socket
are, and how long the signer waits.
"""

from __future__ import annotations

import dataclasses
import os
import re
import stat
import tomllib
from pathlib import Path

from core.documents.roster import SignerRole
from signer.errors import ConfigError

CONFIG_FILE = "signer.toml"
PIN_FILE = "hsm-pin"
SOFTHSM_FILE = "softhsm2.conf"
SOCKET_PATH_MOST = 100
"""Longest path of a unix socket: Linux `sun_path` has 108, of which a NUL and the draft's `.draft` take some."""
DEFAULT_PINS = frozenset({"", "0000", "1234", "12345", "123456", "1234567", "12345678", "password"})
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenConfig:
    """The PKCS#11 token. `softhsm_conf` is exported as SOFTHSM2_CONF before the module is loaded."""

    module: str
    label: str
    pin_file: Path
    softhsm_conf: Path | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class SocketConfig:
    """The unix socket and who may talk to it. Nobody who may is trusted."""

    path: Path
    mode: int
    group: str | None
    allowed_uids: frozenset[int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bounds:
    """Bounds on what a peer can make the signer hold. `message_seconds`: for one whole message, in and out."""

    message_bytes: int = 1024 * 1024
    message_seconds: float = 5.0
    connections: int = 32


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignerConfig:
    """One signer. `network`: only for a network HSM; otherwise the process gives up internet sockets."""

    state: Path
    signer: str
    role: SignerRole
    token: TokenConfig
    socket: SocketConfig
    bounds: Bounds
    network: bool


class _Table:
    """Reads a TOML table field by field; what nobody asked for is an error, never ignored."""

    def __init__(self, value: object, at: str) -> None:
        if not isinstance(value, dict):
            raise ConfigError(f"{at}: a table is expected")
        self._left: dict[str, object] = dict(value)
        self._at = at

    def text(self, name: str, default: str | None = None) -> str:
        value = self._left.pop(name, default)
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{self._at}{name}: text is expected")
        return value

    def optional_text(self, name: str) -> str | None:
        return self.text(name) if name in self._left else None

    def whole(self, name: str, default: int, most: int) -> int:
        value = self._left.pop(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise ConfigError(f"{self._at}{name}: an integer from 1 to {most} is expected")
        return value

    def flag(self, name: str) -> bool:
        value = self._left.pop(name, False)
        if not isinstance(value, bool):
            raise ConfigError(f"{self._at}{name}: true or false is expected")
        return value

    def uids(self, name: str) -> frozenset[int]:
        value = self._left.pop(name, None)
        good = isinstance(value, list) and value and all(type(uid) is int and uid >= 0 for uid in value)
        if not isinstance(value, list) or not good:
            raise ConfigError(f"{self._at}{name}: a list of user ids is expected")
        return frozenset(value)

    def table(self, name: str) -> _Table:
        return _Table(self._left.pop(name, {}), f"{self._at}{name}.")

    def done(self) -> None:
        if self._left:
            raise ConfigError(f"{self._at}{min(self._left)}: unknown setting")


def check_private(path: Path, *, most: int, owners: frozenset[int] | None = None) -> None:
    """Refuse a file or folder that is a link, another user's, or open to more than it should be.

    Args:
        path: What is looked at.
        most: The mode bits that it may have.
        owners: Whose it may be; by default our own user's.

    Raises:
        ConfigError: Saying what to change.
    """
    try:
        found = path.lstat()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    if stat.S_ISLNK(found.st_mode):
        raise ConfigError(f"{path}: is a link")
    if found.st_uid not in (owners or {os.geteuid()}):
        raise ConfigError(f"{path}: belongs to user {found.st_uid}, this signer runs as {os.geteuid()}")
    if stat.S_IMODE(found.st_mode) & ~most:
        raise ConfigError(f"{path}: open to others (mode {stat.S_IMODE(found.st_mode):04o}, at most {most:04o})")


def read_pin(path: Path) -> str:
    """Return the token's user PIN from its file.

    Raises:
        ConfigError: If the file is open to others, unreadable, or holds a PIN that everybody tries first.
    """
    if path.parent == _credentials():
        # systemd makes them root's and lets our user read them by an access control list, which shows as a group bit.
        check_private(path, most=0o640, owners=frozenset({0, os.geteuid()}))
    else:
        check_private(path, most=0o600)
    try:
        pin = path.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the PIN cannot be read") from error
    if pin in DEFAULT_PINS:
        raise ConfigError(f"{path}: an empty or default PIN")
    return pin


def check_name(name: str) -> str:
    """Return a signer's name if the policy's roster could hold it.

    Raises:
        ConfigError: If not.
    """
    if _SLUG.fullmatch(name) is None:
        raise ConfigError(f"signer: {name!r} is not a roster id (lower-case letters, digits, '.', '_', '-')")
    return name


def load_config(state: Path) -> SignerConfig:
    """Read `signer.toml` of a state folder.

    Args:
        state: The folder, mode 0700, owned by the signer's own user.

    Raises:
        ConfigError: Naming the first wrong setting.
    """
    state = state.absolute()
    check_private(state, most=0o700)
    path = state / CONFIG_FILE
    check_private(path, most=0o644)
    try:
        root = _Table(tomllib.loads(path.read_text(encoding="utf-8")), "")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    try:
        role = SignerRole(root.text("role"))
    except ValueError as error:
        raise ConfigError("role: hsm, party or log is expected") from error
    token, socket, bounds = root.table("token"), root.table("socket"), root.table("bounds")
    conf = token.optional_text("softhsm_conf")
    config = SignerConfig(
        state=state,
        signer=check_name(root.text("signer")),
        role=role,
        token=TokenConfig(
            module=token.text("module"),
            label=token.text("label"),
            pin_file=_pin_path(state, token.text("pin_file", PIN_FILE)),
            softhsm_conf=None if conf is None else state / conf,
        ),
        socket=_socket(socket, state),
        bounds=Bounds(
            message_bytes=bounds.whole("message_bytes", Bounds.message_bytes, 1024 * 1024),
            message_seconds=bounds.whole("message_seconds", int(Bounds.message_seconds), 60),
            connections=bounds.whole("connections", Bounds.connections, 1024),
        ),
        network=root.flag("network"),
    )
    for table in (root, token, socket, bounds):
        table.done()
    return config


def _pin_path(state: Path, name: str) -> Path:
    """Systemd's credentials win over the state folder (`LoadCredential=hsm-pin:…`)."""
    credentials = _credentials()
    if credentials is not None and (credentials / PIN_FILE).exists():
        return credentials / PIN_FILE
    return state / name


def _credentials() -> Path | None:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return None if folder is None else Path(folder)


def _socket(table: _Table, state: Path) -> SocketConfig:
    path = state / table.text("path", "signer.sock")
    if len(os.fsencode(path)) > SOCKET_PATH_MOST:
        raise ConfigError(f"socket.path: longer than {SOCKET_PATH_MOST} bytes, which unix sockets cannot have")
    mode = table.text("mode", "0600")
    if re.fullmatch(r"0[0-7]{3}", mode) is None or int(mode, 8) & 0o117:
        raise ConfigError("socket.mode: at most 0660, written in octal")
    return SocketConfig(
        path=path, mode=int(mode, 8), group=table.optional_text("group"), allowed_uids=table.uids("allowed_uids")
    )
