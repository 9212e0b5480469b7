"""Where a node is and how it is reached: address, time-out, who it must be, and what we show it of ourselves.

Keys and header values stay in files of the machine; a row, a page or a log only ever holds a file's name.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from chains.errors import EndpointError

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_SECONDS = 5.0
_HEADERS_MOST_BYTES = 16 * 1024
_HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}): ?([\x20-\x7e]{1,8000})")
_NOT_OURS_TO_SET = frozenset({"accept-encoding", "content-length", "host", "transfer-encoding"})
FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One JSON-RPC endpoint of a chain. `url` may hold a key: never in messages.

    Attributes:
        label: What people call it.
        url: Address, http or https.
        chain_id: The EIP-155 chain id that it must serve.
        priority: Lower is asked first.
        timeout_seconds: For a connection, and for a whole answer.
        headers_file: Lines of ``Name: value`` that are sent along, for nodes that ask who we are.
        certificate_file: Our client certificate for mutual TLS, PEM; with `key_file`.
        key_file: Its key, PEM.
        authority_file: The only certificate authority that vouches for this node, PEM; None for the system's.
        fingerprint: SHA-256 of the node's certificate (DER), 64 hex digits. Exactly that certificate is taken then,
            and no authority is asked. Empty for none.
    """

    label: str
    url: str
    chain_id: int
    priority: int = 10
    timeout_seconds: float = TIMEOUT_SECONDS
    headers_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    authority_file: Path | None = None
    fingerprint: str = ""

    @property
    def key(self) -> str:
        """What its health is kept under: a node whose address changed starts anew."""
        return f"{self.chain_id} {self.label} {self.url}"

    def __repr__(self) -> str:
        """Name it without its address."""
        return f"Endpoint({self.label})"

    def check(self) -> None:
        """Refuse what would protect nothing.

        Raises:
            EndpointError: If TLS is asked for at an address without it, or half of a pair is missing.
        """
        secured = bool(self.fingerprint or self.authority_file or self.certificate_file)
        if secured and not self.url.startswith("https://"):
            raise EndpointError(self.label, "a certificate is named, but the address is not https")
        if (self.certificate_file is None) != (self.key_file is None):
            raise EndpointError(self.label, "a client certificate and its key are needed, or neither")
        if self.fingerprint and FINGERPRINT.fullmatch(self.fingerprint) is None:
            raise EndpointError(self.label, "a fingerprint is the SHA-256 of a certificate, 64 hex digits")

    def headers(self) -> dict[str, str]:
        """Read what is sent along, anew at each use: a rotated key counts at once.

        Raises:
            EndpointError: If the file cannot be read or holds anything but header lines. No value is named.
        """
        if self.headers_file is None:
            return {}
        try:
            with self.headers_file.open("rb") as file:
                raw = file.read(_HEADERS_MOST_BYTES + 1)
            lines = re.split(r"\r?\n", raw.decode("ascii"))
        except (OSError, UnicodeDecodeError) as error:
            raise EndpointError(self.label, f"its file of headers cannot be read ({type(error).__name__})") from error
        if len(raw) > _HEADERS_MOST_BYTES:
            raise EndpointError(self.label, "its file of headers is too large")
        found: dict[str, str] = {}
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            match = _HEADER.fullmatch(line)
            if match is None or match[1].lower() in _NOT_OURS_TO_SET:
                raise EndpointError(self.label, f"line {number} of its file of headers is no header that may be set")
            found[match[1]] = match[2].strip()
        return found
