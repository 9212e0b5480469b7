"""Shares at rest: what is damaged, moved or renamed does not open, and nothing is on disk in the clear."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from pkcs11 import Attribute, ObjectClass

from signer.config import load_config
from signer.console import open_hsm
from signer.errors import ConfigError, PinError, ShareFileError, SignerError, TokenKeyError
from signer.party.backend import PartyBackend
from signer.party.shares import FOLDER, LABEL, ShareName, ShareStore, make_share_key
from tests.party.rig import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from signer.hsm import Hsm
    from tests.party.rig import Group

FIRST, SECOND = "party-1", "party-2"


@pytest.fixture
def hsm(small: Group) -> Iterator[Hsm]:
    opened = open_hsm(load_config(small.state(FIRST)))
    yield opened
    opened.close()


def name_of(group: Group, party: str = FIRST) -> ShareName:
    return ShareName(deployment=group.world.deployment, wallet=group.wallet.id, party=party, epoch=0)


def file_of(group: Group, party: str = FIRST) -> Path:
    (path,) = (group.state(party) / FOLDER).glob("*.share")
    return path


def edit(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    value = json.loads(path.read_bytes())
    change(value)
    path.chmod(0o600)
    path.write_text(json.dumps(value))
    path.chmod(0o400)


def test_a_share_opens_and_is_of_the_policys_key(small: Group, hsm: Hsm) -> None:
    backend = PartyBackend(ShareStore(small.state(FIRST), hsm), deployment=small.world.deployment, party=FIRST)
    share = backend.open(small.wallet)
    assert (share.index, share.threshold, share.parties) == (1, 2, 3)
    assert bytes(share.public_key) == small.wallet.public_key
    clear = bytes(share.serialise())
    share.wipe()
    for path in small.state(FIRST).rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert all(clear[at : at + 32] not in content for at in range(64, len(clear) - 32, 64))


@pytest.mark.parametrize("field", ["sealed", "wrapped_key", "nonce", "key_nonce"])
def test_a_flipped_bit_anywhere_is_found(small: Group, hsm: Hsm, field: str) -> None:
    def flip(value: dict[str, object]) -> None:
        text = str(value[field])
        value[field] = ("B" if text[0] == "A" else "A") + text[1:]

    edit(file_of(small), flip)
    with pytest.raises(ShareFileError, match="damaged"):
        ShareStore(small.state(FIRST), hsm).open(name_of(small))


@pytest.mark.parametrize("bytes_left", [0, 1, 100, 10_000])
def test_half_a_file_is_no_share(small: Group, hsm: Hsm, bytes_left: int) -> None:
    path = file_of(small)
    path.chmod(0o600)
    os.truncate(path, bytes_left)
    path.chmod(0o400)
    with pytest.raises(ShareFileError):
        ShareStore(small.state(FIRST), hsm).open(name_of(small))


@pytest.mark.parametrize(
    ("field", "value"),
    [("party", SECOND), ("epoch", 1), ("deployment", "ab" * 32), ("wallet", "eip155:1:0x" + "0" * 40)],
)
def test_a_share_of_somebody_else_does_not_open_under_a_new_name(
    small: Group, hsm: Hsm, field: str, value: object
) -> None:
    store, name = ShareStore(small.state(FIRST), hsm), name_of(small)
    other = dataclasses.replace(name, **{field: value})  # type: ignore[arg-type]
    path = file_of(small)
    path.rename(path.with_name(other.file))
    # Its file still says whose it was.
    with pytest.raises(ShareFileError, match="another share"):
        store.open(other)
    # And where that was edited too, its seal says it.
    edit(path.with_name(other.file), lambda one: one.update({field: value}))
    with pytest.raises(ShareFileError, match="does not open"):
        store.open(other)


def test_another_partys_share_does_not_open_with_this_token(small: Group, hsm: Hsm) -> None:
    shutil.copy(file_of(small, SECOND), file_of(small))
    with pytest.raises(ShareFileError, match="another share"):
        ShareStore(small.state(FIRST), hsm).open(name_of(small))
    file_of(small).chmod(0o400)
    with pytest.raises(ShareFileError):
        ShareStore(small.state(FIRST), hsm).open(name_of(small, SECOND))


def test_shares_are_never_written_over_and_leave_nothing_behind(small: Group, hsm: Hsm) -> None:
    store, name = ShareStore(small.state(FIRST), hsm), name_of(small)
    share = store.open(name)
    with pytest.raises(ConfigError, match="exists"):
        store.keep(name, share)
    store.destroy(name)
    assert not list((small.state(FIRST) / FOLDER).glob("*"))
    for work in (lambda: store.destroy(name), lambda: store.open(name)):
        with pytest.raises(ShareFileError):
            work()


def test_a_folder_that_others_may_read_is_refused(small: Group, hsm: Hsm) -> None:
    file_of(small).chmod(0o444)
    with pytest.raises(ShareFileError, match="open to others"):
        ShareStore(small.state(FIRST), hsm).open(name_of(small))


def test_the_key_that_wraps_shares_wraps_nothing_else(hsm: Hsm) -> None:
    make_share_key(hsm)

    def attributes(session: object) -> list[object]:
        (key,) = session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: LABEL})  # type: ignore[attr-defined]
        wanted = (Attribute.EXTRACTABLE, Attribute.SENSITIVE, Attribute.WRAP, Attribute.UNWRAP, Attribute.SIGN)
        return [key[one] for one in wanted]

    assert hsm.run(attributes) == [False, True, False, False, False]


def test_a_party_without_its_share_or_its_pin_does_not_start(small: Group) -> None:
    path = file_of(small)
    path.rename(small.base / "aside")
    with pytest.raises(AssertionError, match="no share"), serving(small.state(FIRST), "serve"):
        pass
    (small.base / "aside").rename(path)
    pin = small.state(FIRST) / "hsm-pin"
    pin.chmod(0o600)
    pin.write_text("0123456789")
    pin.chmod(0o400)
    with pytest.raises(AssertionError, match="PIN"), serving(small.state(FIRST), "serve"):
        pass


def test_errors_are_the_signers_own() -> None:
    assert issubclass(ShareFileError, SignerError)
    assert issubclass(PinError, SignerError)
    assert issubclass(TokenKeyError, SignerError)
