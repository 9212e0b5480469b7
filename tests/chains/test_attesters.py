"""Asking attesters: what is no attestation of this very intent by this very attester is none, and says why."""

from __future__ import annotations

import dataclasses
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from chains.attesters import AttestersError, attestations_ask, attestations_for_signing
from core.schema import write_struct
from demo.forgeries import Setting
from demo.forgeries.attested import NORTH, SOUTH, attest
from tests.forgery.gate import case_of
from tests.forgery.institutions import institution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_django import Settings

    from core.documents.bundle import SignedAttestation

CASE = case_of(institution(Setting.ATTESTED), nonce=0)
INTENT = CASE.intent()
Answer = tuple[int, bytes]


def honest(signed: SignedAttestation) -> Answer:
    return 200, json.dumps({"attestation": write_struct(signed, "attestation")}).encode()


@contextmanager
def answering(answer: Callable[[dict[str, Any]], Answer]) -> Iterator[str]:
    """Answer every question so; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, body = answer(asked)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Location", "http://127.0.0.1:9/")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_second_is_asked_on_the_block_of_the_first(settings: Settings) -> None:
    asked: list[dict[str, Any]] = []

    def by(name: str) -> Callable[[dict[str, Any]], Answer]:
        def answer(question: dict[str, Any]) -> Answer:
            asked.append(question)
            return honest(attest(CASE, INTENT, name))

        return answer

    with answering(by(NORTH)) as north, answering(by(SOUTH)) as south:
        settings.COUNTERSIGN_ATTESTERS = {NORTH: north, SOUTH: south}
        word = attestations_ask(intent=INTENT)
        assert attestations_for_signing(intent=INTENT)
    assert [one.document.attester for one in word.signed] == [NORTH, SOUTH]
    assert word.problems == ()
    assert [question["block"] for question in asked[:2]] == [None, word.signed[0].document.block_number]
    assert asked[0]["intent"] == INTENT.to_json()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((200, b"<html>"), "cannot be read"),
        ((200, b""), "cannot be read"),
        ((200, b'{"attestation": null}'), "cannot be read"),
        ((200, b"[" * 50_000), "cannot be read"),
        ((200, b" " * 300_000), "cannot be read"),
        ((200, b"[]"), "no answer that can be understood"),
        ((503, b'{"error": "no simulation: nodes\\u0007 contradict"}'), "no simulation: nodes  contradict"),
        ((503, b'{"error": 5}'), "no answer that can be understood"),
        ((302, b"{}"), "cannot be read"),
        (honest(attest(CASE, INTENT, SOUTH)), "about something else"),
        (honest(attest(CASE, CASE.intent(), NORTH)), "about something else"),
    ],
)
def test_what_is_no_attestation_is_none(settings: Settings, answer: Answer, why: str) -> None:
    with answering(lambda _: answer) as url:
        settings.COUNTERSIGN_ATTESTERS = {NORTH: url}
        word = attestations_ask(intent=INTENT)
        with pytest.raises(AttestersError, match="0 of 1 attesters answered"):
            attestations_for_signing(intent=INTENT)
    assert word.signed == ()
    assert why in word.problems[0]


def test_one_that_cannot_be_reached_is_told_without_its_address(settings: Settings) -> None:
    settings.COUNTERSIGN_ATTESTERS = {NORTH: "http://127.0.0.1:9/?key=secret"}
    (problem,) = attestations_ask(intent=INTENT).problems
    assert problem.startswith(f"attester {NORTH}: cannot be reached")
    assert "secret" not in problem


def test_nobody_configured_is_nobody_asked(settings: Settings) -> None:
    settings.COUNTERSIGN_ATTESTERS = {}
    assert dataclasses.astuple(attestations_ask(intent=INTENT)) == ((), ())
    assert attestations_for_signing(intent=INTENT) == ()


@pytest.mark.parametrize(("least", "enough"), [(0, False), (1, True), (2, False), (9, False)])
def test_how_many_must_answer_before_a_signer_is_asked(settings: Settings, least: int, *, enough: bool) -> None:
    with answering(lambda _: honest(attest(CASE, INTENT, NORTH))) as url:
        settings.COUNTERSIGN_ATTESTERS = {NORTH: url, SOUTH: "http://127.0.0.1:9"}
        settings.COUNTERSIGN_ATTESTERS_LEAST = least
        if enough:
            assert len(attestations_for_signing(intent=INTENT)) == 1
        else:
            with pytest.raises(AttestersError, match="1 of "):
                attestations_for_signing(intent=INTENT)
