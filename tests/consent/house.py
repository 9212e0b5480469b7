"""A consent host of its own, and another origin that opens its page as the case page does."""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Protocol

from consent.serve import ConsentServer
from core.documents.policy import ConsentOrigin, SignedPolicy
from core.documents.roster import DEMO_AAGUID
from core.schema import write_struct
from tests.factories.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

_OPENER = b"""<!doctype html><html lang="en"><title>Case page</title><link rel="icon" href="data:,">
<script>
  window.received = [];
  window.answer = {ok: true, message: "Your approval is recorded."};
  window.review = (address) => { window.popup = window.open(address, "consent"); };
  addEventListener("message", (event) => {
    window.received.push({origin: event.origin, data: event.data});
    if (window.answer) event.source.postMessage({type: "countersign.ack.v1", ...window.answer}, event.origin);
  });
</script><p>A stand-in for the case page: it opens the consent page and keeps what comes back.</p></html>"""


class Picture(Protocol):
    """Keeps a screenshot of a state."""

    def __call__(self, page: Page, name: str) -> None:
        """The name follows the test's own."""


class _Opener(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer with the page, under the opener policy that the web tier sends."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(_OPENER)))
        self.send_header("Cross-Origin-Opener-Policy", "same-origin-allow-popups")
        self.end_headers()
        self.wfile.write(_OPENER)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Say nothing."""


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[str]:
    """Serve in a thread; gives the origin."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def opener() -> Iterator[str]:
    """Run the stand-in for the case page."""
    with running(ThreadingHTTPServer(("127.0.0.1", 0), _Opener)) as origin:
        yield origin


class House:
    """A consent host with what is installed at it."""

    def __init__(self, root: Path, origin: str, return_origin: str) -> None:
        """Install the configuration only: no policy is pinned yet."""
        self.root, self.origin, self.return_origin = root, origin, return_origin
        self.write("config.json", {"allowed_return_origins": [return_origin], "rp_id": "localhost"})

    def write(self, name: str, value: object) -> None:
        """Install a file."""
        (self.root / name).write_text(json.dumps(value))

    def world(self, *, now: int, **overrides: Any) -> World:  # noqa: ANN401 - fields of Policy
        """Make an institution whose policy names this host."""
        consent = ConsentOrigin(origin=self.origin, rp_id="localhost", aaguids=(DEMO_AAGUID,), attestation_roots=())
        return World(now=now, overrides={"consent": consent, **overrides})

    def pin(self, world: World, signed: SignedPolicy | None = None) -> None:
        """Install a world's policy."""
        self.write("pins.json", {"deployment": world.deployment, "policy": world.policy.digest})
        self.write("policy.json", write_struct(signed or world.signed_policy, "policy"))

    def address(self, document: dict[str, Any], decision: str, actor: str, **more: Any) -> str:  # noqa: ANN401 - JSON
        """Return the page's address for a request."""
        request = {
            "v": 1,
            "subject_type": document["header"]["type"],
            "document": document,
            "decision": decision,
            "actor": actor,
            "return_origin": self.return_origin,
            **more,
        }
        return f"{self.origin}/#{fragment(request)}"


def fragment(request: object) -> str:
    """Encode a request for the address."""
    return base64.urlsafe_b64encode(json.dumps(request).encode()).rstrip(b"=").decode()


@contextmanager
def consent_host(root: Path, return_origin: str) -> Iterator[House]:
    """Run a consent host."""
    with running(ConsentServer(root, 0)) as origin:
        yield House(root, origin, return_origin)


def refusal(page: Page) -> tuple[str | None, str]:
    """Wait for the refusal; gives its code and text, and makes sure that nothing can be signed."""
    panel = page.locator("#refusal")
    panel.wait_for()
    assert page.locator("#approve, #reject, #ask, #withdraw").count() == 0
    return panel.get_attribute("data-code"), panel.inner_text()
