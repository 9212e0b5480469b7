"""Ed25519 public keys that nobody else can sign for.

Source: RFC 8032; the list of points of small order is libsodium's. OpenSSL verifies signatures that anybody can make
under those points (measured), so a policy must not hold one.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from core.errors import EncodingError

_SIGN_BIT = 0x80
_SMALL_ORDER = frozenset(
    bytes.fromhex(y)
    for y in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)


def check_public_key(raw: bytes) -> None:
    """Refuse a point of small order, in either spelling of its sign.

    Args:
        raw: 32 bytes.

    Raises:
        EncodingError: If anybody could sign for it.
    """
    if raw[:-1] + bytes([raw[-1] & ~_SIGN_BIT]) in _SMALL_ORDER:
        msg = "an Ed25519 key that anybody can sign for"
        raise EncodingError(msg)


def is_signed(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether 64 bytes are this key's (32 bytes) signature over a message, and no key that anybody signs for."""
    try:
        check_public_key(public_key)
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (EncodingError, InvalidSignature, ValueError):
        return False
    return True
