"""HTTP as far as a node can be trusted with it: no retries, no redirects, no proxies, a size cap and a deadline.

web3's own provider retries five times, sends included (measured), which can turn a success into "already known".
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import requests
from requests.adapters import HTTPAdapter
from web3 import HTTPProvider

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

RESPONSE_MOST_BYTES = 8 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024

# At debug level web3 logs URLs (which may hold keys) and raw transactions before they are stored.
logging.getLogger("web3.providers.HTTPProvider").setLevel(logging.WARNING)


class ResponseTooLargeError(requests.RequestException):
    """The body exceeds the cap."""


class CappedAdapter(HTTPAdapter):
    """Reads a body up to a size and a deadline; a node that trickles bytes holds no worker for ever."""

    def __init__(self, *, deadline_seconds: float, most_bytes: int) -> None:
        """Keep the caps; urllib3's own retries stay off."""
        super().__init__(max_retries=0)
        self._deadline_seconds = deadline_seconds
        self._most_bytes = most_bytes

    def send(self, request: PreparedRequest, *args: object, **kwargs: object) -> Response:
        """Send, and read the body here rather than without bounds in the caller."""
        started = time.monotonic()
        kwargs["stream"] = True
        response = super().send(request, *args, **kwargs)  # type: ignore[arg-type]  # requests' own long signature
        body = bytearray()
        try:
            # read1 returns what has come in; requests' own iterator waits until its chunk is full.
            while chunk := response.raw.read1(_CHUNK_BYTES):
                body += chunk
                if len(body) > self._most_bytes:
                    msg = f"the answer exceeds {self._most_bytes} bytes"
                    raise ResponseTooLargeError(msg)
                if time.monotonic() - started > self._deadline_seconds:
                    msg = "the answer trickles in too slowly"
                    raise requests.ReadTimeout(msg)
        finally:
            response.close()
        response._content = bytes(body)  # noqa: SLF001 - requests has no public way to hand over a body that was read
        return response


def open_session(*, timeout_seconds: float, most_bytes: int = RESPONSE_MOST_BYTES) -> requests.Session:
    """Return a session without retries, redirects, proxies or compression. Whoever opens it closes it."""
    session = requests.Session()
    session.trust_env = False
    session.max_redirects = 0
    # A compressed body could unpack to any size.
    session.headers["Accept-Encoding"] = "identity"
    adapter = CappedAdapter(deadline_seconds=timeout_seconds, most_bytes=most_bytes)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def open_provider(url: str, *, session: requests.Session, timeout_seconds: float) -> HTTPProvider:
    """Return a provider for one endpoint: bare, so no middleware resolves names or changes gas behind our back."""
    return HTTPProvider(
        url,
        request_kwargs={"timeout": timeout_seconds},
        session=session,
        exception_retry_configuration=None,
    )
