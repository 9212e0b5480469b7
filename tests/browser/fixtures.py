"""Fixtures for tests in a real Chromium. A folder's conftest.py imports those that it needs.

`chromium_args` and pytest-playwright's own `browser_type_launch_args` (which takes them over), `virtual_key`,
`console_guard`.
"""

from __future__ import annotations

import base64
import dataclasses
import os
import shutil
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext, CDPSession, ConsoleMessage, Page, WebError

    from demo.softkey import SoftKey

# Playwright's loop runs in the thread that also uses the ORM (live_server). For tests only.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")

Options = dict[str, Any]
_QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
_AUTHENTICATOR: Options = {
    "protocol": "ctap2",
    "ctap2Version": "ctap2_1",
    "transport": "usb",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def chromium_path() -> str | None:
    """Return the browser to drive: COUNTERSIGN_CHROMIUM, else one on PATH; None for Playwright's own."""
    named = os.environ.get("COUNTERSIGN_CHROMIUM")
    return named or shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def chromium_args() -> Options:
    """Launch options: headless and quiet. The sandbox is off for root only, where Chromium has none."""
    root = os.geteuid() == 0
    return {
        "executable_path": chromium_path(),
        "headless": True,
        "chromium_sandbox": not root,
        "args": [*_QUIET, *(["--no-sandbox"] if root else [])],
    }


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: Options, chromium_args: Options) -> Options:
    """Have pytest-playwright launch that browser."""
    return {**browser_type_launch_args, **chromium_args}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: Options) -> Options:
    """Use the screen that the pages are made for."""
    return {**browser_context_args, "viewport": {"width": 1280, "height": 800}, "timezone_id": "Europe/Zurich"}


@dataclasses.dataclass
class VirtualKey:
    """A virtual security key that is plugged into one page."""

    session: CDPSession
    id: str

    def hold(
        self, key: SoftKey, *, rp_id: str = "localhost", counter: int = 0, backup_eligible: bool = False
    ) -> None:
        """Put a key pair of ours into it, so that a roster can list it."""
        pkcs8 = key.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        credential = {
            "credentialId": base64.b64encode(key.credential_id).decode(),
            "isResidentCredential": False,
            "rpId": rp_id,
            "privateKey": base64.b64encode(pkcs8).decode(),
            "signCount": counter,
            "backupEligibility": backup_eligible,
        }
        self.session.send("WebAuthn.addCredential", {"authenticatorId": self.id, "credential": credential})

    def bits(self, **bits: bool) -> None:
        """Have it lie: isBogusSignature, isBadUV, isBadUP."""
        self.session.send("WebAuthn.setResponseOverrideBits", {"authenticatorId": self.id, **bits})

    def touch(self, *, automatic: bool) -> None:
        """Switch whether somebody touches it at once."""
        message = {"authenticatorId": self.id, "enabled": automatic}
        self.session.send("WebAuthn.setAutomaticPresenceSimulation", message)

    def unplug(self) -> None:
        """Pull it out."""
        self.session.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": self.id})


class PlugIn(Protocol):
    """Plugs a virtual security key into a page."""

    def __call__(self, page: Page, **options: Any) -> VirtualKey:  # noqa: ANN401 - CDP's options
        """Options are those of CDP's VirtualAuthenticatorOptions."""


@pytest.fixture
def virtual_key() -> PlugIn:
    """Plug a virtual security key into a page; options as in CDP's VirtualAuthenticatorOptions."""

    def plug_in(page: Page, **options: Any) -> VirtualKey:  # noqa: ANN401 - CDP's options
        session = page.context.new_cdp_session(page)
        session.send("WebAuthn.enable", {"enableUI": False})
        answer = session.send("WebAuthn.addVirtualAuthenticator", {"options": {**_AUTHENTICATOR, **options}})
        return VirtualKey(session, answer["authenticatorId"])

    return plug_in


# Chromium would like RS256 among the algorithms of a new key; policies take ES256 and EdDSA only, on purpose.
_EXPECTED = ("pubKeyCredParams is missing at least one of the default algorithm identifiers",)


@dataclasses.dataclass
class ConsoleGuard:
    """What the pages of a context complained about. A test that provokes something removes what it expected."""

    complaints: list[str] = dataclasses.field(default_factory=list)

    def on_console(self, message: ConsoleMessage) -> None:
        """Note errors and warnings; a violation of the content policy is one."""
        expected = any(words in message.text for words in _EXPECTED)
        if message.type in ("error", "warning") and not expected:
            self.complaints.append(f"{message.type}: {message.text}")

    def on_error(self, error: WebError) -> None:
        """Note exceptions that nobody caught."""
        self.complaints.append(f"exception: {error.error}")


@pytest.fixture
def console_guard(context: BrowserContext) -> Iterator[ConsoleGuard]:
    """Fail the test on any console error, policy violation or uncaught exception, in any page or popup."""
    guard = ConsoleGuard()
    context.on("console", guard.on_console)
    context.on("weberror", guard.on_error)
    yield guard
    # Outside of test modules pytest explains no assertion by itself.
    assert guard.complaints == [], "\n".join(guard.complaints)
