from __future__ import annotations

import base64
import dataclasses
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.checkpoint import (
    Checkpoint,
    Cosignature,
    SignedCheckpoint,
    check_log,
    cosignature_message,
    cosignatures,
    log_signature,
    parse_signed_checkpoint,
    witness_signature,
)
from core.errors import CheckpointError
from core.merkle import leaf_hash

ORIGIN = "countersign/0123456789abcdef/log"
LOG = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
WITNESS = Ed25519PrivateKey.from_private_bytes(b"\x02" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"\x03" * 32)
CHECKPOINT = Checkpoint(origin=ORIGIN, size=20_852_163, root=leaf_hash(b"root"))
TIME = 1_790_000_000


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def signed(checkpoint: Checkpoint = CHECKPOINT, key: Ed25519PrivateKey = LOG) -> SignedCheckpoint:
    line = log_signature(checkpoint, public(key), key.sign(checkpoint.note()))
    return SignedCheckpoint(checkpoint=checkpoint, signatures=(line,))


def cosigned(time: int = TIME, name: str = "w-1", key: Ed25519PrivateKey = WITNESS) -> SignedCheckpoint:
    signature = key.sign(cosignature_message(CHECKPOINT, time))
    return signed().with_signatures([witness_signature(CHECKPOINT, name, public(key), time, signature)])


def test_a_note_is_what_the_specification_writes() -> None:
    lines = cosigned().to_bytes().decode().split("\n")
    assert lines[:3] == [ORIGIN, "20852163", base64.b64encode(CHECKPOINT.root).decode()]
    assert lines[3] == ""
    assert [line.split(" ")[:2] for line in lines[4:6]] == [["—", ORIGIN], ["—", "w-1"]]
    assert lines[6:] == [""]
    assert len(base64.b64decode(lines[4].split(" ")[2])) == 4 + 64
    assert len(base64.b64decode(lines[5].split(" ")[2])) == 4 + 8 + 64


def test_it_reads_what_it_writes() -> None:
    assert parse_signed_checkpoint(cosigned().to_bytes()) == cosigned()
    check_log(parse_signed_checkpoint(cosigned().to_bytes()), ORIGIN, public(LOG))


def accepted(raw: bytes) -> tuple[Cosignature, ...]:
    found = parse_signed_checkpoint(raw)
    check_log(found, ORIGIN, public(LOG))
    return cosignatures(found, {"w-1": public(WITNESS)})


def test_every_changed_byte_is_found() -> None:
    raw = cosigned().to_bytes()
    assert len(accepted(raw)) == 1
    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        try:
            # Another witness's name under the note is allowed; it counts for nothing.
            assert accepted(changed) == ()
        except CheckpointError:
            continue


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw[:0],
        lambda raw: raw + b"\n",
        lambda raw: raw + b"trailing",
        lambda raw: raw.replace(b"\n", b"\r\n"),
        lambda raw: raw.replace(b"20852163", b"020852163"),
        lambda raw: raw.replace(b"20852163", b"-1"),
        lambda raw: raw.replace(b"20852163", "٢".encode()),
        lambda raw: raw.replace(b"20852163\n", b"20852163\nextra\n"),
        lambda raw: raw.replace("—".encode(), b"-"),
        lambda raw: raw.partition(b"\n\n")[0] + b"\n\n",
        lambda raw: raw.replace(b"countersign/", b"Countersign/"),
        lambda raw: raw * 1000,
        lambda raw: b"\xff" + raw,
    ],
)
def test_another_spelling_is_refused(change: object) -> None:
    assert callable(change)
    with pytest.raises(CheckpointError):
        parse_signed_checkpoint(change(cosigned().to_bytes()))


def test_another_log_or_another_key_is_refused() -> None:
    with pytest.raises(CheckpointError, match="another log"):
        check_log(signed(), "countersign/other/log", public(LOG))
    with pytest.raises(CheckpointError, match="did not sign"):
        check_log(signed(key=OTHER), ORIGIN, public(LOG))
    with pytest.raises(CheckpointError, match="does not hold"):
        log_signature(CHECKPOINT, public(LOG), OTHER.sign(CHECKPOINT.note()))


def test_only_named_witnesses_count_and_each_once() -> None:
    twice = cosigned(TIME).with_signatures(cosigned(TIME + 5, "w-2", OTHER).signatures)
    known = {"w-1": public(WITNESS)}
    assert cosignatures(twice, known) == (Cosignature(witness="w-1", time=TIME),)
    assert len(cosignatures(twice, known | {"w-2": public(OTHER)})) == 2
    assert cosignatures(twice, {"w-1": public(OTHER)}) == ()
    assert cosignatures(signed(), known) == ()


def test_a_cosignature_does_not_move_to_another_checkpoint_or_time() -> None:
    other = dataclasses.replace(CHECKPOINT, size=CHECKPOINT.size + 1)
    moved = SignedCheckpoint(checkpoint=other, signatures=cosigned().signatures)
    with pytest.raises(CheckpointError, match="does not hold"):
        cosignatures(moved, {"w-1": public(WITNESS)})
    line = cosigned().signatures[1]
    later = dataclasses.replace(line, signature=(TIME + 1).to_bytes(8, "big") + line.signature[8:])
    with pytest.raises(CheckpointError, match="does not hold"):
        cosignatures(signed().with_signatures([later]), {"w-1": public(WITNESS)})
    short = dataclasses.replace(line, signature=line.signature[:-1])
    with pytest.raises(CheckpointError, match="length"):
        cosignatures(signed().with_signatures([short]), {"w-1": public(WITNESS)})


@pytest.mark.parametrize(
    ("field", "value"),
    [("origin", ""), ("origin", "two words"), ("origin", "a\nb"), ("size", -1), ("size", 10**19), ("root", b"short")],
)
def test_a_checkpoint_that_has_no_note_cannot_be_made(field: str, value: Any) -> None:  # noqa: ANN401 - any field
    with pytest.raises(CheckpointError):
        dataclasses.replace(CHECKPOINT, **{field: value})
