"""Arguments as people type them: amounts in units, addresses by their names in the book, lists, each strictly."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from core.abi import array_of, components
from core.canonical import parse
from core.errors import CoreError
from core.names import token_asset
from oms.intents import amount_parse, destination_parse

if TYPE_CHECKING:
    from core.documents.policy import Policy

MOST_FIELDS = 64
_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,77})", re.ASCII)
_SOON = re.compile(r"in ([1-9][0-9]{0,4}) (minutes?|hours?)", re.ASCII)
_UNITS = re.compile(r"(?P<amount>[0-9][0-9.,]*) ?(?P<symbol>[A-Za-z][A-Za-z0-9.]{0,15})", re.ASCII)
_FLAGS = {"true": True, "yes": True, "false": False, "no": False}
_TEXT_MOST = 128 * 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class Leaf:
    """One field of the form. `path`: the argument's number, then the places inside it."""

    path: tuple[int, ...]
    kind: str

    @property
    def name(self) -> str:
        """The field's name."""
        return "arg-" + "-".join(str(place) for place in self.path)

    @property
    def label(self) -> str:
        """What stands beside it: counted from 1, as people do."""
        return f"{'.'.join(str(place + 1) for place in self.path)} · {self.kind}"

    @property
    def help(self) -> str:
        """What can be typed."""
        if array_of(self.kind) is not None or components(self.kind) is not None:
            return 'A list, for instance ["1,000 USDC", "5"]'
        if self.kind == "address":
            return "A name from the policy, a token's symbol, or an address with its checksum"
        if self.kind.startswith(("uint", "int")):
            return "A whole number, an amount such as 1,250.5 USDC, or a time such as in 20 minutes"
        if self.kind == "bool":
            return "true or false"
        return "Text" if self.kind == "string" else "0x and hex digits"


def leaves_of(types: tuple[str, ...]) -> list[Leaf]:
    """Return the fields that a function's arguments take: what is inside tuples, each by itself."""
    found: list[Leaf] = []
    waiting = [Leaf(path=(place,), kind=kind) for place, kind in enumerate(types)]
    while waiting:
        leaf = waiting.pop(0)
        inside = components(leaf.kind) if array_of(leaf.kind) is None else None
        if inside is None:
            found.append(leaf)
        else:
            waiting = [Leaf(path=(*leaf.path, place), kind=kind) for place, kind in enumerate(inside)] + waiting
    return found


def _wrong(words: str) -> ValueError:
    return ValueError(words)


class Reader:
    """Reads what was typed, by the names that a policy gives things on one chain."""

    def __init__(self, policy: Policy, chain: str, *, now: int) -> None:
        """Read the policy's lists once. `now` in Unix seconds, for times that are given as *in 20 minutes*."""
        self._now = now
        here = [asset for asset in policy.assets if asset.id.startswith(f"{chain}/")]
        self._symbols = {asset.symbol.lower(): asset for asset in here}
        named = [(entry.label, entry.address) for entry in policy.contracts if entry.chain == chain]
        named += [(entry.label, entry.address) for entry in policy.addresses if entry.chain == chain]
        named += [(wallet.label, wallet.address) for wallet in policy.wallets if wallet.chain == chain]
        self._places: dict[str, set[str]] = {}
        for label, address in named:
            self._places.setdefault(label.lower(), set()).add(address)
        for asset in here:
            address = asset.id.rpartition(":")[2]
            if asset.id == token_asset(chain, address):
                self._places.setdefault(asset.symbol.lower(), set()).add(address)

    @property
    def names(self) -> list[str]:
        """What addresses can be called."""
        return sorted(self._places)

    def read(self, kind: str, text: object) -> object:
        """Read a value of an ABI type.

        Raises:
            ValueError: With what to do about it.
        """
        array, inside = array_of(kind), components(kind)
        if array is not None or inside is not None:
            return self._list(kind, text)
        if not isinstance(text, str):
            raise _wrong("Write each value as text, in quotes.")
        typed = text if kind == "string" else text.strip()
        if kind == "address":
            return self._address(typed)
        if kind == "bool":
            return self._flag(typed)
        if kind.startswith(("uint", "int")):
            return self._number(kind, typed)
        if kind.startswith("bytes"):
            return self._bytes(kind, typed)
        if len(typed.encode()) > _TEXT_MOST:
            msg = "This text is too long."
            raise ValueError(msg)
        return typed

    def _list(self, kind: str, text: object) -> object:
        value = text
        if isinstance(text, str):
            try:
                value = parse(text.strip().encode())
            except CoreError as error:
                msg = f"This is no list: {error}"
                raise ValueError(msg) from error
        array, inside = array_of(kind), components(kind)
        if not isinstance(value, list):
            raise _wrong('A list in square brackets is expected, for instance ["1", "2"].')
        kinds = list(inside) if array is None and inside is not None else [array[0] if array else ""] * len(value)
        wanted = len(kinds) if array is None else array[1]
        if wanted is not None and len(value) != wanted:
            msg = f"{wanted} values are expected here, {len(value)} were given."
            raise ValueError(msg)
        return [self.read(one, part) for one, part in zip(kinds, value, strict=True)]

    def _address(self, text: str) -> str:
        known = self._places.get(text.lower(), set())
        if len(known) > 1:
            msg = f"The policy calls several addresses {text}: type the address."
            raise ValueError(msg)
        return next(iter(known)) if known else destination_parse(text)

    @staticmethod
    def _flag(text: str) -> bool:
        if text.lower() not in _FLAGS:
            msg = "Enter true or false."
            raise ValueError(msg)
        return _FLAGS[text.lower()]

    def _number(self, kind: str, text: str) -> int:
        number = self._plain(text)
        signed = kind.startswith("int")
        bits = int(kind.removeprefix("u").removeprefix("int"))
        least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        if not least <= number <= most:
            msg = f"A {kind} is a number from {least} to {most}."
            raise ValueError(msg)
        return number

    def _plain(self, text: str) -> int:
        if _WHOLE.fullmatch(text) is not None:
            return int(text)
        soon = _SOON.fullmatch(text)
        if soon is not None:
            return self._now + int(soon[1]) * (60 if soon[2].startswith("minute") else 3600)
        units = _UNITS.fullmatch(text)
        asset = None if units is None else self._symbols.get(units["symbol"].lower())
        if units is not None and asset is None:
            msg = f"The policy names no asset {units['symbol']} on this chain."
            raise ValueError(msg)
        if units is None or asset is None:
            msg = (
                "Enter a whole number in base units, an amount such as 1,250.5 USDC, or a time such as in 20 minutes."
            )
            raise ValueError(msg)
        return amount_parse(units["amount"], asset.decimals)

    @staticmethod
    def _bytes(kind: str, text: str) -> bytes:
        if _HEX.fullmatch(text) is None:
            msg = "Enter 0x and an even number of hex digits."
            raise ValueError(msg)
        raw = bytes.fromhex(text[2:])
        length = kind.removeprefix("bytes")
        if length and len(raw) != int(length):
            msg = f"Exactly {length} bytes are expected, {len(raw)} were given."
            raise ValueError(msg)
        return raw
