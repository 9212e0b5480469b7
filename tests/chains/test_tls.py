"""Who a node has to be, and who we say we are: pinned certificates, authorities, mutual TLS, headers from files."""

from __future__ import annotations

import datetime as dt
import hashlib
import http.server
import ipaddress
import json
import ssl
import threading
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chains.errors import EndpointError, NodeDownError, NodeError
from chains.nodes.client import NodeClient
from chains.nodes.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _certificate(folder: Path, name: str) -> tuple[Path, Path, str]:
    """Make a self-signed certificate; return its file, its key's file and its fingerprint."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private, made.fingerprint(hashes.SHA256()).hex()


class Secured:
    """A node behind TLS that answers every call with 1 and remembers the headers."""

    def __init__(self, folder: Path, *, asks_for: Path | None = None) -> None:
        self.certificate, private, self.fingerprint = _certificate(folder, "node")
        self.headers: list[dict[str, str]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.headers.append(dict(self.headers))
                body = json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": "0x1"}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *args: object) -> None:
                """Handshakes fail here on purpose."""

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, private)
        if asks_for is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(asks_for)
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def ask(self, **settings: Any) -> int:  # noqa: ANN401 - fields of Endpoint
        endpoint = Endpoint(label="n", url=self.url, chain_id=1, timeout_seconds=2.0, **settings)
        with NodeClient(endpoint=endpoint) as client:
            return client.balance("0x" + "00" * 20)


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    node = Secured(tmp_path)
    yield node
    node.close()


def test_an_unknown_certificate_is_refused_before_anything_is_sent(secured: Secured) -> None:
    with pytest.raises(NodeDownError, match="another certificate"):
        secured.ask()
    assert secured.headers == []


def test_the_pinned_certificate_is_taken_and_no_other(secured: Secured) -> None:
    assert secured.ask(fingerprint=secured.fingerprint) == 1
    sent = len(secured.headers)
    with pytest.raises(NodeDownError, match="another certificate"):
        secured.ask(fingerprint=hashlib.sha256(b"another").hexdigest())
    assert len(secured.headers) == sent


def test_an_own_authority_vouches(secured: Secured, tmp_path: Path) -> None:
    assert secured.ask(authority_file=secured.certificate) == 1
    other, _, _ = _certificate(tmp_path, "other")
    with pytest.raises(NodeDownError, match="another certificate"):
        secured.ask(authority_file=other)


def test_mutual_tls(tmp_path: Path) -> None:
    ours, key, _ = _certificate(tmp_path, "ours")
    node = Secured(tmp_path, asks_for=ours)
    try:
        pinned = {"fingerprint": node.fingerprint}
        assert node.ask(certificate_file=ours, key_file=key, **pinned) == 1
        with pytest.raises(NodeError):
            node.ask(**pinned)
        stranger, strange_key, _ = _certificate(tmp_path, "stranger")
        with pytest.raises(NodeError):
            node.ask(certificate_file=stranger, key_file=strange_key, **pinned)
    finally:
        node.close()


def test_headers_come_from_a_file_and_a_rotated_one_counts_at_once(secured: Secured, tmp_path: Path) -> None:
    file = tmp_path / "headers"
    file.write_text("Authorization: Bearer one\n\nX-Desk: a\n")
    secured.ask(fingerprint=secured.fingerprint, headers_file=file)
    assert (secured.headers[-1]["Authorization"], secured.headers[-1]["X-Desk"]) == ("Bearer one", "a")
    file.write_text("Authorization: Bearer two\n")
    secured.ask(fingerprint=secured.fingerprint, headers_file=file)
    assert secured.headers[-1]["Authorization"] == "Bearer two"


@pytest.mark.parametrize(
    "content",
    [
        b"no colon",
        b"Bad Name: x",
        b"Host: elsewhere",
        b"Content-Length: 5",
        b"accept-encoding: gzip",
        b"X: a\rY: b",
        b"X: \xff",
        b"X: " + b"a" * 20_000,
        b": x",
    ],
)
def test_odd_header_files_are_refused_without_their_content(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "headers"
    file.write_bytes(content)
    endpoint = Endpoint(label="n", url="http://127.0.0.1:9", chain_id=1, headers_file=file)
    with pytest.raises(EndpointError) as caught:
        NodeClient(endpoint=endpoint)
    assert "elsewhere" not in str(caught.value)


def test_settings_that_protect_nothing_are_refused(tmp_path: Path) -> None:
    certificate, key, fingerprint = _certificate(tmp_path, "ours")
    plain, secure = {"url": "http://127.0.0.1:9"}, {"url": "https://127.0.0.1:9"}
    cases: list[dict[str, Any]] = [
        plain | {"fingerprint": fingerprint},
        plain | {"authority_file": certificate},
        secure | {"certificate_file": certificate},
        secure | {"key_file": key},
        secure | {"fingerprint": "ABC"},
        secure | {"authority_file": tmp_path / "missing"},
        secure | {"headers_file": tmp_path / "missing"},
    ]
    for settings in cases:
        with pytest.raises(EndpointError):
            NodeClient(endpoint=Endpoint(label="n", chain_id=1, **settings))


def test_a_key_in_the_address_is_never_shown() -> None:
    endpoint = Endpoint(label="n", url="http://127.0.0.1:9/secret", chain_id=1)
    assert "secret" not in repr(endpoint)
    with pytest.raises(NodeDownError) as caught, NodeClient(endpoint=endpoint) as client:
        client.head()
    assert "secret" not in str(caught.value)
