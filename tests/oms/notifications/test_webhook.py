"""Where a webhook may go, what it is sent, and what an attacker who chooses its address gets: nothing."""

from __future__ import annotations

import hashlib
import hmac
import socket
from typing import TYPE_CHECKING, Any

import pytest

from oms.notifications.errors import NotToldError, WebhookRefusedError
from oms.notifications.webhook import address_of, signature_of, url_check, webhook_send
from tests.fakes.mailbox import Hook, running

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "0b" * 32
BODY = b'{"v":1}'


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A webhook on loopback."""
    with running(Hook()) as server:
        yield server


def test_what_is_sent_is_signed(hook: Hook) -> None:
    webhook_send(url=hook.url, body=BODY, key=KEY, at=1_700_000_000, demo=True)
    ((path, headers, body),) = hook.got
    assert (path, body) == ("/hook?who=rita", BODY)
    signed = hmac.new(bytes.fromhex(KEY), b"1700000000." + BODY, hashlib.sha256).hexdigest()
    assert headers["Countersign-Signature"] == f"t=1700000000,v1={signed}"
    assert signature_of(BODY, key=KEY, at=1_700_000_001) != headers["Countersign-Signature"]


@pytest.mark.parametrize("status", [301, 302, 307, 400, 500])
def test_a_redirect_is_not_followed_and_an_error_is_none(hook: Hook, status: int) -> None:
    hook.status = status
    with pytest.raises(NotToldError, match=str(status)):
        webhook_send(url=hook.url, body=BODY, key=KEY, at=1, demo=True)
    assert len(hook.got) == 1


def test_nobody_listening_is_tried_again(hook: Hook) -> None:
    url = hook.url
    hook.shutdown()
    hook.server_close()
    with pytest.raises(NotToldError):
        webhook_send(url=url, body=BODY, key=KEY, at=1, demo=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/hook",
        "http://127.0.0.1/hook",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "//example.org/",
        "https://",
        "https://name:secret@example.org/",
        "https://example.org:99999/",
        "https://example.org:x/",
        "https://example.org/#part",
        "https://exa mple.org/",
        "https://example.org/\r\nHost: other",
        "https://[::1/",
        "https://" + "a" * 600,
        "javascript:alert(1)",
        "",
    ],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(WebhookRefusedError):
        url_check(url, demo=False)


@pytest.mark.parametrize(
    "number",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.3.4",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - an address that is refused
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fc00::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "::a00:1",
    ],
)
def test_insiders_are_not_reached(monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    answers: list[Any] = [(0, 0, 0, "", ("93.184.215.14", 443)), (0, 0, 0, "", (number, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    with pytest.raises(WebhookRefusedError, match="public internet"):
        address_of("example.org", 443, demo=False)


def test_the_demonstration_reaches_loopback_and_no_other_insider(monkeypatch: pytest.MonkeyPatch) -> None:
    assert address_of("127.0.0.1", 80, demo=True) == "127.0.0.1"
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("10.0.0.1", 443))])
    with pytest.raises(WebhookRefusedError):
        address_of("example.org", 443, demo=True)
