"""`python -m witness words`: the second device without a browser."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from core.schema import write_struct
from tests.factories.world import World
from tests.vectors.generate_consent import controls
from witness import words
from witness.words import DIFFERS, SHOWN, UNUSABLE, in_groups, main, six_words

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def policy(tmp_path: Path, world: World) -> list[str]:
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(write_struct(world.signed_policy, "policy")))
    return ["--policy", str(path), "--policy-digest", in_groups(world.policy.digest)]


def _file(tmp_path: Path, value: object) -> str:
    path = tmp_path / "document.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return str(path)


def test_words_are_these() -> None:
    assert six_words("00" * 32) == "venture salute anvil perfume spoon moss"
    assert six_words("00" * 31 + "01") != six_words("00" * 32)


def test_a_mandate_in_words(
    tmp_path: Path, world: World, policy: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    mandate = world.mandate(world.token_intent(250_000 * 10**6))
    assert main([_file(tmp_path, mandate.to_json()), *policy]) == SHOWN
    assert capsys.readouterr().out.splitlines() == [
        "Transfer 250,000.00 USDC from Treasury Hot to Binance — asked by Tessa",
        "type    mandate",
        f"digest  {in_groups(mandate.digest)}",
        f"words   {six_words(mandate.digest)}",
    ]


def test_without_a_policy_there_is_no_sentence(
    tmp_path: Path, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([_file(tmp_path, world.mandate().to_json())]) == SHOWN
    out = capsys.readouterr().out
    assert "Transfer" not in out
    assert "Give --policy" in out


def test_every_control_document_and_a_policy(
    tmp_path: Path, world: World, policy: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for document in (*controls(world), world.policy):
        assert main([_file(tmp_path, document.to_json()), *policy]) == SHOWN
        assert document.TYPE in capsys.readouterr().out


@pytest.mark.parametrize("way", ["words", "digest", "groups"])
def test_what_the_other_device_shows_is_compared(
    tmp_path: Path, world: World, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mandate, other = world.mandate(), world.mandate(purpose="Another")

    def shown(digest: str) -> str:
        return {"words": six_words(digest).upper(), "digest": digest, "groups": in_groups(digest)}[way]

    file = _file(tmp_path, mandate.to_json())
    assert main([file, "--compare", shown(mandate.digest)]) == SHOWN
    assert "SAME" in capsys.readouterr().out
    assert main([file, "--compare", shown(other.digest)]) == DIFFERS
    assert "NOT THE SAME" in capsys.readouterr().out


@pytest.mark.parametrize(
    "value",
    ["", "{", "[]", "null", '{"header": 1}', '{"header": {"type": "bundle"}}', '{"header": {"type": 1}}', "[" * 9999],
)
def test_rubbish_is_unreadable(tmp_path: Path, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([_file(tmp_path, value)]) == UNUSABLE
    assert capsys.readouterr().out.startswith("UNREADABLE document.json: ")


def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    assert main([str(tmp_path / "none.json")]) == UNUSABLE


def test_a_policy_without_its_digest_is_not_believed(tmp_path: Path, world: World, policy: list[str]) -> None:
    file = _file(tmp_path, world.mandate().to_json())
    assert main([file, *policy[:2]]) == UNUSABLE
    assert main([file, *policy[:3], "ab" * 32]) == UNUSABLE


def test_a_document_of_another_policy_says_so(
    tmp_path: Path, world: World, policy: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([_file(tmp_path, world.mandate(policy="ab" * 32).to_json()), *policy]) == SHOWN
    assert "made under another policy" in capsys.readouterr().out


def test_a_changed_list_is_refused(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = tmp_path / "words.txt"
    changed.write_bytes(words.LIST.read_bytes().replace(b"abbey", b"abbot"))
    monkeypatch.setattr(words, "LIST", changed)
    words._word_list.cache_clear()  # noqa: SLF001 - the list is read once for each process
    assert main([_file(tmp_path, world.mandate().to_json())]) == UNUSABLE
    words._word_list.cache_clear()  # noqa: SLF001 - as above
