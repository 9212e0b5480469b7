"""A witness's desk behind its socket, and what people and signers bring there."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core.documents.base import Header
from core.documents.consent import Decision, SubjectType
from core.documents.control import Halt
from core.records import HaltRecord
from core.schema import write_struct
from demo.forgeries.keepers import key_of, watched
from tests.factories.world import NOW, World
from tests.forgery.institutions import adapt
from witness.service import KEY_FILE, STORE_FILE, Witness, init_state, load_config
from witness.store import WitnessStore
from witness.web import make_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from core.documents.base import Document
    from core.journal import Journal


def witnessed(now: int = NOW) -> World:
    world = World(now=now)
    return adapt(world, **watched(world.policy.signers))


class Asking:
    """A witness behind its socket, with a clock that the test moves."""

    def __init__(self, state: Path, world: World) -> None:
        self.state = state
        self.world = world
        self.now = world.now
        self.url = ""

    @contextmanager
    def serving(self) -> Iterator[Asking]:
        store = WitnessStore(self.state / STORE_FILE)
        server = make_server(
            Witness(load_config(self.state, watching=False), store), "127.0.0.1", 0, clock=lambda: self.now
        )
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
            store.close()

    def ask(self, path: str, body: object = None) -> tuple[int, Any]:
        raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=raw)  # noqa: S310 - our own loopback server
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - as above
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                raw = error.read()
                return error.code, json.loads(raw) if raw.startswith(b"{") else raw.decode()

    def hand(self, value: object) -> tuple[int, Any]:
        return self.ask("/documents", value)

    def lease(self, journal: Journal, *, old: int = 0, **changes: Any) -> tuple[int, Any]:  # noqa: ANN401 - fields of the request
        proof = journal.tree.consistency(old) if 0 <= old <= journal.tree.size else []
        fields: dict[str, object] = {
            "deployment": self.world.deployment,
            "signer": self.world.signer,
            "challenge": "0x" + secrets.token_hex(32),
            "size": journal.tree.size,
            "root": "0x" + journal.tree.root().hex(),
            "old": old,
            "proof": ["0x" + hashed.hex() for hashed in proof],
            "start": None,
        }
        return self.ask("/lease", fields | changes)


def header(world: World, kind: str, **changes: object) -> Header:
    fields: dict[str, Any] = {
        "type": kind,
        "version": 1,
        "deployment": world.deployment,
        "id": secrets.token_hex(16),
        "created": world.now,
        "expires": world.now + 3600,
    }
    return Header(**(fields | changes))


def order(world: World, kind: str, document: Document, *names: str) -> dict[str, Any]:
    consents = [
        write_struct(world.consent(document.digest, name, subject_type=SubjectType(kind)), "consent")
        for name in names
    ]
    return {"kind": kind, "document": document.to_json(), "consents": consents}


def halt_of(world: World, *signers: str) -> Halt:
    return Halt(header=header(world, "halt"), policy=world.policy.digest, signers=signers, reason="Stop")


def grown(world: World, *names: str) -> Journal:
    """Return the signer's journal with one authority record more for each name."""
    journal = world.make_journal()
    for name in names:
        halt = hashlib.sha256(name.encode()).hexdigest()
        journal.apply(journal.encode(HaltRecord(kind="halt", time=world.now, halt=halt, actor="rita", consents=())))
    return journal


def veto_of(world: World, subject: str, actor: str = "rita", decision: Decision = Decision.REJECT) -> dict[str, Any]:
    return write_struct(world.consent(subject, actor, decision), "consent")


def folder_named(folder: Path, name: str) -> Path:
    """Make a witness's folder with the key that the policy names."""
    init_state(folder, name, {})
    (folder / KEY_FILE).chmod(0o600)
    (folder / KEY_FILE).write_text(key_of(name).private_bytes_raw().hex())
    (folder / KEY_FILE).chmod(0o400)
    return folder
