"""`countersign-verify` on kept cases: whole, edited, rootless and unreadable."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from core.documents.bundle import CaseFile
from core.schema import write_struct
from core.verify import verify as verify_bundle
from tests.factories.world import NOW, STRANGER, World
from witness.verify import FAILS, HOLDS, UNUSABLE, main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture
def case(world: World) -> dict[str, Any]:
    bundle = world.bundle()
    verified = verify_bundle(bundle, world.pins, world.journal, NOW + 5)
    verified.journalled()
    signature = world.wallet_key.sign_recoverable(verified.spend(), hasher=None)[:64]
    raw, _ = verified.finish(signature)
    kept = CaseFile(
        kind="countersign.case.v1", policies=(world.signed_policy,), bundle=bundle, signed_at=NOW + 5, raw=raw
    )
    return write_struct(kept, "case")


def run(tmp_path: Path, case: object, *arguments: str) -> int:
    path = tmp_path / "case.json"
    path.write_text(json.dumps(case))
    return main([str(path), *arguments])


def test_a_whole_case_holds_under_its_root(tmp_path: Path, world: World, case: dict[str, Any]) -> None:
    assert run(tmp_path, case, "--genesis", world.deployment) == HOLDS


def test_without_a_root_it_is_unrooted(
    tmp_path: Path, case: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, case) == UNUSABLE
    assert "UNROOTED" in capsys.readouterr().out


@pytest.mark.parametrize("root", ["", " ", "0" * 63])
def test_what_is_no_root_is_not_replaced_by_the_cases_own(tmp_path: Path, case: dict[str, Any], root: str) -> None:
    assert run(tmp_path, case, "--genesis", root) == UNUSABLE


def test_another_deployments_root_refuses_it(tmp_path: Path, case: dict[str, Any]) -> None:
    assert run(tmp_path, case, "--genesis", World().deployment) == FAILS


def test_an_edited_destination_is_found(tmp_path: Path, world: World, case: dict[str, Any]) -> None:
    case["bundle"]["intent"]["to"] = STRANGER
    assert run(tmp_path, case, "--genesis", world.deployment) == FAILS


def test_a_signature_over_other_bytes_is_found(tmp_path: Path, world: World, case: dict[str, Any]) -> None:
    case["bundle"]["attempt"]["max_fee_per_gas"] = "1000000001"
    assert run(tmp_path, case, "--genesis", world.deployment) == FAILS


def test_a_dropped_approval_is_found(tmp_path: Path, world: World, case: dict[str, Any]) -> None:
    del case["bundle"]["consents"][-1]
    assert run(tmp_path, case, "--genesis", world.deployment) == FAILS


def test_a_policy_that_its_people_did_not_sign_is_found(tmp_path: Path, world: World, case: dict[str, Any]) -> None:
    del case["policies"][0]["consents"][0]
    assert run(tmp_path, case, "--genesis", world.deployment) == FAILS


@pytest.mark.parametrize("text", ["", "[]", "{", '{"kind": 1.5}', "\x00"])
def test_what_is_no_case_is_unreadable(tmp_path: Path, text: str) -> None:
    path = tmp_path / "case.json"
    path.write_text(text)
    assert main([str(path)]) == UNUSABLE
