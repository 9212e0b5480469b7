"""The digest of a policy, computed a second time: standard library only, not one line shared with `core`.

Source: RFC 8785 (JSON Canonicalization Scheme), FIPS 180-4. Documents hold no floats, so `json` can write the
canonical form; object names are sorted by UTF-16 code units, as the RFC asks.
"""

from __future__ import annotations

import hashlib
import json
from typing import NoReturn

MOST_BYTES = 8 * 1024 * 1024
_MAX_SAFE_INTEGER = 2**53 - 1
_MOST_DIGITS = 17


class PolicyFileError(Exception):
    """The file is not a policy that could be pinned; the message says why."""


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    seen = dict(pairs)
    if len(seen) != len(pairs):
        raise PolicyFileError("an object names a field twice")
    return seen


def _no_float(literal: str) -> NoReturn:
    raise PolicyFileError(f"floats are refused: {literal[:20]}")


def _integer(literal: str) -> int:
    if len(literal) > _MOST_DIGITS or abs(int(literal)) > _MAX_SAFE_INTEGER or literal == "-0":
        raise PolicyFileError("integers beyond 2^53 travel as decimal strings")
    return int(literal)


def parse(raw: bytes) -> object:
    """Read JSON strictly: no floats, no name twice, no integer that another parser would round.

    Raises:
        PolicyFileError: For anything else.
    """
    if len(raw) > MOST_BYTES:
        raise PolicyFileError(f"longer than {MOST_BYTES} bytes")
    try:
        return json.loads(
            raw.decode("utf-8", "strict"),
            object_pairs_hook=_no_duplicates,
            parse_float=_no_float,
            parse_constant=_no_float,
            parse_int=_integer,
        )
    except (ValueError, RecursionError) as error:
        raise PolicyFileError("not JSON") from error


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value, key=_utf16)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value


def canonical(value: object) -> bytes:
    """Return the canonical bytes of a parsed value.

    Raises:
        PolicyFileError: If a text holds half a character.
    """
    text = json.dumps(_sorted(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise PolicyFileError("text with half a character") from error


def policy_digest(policy: object) -> str:
    """Return the digest that names a policy, 64 hex digits."""
    return hashlib.sha256(b"countersign/v1/policy\0" + canonical(policy)).hexdigest()


def in_groups(digest: str) -> str:
    """Return a digest in groups of four, as the pages show it."""
    return " ".join(digest[at : at + 4] for at in range(0, len(digest), 4))
