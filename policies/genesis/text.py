"""The description's text: TOML or JSON, with placeholders, decimal numbers kept exactly as written."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING

from policies.errors import DescriptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLACEHOLDER = re.compile(r"\$\{([a-z][a-z0-9_]*)\}")
# What stands for a placeholder cannot close its quotes and go on writing.
_REPLACEMENT = re.compile(r"[A-Za-z0-9.:/_-]{1,200}")


def _filled(text: str, replacements: Mapping[str, str]) -> str:
    problems = [
        f"--set {name}: only letters, digits and . : / _ - can stand for a placeholder"
        for name, value in replacements.items()
        if _REPLACEMENT.fullmatch(value) is None
    ]
    wanted = set(_PLACEHOLDER.findall(text))
    problems += [
        f"${{{name}}}: nothing stands for it; add --set {name}=…" for name in sorted(wanted - set(replacements))
    ]
    problems += [
        f"--set {name}: the description has no such placeholder" for name in sorted(set(replacements) - wanted)
    ]
    if problems:
        raise DescriptionError(problems)
    return _PLACEHOLDER.sub(lambda match: replacements[match[1]], text)


def description_parse(*, text: str, json_text: bool, replacements: Mapping[str, str]) -> dict[str, object]:
    """Read a description.

    Args:
        text: What people wrote.
        json_text: Whether it is JSON; otherwise TOML.
        replacements: What stands for ``${name}``.

    Raises:
        DescriptionError: It cannot be read, or a placeholder is open.
    """
    filled = _filled(text, replacements)
    try:
        # A decimal number stays the text that it is: 0.1 as a float is another number.
        table = json.loads(filled, parse_float=str) if json_text else tomllib.loads(filled, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise DescriptionError([f"the description: {error}"]) from error
    if not isinstance(table, dict):
        raise DescriptionError(["the description: a table expected"])
    return table
