"""`manage.py policy_handover`: shows, pushes, exports and imports; every wrong file a plain message."""

from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command

from core.schema import write_struct
from policies.models import PolicyVersion
from policies.services import genesis_store
from tests.factories.succession import next_policy
from tests.factories.world import World

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    made = World(now=int(time.time()))
    genesis_store(signed=made.signed_policy, digest=made.deployment, actor="system:tests", now=made.now)
    return made


def run(*arguments: object) -> str:
    out = io.StringIO()
    call_command("policy_handover", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_what_was_signed_elsewhere_is_taken_shown_and_written_again(world: World, tmp_path: Path) -> None:
    signed = world.sign_policy(next_policy(world), "adam", "anna")
    file, copy = tmp_path / "signed.json", tmp_path / "copy.json"
    file.write_text(json.dumps(write_struct(signed, "signed_policy")))
    assert "is signed" in run("--import", file)
    said = run("--export", 2, "--out", copy)
    assert json.loads(copy.read_text()) == json.loads(file.read_text())
    assert "hsm-1: waiting" in said
    assert "hsm-1: away" in run("--now"), "no signer listens here"
    assert "policy 1" in run()
    assert run("--export", 1, "--out", copy)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"policy": 1, "consents": []}', b"[" * 9_999])
def test_what_is_no_signed_policy_is_refused(world: World, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.json"
    file.write_bytes(content)
    with pytest.raises(CommandError, match=r"bad\.json"):
        run("--import", file)
    assert PolicyVersion.objects.count() == 1
    assert world.policy.number == 1


def test_one_signature_is_not_enough(world: World, tmp_path: Path) -> None:
    file = tmp_path / "half.json"
    signed = world.sign_policy(next_policy(world), "adam")
    file.write_text(json.dumps(write_struct(signed, "signed_policy")))
    with pytest.raises(CommandError, match="succession"):
        run("--import", file)


@pytest.mark.parametrize(
    "arguments", [("--export", 2, "--out", "x"), ("--export", 1), ("--import", "/nonexistent/file")]
)
@pytest.mark.usefixtures("world")
def test_wrong_arguments_are_said(arguments: tuple[object, ...]) -> None:
    with pytest.raises(CommandError):
        run(*arguments)
