"""One POST to an address that a person chose, without becoming their way into our network.

Only https (plain http to loopback in the demonstration), only to addresses that the whole internet reaches, resolved
once and then connected to by number, no redirects, no proxy, little time, and nothing of the answer is kept.

Signature: `Countersign-Signature: t=<Unix seconds>,v1=<hex of HMAC-SHA256(key, "<t>." + body)>` (RFC 2104).
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from oms.notifications.errors import NotToldError, WebhookRefusedError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

TIMEOUT_SECONDS = 5
URL_MOST = 500
_ANSWER_BYTES = 1024
_HTTPS = 443
_OK = range(200, 300)
# They carry an IPv4 address to a gateway, which may stand inside (RFC 6052, 8215, 3056, 4380, 4291).
_CARRIERS = tuple(
    ipaddress.IPv6Network(one) for one in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")
)


def _host_of(parts: SplitResult) -> tuple[str, int]:
    try:
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise WebhookRefusedError("The webhook's port is none.") from error
    if not host:
        raise WebhookRefusedError("The webhook needs a host.")
    return host, port or (_HTTPS if parts.scheme == "https" else 80)


def url_check(url: str, *, demo: bool) -> SplitResult:
    """Check an address as far as that goes without looking its host up.

    Args:
        url: What was typed.
        demo: Whether plain http to this very machine is allowed.

    Raises:
        WebhookRefusedError: Saying what is wrong.
    """
    if len(url) > URL_MOST or any(not "!" <= letter <= "~" for letter in url):
        raise WebhookRefusedError(f"A webhook's address has at most {URL_MOST} letters, digits and signs of ASCII.")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise WebhookRefusedError("The webhook's address cannot be read.") from error
    host, _ = _host_of(parts)
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise WebhookRefusedError("A webhook's address holds no name, no password and no fragment.")
    local = demo and parts.scheme == "http" and host in {"127.0.0.1", "localhost", "::1"}
    if parts.scheme != "https" and not local:
        raise WebhookRefusedError("A webhook is https.")
    return parts


def _numbers(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotToldError("The webhook's host is not found.") from error
    return [str(one[4][0]) for one in found]


def address_of(host: str, port: int, *, demo: bool) -> str:
    """Look a host up and return one number to connect to.

    Raises:
        NotToldError: If it is not found.
        WebhookRefusedError: If any of its numbers is one that only insiders reach.
    """
    numbers = _numbers(host, port)
    for number in numbers:
        address = ipaddress.ip_address(number.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None) or address
        carried = any(mapped in network for network in _CARRIERS if mapped.version == network.version)
        outside = mapped.is_global and not mapped.is_multicast and not carried
        if not outside and not (demo and mapped.is_loopback):
            raise WebhookRefusedError("The webhook's host is not on the public internet.")
    return numbers[0]


class _Pinned(http.client.HTTPSConnection):
    """Connects to a number that was checked, and verifies the certificate against the name."""

    def __init__(self, host: str, port: int, number: str, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=TIMEOUT_SECONDS, context=context)
        self._number, self._checks = number, context

    def connect(self) -> None:
        """Connect."""
        raw = socket.create_connection((self._number, self.port), timeout=TIMEOUT_SECONDS)
        self.sock = self._checks.wrap_socket(raw, server_hostname=self.host)


def signature_of(body: bytes, *, key: str, at: int) -> str:
    """Return the signature header of a body.

    Args:
        body: What is sent.
        key: The person's key, hex.
        at: Unix seconds.
    """
    signed = hmac.new(bytes.fromhex(key), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={signed.hexdigest()}"


def webhook_send(*, url: str, body: bytes, key: str, at: int, demo: bool) -> None:
    """Send one body.

    Args:
        url: Where to.
        body: JSON.
        key: The person's key, hex.
        at: Unix seconds, signed with the body.
        demo: Whether loopback is allowed.

    Raises:
        WebhookRefusedError: If nothing may be sent there.
        NotToldError: If it was not taken; try again.
    """
    parts = url_check(url, demo=demo)
    host, port = _host_of(parts)
    number = address_of(host, port, demo=demo)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = _Pinned(host, port, number, ssl.create_default_context())
    else:
        connection = http.client.HTTPConnection(number, port, timeout=TIMEOUT_SECONDS)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {
        "Host": parts.netloc,
        "Content-Type": "application/json",
        "Countersign-Signature": signature_of(body, key=key, at=at),
        "Connection": "close",
    }
    try:
        connection.request("POST", target, body, headers)
        answer = connection.getresponse()
        answer.read(_ANSWER_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise NotToldError(f"The webhook did not take it: {type(error).__name__}.") from error
    finally:
        connection.close()
    if answer.status not in _OK:
        raise NotToldError(f"The webhook answered {answer.status}.")
