"""HTTP as far as a node can be trusted with it: no retries, no redirects, no proxies, a size cap and a deadline.

web3's own provider retries five times, sends included (measured), which can turn a success into "already known".
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from chains.errors import EndpointError

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

    from chains.nodes.endpoint import Endpoint

RESPONSE_MOST_BYTES = 8 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024

# At debug level web3 logs URLs (which may hold keys) and raw transactions before they are stored.
logging.getLogger("web3.providers.HTTPProvider").setLevel(logging.WARNING)


class ResponseTooLargeError(requests.RequestException):
    """The body exceeds the cap."""


class CappedAdapter(HTTPAdapter):
    """Reads a body up to a size and a deadline; a node that trickles bytes holds no worker for ever."""

    def __init__(self, *, deadline_seconds: float, most_bytes: int, fingerprint: str = "") -> None:
        """Keep the caps; urllib3's own retries stay off."""
        self._deadline_seconds = deadline_seconds
        self._most_bytes = most_bytes
        self._fingerprint = fingerprint
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - requests' own signature
        """Take exactly one certificate where one is pinned."""
        if self._fingerprint:
            kwargs["assert_fingerprint"] = self._fingerprint
        super().init_poolmanager(*args, **kwargs)

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
        except urllib3.exceptions.HTTPError as error:
            # A body that ends before it said, a reset, a read that took too long: urllib3's words for it.
            raise requests.ConnectionError(type(error).__name__) from error
        finally:
            response.close()
        response._content = bytes(body)  # noqa: SLF001 - requests has no public way to hand over a body that was read
        return response


def open_session(*, endpoint: Endpoint, most_bytes: int = RESPONSE_MOST_BYTES) -> requests.Session:
    """Return a session without retries, redirects, proxies or compression. Whoever opens it closes it.

    Raises:
        EndpointError: If the endpoint's settings are wrong or its files cannot be read.
    """
    endpoint.check()
    for file in (endpoint.certificate_file, endpoint.key_file, endpoint.authority_file):
        if file is not None and not file.is_file():
            raise EndpointError(endpoint.label, f"{file.name} is missing")
    session = requests.Session()
    session.trust_env = False
    session.max_redirects = 0
    session.headers.update(endpoint.headers())
    # A compressed body could unpack to any size.
    session.headers["Accept-Encoding"] = "identity"
    if endpoint.fingerprint:
        # The pinned certificate is compared byte for byte in place of an authority's word.
        session.verify = False
    elif endpoint.authority_file is not None:
        session.verify = str(endpoint.authority_file)
    if endpoint.certificate_file is not None:
        session.cert = (str(endpoint.certificate_file), str(endpoint.key_file))
    adapter = CappedAdapter(
        deadline_seconds=endpoint.timeout_seconds, most_bytes=most_bytes, fingerprint=endpoint.fingerprint
    )
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session
