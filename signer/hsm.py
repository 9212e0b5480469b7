"""The token: one PKCS#11 session behind one process-wide lock, opened again once when the device fails.

python-pkcs11 initialises the module for a single thread yet releases the GIL, so two calls at once crash the process:
everything that touches the module runs inside `Hsm.run`. A PIN that was refused is never tried again, because real
tokens lock. Nothing in here decides what may be signed; `signer.backends` is its only caller with a digest.

Source: PKCS #11 v2.40 (base, current mechanisms); measured traps in the project's HSM notes.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from typing import TYPE_CHECKING, TypeVar

import pkcs11
from pkcs11 import TokenFlag, UserType
from pkcs11 import exceptions as ck

from core.evm import DIGEST_BYTES
from signer.errors import ConfigError, HsmError, HsmUnavailableError, PinError, TokenKeyError
from signer.token_keys import (
    attribute_mapper,
    check_signs,
    destroy_key,
    extractable,
    find_key,
    list_points,
    sign_digest,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pkcs11 import Object, PrivateKey, Session, Token
    from pkcs11._pkcs11 import lib as _Library  # noqa: N812 - a class by any name

    from signer.config import TokenConfig

T = TypeVar("T")
log = logging.getLogger("signer.hsm")

_LOCK = threading.RLock()
"""One for the process: the module's state is the process's, however many objects of ours stand before it."""
PIN_BYTES = 16
_TOLD_MOST = 64
PAUSE_SECONDS = 1.0
"""How long a token that failed even after a rebuild is left alone."""
DEVICE_ERRORS = (
    ck.DeviceError,
    ck.DeviceMemory,
    ck.DeviceRemoved,
    ck.FunctionFailed,
    ck.GeneralError,
    ck.KeyHandleInvalid,
    ck.NoSuchKey,
    ck.NoSuchToken,
    ck.ObjectHandleInvalid,
    ck.SessionClosed,
    ck.SessionHandleInvalid,
    ck.SlotIDInvalid,
    ck.TokenNotPresent,
    ck.TokenNotRecognised,
    ck.UserNotLoggedIn,
)
"""What a removed, restored or restarted token answers to handles from before."""
PIN_ERRORS = (
    ck.PinExpired,
    ck.PinIncorrect,
    ck.PinInvalid,
    ck.PinLenRange,
    ck.PinLocked,
    ck.PinTooWeak,
    ck.UserPinNotInitialized,
)
_PIN_WARNINGS = (
    TokenFlag.USER_PIN_COUNT_LOW | TokenFlag.USER_PIN_FINAL_TRY | TokenFlag.USER_PIN_LOCKED
) | TokenFlag.USER_PIN_TO_BE_CHANGED


class Hsm:
    """A logged-in token. `generation` grows with every session, so that nobody keeps a handle across a rebuild."""

    def __init__(self, config: TokenConfig, read_pin: Callable[[], str]) -> None:
        """Remember where the token is; nothing is opened yet.

        Args:
            config: Module, label, SoftHSM's configuration.
            read_pin: Reads the user PIN, at every login; it is kept nowhere.
        """
        self._config = config
        self._read_pin = read_pin
        self._owner = os.getpid()
        self._session: Session | None = None
        self._keys: dict[tuple[bytes, bool], PrivateKey] = {}
        self._found: dict[str, Object] = {}
        self._pin_refused = False
        self._pause_until = 0.0
        self._library: _Library | None = None
        self.generation = 0
        self.maker = ""
        self.told: dict[str, str] = {}

    def run(self, work: Callable[[Session], T]) -> T:
        """Run some work on the session, once more after one rebuild if the device failed.

        Args:
            work: Must mean the same when it is run twice.

        Raises:
            PinError: The token refused the PIN, now or earlier.
            HsmUnavailableError: The device failed again after the rebuild, or is left alone for a second.
            HsmError: The token says no in another way, or this is a forked child.
        """
        with _LOCK:
            if os.getpid() != self._owner:
                raise HsmError("a forked process must open a token of its own")
            if self._session is None:
                self._open_again()
            try:
                return self._try(work)
            except DEVICE_ERRORS as error:
                log.warning("token failed (%s): opening it again, once", type(error).__name__)
            self._open_again()
            try:
                return self._try(work)
            except DEVICE_ERRORS as error:
                self._give_up()
                raise HsmUnavailableError(f"the token failed again: {type(error).__name__}") from error

    def _try(self, work: Callable[[Session], T]) -> T:
        if self._session is None:
            raise HsmUnavailableError("no session")
        try:
            return work(self._session)
        except DEVICE_ERRORS:
            raise
        except ck.PKCS11Error as error:
            # Codes that the library does not map arrive as the bare base class; some of them are the vendor's.
            raise HsmUnavailableError(f"the token refused: {type(error).__name__} {error}".strip()) from error

    def _give_up(self) -> None:
        self._close_session()
        self._pause_until = time.monotonic() + PAUSE_SECONDS

    def _open_again(self) -> None:
        if self._pin_refused:
            raise PinError("the token refused the PIN before; this process never tries again")
        if time.monotonic() < self._pause_until:
            raise HsmUnavailableError("the token failed a moment ago and is left alone")
        self.close()
        try:
            self._session = self._login(self._token())
        except PinError:
            self._pin_refused = True
            raise
        except ck.PKCS11Error as error:
            self._give_up()
            raise HsmUnavailableError(f"the token cannot be opened: {type(error).__name__}") from error
        self.generation += 1

    def _token(self) -> Token:
        if self._config.softhsm_conf is not None:
            os.environ["SOFTHSM2_CONF"] = str(self._config.softhsm_conf)
        try:
            self._library = pkcs11.lib(self._config.module)
        except ck.PKCS11Error:
            raise
        except RuntimeError as error:
            # The file is missing or is no PKCS#11 module: that is a setting, not the weather.
            raise ConfigError(f"token.module: {self._config.module} cannot be loaded") from error
        token = self._library.get_token(token_label=self._config.label)
        makers = {
            self._library.manufacturer_id,
            self._library.library_description,
            token.manufacturer_id,
            token.model,
        }
        self.maker = " / ".join(sorted(makers - {""}))
        self.told = _told(token)
        return token

    def _login(self, token: Token) -> Session:
        warnings = token.flags & _PIN_WARNINGS
        if warnings:
            raise PinError(f"not logging in: the token warns about its PIN ({warnings.name or int(warnings)})")
        try:
            return token.open(rw=True, user_pin=self._read_pin(), attribute_mapper=attribute_mapper())
        except PIN_ERRORS as error:
            # `from None`: no traceback that a reporter could print carries the PIN.
            raise PinError(f"the token refused the PIN ({type(error).__name__})") from None

    def _close_session(self) -> None:
        self._keys.clear()
        self._found.clear()
        self._session = None

    def close(self) -> None:
        """Forget the session and finalise the module. Safe to call twice, and after a failure."""
        with _LOCK:
            self._close_session()
            if self._library is not None and self._library.initialized:
                try:
                    self._library.finalize()
                except ck.PKCS11Error as error:
                    # A module that has lost its token may refuse to be finalised; the next load starts it anew.
                    log.info("module was not finalised (%s)", type(error).__name__)
            self._library = None

    def found(self, name: str, find: Callable[[Session], Object], session: Session) -> Object:
        """Return a handle of this session, found and checked the first time that this session uses it.

        Args:
            name: What it is, in words of the caller's own.
            find: Finds it and checks all that it has to be.
            session: What `run` hands to the work that asks.
        """
        known = self._found.get(name)
        if known is None:
            known = self._found[name] = find(session)
        return known

    def check_key(self, public_key: bytes, *, cloned: bool = False) -> None:
        """Find the private key of a public key and hold it to its attributes and to a signature of its own.

        Args:
            public_key: Pinned secp256k1 key, uncompressed, 65 bytes.
            cloned: Whether the policy says that it was made together with a clone.

        Raises:
            TokenKeyError: Missing, ambiguous, imported, extractable, or not that key.
            HsmUnavailableError: As `run`.
        """
        self.run(lambda session: self._key(session, public_key, cloned))

    def check_closed(self) -> None:
        """Refuse a token in which a key lies that could leave it.

        Raises:
            TokenKeyError: Naming the key.
            HsmUnavailableError: As `run`.
        """
        found = self.run(extractable)
        if found:
            raise TokenKeyError(
                f"the token holds a key that can leave it ({found[0]}): find out who made it, and why"
            )

    def sign(self, public_key: bytes, digest: bytes, *, cloned: bool = False) -> bytes:
        """Sign 32 bytes.

        Args:
            public_key: Which key; uncompressed secp256k1, 65 bytes.
            digest: Exactly 32 bytes. The module itself would take any length.
            cloned: As `check_key`.

        Returns:
            r ‖ s, 64 bytes, s as the device made it.

        Raises:
            HsmError: For a digest of another length.
            TokenKeyError: As `check_key`.
            HsmUnavailableError: As `run`.
        """
        if len(digest) != DIGEST_BYTES:
            raise HsmError(f"a digest has {DIGEST_BYTES} bytes, not {len(digest)}")
        return self.run(lambda session: sign_digest(self._key(session, public_key, cloned), digest))

    def holds(self, public_key: bytes) -> bool:
        """Whether the token shows a public key.

        Raises:
            HsmUnavailableError: As `run`.
        """
        return self.run(lambda session: public_key in list_points(session))

    def destroy_key(self, public_key: bytes) -> None:
        """Destroy a wallet's key pair. Nobody brings it back.

        Raises:
            TokenKeyError: If the token keeps it.
            HsmUnavailableError: As `run`.
        """
        for cloned in (False, True):
            self._keys.pop((public_key, cloned), None)
        self.run(lambda session: destroy_key(session, public_key))

    def _key(self, session: Session, public_key: bytes, cloned: bool) -> PrivateKey:  # noqa: FBT001 - our own
        """Return the key's handle in this session, checked the first time that this session uses it."""
        known = self._keys.get((public_key, cloned))
        if known is not None:
            return known
        key = find_key(session, public_key, cloned=cloned)
        check_signs(key, public_key)
        self._keys[(public_key, cloned)] = key
        return key


def _told(token: Token) -> dict[str, str]:
    """Return what a token says of itself (C_GetTokenInfo), each at most 64 visible ASCII characters."""
    said = {
        "manufacturer": token.manufacturer_id,
        "model": token.model,
        "serial": token.serial.decode("ascii", "replace"),
        "hardware": ".".join(str(part) for part in token.hardware_version),
        "firmware": ".".join(str(part) for part in token.firmware_version),
    }
    return {
        name: "".join(c if c.isascii() and c.isprintable() else "?" for c in text.strip())[:_TOLD_MOST]
        for name, text in said.items()
    }


def replace_pins(
    module: str, conf: Path, label: str, passing: Mapping[UserType, str], *, user_pin: str | None = None
) -> dict[UserType, str]:
    """Give a new token random PINs in place of those that it was initialised with.

    Args:
        module: The PKCS#11 module.
        conf: SoftHSM's configuration.
        label: The token.
        passing: The PINs so far.
        user_pin: The user's from now on, where it is not to be drawn here.

    Returns:
        The PINs from now on.

    Raises:
        HsmError: If the token refuses.
    """
    lasting = {user: secrets.token_hex(PIN_BYTES) for user in passing}
    if user_pin is not None:
        lasting[UserType.USER] = user_pin
    with _LOCK:
        os.environ["SOFTHSM2_CONF"] = str(conf)
        try:
            library = pkcs11.lib(module)
            token = library.get_token(token_label=label)
            for user, pin in passing.items():
                officer = user is UserType.SO
                login = token.open(rw=True, so_pin=pin) if officer else token.open(rw=True, user_pin=pin)
                with login as session:
                    session.set_pin(pin, lasting[user])
            library.finalize()
        except ck.PKCS11Error as error:
            raise HsmError(f"the token's PINs cannot be set ({type(error).__name__})") from None
    return lasting
