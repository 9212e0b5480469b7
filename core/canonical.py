"""Strict JSON in, RFC 8785 bytes out, and the tagged SHA-256 that names a document.

Source: RFC 8785 (JSON Canonicalization Scheme), RFC 8259, FIPS 180-4.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import NoReturn

import rfc8785

from core.errors import EncodingError

MAX_DEPTH = 64
MAX_BYTES = 1024 * 1024
MAX_SAFE_INTEGER = 2**53 - 1
_MAX_INTEGER_DIGITS = 17
_STRUCTURE = b'"[]{}'
_NO_STRUCTURE = bytes(byte for byte in range(256) if byte not in _STRUCTURE)
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_STRING = re.compile(rb'"[^"]*"')

# Nesting is bounded before it is used, so nothing circular reaches it.
_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":"))
Json = dict[str, object]


def _no_duplicates(pairs: list[tuple[str, object]]) -> Json:
    seen = dict(pairs)
    if len(seen) != len(pairs):
        msg = "an object names a field twice"
        raise EncodingError(msg)
    return seen


def _no_float(literal: str) -> NoReturn:
    msg = f"floats are refused: {literal[:20]}"
    raise EncodingError(msg)


def _safe_integer(literal: str) -> int:
    if len(literal) > _MAX_INTEGER_DIGITS or abs(int(literal)) > MAX_SAFE_INTEGER:
        msg = "integers beyond 2^53 travel as decimal strings"
        raise EncodingError(msg)
    return int(literal)


def _check_nesting(raw: bytes) -> int:
    """Refuse deep nesting before a parser recurses into it; return how deep the brackets go.

    The standard library's parser recurses in C as far as the process's recursion limit says, and a dependency of a
    dependency (py_ecc) raises that to 100,000 at import: then nested brackets end the process, not the parse.
    """
    if b"\\" in raw:
        raw = _ESCAPE.sub(b"", raw)
    depth = deepest = 0
    for byte in _STRING.sub(b"", raw.translate(None, _NO_STRUCTURE)):
        depth += 1 if byte in b"[{" else -1
        if depth > deepest:
            deepest = depth
            if deepest > MAX_DEPTH:
                msg = f"nested deeper than {MAX_DEPTH}"
                raise EncodingError(msg)
    return deepest


def _check_leaf(value: object) -> None:
    if isinstance(value, float):
        _no_float(repr(value))
    if isinstance(value, int) and not -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
        msg = "integers beyond 2^53 travel as decimal strings"
        raise EncodingError(msg)
    if value is not None and not isinstance(value, (str, int)):
        msg = f"not a JSON value: {type(value).__name__}"
        raise EncodingError(msg)


def _check_names(names: dict[object, object]) -> bool:
    """Refuse names that are no text; whether all are ASCII."""
    if not all(isinstance(name, str) for name in names):
        msg = "object keys are strings"
        raise EncodingError(msg)
    return all(str(name).isascii() for name in names)


def _check_value(root: object) -> bool:
    """Refuse what RFC 8785 would encode differently elsewhere, and nesting beyond `MAX_DEPTH`.

    Returns:
        Whether all names are ASCII, so that sorting by code points is sorting by UTF-16 units.
    """
    plain = True
    pending: list[tuple[object, int]] = [(root, 1)]
    while pending:
        value, depth = pending.pop()
        if depth > MAX_DEPTH:
            msg = f"nested deeper than {MAX_DEPTH}"
            raise EncodingError(msg)
        if isinstance(value, dict):
            plain = _check_names(value) and plain
            pending.extend((child, depth + 1) for child in value.values())
        elif isinstance(value, list):
            pending.extend((child, depth + 1) for child in value)
        else:
            _check_leaf(value)
    return plain


def _encode(value: object) -> bytes:
    try:
        return _ENCODER.encode(value).encode("utf-8", "strict")
    except (UnicodeEncodeError, RecursionError) as error:
        msg = "no canonical form"
        raise EncodingError(msg) from error


def parse(raw: bytes, *, max_bytes: int = MAX_BYTES) -> object:
    """Read one JSON value, refusing whatever two parsers could read differently.

    Args:
        raw: UTF-8 text.
        max_bytes: Longest input that is looked at.

    Returns:
        The value; no floats, no duplicate names, no integers beyond 2^53 - 1, depth at most 64.

    Raises:
        EncodingError: For anything else.
    """
    if len(raw) > max_bytes:
        msg = f"longer than {max_bytes} bytes"
        raise EncodingError(msg)
    deepest = _check_nesting(raw)
    try:
        value = json.loads(
            raw.decode("utf-8", "strict"),
            object_pairs_hook=_no_duplicates,
            parse_float=_no_float,
            parse_constant=_no_float,
            parse_int=_safe_integer,
        )
    except (ValueError, RecursionError) as error:
        msg = "not JSON"
        raise EncodingError(msg) from error
    # JSON's names are text and its leaves are what the hooks let through. What is left to refuse is a leaf one level
    # below the deepest brackets that may be.
    if deepest >= MAX_DEPTH:
        _check_value(value)
    if b"\\u" in raw:
        # Only an escape can hide half of a surrogate pair, which has no UTF-8 and so no canonical form.
        _encode(value)
    return value


def canonical(value: object) -> bytes:
    """Encode a JSON value in the one way that RFC 8785 allows.

    Raises:
        EncodingError: If the value holds a float, an unsafe integer, a lone surrogate or is nested too deep.
    """
    plain = _check_value(value)
    try:
        if plain:
            # With ASCII names, no floats and safe integers the C encoder writes exactly RFC 8785's bytes.
            return _ENCODER.encode(value).encode("utf-8", "strict")
        return rfc8785.dumps(value)  # type: ignore[arg-type]  # `_check_value` has just established its type
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        msg = "no canonical form"
        raise EncodingError(msg) from error


def canonical_of_codecs(value: object) -> bytes:
    """Encode what the codecs of `core.schema` wrote, whose every leaf they have just checked.

    Their names are ASCII and they write no float and no unsafe integer, so nothing is left to look for.

    Raises:
        EncodingError: For a lone surrogate, or nesting that nobody could read back.
    """
    return _encode(value)


def tagged_digest(tag: str, data: bytes) -> str:
    """Name bytes under a domain tag, so that no document can be taken for one of another type.

    Args:
        tag: ASCII domain tag, for instance ``mandate``.
        data: The canonical bytes.

    Returns:
        SHA-256 over ``countersign/v1/<tag>`` + NUL + data, as 64 lower-case hex digits.
    """
    return hashlib.sha256(b"countersign/v1/" + tag.encode("ascii") + b"\0" + data).hexdigest()
