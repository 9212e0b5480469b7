"""The journal file against the token's head: what starts, and what never does."""

from __future__ import annotations

import dataclasses
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from pkcs11 import Attribute

from core.errors import JournalError
from signer.config import load_config
from signer.console import open_hsm
from signer.errors import ConfigError, HsmUnavailableError, JournalWriteError
from signer.files import exclusive
from signer.head import APPLICATION, Head, TokenHead, identity
from tests.signer.rig import Rig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pkcs11 import Object, Session

    from tests.signer.rig import Template


def sign(rig: Rig, count: int = 1) -> None:
    with rig.service() as service:
        for _ in range(count):
            service.sign(rig.bundle(), now=rig.world.now)


def starts(rig: Rig) -> int:
    """Start the signer and return the lane's next nonce."""
    with rig.service() as service:
        return service.journal.next_nonce(rig.world.wallet)


def journal(rig: Rig) -> Path:
    return rig.state / "journal"


def test_it_starts_where_it_stopped(rig: Rig) -> None:
    sign(rig, 3)
    assert starts(rig) == 3
    assert starts(rig) == 3


def test_a_missing_journal_does_not_start(rig: Rig) -> None:
    sign(rig)
    journal(rig).unlink()
    with pytest.raises(JournalError):
        starts(rig)
    # Nor does pinning again begin a new one: the token remembers.
    assert "none was started" in rig.pin()
    with pytest.raises(JournalError):
        starts(rig)


@pytest.mark.parametrize("keep", [0, 1, 2, 3, 4])
def test_a_truncated_journal_does_not_start(rig: Rig, keep: int) -> None:
    sign(rig, 3)
    lines = journal(rig).read_bytes().splitlines(keepends=True)
    assert len(lines) == 7
    journal(rig).write_bytes(b"".join(lines[:keep]))
    with pytest.raises(JournalError):
        starts(rig)


def test_losing_the_last_signature_record_loses_no_authority(rig: Rig) -> None:
    sign(rig, 2)
    lines = journal(rig).read_bytes().splitlines(keepends=True)
    journal(rig).write_bytes(b"".join(lines[:-1]))
    assert starts(rig) == 2


def test_an_old_copy_does_not_start(rig: Rig) -> None:
    sign(rig, 2)
    old = journal(rig).read_bytes()
    sign(rig, 2)
    journal(rig).write_bytes(old)
    with pytest.raises(JournalError, match="truncated or rolled back"):
        starts(rig)


def test_a_changed_line_does_not_start(rig: Rig) -> None:
    sign(rig, 2)
    raw = journal(rig).read_bytes()
    journal(rig).write_bytes(raw.replace(b'"nonce":0', b'"nonce":1', 1))
    with pytest.raises(JournalError):
        starts(rig)


def test_swapped_lines_do_not_start(rig: Rig) -> None:
    sign(rig, 2)
    lines = journal(rig).read_bytes().splitlines(keepends=True)
    lines[1], lines[3] = lines[3], lines[1]
    journal(rig).write_bytes(b"".join(lines))
    with pytest.raises(JournalError, match="does not continue"):
        starts(rig)


def test_another_signers_journal_does_not_start(rig: Rig, template: Template, tmp_path: Path) -> None:
    other = Rig(template, tmp_path / "other")
    other.pin()
    sign(other)
    shutil.copy(journal(other), journal(rig))
    with pytest.raises(JournalError, match="another signer or deployment"):
        starts(rig)


def test_a_token_with_another_deployments_head_is_not_used(rig: Rig, template: Template, tmp_path: Path) -> None:
    other = Rig(template, tmp_path / "other")
    shutil.rmtree(other.state / "tokens")
    shutil.copytree(rig.state / "tokens", other.state / "tokens")
    shutil.copy(rig.state / "hsm-pin", other.state / "hsm-pin")
    with pytest.raises(JournalError, match="another signer or deployment"):
        other.pin()


@pytest.mark.parametrize("tail", [b"{", b'{"previous":"00', b"\x00" * 512])
def test_half_a_line_that_never_counted_is_dropped(rig: Rig, tail: bytes) -> None:
    sign(rig, 2)
    whole = journal(rig).read_bytes()
    with journal(rig).open("ab") as file:
        file.write(tail)
    assert starts(rig) == 2
    assert journal(rig).read_bytes() == whole
    sign(rig)
    assert starts(rig) == 3


def test_half_of_an_authority_line_that_the_token_knows_does_not_start(rig: Rig) -> None:
    sign(rig, 2)
    lines = journal(rig).read_bytes().splitlines(keepends=True)
    journal(rig).write_bytes(b"".join(lines[:3]) + lines[3][:-20])
    with pytest.raises(JournalError, match="truncated or rolled back"):
        starts(rig)


def test_a_whole_line_of_nonsense_does_not_start(rig: Rig) -> None:
    sign(rig)
    with journal(rig).open("ab") as file:
        file.write(b"{}\n")
    with pytest.raises(JournalError, match="not a journal line"):
        starts(rig)


def test_a_token_copied_before_several_records_does_not_start(rig: Rig) -> None:
    sign(rig)
    shutil.copytree(rig.state / "tokens", rig.state / "old")
    sign(rig, 2)
    shutil.rmtree(rig.state / "tokens")
    (rig.state / "old").rename(rig.state / "tokens")
    with pytest.raises(JournalError):
        starts(rig)


def test_a_journal_that_leads_by_one_catches_up(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    sign(rig)

    def away(_: TokenHead, __: Head) -> None:
        raise HsmUnavailableError("away")

    with rig.service() as service:
        bundle = rig.bundle()
        with monkeypatch.context() as patched:
            patched.setattr(TokenHead, "write", away)
            for _ in range(3):
                with pytest.raises(HsmUnavailableError):
                    service.sign(bundle, now=rig.world.now)
        # It was journalled once, nothing was signed for it, and nothing was written while the head was behind.
        assert service.journal.next_nonce(rig.world.wallet) == 2
        assert journal(rig).read_bytes().count(b'"kind":"signature"') == 1
    with rig.service() as service:
        answer = service.sign(bundle, now=rig.world.now)
        assert not answer.repeated
        assert service.journal.next_nonce(rig.world.wallet) == 2


def test_a_disk_that_refuses_ends_the_signer(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(5, "I/O error")

    with rig.service() as service:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fdatasync", refuse)
            with pytest.raises(JournalWriteError):
                service.sign(rig.bundle(), now=rig.world.now)
        # A second fsync might report success over pages that are lost.
        with pytest.raises(JournalWriteError):
            service.sign(rig.bundle(), now=rig.world.now)


def test_two_processes_cannot_hold_one_folder(rig: Rig) -> None:
    with exclusive(rig.state), pytest.raises(ConfigError, match="another signer process"), rig.service():
        pass


def tamper(rig: Rig, work: Callable[[Session], None]) -> None:
    hsm = open_hsm(load_config(rig.state))
    try:
        hsm.run(work)
    finally:
        hsm.close()


def heads(session: Session) -> list[Object]:
    return list(session.get_objects({Attribute.APPLICATION: APPLICATION}))


def destroy_all(session: Session) -> None:
    for head in heads(session):
        head.destroy()


def test_a_lost_head_does_not_start(rig: Rig) -> None:
    sign(rig)
    tamper(rig, destroy_all)
    with pytest.raises(JournalError, match="no head"):
        starts(rig)


def test_one_damaged_copy_of_the_head_counts_only_where_the_journal_leads(rig: Rig) -> None:
    sign(rig, 2)
    lines = journal(rig).read_bytes().splitlines(keepends=True)

    def newest(session: Session) -> None:
        labels = {str(head[Attribute.LABEL]): head for head in heads(session)}
        latest = max(labels, key=lambda label: int(label.split(":")[2]) if label.count(":") > 1 else -1)
        labels[latest].destroy()

    tamper(rig, newest)
    # The older copy and a journal that is cut to match it: refused, because a torn head means a leading journal.
    journal(rig).write_bytes(b"".join(lines[:3]))
    with pytest.raises(JournalError, match="damaged"):
        starts(rig)
    # The whole journal leads that older copy by one: this is what a crash leaves.
    journal(rig).write_bytes(b"".join(lines))
    assert starts(rig) == 2
    assert starts(rig) == 2


def test_heads_alternate_and_survive_reopening(unpinned: Rig) -> None:
    owner = identity("a" * 64, "hsm-1")
    with unpinned.hsm() as hsm:
        head = TokenHead(hsm, owner)
        assert head.read().head is None
        head.create(Head(owner, 1, "b" * 64, None))
        for number in range(2, 6):
            head.write(Head(owner, number, f"{number:064x}", None))
        hsm.run(lambda session: session.close())
        head.write(Head(owner, 6, "c" * 64, None))
    with unpinned.hsm() as hsm:
        reading = TokenHead(hsm, owner).read()
        assert reading.whole
        assert reading.head == Head(owner, 6, "c" * 64, None)


@pytest.mark.parametrize("moves", [1, 2, 3])
def test_two_signers_on_one_token_do_not_both_go_on(rig: Rig, moves: int) -> None:
    """The first record of either ends the other: two journals over one token would give a nonce two intents."""
    sign(rig)
    with rig.hsm() as hsm:
        head, stale = (TokenHead(hsm, identity(rig.world.deployment, rig.world.signer)) for _ in range(2))
        known = head.read().head
        assert known is not None
        assert stale.read().head == known
        for step in range(1, moves + 1):
            head.write(dataclasses.replace(known, sequence=known.sequence + step, hash=f"{step:064x}"))
        with pytest.raises(JournalError, match="two signers"):
            stale.write(dataclasses.replace(known, sequence=known.sequence + 1, hash="c" * 64))
