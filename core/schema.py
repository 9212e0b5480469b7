"""Codecs: one strict, reversible mapping between a frozen dataclass and its JSON value.

A codec accepts exactly one spelling of each value, so a document that was read and is written again gives the
bytes that people signed. Unknown fields, missing fields and second spellings are refused.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from core.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import StrEnum

T = TypeVar("T")

UINT256_MAX = 2**256 - 1
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,77}")
_HEX = re.compile(r"0x(?:[0-9a-f]{2})*")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)
# Cc control, Cf format (bidi overrides, zero width), Cs surrogate, Co private, Cn unassigned, Zl/Zp separators:
# characters that let a label look like another one.
_HOSTILE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters, marks and symbols that draw nothing: Unicode's Default_Ignorable_Code_Point beyond those categories, and
# the empty braille pattern.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


class Codec(Protocol):
    """Reads one JSON value strictly and writes it back to the same value."""

    def read(self, value: object, at: str) -> Any:  # noqa: ANN401 - the field's annotation gives the type
        """Return the Python value or raise `DocumentError` naming `at`."""

    def write(self, value: Any, at: str) -> object:  # noqa: ANN401 - as above
        """Return the JSON value or raise `DocumentError` naming `at`."""


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


def _wrong(at: str, what: str) -> DocumentError:
    return DocumentError(f"{at}: {what}")


@dataclasses.dataclass(frozen=True)
class Text:
    """Visible, NFC-normalised text of bounded length, optionally of one full-match pattern."""

    most: int = 200
    pattern: str | None = None
    least: int = 1

    def read(self, value: object, at: str) -> str:
        """Read text."""
        if not isinstance(value, str) or not self.least <= len(value) <= self.most:
            raise _wrong(at, f"text of {self.least} to {self.most} characters expected")
        if self.pattern is not None:
            if _compiled(self.pattern).fullmatch(value) is None:
                raise _wrong(at, "not in the expected form")
        elif not value.isascii() and unicodedata.normalize("NFC", value) != value:
            raise _wrong(at, "text is not NFC-normalised")
        hidden = not value.isascii() and _INVISIBLE.search(value) is not None
        if hidden or (not value.isprintable() and any(unicodedata.category(c) in _HOSTILE_CATEGORIES for c in value)):
            raise _wrong(at, "control or invisible characters are refused")
        return value

    def write(self, value: object, at: str) -> object:
        """Write text."""
        return self.read(value, at)


@dataclasses.dataclass(frozen=True)
class Integer:
    """A JSON integer in a closed range."""

    least: int = 0
    most: int = 2**53 - 1

    def read(self, value: object, at: str) -> int:
        """Read an integer; booleans are not integers."""
        if isinstance(value, bool) or not isinstance(value, int) or not self.least <= value <= self.most:
            raise _wrong(at, f"integer from {self.least} to {self.most} expected")
        return value

    def write(self, value: object, at: str) -> object:
        """Write an integer."""
        return self.read(value, at)


@dataclasses.dataclass(frozen=True)
class Boolean:
    """true or false."""

    def read(self, value: object, at: str) -> bool:
        """Read a boolean."""
        if not isinstance(value, bool):
            raise _wrong(at, "true or false expected")
        return value

    def write(self, value: object, at: str) -> object:
        """Write a boolean."""
        return self.read(value, at)


@dataclasses.dataclass(frozen=True)
class Amount:
    """An integer in base units, 0 to 2^256 - 1, as a decimal string without leading zeros."""

    def read(self, value: object, at: str) -> int:
        """Read an amount."""
        if not isinstance(value, str) or _DECIMAL.fullmatch(value) is None or int(value) > UINT256_MAX:
            raise _wrong(at, "amount expected: a decimal string of an integer below 2^256")
        return int(value)

    def write(self, value: object, at: str) -> object:
        """Write an amount."""
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= UINT256_MAX:
            raise _wrong(at, "amount must be an integer from 0 to 2^256 - 1")
        return str(value)


@dataclasses.dataclass(frozen=True)
class HexData:
    """Bytes as ``0x`` and lower-case hex, of a fixed or a bounded length."""

    most: int
    exact: bool = False

    def read(self, value: object, at: str) -> bytes:
        """Read bytes."""
        if not isinstance(value, str) or _HEX.fullmatch(value) is None:
            raise _wrong(at, "0x and lower-case hex expected")
        return self._checked(bytes.fromhex(value[2:]), at)

    def write(self, value: bytes, at: str) -> object:
        """Write bytes."""
        return "0x" + self._checked(value, at).hex()

    def _checked(self, value: bytes, at: str) -> bytes:
        if not isinstance(value, bytes) or len(value) > self.most or (self.exact and len(value) != self.most):
            raise _wrong(at, f"{'exactly' if self.exact else 'at most'} {self.most} bytes expected")
        return value


@dataclasses.dataclass(frozen=True)
class Base64Url:
    """Bytes as unpadded base64url (RFC 4648 section 5), as WebAuthn's JSON carries them."""

    most: int
    least: int = 1

    def read(self, value: object, at: str) -> bytes:
        """Read bytes, refusing a second spelling of the same bytes."""
        if not isinstance(value, str) or _BASE64URL.fullmatch(value) is None:
            raise _wrong(at, "unpadded base64url expected")
        try:
            raw = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
        except binascii.Error as error:
            raise _wrong(at, "unpadded base64url expected") from error
        # Four characters of the alphabet are three bytes, one to one: only what is left over has other spellings.
        rest = len(value) % 4
        if rest and base64.urlsafe_b64encode(raw[-(rest * 3 // 4) :]).rstrip(b"=").decode() != value[-rest:]:
            raise _wrong(at, "not the canonical base64url of its bytes")
        return self._checked(raw, at)

    def write(self, value: bytes, at: str) -> object:
        """Write bytes."""
        return base64.urlsafe_b64encode(self._checked(value, at)).rstrip(b"=").decode()

    def _checked(self, value: bytes, at: str) -> bytes:
        if not isinstance(value, bytes) or not self.least <= len(value) <= self.most:
            raise _wrong(at, f"{self.least} to {self.most} bytes expected")
        return value


@dataclasses.dataclass(frozen=True)
class Choice:
    """One member of a closed list."""

    of: type[StrEnum]

    def read(self, value: object, at: str) -> StrEnum:
        """Read a member."""
        member = next((m for m in self.of if isinstance(value, str) and m == value), None)
        if member is None:
            raise _wrong(at, f"one of {', '.join(self.of)} expected")
        return member

    def write(self, value: object, at: str) -> object:
        """Write a member."""
        return str(self.read(value, at))


@dataclasses.dataclass(frozen=True)
class Maybe:
    """A value or null."""

    codec: Codec

    def read(self, value: object, at: str) -> object:
        """Read the value, or None for null."""
        return None if value is None else self.codec.read(value, at)

    def write(self, value: object, at: str) -> object:
        """Write the value, or null for None."""
        return None if value is None else self.codec.write(value, at)


@dataclasses.dataclass(frozen=True)
class Items:
    """A list of bounded length; a tuple in Python."""

    codec: Codec
    most: int
    least: int = 0

    def read(self, value: object, at: str) -> tuple[Any, ...]:
        """Read all items."""
        if not isinstance(value, list) or not self.least <= len(value) <= self.most:
            raise _wrong(at, f"list of {self.least} to {self.most} items expected")
        return tuple(self.codec.read(item, f"{at}[{i}]") for i, item in enumerate(value))

    def write(self, value: tuple[Any, ...], at: str) -> object:
        """Write all items."""
        if not isinstance(value, tuple) or not self.least <= len(value) <= self.most:
            raise _wrong(at, f"tuple of {self.least} to {self.most} items expected")
        return [self.codec.write(item, f"{at}[{i}]") for i, item in enumerate(value)]


@dataclasses.dataclass(frozen=True)
class Struct:
    """A nested frozen dataclass; a function where the class is only defined later or holds itself."""

    of: Callable[[], type[Any]]

    def read(self, value: object, at: str) -> object:
        """Read the dataclass."""
        return read_struct(self.of(), value, at)

    def write(self, value: object, at: str) -> object:
        """Write the dataclass."""
        if not isinstance(value, self.of()):
            raise _wrong(at, f"{self.of().__name__} expected")
        return write_struct(value, at)


@dataclasses.dataclass(frozen=True)
class OneOf:
    """One of several dataclasses, told apart by their constant text field ``kind``."""

    of: Callable[[], dict[str, type[Any]]]

    def read(self, value: object, at: str) -> object:
        """Read the alternative that ``kind`` names."""
        kind = value.get("kind") if isinstance(value, dict) else None
        cls = self.of().get(kind) if isinstance(kind, str) else None
        if cls is None:
            raise _wrong(f"{at}.kind", f"one of {', '.join(self.of())} expected")
        return read_struct(cls, value, at)

    def write(self, value: Any, at: str) -> object:  # noqa: ANN401 - any of the alternatives
        """Write the alternative."""
        if type(value) is not self.of().get(value.kind):
            raise _wrong(f"{at}.kind", "does not name this alternative")
        return write_struct(value, at)


@dataclasses.dataclass(frozen=True)
class Constant:
    """Exactly this text."""

    text: str

    def read(self, value: object, at: str) -> str:
        """Read the constant."""
        if value != self.text:
            raise _wrong(at, f"{self.text!r} expected")
        return self.text

    def write(self, value: object, at: str) -> object:
        """Write the constant."""
        return self.read(value, at)


def of(codec: Codec) -> Any:  # noqa: ANN401 - stands where a field's default would
    """Declare a document field together with its codec."""
    return dataclasses.field(metadata={"codec": codec})


def added(codec: Codec) -> Any:  # noqa: ANN401 - as `of`
    """Declare a field that documents from before it was added do not have: None is written as no field at all.

    So what people signed before keeps its bytes, and there is one spelling of None: null is refused.
    """
    return dataclasses.field(default=None, metadata={"codec": codec, "added": True})


@cache
def _codecs(cls: Any) -> tuple[tuple[str, Codec], ...]:  # noqa: ANN401 - any dataclass
    return tuple((field.name, field.metadata["codec"]) for field in dataclasses.fields(cls))


@cache
def _added(cls: Any) -> frozenset[str]:  # noqa: ANN401 - any dataclass
    return frozenset(field.name for field in dataclasses.fields(cls) if field.metadata.get("added"))


def read_struct(cls: type[T], value: object, at: str) -> T:
    """Build a dataclass from a JSON object that has exactly its fields.

    Raises:
        DocumentError: Naming the first field that is missing, unknown or wrong.
    """
    if not isinstance(value, dict):
        raise _wrong(at, "object expected")
    codecs: tuple[tuple[str, Codec], ...] = _codecs(cast("Any", cls))
    absent = _added(cast("Any", cls)) - value.keys()
    if absent:
        codecs = tuple((name, codec) for name, codec in codecs if name not in absent)
    if len(value) != len(codecs) or any(name not in value for name, _ in codecs):
        names = {name for name, _ in codecs}
        odd = sorted(names ^ set(value))
        # The sender chose these names: escaped, so that they neither break an answer nor forge a line in a log.
        raise _wrong(at, f"missing or unknown fields: {', '.join(ascii(n[:40])[1:-1] for n in odd[:5])}")
    try:
        return cls(**{name: codec.read(value[name], f"{at}.{name}") for name, codec in codecs})
    except ValueError as error:
        raise _wrong(at, str(error)) from error


def write_struct(value: object, at: str) -> dict[str, object]:
    """Return the JSON object of a dataclass.

    Raises:
        DocumentError: If a field holds what could not be read back.
    """
    codecs: tuple[tuple[str, Codec], ...] = _codecs(cast("Any", type(value)))
    unsaid = {name for name in _added(cast("Any", type(value))) if getattr(value, name) is None}
    return {name: codec.write(getattr(value, name), f"{at}.{name}") for name, codec in codecs if name not in unsaid}
