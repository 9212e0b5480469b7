"""Keccak-256, the one keccak of the house (pycryptodome's)."""

from __future__ import annotations

from Crypto.Hash import keccak as _keccak


def keccak256(data: bytes) -> bytes:
    """Return the 32-byte Keccak-256 digest (Ethereum's variant, not FIPS 202 SHA3-256)."""
    return _keccak.new(digest_bits=256, data=data).digest()
