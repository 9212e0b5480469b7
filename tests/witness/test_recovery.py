"""Offline holders bring a lost quorum back, with the commands that the runbook names."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from core.canonical import canonical, parse
from core.documents.policy import SignedPolicy
from core.documents.roster import NamedKey, Role
from core.schema import read_struct, write_struct
from core.succession import LEAST_RECOVERY_DELAY, AccessionKind, check_successor
from demo.softkey import SoftKey
from tests.factories.world import World
from witness import recovery
from witness.roster_words import fingerprint, roster_change

if TYPE_CHECKING:
    from pathlib import Path

PASSPHRASE = "correct horse battery"
HOLDERS = ("north", "south", "notary")


class Vault:
    """A folder with holders' keys, a chain of policies, and a person who types."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.passphrase = PASSPHRASE
        self.typed = ""
        monkeypatch.setattr("getpass.getpass", lambda _: self.passphrase)
        monkeypatch.setattr("builtins.input", lambda _: self.typed)
        keys = tuple(NamedKey(id=name, public_key=self.keygen(name), host="offline") for name in HOLDERS)
        self.world = World(now=int(time.time()), overrides={"recovery": keys, "recovery_threshold": 2})
        self.chain = self.file("chain.json", [write_struct(self.world.signed_policy, "signed")])

    def file(self, name: str, value: object) -> Path:
        path = self.folder / name
        path.write_bytes(canonical(value))
        return path

    def keygen(self, name: str) -> bytes:
        assert recovery.main(["keygen", name, "--key", str(self.folder / f"{name}.pem")]) == recovery.DONE
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - its only use

        key = load_pem_private_key((self.folder / f"{name}.pem").read_bytes(), PASSPHRASE.encode())
        return bytes(key.public_key().public_bytes_raw())  # type: ignore[union-attr]  # an Ed25519 key

    def run(self, *words: str, out: str, genesis: str = "") -> int:
        command, *rest = words
        genesis = genesis or self.world.deployment
        return recovery.main([command, str(self.chain), *rest, "--genesis", genesis, "--out", str(self.folder / out)])

    def draft(self, *words: str) -> str:
        assert self.run("draft", *words, out="draft.json") == recovery.DONE
        draft = parse((self.folder / "draft.json").read_bytes(), max_bytes=10**7)
        assert isinstance(draft, dict)
        self.typed = read_struct(SignedPolicy, {"policy": draft, "consents": []}, "draft").policy.digest[:8]
        return str(self.folder / "draft.json")

    def sign(self, draft: str, name: str, *, key: str = "") -> int:
        path = str(self.folder / f"{key or name}.pem")
        return self.run("sign", draft, "--as", name, "--key", path, out=f"{name}.json")


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    return Vault(tmp_path, monkeypatch)


def test_two_holders_give_an_institution_new_admins(vault: Vault, capsys: pytest.CaptureFixture[str]) -> None:
    world, key = vault.world, SoftKey.generate()
    new = [dict(write_struct(p, "person"), id=f"new-{p.id}", keys=[write_struct(key.entry, "key")])
           for p in world.policy.people if p.id == "adam"]  # fmt: skip
    anna = next(p for p in world.policy.people if p.id == "anna")
    people = vault.file("people.json", [*new, write_struct(anna, "person")])
    draft = vault.draft("--remove", "adam", "--people", str(people))
    assert (
        f"new-adam (Adam; policy admin, security committee; desk admin, site zurich; keys {fingerprint(key.entry)})"
        in (capsys.readouterr().out)
    )
    assert [vault.sign(draft, name) for name in HOLDERS[:2]] == [recovery.DONE] * 2
    consents = [str(vault.folder / f"{name}.json") for name in HOLDERS[:2]]
    assert vault.run("join", draft, *consents, out="signed.json") == recovery.DONE
    signed = read_struct(SignedPolicy, json.loads((vault.folder / "signed.json").read_text()), "signed")
    accession = check_successor(signed, world.policy, now=world.now + 60)
    assert accession.kind is AccessionKind.RECOVERY
    assert accession.effective == world.now + 60 + LEAST_RECOVERY_DELAY
    assert "adam" not in {person.id for person in signed.policy.people}
    assert "in force 7 days after" in capsys.readouterr().out


def test_one_holder_is_not_enough(vault: Vault) -> None:
    draft = vault.draft("--remove", "olga")
    assert vault.sign(draft, "north") == recovery.DONE
    assert vault.run("join", draft, str(vault.folder / "north.json"), out="signed.json") == recovery.REFUSED
    assert not (vault.folder / "signed.json").exists()


def test_nothing_is_signed_under_another_digest_key_name_or_root(vault: Vault) -> None:
    draft = vault.draft("--remove", "olga")
    typed = vault.typed
    vault.typed = "00000000"
    assert vault.sign(draft, "north") == recovery.REFUSED
    vault.typed = typed
    assert vault.sign(draft, "north", key="south") == recovery.REFUSED
    assert vault.sign(draft, "nobody", key="north") == recovery.REFUSED
    assert vault.run("sign", draft, "--as", "north", "--key", "x", out="c", genesis="ab" * 32) == recovery.REFUSED
    assert vault.run("sign", draft, "--as", "north", "--key", "x", out="c", genesis="no digest") == recovery.REFUSED
    vault.passphrase = "a wrong passphrase"
    assert vault.sign(draft, "north") == recovery.REFUSED
    assert not (vault.folder / "north.json").exists()


def test_a_key_that_others_may_read_is_not_used(vault: Vault) -> None:
    draft = vault.draft("--remove", "olga")
    (vault.folder / "north.pem").chmod(0o440)
    assert vault.sign(draft, "north") == recovery.REFUSED


def test_a_draft_that_changes_more_than_people_is_not_signed(vault: Vault) -> None:
    draft = vault.draft("--remove", "olga")
    value = json.loads((vault.folder / "draft.json").read_text())
    value["limits"] = []
    vault.file("draft.json", value)
    assert vault.sign(draft, "north") == recovery.REFUSED


def test_a_short_passphrase_and_a_key_that_is_there_make_no_key(vault: Vault) -> None:
    assert recovery.main(["keygen", "north", "--key", str(vault.folder / "north.pem")]) == recovery.UNUSABLE
    vault.passphrase = "short"
    assert recovery.main(["keygen", "x", "--key", str(vault.folder / "x.pem")]) == recovery.REFUSED
    assert (vault.folder / "north.pem").stat().st_mode & 0o777 == 0o400


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'["x"]', b"[1e400]", b"\xff"])
def test_files_that_are_no_chain_are_refused(vault: Vault, text: bytes) -> None:
    vault.chain.write_bytes(text)
    assert vault.run("draft", out="draft.json") == recovery.REFUSED
    vault.chain.unlink()
    assert vault.run("draft", out="draft.json") == recovery.UNUSABLE


def test_whom_nobody_knows_is_not_removed(vault: Vault) -> None:
    assert vault.run("draft", "--remove", "nobody", out="draft.json") == recovery.REFUSED


def test_a_change_of_a_person_is_said_field_by_field(vault: Vault) -> None:
    import dataclasses  # noqa: PLC0415 - next to its only use

    rita, *others = [p for p in vault.world.policy.people if p.id in ("rita", "tom")][::-1]
    changed = dataclasses.replace(rita, roles=(Role.CRO,), site="tokyo", keys=())
    (line,) = roster_change((rita, *others), (changed, *others))
    assert "roles risk officer, senior risk officer become cro" in line
    assert "site zurich becomes tokyo" in line
    assert "become none" in line
    assert roster_change((rita,), (rita,)) == ("nobody comes, leaves or changes",)
    assert roster_change((rita, *others), others)[0].startswith("rita (Rita;")
