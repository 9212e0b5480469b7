"""EIP-1559 transactions: the only kind that may be signed, built here and nowhere else.

Sources: EIP-2718 (typed transactions), EIP-1559 (type 2), EIP-2 (low s), EIP-155 (chain id), SEC 1 (recovery).
"""

from __future__ import annotations

import dataclasses
from functools import cached_property

import rlp
from coincurve import PublicKey

from core.errors import EncodingError
from core.keccak import keccak256
from core.names import address_bytes, address_from_bytes

TRANSACTION_TYPE = b"\x02"
DIGEST_BYTES = 32
PUBLIC_KEY_BYTES = 65
_FIELDS_SIGNED = 12
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""n of secp256k1 (SEC 2)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Type2:
    """An EIP-1559 transaction with an empty access list and a recipient. Amounts and fees in wei."""

    chain_id: int
    nonce: int
    max_priority_fee_per_gas: int
    max_fee_per_gas: int
    gas: int
    to: str
    value: int
    data: bytes

    def _fields(self) -> list[object]:
        return [
            self.chain_id,
            self.nonce,
            self.max_priority_fee_per_gas,
            self.max_fee_per_gas,
            self.gas,
            address_bytes(self.to),
            self.value,
            self.data,
            [],
        ]

    @property
    def unsigned(self) -> bytes:
        """The bytes whose Keccak-256 is signed."""
        return TRANSACTION_TYPE + bytes(rlp.encode(self._fields()))

    @cached_property
    def signing_hash(self) -> bytes:
        """The 32-byte digest that the key signs."""
        return keccak256(self.unsigned)

    def signed(self, signature: EcdsaSignature) -> bytes:
        """Return the raw transaction for broadcast."""
        tail = [signature.y_parity, signature.r, signature.s]
        return TRANSACTION_TYPE + bytes(rlp.encode([*self._fields(), *tail]))


@dataclasses.dataclass(frozen=True, kw_only=True)
class EcdsaSignature:
    """r, s (low, EIP-2) and the parity of R's y coordinate."""

    r: int
    s: int
    y_parity: int


def address_of(public_key: bytes) -> str:
    """Return the EIP-55 address of an uncompressed secp256k1 public key (65 bytes).

    Raises:
        EncodingError: If the bytes are not a point in that form.
    """
    if len(public_key) != PUBLIC_KEY_BYTES or public_key[0] != 4:  # noqa: PLR2004 - SEC 1: 04 marks uncompressed
        msg = "uncompressed secp256k1 public key of 65 bytes expected"
        raise EncodingError(msg)
    try:
        PublicKey(public_key)
    except ValueError as error:
        msg = "not a point of secp256k1"
        raise EncodingError(msg) from error
    return address_from_bytes(keccak256(public_key[1:])[12:])


def recover(digest: bytes, signature: EcdsaSignature) -> bytes:
    """Return the uncompressed public key that made the signature.

    Raises:
        EncodingError: If the digest is not 32 bytes, s is high, or nothing can be recovered.
    """
    if len(digest) != DIGEST_BYTES:
        msg = "a signing digest has exactly 32 bytes"
        raise EncodingError(msg)
    in_range = 0 < signature.r < CURVE_ORDER and 0 < signature.s <= CURVE_ORDER // 2
    if not in_range or signature.y_parity not in (0, 1):
        msg = "signature out of range or s is not low"
        raise EncodingError(msg)
    compact = signature.r.to_bytes(32, "big") + signature.s.to_bytes(32, "big") + bytes([signature.y_parity])
    try:
        return PublicKey.from_signature_and_message(compact, digest, hasher=None).format(compressed=False)
    except Exception as error:  # libsecp256k1's binding raises bare exceptions
        msg = "no public key can be recovered"
        raise EncodingError(msg) from error


def finish_signature(digest: bytes, raw: bytes, public_key: bytes) -> EcdsaSignature:
    """Turn a device's 64 raw bytes into a low-s signature whose parity is found by recovery.

    Args:
        digest: The 32 bytes that were signed.
        raw: r ‖ s as PKCS#11 returns them; s may be high.
        public_key: The wallet's pinned uncompressed public key.

    Raises:
        EncodingError: If the signature is not by that key: the device is not trusted about it.
    """
    if len(raw) != 2 * DIGEST_BYTES:
        msg = "a raw signature has exactly 64 bytes"
        raise EncodingError(msg)
    r = int.from_bytes(raw[:32], "big")
    s = int.from_bytes(raw[32:], "big")
    if s > CURVE_ORDER // 2:
        s = CURVE_ORDER - s
    for y_parity in (0, 1):
        candidate = EcdsaSignature(r=r, s=s, y_parity=y_parity)
        try:
            if recover(digest, candidate) == public_key:
                return candidate
        except EncodingError:
            continue
    msg = "not a signature of the expected key"
    raise EncodingError(msg)


def _integer(item: object, at: str, most_bytes: int = 32) -> int:
    if not isinstance(item, bytes) or len(item) > most_bytes or item[:1] == b"\0":
        msg = f"{at}: not a canonical RLP integer"
        raise EncodingError(msg)
    return int.from_bytes(item, "big")


def decode_signed(raw: bytes) -> tuple[Type2, EcdsaSignature]:
    """Decode a raw signed type 2 transaction, refusing everything else.

    Raises:
        EncodingError: For other types, access lists, contract creation, trailing bytes or a second spelling.
    """
    if raw[:1] != TRANSACTION_TYPE:
        msg = "only EIP-1559 (type 2) transactions are known"
        raise EncodingError(msg)
    try:
        fields = rlp.decode(raw[1:], strict=True)
    except (rlp.exceptions.RLPException, ValueError, TypeError, RecursionError) as error:
        msg = "not RLP"
        raise EncodingError(msg) from error
    if not isinstance(fields, list) or len(fields) != _FIELDS_SIGNED or fields[8] != []:
        msg = "not a signed type 2 transaction with an empty access list"
        raise EncodingError(msg)
    if not isinstance(fields[5], bytes) or len(fields[5]) != 20 or not isinstance(fields[7], bytes):  # noqa: PLR2004 - an address
        msg = "recipient missing: contract creation is refused"
        raise EncodingError(msg)
    names = ("chain_id", "nonce", "max_priority_fee_per_gas", "max_fee_per_gas", "gas")
    numbers = {name: _integer(fields[i], name) for i, name in enumerate(names)}
    transaction = Type2(
        **numbers, to=address_from_bytes(fields[5]), value=_integer(fields[6], "value"), data=fields[7]
    )
    signature = EcdsaSignature(
        y_parity=_integer(fields[9], "y_parity", 1), r=_integer(fields[10], "r"), s=_integer(fields[11], "s")
    )
    if transaction.signed(signature) != raw:
        msg = "not the canonical encoding of its fields"
        raise EncodingError(msg)
    return transaction, signature


def sender_of(raw: bytes) -> str:
    """Return the EIP-55 address that signed a raw type 2 transaction.

    Raises:
        EncodingError: As `decode_signed` and `recover`.
    """
    transaction, signature = decode_signed(raw)
    return address_of(recover(transaction.signing_hash, signature))
