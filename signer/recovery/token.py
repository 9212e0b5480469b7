"""A recovery site's token: its PIN is made of two halves that two operators keep, and that nobody has together.

The security officer's PIN could set a new user PIN, so it is thrown away: whoever loses a half has lost the token,
and makes another one. What the folder keeps of the halves only tells a wrong one before the token counts it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
from typing import TYPE_CHECKING

from core.canonical import canonical, parse
from core.errors import CoreError
from core.names import DIGEST, LABEL, SLUG
from core.schema import Constant, Items, Maybe, Text, of, read_struct, write_struct
from signer.config import PIN_FILE, SOFTHSM_FILE, TokenConfig, check_name, check_private
from signer.errors import ConfigError
from signer.files import write_new
from signer.hsm import PIN_BYTES, Hsm, replace_pins
from signer.provision import softhsm_module, start_token
from signer.recovery.opening_key import RECOVERY, fingerprint, make_opening_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from signer.recovery.opening_key import OpeningKey

SITE_FILE = "recovery.json"
KIND = "countersign.recovery.v1"
HALVES = 2
_HALF_DIGITS = 32


@dataclasses.dataclass(frozen=True, kw_only=True)
class Site:
    """What is known of a recovery token without opening it. `halves`: a digest of each, in no order that matters."""

    kind: str = of(Constant(KIND))
    name: str = of(SLUG)
    module: str = of(Text(most=400))
    label: str = of(LABEL)
    softhsm_conf: str | None = of(Maybe(Text(most=400)))
    halves: tuple[str, ...] = of(Items(DIGEST, least=HALVES, most=HALVES))


def _trace(half: str) -> str:
    return hashlib.sha256(b"countersign/v1/recovery-half\0" + half.encode()).hexdigest()


def _joined(halves: Sequence[str]) -> str:
    """Return the PIN; who says their half first does not matter."""
    return hashlib.sha256(b"countersign/v1/recovery-pin\0" + "\0".join(sorted(halves)).encode()).hexdigest()[
        : 2 * PIN_BYTES
    ]


def init_site(state: Path, name: str, files: Sequence[Path], key: str = RECOVERY) -> bytes:
    """Make a recovery token and its key, and give each of two operators a half of its PIN.

    Args:
        state: The site's folder; made with mode 0700.
        name: What people call it.
        files: Where each operator's half goes: on media of their own, in two folders, neither of them the site's.
        key: The label of the key that it begins with.

    Returns:
        The public key, SubjectPublicKeyInfo.

    Raises:
        ConfigError: If the places are not apart, something is there already, or SoftHSM is missing.
        HsmError: If the token does not make what was asked for.
    """
    check_name(name)
    state = state.absolute()
    _check_apart(state, files)
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_private(state, most=0o700)
    if any((state / file).exists() for file in (SITE_FILE, SOFTHSM_FILE)):
        raise ConfigError(f"{state}: holds a token already, or a half made one; a recovery token takes a new folder")
    halves = [secrets.token_hex(_HALF_DIGITS // 2) for _ in files]
    label = f"countersign-recovery-{name}"
    passing = start_token(state, label=label)
    pin = _joined(halves)
    replace_pins(softhsm_module(), state / SOFTHSM_FILE, label, passing, user_pin=pin)
    site = Site(
        kind=KIND,
        name=name,
        module=softhsm_module(),
        label=label,
        softhsm_conf=SOFTHSM_FILE,
        halves=tuple(sorted(_trace(half) for half in halves)),
    )
    hsm = _hsm(state, site, pin)
    try:
        public = make_opening_key(hsm, key)
    finally:
        hsm.close()
    for path, half in zip(files, halves, strict=True):
        write_new(path, half.encode(), mode=0o400)
    # Last of all: with it, the folder counts as made.
    write_new(state / SITE_FILE, canonical(write_struct(site, "site")), mode=0o400)
    return public


def _check_apart(state: Path, files: Sequence[Path]) -> None:
    folders = {path.absolute().parent.resolve() for path in files}
    if len(files) != HALVES or len(folders) != HALVES:
        raise ConfigError("two operators keep a half each, in two folders of their own")
    if any(folder == state.resolve() or state.resolve() in folder.parents for folder in folders):
        raise ConfigError("no half of the PIN is kept in the recovery site's own folder")
    for path in files:
        if path.exists():
            raise ConfigError(f"{path}: exists already")


def read_site(state: Path) -> Site:
    """Read what a folder says of its recovery token.

    Raises:
        ConfigError: If there is none, or it is open to others or broken.
    """
    check_private(state, most=0o700)
    path = state / SITE_FILE
    check_private(path, most=0o400)
    try:
        return read_struct(Site, parse(path.read_bytes()), SITE_FILE)
    except CoreError as error:
        raise ConfigError(str(error)) from error


def read_half(path: Path) -> str:
    """Read one operator's half.

    Raises:
        ConfigError: If its file is open to others, or holds none.
    """
    check_private(path, most=0o400)
    try:
        return check_half(path.read_text("ascii"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read") from error


def check_half(text: str) -> str:
    """Return a half as it was typed or kept.

    Raises:
        ConfigError: If it is none. It is not repeated in the message.
    """
    half = text.strip().replace(" ", "").lower()
    if len(half) != _HALF_DIGITS or set(half) - set("0123456789abcdef"):
        raise ConfigError(f"half a PIN has {_HALF_DIGITS} hex digits")
    return half


def open_site(state: Path, halves: Sequence[str]) -> Hsm:
    """Return the recovery token, not opened yet, if these are its two halves.

    Raises:
        ConfigError: If they are not; the token has counted no try then.
    """
    site = read_site(state)
    if sorted(_trace(half) for half in halves) != sorted(site.halves):
        raise ConfigError("these are not the two halves of this token's PIN: two operators, each with their own")
    return _hsm(state, site, _joined(halves))


def pin_of(state: Path, halves: Sequence[str]) -> str:
    """Return the whole PIN of a token that is to serve from now on, if these are its two halves.

    Raises:
        ConfigError: If they are not.
    """
    open_site(state, halves)
    return _joined(halves)


def _hsm(state: Path, site: Site, pin: str) -> Hsm:
    config = TokenConfig(
        module=site.module,
        label=site.label,
        # There is no such file: its PIN is in two people's hands.
        pin_file=state / PIN_FILE,
        softhsm_conf=None if site.softhsm_conf is None else state / site.softhsm_conf,
    )
    return Hsm(config, lambda: pin)


def describe_key(key: OpeningKey | bytes) -> str:
    """Return what people write into a ceremony and compare, as JSON."""
    public = key if isinstance(key, bytes) else key.public
    return json.dumps({"public_key": "0x" + public.hex(), "sha256": fingerprint(public)})
