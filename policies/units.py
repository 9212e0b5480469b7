"""Whole units for people, base units for everything else. Integers only; nothing is ever rounded."""

from __future__ import annotations

import re

from core.schema import UINT256_MAX

USD_DECIMALS = 8
NATIVE_DECIMALS = 18
_NUMBER = re.compile(r"(0|[1-9][0-9]*)(?:\.([0-9]+))?")
_MOST_CHARACTERS = 160


def units_read(text: str, *, decimals: int) -> int:
    """Read a number of whole units into base units.

    Args:
        text: For instance ``1500``, ``1_500`` or ``0.25``.
        decimals: How many decimal places the unit has.

    Raises:
        ValueError: Saying what is wrong with it.
    """
    match = _NUMBER.fullmatch(text.strip().replace("_", "")) if len(text) <= _MOST_CHARACTERS else None
    if match is None:
        msg = f"{text[:40]!r} is not a number such as 1500 or 0.25"
        raise ValueError(msg)
    whole, fraction = match[1], (match[2] or "").rstrip("0")
    if len(fraction) > decimals:
        msg = f"{text} has more than {decimals} decimal places"
        raise ValueError(msg)
    amount = int(whole + fraction.ljust(decimals, "0"))
    if amount > UINT256_MAX:
        msg = f"{text} is larger than anything that can be paid"
        raise ValueError(msg)
    return amount


def units_show(amount: int, *, decimals: int) -> str:
    """Spell base units as whole units, thousands grouped: ``1,500.25``."""
    whole, rest = divmod(amount, 10**decimals)
    fraction = str(rest).rjust(decimals, "0").rstrip("0") if decimals else ""
    return f"{whole:,}" + (f".{fraction}" if fraction else "")
