"""What happens at the console before a signer serves: state folder, token, keys."""

from __future__ import annotations

import grp
import json
import os
import secrets
import shutil
import subprocess
from typing import TYPE_CHECKING

from pkcs11 import UserType

from core.documents.roster import SignerRole
from signer.config import CONFIG_FILE, PIN_FILE, SOFTHSM_FILE, check_name, check_private, load_config
from signer.errors import ConfigError
from signer.files import write_new
from signer.hsm import PIN_BYTES, replace_pins
from signer.token_keys import generate_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from signer.hsm import Hsm
    from signer.token_keys import MadeKey

SOFTHSM_MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
)
_SETTINGS = """\
# One signer's settings. Nothing in here says what may be signed: that stands in the pins.
signer = {signer}
role = {role}

[token]
module = {module}
label = {label}
pin_file = "hsm-pin"
softhsm_conf = {conf}

[socket]
path = {path}
mode = {mode}
allowed_uids = {uids}
"""


def init_state(
    state: Path,
    signer: str,
    *,
    role: SignerRole = SignerRole.HSM,
    socket_path: str | None,
    allowed_uids: Sequence[int],
    group: str | None,
) -> str | None:
    """Make a state folder with a SoftHSM token of its own, or leave one as it is that has a `signer.toml`.

    Args:
        state: The folder; made with mode 0700.
        signer: The signer's roster id.
        role: What it will be: `hsm` or `log`.
        socket_path: Where it will listen; by default inside the folder, for its own user only.
        allowed_uids: Users who may connect; by default its own.
        group: The socket's group; with one, or with other users, the mode is 0660.

    Returns:
        The new token's SO PIN, which is stored nowhere; None if nothing had to be made.

    Raises:
        ConfigError: If SoftHSM is missing, or the folder holds something half made.
    """
    check_name(signer)
    state = state.absolute()
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_private(state, most=0o700)
    if (state / CONFIG_FILE).exists():
        known = load_config(state)
        if (known.signer, known.role) != (signer, role):
            raise ConfigError(f"{state}: belongs to another signer")
        return None
    if (state / PIN_FILE).exists():
        raise ConfigError(f"{state}: half made by an earlier run; remove it and start again")
    if group is not None:
        try:
            grp.getgrnam(group)
        except KeyError as error:
            raise ConfigError(f"socket.group: there is no group {group!r}") from error
    so_pin = _make_token(state, label=f"countersign-{signer}")
    token = (softhsm_module(), f"countersign-{signer}", SOFTHSM_FILE)
    # Last of all: with it, the folder counts as made.
    write_settings(
        state, signer, role=role, token=token, socket_path=socket_path, allowed_uids=allowed_uids, group=group
    )
    return so_pin


def write_settings(
    state: Path,
    signer: str,
    *,
    role: SignerRole,
    token: tuple[str, str, str],
    socket_path: str | None,
    allowed_uids: Sequence[int],
    group: str | None,
) -> None:
    """Write a state folder's `signer.toml`, and read it back.

    Args:
        state: The folder.
        signer: The signer's roster id.
        role: What it will be.
        token: Module, label, and SoftHSM's configuration.
        socket_path: As `init_state`.
        allowed_uids: As `init_state`.
        group: As `init_state`.

    Raises:
        ConfigError: If there is one already, or these settings do not hold.
    """
    module, label, conf = token
    text = _SETTINGS.format(
        signer=json.dumps(signer),
        role=json.dumps(str(role)),
        module=json.dumps(module),
        label=json.dumps(label),
        conf=json.dumps(conf),
        path=json.dumps(socket_path or "signer.sock"),
        mode='"0600"' if group is None and set(allowed_uids) <= {os.geteuid()} else '"0660"',
        uids=json.dumps(sorted(set(allowed_uids) or {os.geteuid()})),
    )
    if group is not None:
        text += f"group = {json.dumps(group)}\n"
    write_new(state / CONFIG_FILE, text.encode(), mode=0o600)
    load_config(state)


def softhsm_module() -> str:
    """Return where SoftHSM's module is.

    Raises:
        ConfigError: If it is not installed.
    """
    for path in SOFTHSM_MODULES:
        if os.path.exists(path):  # noqa: PTH110 - a list of literal places
            return path
    raise ConfigError("SoftHSM is not installed (package softhsm2); for another token write signer.toml by hand")


def _make_token(state: Path, *, label: str) -> str:
    passing = start_token(state, label=label)
    lasting = replace_pins(softhsm_module(), state / SOFTHSM_FILE, label, passing)
    write_new(state / PIN_FILE, lasting[UserType.USER].encode(), mode=0o400)
    return lasting[UserType.SO]


def start_token(state: Path, *, label: str) -> dict[UserType, str]:
    """Make a SoftHSM token with its configuration in a folder.

    Returns:
        Passing PINs: other users of this host could read them while it was made, so they are to be replaced at once.

    Raises:
        ConfigError: If SoftHSM is missing or refuses.
    """
    tool = shutil.which("softhsm2-util")
    if tool is None:
        raise ConfigError("softhsm2-util is not installed (package softhsm2)")
    tokens = state / "tokens"
    tokens.mkdir(mode=0o700, exist_ok=True)
    conf = state / SOFTHSM_FILE
    conf.unlink(missing_ok=True)
    lines = (
        f"directories.tokendir = {tokens}",
        "objectstore.backend = file",
        "objectstore.umask = 0077",
        # Without it a forked child signs with the parent's login.
        "library.reset_on_fork = true",
        "log.level = ERROR",
    )
    write_new(conf, "\n".join((*lines, "")).encode(), mode=0o600)
    # The tool takes PINs as arguments only, where others on this host could read them while it runs. So it gets
    # passing ones, and those that stay are set through the library.
    passing = {user_type: secrets.token_hex(PIN_BYTES) for user_type in (UserType.SO, UserType.USER)}
    done = subprocess.run(
        [
            *(tool, "--init-token", "--free", "--label", label),
            *("--so-pin", passing[UserType.SO], "--pin", passing[UserType.USER]),
        ],
        env={"SOFTHSM2_CONF": str(conf), "PATH": os.defpath},
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode != 0:
        raise ConfigError(f"softhsm2-util: {(done.stderr or done.stdout).strip()[:200]}")
    return passing


def make_key(hsm: Hsm, label: str) -> MadeKey:
    """Make a wallet key in the token.

    Args:
        hsm: The token.
        label: For people.

    Raises:
        TokenKeyError: If what was made is not what was asked for.
        HsmError: If the token does not work.
    """
    made = hsm.run(lambda session: generate_key(session, label))
    hsm.check_key(made.public_key)
    return made
