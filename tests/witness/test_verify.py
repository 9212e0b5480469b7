"""`countersign-verify` on kept cases: whole, edited, rootless and unreadable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import rlp

from core.chain_proof import InclusionEvidence, TrieEntry
from core.documents.bundle import CaseFile
from core.keccak import keccak256
from core.schema import write_struct
from core.trie_proof import EMPTY_ROOT
from core.verify import verify as verify_bundle
from tests.core.test_trie_proof import built, proof_of
from tests.factories.world import NOW, STRANGER, World
from witness.verify import FAILS, HOLDS, UNUSABLE, main


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


def _mined(world: World, raw: bytes, *, status: bytes = b"\x01") -> dict[str, Any]:
    """Put a transaction into a block of its own, by the trie library."""
    key = bytes(rlp.encode(0))
    receipt = b"\x02" + bytes(rlp.encode([status, 21_000, bytes(256), []]))
    transactions, receipts = built({key: raw}), built({key: receipt})
    head = [bytes(32)] * 3 + [EMPTY_ROOT, transactions.root_hash, receipts.root_hash, bytes(256)]
    header = bytes(rlp.encode([*head, 0, 5, 30_000_000, 21_000, NOW, b"", bytes(32), bytes(8), 7]))
    evidence = InclusionEvidence(
        kind="countersign.inclusion.v1",
        chain=world.wallet.rpartition(":")[0],
        block_hash=keccak256(header),
        header=header,
        index=0,
        transaction=TrieEntry(value=raw, proof=proof_of(transactions, key)),
        receipt=TrieEntry(value=receipt, proof=proof_of(receipts, key)),
        previous=None,
    )
    return write_struct(evidence, "inclusion")


def _run_mined(tmp_path: Path, world: World, case: dict[str, Any], mined: object, *arguments: str) -> int:
    file = tmp_path / "mined.json"
    file.write_text(json.dumps(mined))
    return run(tmp_path, case, "--genesis", world.deployment, "--inclusion", str(file), *arguments)


def test_a_mined_case_holds_against_the_readers_own_block(
    tmp_path: Path, world: World, case: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    mined = _mined(world, bytes.fromhex(case["raw"][2:]))
    known = mined["block_hash"]
    assert _run_mined(tmp_path, world, case, mined, "--block-hash", known) == HOLDS
    assert "block 5" in capsys.readouterr().out
    assert _run_mined(tmp_path, world, case, mined, "--block-hash", known[2:].upper()) == HOLDS
    reverted = _mined(world, bytes.fromhex(case["raw"][2:]), status=b"")
    assert _run_mined(tmp_path, world, case, reverted, "--block-hash", reverted["block_hash"]) == HOLDS
    assert "was reverted" in capsys.readouterr().out


def test_a_block_that_only_the_evidence_names_is_unrooted(tmp_path: Path, world: World, case: dict[str, Any]) -> None:
    mined = _mined(world, bytes.fromhex(case["raw"][2:]))
    assert _run_mined(tmp_path, world, case, mined) == UNUSABLE
    for wrong in ("", "00" * 32, "text"):
        assert _run_mined(tmp_path, world, case, mined, "--block-hash", wrong) == FAILS
    assert run(tmp_path, case, "--genesis", world.deployment, "--block-hash", mined["block_hash"]) == UNUSABLE


def test_evidence_of_another_transaction_or_edited_evidence_is_found(
    tmp_path: Path, world: World, case: dict[str, Any]
) -> None:
    raw = bytes.fromhex(case["raw"][2:])
    other = json.loads((Path(__file__).parents[1] / "core" / "inclusion.json").read_text(encoding="utf-8"))
    assert _run_mined(tmp_path, world, case, other, "--block-hash", other["block_hash"]) == FAILS
    for field in ("header", "block_hash"):
        edited = _mined(world, raw)
        edited[field] = edited[field][:-1] + ("0" if edited[field][-1] != "0" else "1")
        assert _run_mined(tmp_path, world, case, edited, "--block-hash", edited["block_hash"]) == FAILS
    odds: list[object] = [[], {}, "text", {"kind": 1}]
    for odd in odds:
        assert _run_mined(tmp_path, world, case, odd) == UNUSABLE
