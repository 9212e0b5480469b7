"""ABI types and values: signatures read strictly, arguments decoded from their one canonical encoding only.

Source: Solidity contract ABI specification, "strict encoding". Before a decoder sees the data, its layout is walked
once, in linear time: offsets that point anywhere but to the next free place are refused, so that pointers which
share a tail cannot blow a small call up to gigabytes. What was decoded is encoded again and must give the same bytes.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError

from core.keccak import keccak256
from core.names import checksum_address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.registry import Fact

WORD = 32
SELECTOR_BYTES = 4
_MOST_DEPTH = 8
_BASE = re.compile(r"address|bool|bytes|string|bytes([1-9]|[12][0-9]|3[0-2])|u?int([1-9][0-9]{0,2})")
_ARRAY = re.compile(r"(.*)\[([1-9][0-9]{0,3})?\]")
_SIGNATURE = re.compile(r"([A-Za-z_$][A-Za-z0-9_$]*)(\(.*\))")
_MOST_BITS = 256
_MOST_SHOWN = 256
DIGEST_PREFIX = "sha256:"
"""How a value begins that stands for a longer one. No condition may compare with it: a text could say the same."""


def _parts(inner: str) -> tuple[str, ...] | None:
    """Split at the commas that stand in no brackets."""
    if not inner:
        return ()
    parts, depth, start = [], 0, 0
    for place, letter in enumerate(inner):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth < 0:
            return None
        if letter == "," and not depth:
            parts.append(inner[start:place])
            start = place + 1
    return None if depth else (*parts, inner[start:])


@lru_cache(maxsize=4096)
def components(kind: str) -> tuple[str, ...] | None:
    """Return the types inside a tuple type ``(a,b)``; None for any other."""
    return _parts(kind[1:-1]) if kind.startswith("(") and kind.endswith(")") else None


@lru_cache(maxsize=4096)
def array_of(kind: str) -> tuple[str, int | None] | None:
    """Return an array type's element and its length (None: dynamic); None for any other type."""
    match = _ARRAY.fullmatch(kind)
    return None if match is None else (match[1], int(match[2]) if match[2] else None)


@lru_cache(maxsize=4096)
def is_type(kind: str, depth: int = 0) -> bool:
    """Whether a text is a canonical ABI type that is understood here; nothing empty, nothing deeper than 8."""
    if depth > _MOST_DEPTH:
        return False
    array, inside = array_of(kind), components(kind)
    if array is not None:
        return is_type(array[0], depth + 1)
    if inside is not None:
        return bool(inside) and all(is_type(part, depth + 1) for part in inside)
    match = _BASE.fullmatch(kind)
    if match is None:
        return False
    return match[2] is None or (int(match[2]) % 8 == 0 and int(match[2]) <= _MOST_BITS)


@lru_cache(maxsize=4096)
def argument_types(signature: str) -> tuple[str, ...] | None:
    """Return the argument types of a function's canonical signature, or None where it is not understood.

    Args:
        signature: For instance ``swap((address,uint256)[],bytes)``; no spaces, no names, ``uint256`` not ``uint``.
    """
    match = _SIGNATURE.fullmatch(signature)
    types = None if match is None else components(match[2])
    return types if types is not None and all(is_type(kind) for kind in types) else None


@lru_cache(maxsize=4096)
def selector_of(signature: str) -> bytes:
    """Return the first four bytes of a signature's Keccak-256."""
    return keccak256(signature.encode("ascii"))[:SELECTOR_BYTES]


def type_at(types: Sequence[str], path: Sequence[int]) -> str | None:
    """Return the type of an argument, or of what is inside it; None where there is nothing.

    Args:
        types: The function's arguments.
        path: The argument's number, then the places inside it.
    """
    kind = types[path[0]] if path and path[0] < len(types) else None
    for place in path[1:]:
        inside, array = components(kind or ""), array_of(kind or "")
        if array is not None:
            kind = array[0] if array[1] is None or place < array[1] else None
        else:
            kind = inside[place] if inside is not None and place < len(inside) else None
    return kind


@lru_cache(maxsize=4096)
def _is_dynamic(kind: str) -> bool:
    array, inside = array_of(kind), components(kind)
    if array is not None:
        return array[1] is None or _is_dynamic(array[0])
    return any(_is_dynamic(part) for part in inside) if inside is not None else kind in ("bytes", "string")


@lru_cache(maxsize=4096)
def _head(kind: str) -> int:
    """Return how many bytes a type takes where it stands: its offset if it is dynamic, else itself."""
    if _is_dynamic(kind):
        return WORD
    array, inside = array_of(kind), components(kind)
    if array is not None:
        return _head(array[0]) * (array[1] or 0)
    return sum(_head(part) for part in inside) if inside is not None else WORD


def _word(data: bytes, place: int) -> int:
    if place + WORD > len(data):
        msg = "the data ends too early"
        raise ValueError(msg)
    return int.from_bytes(data[place : place + WORD], "big")


def _sequence_end(kinds: Sequence[str], data: bytes, base: int) -> int:
    place, tail = base, base + sum(_head(kind) for kind in kinds)
    for kind in kinds:
        if _is_dynamic(kind):
            if base + _word(data, place) != tail:
                msg = "an offset that is not the next free place"
                raise ValueError(msg)
            tail = _end(kind, data, tail)
        place += _head(kind)
    if tail > len(data):
        msg = "the data ends too early"
        raise ValueError(msg)
    return tail


def _end(kind: str, data: bytes, start: int) -> int:
    """Return where the canonical encoding of a dynamic value that starts here ends."""
    array, inside = array_of(kind), components(kind)
    if inside is not None and array is None:
        return _sequence_end(inside, data, start)
    if array is not None:
        element, length = array
        count, first = (_word(data, start), start + WORD) if length is None else (length, start)
        if count * _head(element) > len(data):
            msg = "more elements than data"
            raise ValueError(msg)
        return _sequence_end((element,) * count, data, first)
    end: int = start + WORD + -(-_word(data, start) // WORD) * WORD
    return end


def decode_strict(types: tuple[str, ...], data: bytes) -> tuple[object, ...] | None:
    """Decode ABI-encoded arguments; None unless this is their one canonical encoding.

    Args:
        types: ABI types that `is_type` accepts, for instance ``("address", "uint256")``.
        data: The arguments without their selector.
    """
    try:
        if _sequence_end(types, data, 0) != len(data):
            return None
        values = decode(types, data, strict=True)
        if encode(types, values) != data:
            return None
    except (DecodingError, EncodingError, ValueError, OverflowError):
        return None
    return tuple(values)


def _digest(value: bytes) -> str:
    return DIGEST_PREFIX + hashlib.sha256(value).hexdigest()


def fact_of(kind: str, value: object) -> Fact:
    """Return a decoded value as a fact.

    Addresses in their EIP-55 spelling, bytes as 0x hex, numbers, flags and texts as they are, arrays and tuples as
    lists. Bytes and texts that are longer than a condition can spell stand there as their SHA-256.
    """
    array, inside = array_of(kind), components(kind)
    if array is not None and isinstance(value, list | tuple):
        return tuple(fact_of(array[0], part) for part in value)
    if inside is not None and isinstance(value, list | tuple):
        return tuple(fact_of(part_kind, part) for part_kind, part in zip(inside, value, strict=True))
    if isinstance(value, bytes):
        return "0x" + value.hex() if len(value) <= _MOST_SHOWN // 2 else _digest(value)
    if isinstance(value, str) and kind == "string" and len(value) > _MOST_SHOWN:
        return _digest(value.encode())
    if kind == "address":
        return checksum_address(str(value))
    if isinstance(value, bool | int | str):
        return value
    msg = f"{kind}: not a value of this type"
    raise TypeError(msg)
