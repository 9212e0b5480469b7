"""A share on disk is somebody's to change; what comes back is the same share or an error."""

from __future__ import annotations

import copy
import hashlib
import pickle
import random
import secrets
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mpc import MpcError, RefreshSession, Share, ShareError, SignSession
from tests.architecture.tree import ROOT
from tests.mpc.oracles import holds
from tests.mpc.rig import name, new_shares, refreshing, sign, signing
from tests.soak import SOAK

if TYPE_CHECKING:
    from tests.mpc.conftest import Shares

# Magic, version, epoch; then a checksum; then what the library keeps, which begins with t, n, index, session, secret.
HEADER, CONTENT = 9, 41
THRESHOLD, PARTIES, INDEX, SESSION, SECRET, KEY = (
    CONTENT,
    CONTENT + 1,
    CONTENT + 2,
    CONTENT + 3,
    CONTENT + 37,
    CONTENT + 69,
)
MUTATIONS = 20000 if SOAK else 1500


def sealed(blob: bytes) -> bytes:
    """Make the checksum right again, as whoever changes a share on purpose does."""
    checksum = hashlib.sha256(blob[:HEADER] + blob[CONTENT:]).digest()
    return blob[:HEADER] + checksum + blob[CONTENT:]


def changed(blob: bytes, at: int, new: bytes) -> bytes:
    return blob[:at] + new + blob[at + len(new) :]


@pytest.fixture(scope="session")
def blob(two_of_three: Shares) -> bytes:
    return bytes(two_of_three[1].serialise())


def test_it_comes_back_as_it_was(two_of_three: Shares, blob: bytes) -> None:
    loaded = {index: Share.load(share.serialise()) for index, share in two_of_three.items()}
    assert loaded[1].serialise() == blob
    for index, share in loaded.items():
        known = two_of_three[index]
        assert (share.index, share.threshold, share.parties, share.epoch) == (index, 2, 3, 0)
        assert (share.public_key, share.address, share.session) == (known.public_key, known.address, known.session)
    message_hash = secrets.token_bytes(32)
    assert holds(loaded[1].public_key, message_hash, sign(loaded, (2, 3), message_hash))


def test_the_epoch_is_kept(two_of_two: Shares) -> None:
    renewed = new_shares(refreshing(two_of_two))
    assert Share.load(renewed[2].serialise()).epoch == 1


def test_it_is_handed_out_to_be_overwritten(two_of_three: Shares) -> None:
    assert isinstance(two_of_three[1].serialise(), bytearray)


def test_cut_off_anywhere(blob: bytes) -> None:
    lengths = {*range(200), *range(0, len(blob), 97), *range(len(blob) - 200, len(blob))}
    for length in lengths:
        with pytest.raises(ShareError):
            Share.load(blob[:length])
        if length >= CONTENT:
            with pytest.raises(ShareError):
                Share.load(sealed(blob[:length]))


def test_any_changed_bit(blob: bytes) -> None:
    chosen = random.Random(None if SOAK else 1)  # noqa: S311 - which bits to try
    for _ in range(MUTATIONS):
        at = chosen.randrange(len(blob))
        with pytest.raises(ShareError):
            Share.load(changed(blob, at, bytes([blob[at] ^ 1 << chosen.randrange(8)])))


def test_a_bit_changed_on_purpose_never_makes_a_wrong_signature(two_of_three: Shares, blob: bytes) -> None:
    """With the checksum made right. Most of a share are seeds that look like any others, so some of these load."""
    chosen = random.Random(None if SOAK else 2)  # noqa: S311 - which bits to try
    loaded = 0
    for _ in range(MUTATIONS // 10):
        at = chosen.randrange(CONTENT, len(blob))
        mutant = sealed(changed(blob, at, bytes([blob[at] ^ 1 << chosen.randrange(8)])))
        try:
            share = Share.load(mutant)
        except ShareError:
            continue
        loaded += 1
        message_hash = secrets.token_bytes(32)
        run = signing({1: share, 2: two_of_three[2]}, (1, 2), message_hash).play()
        for index in run.finished:
            assert holds(two_of_three[1].public_key, message_hash, run.sessions[index].result())
    assert loaded > 0


ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
GENERATOR = bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")


@pytest.mark.parametrize(
    ("at", "new", "why"),
    [
        (0, b"CSSX", "no share"),
        (4, b"\x02", "another version"),
        (THRESHOLD, b"\x00", "does not decode"),
        (THRESHOLD, b"\x01", "does not decode"),
        (THRESHOLD, b"\x04", "does not decode"),
        # Raising or lowering a threshold, and the number of parties, within the library's own bounds.
        (THRESHOLD, b"\x03", "different thresholds"),
        (PARTIES, b"\x02", "different thresholds"),
        (PARTIES, b"\x05", "different thresholds"),
        (PARTIES, b"\xff", "out of bounds|does not decode"),
        (INDEX, b"\x00", "does not decode"),
        (INDEX, b"\x02", "public share"),
        (INDEX, b"\x04", "none of the parties"),
        (INDEX, b"\xff", "does not decode|none of the parties"),
        (SESSION, b"\x1f", "does not decode"),
        (SECRET, bytes(32), "trivial"),
        (SECRET, bytes(31) + b"\x01", "trivial"),
        (SECRET, bytes(31) + b"\x02", "public share"),
        (SECRET, ORDER.to_bytes(32), "does not decode"),
        (SECRET, b"\xff" * 32, "does not decode"),
        (KEY, b"\x21" + GENERATOR, "trivial"),
        (KEY, b"\x21\x02" + bytes(32), "does not decode"),
        (KEY, b"\x21\x05" + bytes(32), "does not decode"),
        (-1, b"\x02", "different thresholds"),
        (-2, b"\x03", "different thresholds"),
    ],
)
def test_a_share_that_contradicts_itself(blob: bytes, at: int, new: bytes, why: str) -> None:
    at = at if at >= 0 else len(blob) + at
    with pytest.raises(ShareError, match=why):
        Share.load(sealed(changed(blob, at, new)))


def test_another_key_in_a_share(two_of_two: Shares, blob: bytes) -> None:
    """The whole public part of another group, sealed."""
    other = bytes(two_of_two[1].serialise())
    with pytest.raises(ShareError, match="different keys"):
        Share.load(sealed(changed(blob, KEY, other[KEY : KEY + 34])))


def test_a_secret_of_another_party(two_of_three: Shares, blob: bytes) -> None:
    other = bytes(two_of_three[2].serialise())
    with pytest.raises(ShareError, match="public share"):
        Share.load(sealed(changed(blob, SECRET, other[SECRET : SECRET + 32])))


def test_a_key_at_infinity(blob: bytes) -> None:
    assert blob[KEY : KEY + 2] in {b"\x21\x02", b"\x21\x03"}
    with pytest.raises(ShareError, match=r"trivial|does not decode"):
        Share.load(sealed(blob[:KEY] + b"\x01\x00" + blob[KEY + 34 :]))


@pytest.mark.parametrize(
    "value",
    [None, 7, "CSSH", [], memoryview(b"CSSH"), b"", bytes(41), bytes(3 << 20), bytearray(3 << 20), b"\xff" * 1000],
    ids=["none", "int", "str", "list", "view", "empty", "zeros", "long", "long array", "ones"],
)
def test_what_is_no_share_at_all(value: bytes) -> None:
    with pytest.raises(ShareError):
        Share.load(value)


def test_a_length_that_promises_too_much(blob: bytes) -> None:
    """No memory is taken for what is not there."""
    with pytest.raises(ShareError):
        Share.load(sealed(changed(blob, SESSION, b"\xff\xff\xff\xff\x0f")))


def test_a_wiped_share_is_gone(blob: bytes) -> None:
    share = Share.load(blob)
    share.wipe()
    share.wipe()
    assert repr(share) == "<Share, wiped>"
    for fact in ("index", "threshold", "parties", "epoch", "session", "public_key", "address"):
        with pytest.raises(ShareError, match="wiped"):
            getattr(share, fact)
    with pytest.raises(ShareError, match="wiped"):
        share.serialise()
    with pytest.raises(ShareError, match="wiped"):
        SignSession(share, session=name(), counterparties=[2], message_hash=bytes(32))
    with pytest.raises(ShareError, match="wiped"):
        RefreshSession(share, session=name())


def test_a_share_tells_no_secret_by_accident(two_of_three: Shares, blob: bytes) -> None:
    share = two_of_three[1]
    secret = blob[SECRET : SECRET + 32].hex()
    assert secret not in repr(share).lower() + str(share).lower() + str(dir(share))
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            take(share)
    with pytest.raises(MpcError) as caught:
        Share.load(sealed(changed(blob, INDEX, b"\x02")))
    assert secret not in repr(caught.value).lower()


def test_a_wiped_share_leaves_no_secret_in_memory(blob: bytes) -> None:
    """Another process loads it, signs with itself nobody, wipes it, and looks through all of its own memory."""
    script = ROOT / "tests" / "mpc" / "memory_scan.py"
    done = subprocess.run(
        [sys.executable, str(script)], input=blob.hex(), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.split() == ["found", "gone"], done.stderr
