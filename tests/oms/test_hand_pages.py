"""Handing signed documents to a real witness through the page; the witness judges, the page carries and tells."""

from __future__ import annotations

import json
import secrets
import threading
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from approvals.models import User
from audit.tags import AuditTag
from core.documents.base import Header
from core.documents.consent import Decision, SubjectType
from core.documents.control import Halt
from core.schema import write_struct
from demo.forgeries.keepers import key_of, watched
from policies.services import genesis_store
from tests.factories.world import World
from tests.forgery.institutions import adapt
from tests.oms.readers import said
from tests.sign_in import signed_in
from witness.desk import Desk
from witness.service import KEY_FILE, STORE_FILE, Witness, init_state, load_config
from witness.store import WitnessStore
from witness.web import make_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.test.client import _MonkeyPatchedWSGIResponse as Response

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db: None) -> World:  # noqa: ARG001 - asks for the database
    world = World(now=int(timezone.now().timestamp()))
    world = adapt(world, **watched(world.policy.signers))
    genesis_store(signed=world.signed_policy, digest=world.deployment, actor="system:test", now=world.now)
    return world


@pytest.fixture
def rita(world: World) -> Client:
    assert any(person.id == "rita" for person in world.policy.people)
    return signed_in(User.objects.create_user("rita", display_name="Rita"))


@pytest.fixture
def witness(world: World, tmp_path: Path, settings: Any) -> Iterator[str]:  # noqa: ANN401 - pytest-django's
    folder = tmp_path / "witness"
    init_state(folder, "w-1", {})
    (folder / KEY_FILE).chmod(0o600)
    (folder / KEY_FILE).write_text(key_of("w-1").private_bytes_raw().hex())
    (folder / KEY_FILE).chmod(0o400)
    config = load_config(folder, watching=False)
    store = WitnessStore(folder / STORE_FILE)
    Desk(config, store).pin(world.signed_policy, world.deployment, now=world.now)
    server = make_server(Witness(config, store), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    settings.COUNTERSIGN_WITNESSES = {"w-1": url}
    try:
        yield url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        store.close()


def halt(world: World, *, tampered: bool = False) -> str:
    header = Header(
        type="halt",
        version=1,
        deployment=world.deployment,
        id=secrets.token_hex(16),
        created=world.now,
        expires=world.now + 3600,
    )
    document = Halt(header=header, policy=world.policy.digest, signers=(), reason="Stop")
    consent = world.consent(document.digest, "rita", subject_type=SubjectType.HALT)
    shown = document.to_json()
    if tampered and isinstance(shown, dict):
        shown["reason"] = "Go on"
    order = {"kind": "halt", "document": shown, "consents": [write_struct(consent, "consent")]}
    return json.dumps(order)


def handed(client: Client, text: str, witness: str = "") -> Response:
    return client.post("/hand-in/", {"text": text, "witness": witness})


def test_a_halt_is_taken_by_the_witness_once(rita: Client, witness: str, world: World) -> None:
    text = halt(world)
    page = handed(rita, text).content.decode()
    assert "✓ taken" in page
    assert "(known already)" not in page
    assert "(known already)" in handed(rita, text, "w-1").content.decode()
    assert f"countersign-hand {witness} FILE" in page
    assert [entry["not_taken"] for entry in said(AuditTag.DOCUMENT_HANDED)] == [[], []]


def test_a_file_and_a_rejection_serve_as_well(rita: Client, witness: str, world: World) -> None:
    assert witness
    rejection = world.consent("ab" * 32, "rita", Decision.REJECT, reason="Not mine")
    raw = json.dumps(write_struct(rejection, "consent")).encode()
    file = SimpleUploadedFile("rejection.json", raw, content_type="application/json")
    page = rita.post("/hand-in/", {"file": file}).content.decode()
    assert "✓ taken" in page


def test_the_witness_refuses_what_does_not_hold_and_the_page_says_so(
    rita: Client, witness: str, world: World
) -> None:
    assert witness
    page = handed(rita, halt(world, tampered=True)).content.decode()
    assert "✕ refused" in page
    (entry,) = said(AuditTag.DOCUMENT_HANDED)
    assert entry["not_taken"] == ["w-1"]


def test_a_witness_that_is_away_is_told(rita: Client, world: World, settings: Any) -> None:  # noqa: ANN401 - pytest-django's
    settings.COUNTERSIGN_WITNESSES = {"w-9": "http://127.0.0.1:1"}
    page = handed(rita, halt(world))
    assert page.status_code == 200
    assert "not reached" in page.content.decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"statement":{}}',
        '{"a":1,"a":2}',
        '{"kind":1e999}',
        "[" * 5000,
        "\ud800",
        "é" * 99,
    ],
)
def test_what_is_no_document_is_told_and_goes_nowhere(rita: Client, witness: str, text: str) -> None:
    assert witness
    page = handed(rita, text) if text != "\ud800" else rita.post("/hand-in/", {"text": "\\ud800"})
    assert page.status_code == 422
    assert not said(AuditTag.DOCUMENT_HANDED)


def test_a_witness_that_nobody_knows_is_refused(rita: Client, witness: str, world: World) -> None:
    assert witness
    assert handed(rita, halt(world), "http://evil.example").status_code == 422
    both = {"text": halt(world), "file": SimpleUploadedFile("x.json", b"{}")}
    assert rita.post("/hand-in/", both).status_code == 422


@pytest.mark.usefixtures("world")
def test_who_is_not_on_the_roster_is_not_offered_it() -> None:
    stranger = signed_in(User.objects.create_user("trudy", display_name="Trudy"))
    assert stranger.get("/hand-in/").status_code == 403
    assert Client().get("/hand-in/").status_code == 302
