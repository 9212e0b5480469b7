"""A file of anchors: one JSON object a line, with `size` (decimal text) and `root` (hex)."""

from __future__ import annotations

from core.anchor import Anchor
from core.canonical import parse
from core.errors import EncodingError
from witness.log_source import UnreadableError

_LINES_MOST = 1_000_000
_SIZE_DIGITS = 20


def anchor_lines(raw: bytes, name: str) -> list[dict[str, object]]:
    """Return the objects of a file of lines.

    Raises:
        UnreadableError: If a line is none.
    """
    found: list[dict[str, object]] = []
    for number, line in enumerate(raw.splitlines(), start=1):
        try:
            value = parse(line)
        except EncodingError as error:
            raise UnreadableError(f"{name}, line {number}: {error}") from error
        if not isinstance(value, dict) or number > _LINES_MOST:
            raise UnreadableError(f"{name}, line {number}: one anchor a line is expected, as a JSON object")
        found.append(value)
    return found


def anchors_read(raw: bytes, name: str) -> tuple[Anchor, ...]:
    """Read a file of anchors, one JSON object a line with `size` (decimal text) and `root` (hex).

    Args:
        raw: The file.
        name: Its name, for messages.

    Raises:
        UnreadableError: If a line is none, or the file is empty.
    """
    anchors = []
    for number, value in enumerate(anchor_lines(raw, name), start=1):
        size, root = str(value.get("size")), str(value.get("root"))
        try:
            # A size that is no decimal text is none: -1 has no bytes.
            number_of = int(size) if size.isascii() and size.isdigit() and len(size) <= _SIZE_DIGITS else -1
            anchor = Anchor(size=number_of, root=bytes.fromhex(root))
            anchor.to_bytes()
        except (EncodingError, ValueError) as error:
            raise UnreadableError(f"{name}, line {number}: {error}") from error
        anchors.append(anchor)
    if not anchors:
        raise UnreadableError(f"{name}: it holds no anchor")
    return tuple(anchors)
