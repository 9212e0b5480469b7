"""Identifiers: addresses, chains, accounts, assets, digests, times.

Sources: EIP-55 (checksummed address), CAIP-2 (chain), CAIP-10 (account), CAIP-19 (asset).
"""

from __future__ import annotations

import dataclasses
import re
from functools import lru_cache

from core.errors import DocumentError
from core.keccak import keccak256
from core.schema import Amount, Base64Url, Boolean, HexData, Integer, Text

NATIVE_SUFFIX = "slip44:60"
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_CHAIN = re.compile(r"eip155:[1-9][0-9]{0,15}")


@lru_cache(maxsize=4096)
def checksum_address(address: str) -> str:
    """Spell a 20-byte address as EIP-55 does.

    Args:
        address: ``0x`` and 40 hex digits in any case.

    Raises:
        DocumentError: If it is not an address at all.
    """
    if _ADDRESS.fullmatch(address) is None:
        msg = "0x and 40 hex digits expected"
        raise DocumentError(msg)
    digits = address[2:].lower()
    marks = keccak256(digits.encode("ascii")).hex()
    return "0x" + "".join(d.upper() if int(m, 16) >= 8 else d for d, m in zip(digits, marks, strict=False))  # noqa: PLR2004 - EIP-55's own threshold


def is_address(text: str) -> bool:
    """Whether a text is an address in its EIP-55 spelling."""
    return _ADDRESS.fullmatch(text) is not None and checksum_address(text) == text


def address_bytes(address: str) -> bytes:
    """Return the 20 bytes of an address."""
    return bytes.fromhex(address[2:])


def address_from_bytes(raw: bytes) -> str:
    """Return the EIP-55 spelling of 20 bytes."""
    return checksum_address("0x" + raw.hex())


@dataclasses.dataclass(frozen=True)
class Address:
    """An address in its EIP-55 spelling; every other spelling is refused, so each address has one."""

    def read(self, value: object, at: str) -> str:
        """Read an address."""
        if not isinstance(value, str) or _ADDRESS.fullmatch(value) is None or checksum_address(value) != value:
            msg = f"{at}: EIP-55 checksummed address expected"
            raise DocumentError(msg)
        return value

    def write(self, value: object, at: str) -> object:
        """Write an address."""
        return self.read(value, at)


@dataclasses.dataclass(frozen=True)
class Account:
    """A CAIP-10 account on an EVM chain: ``eip155:<chain id>:<EIP-55 address>``."""

    def read(self, value: object, at: str) -> str:
        """Read an account."""
        chain, _, address = value.rpartition(":") if isinstance(value, str) else ("", "", "")
        if _CHAIN.fullmatch(chain) is None:
            msg = f"{at}: CAIP-10 account expected"
            raise DocumentError(msg)
        Address().read(address, at)
        return f"{chain}:{address}"

    def write(self, value: object, at: str) -> object:
        """Write an account."""
        return self.read(value, at)


@dataclasses.dataclass(frozen=True)
class Asset:
    """A CAIP-19 asset: the chain's native coin (``slip44:60``) or an ERC-20 token."""

    def read(self, value: object, at: str) -> str:
        """Read an asset."""
        chain, _, rest = value.partition("/") if isinstance(value, str) else ("", "", "")
        if _CHAIN.fullmatch(chain) is None or not (rest == NATIVE_SUFFIX or rest.startswith("erc20:")):
            msg = f"{at}: CAIP-19 asset expected (…/slip44:60 or …/erc20:0x…)"
            raise DocumentError(msg)
        if rest != NATIVE_SUFFIX:
            Address().read(rest.removeprefix("erc20:"), at)
        return f"{chain}/{rest}"

    def write(self, value: object, at: str) -> object:
        """Write an asset."""
        return self.read(value, at)


def native_asset(chain: str) -> str:
    """Return the CAIP-19 name of a chain's native coin."""
    return f"{chain}/{NATIVE_SUFFIX}"


def token_asset(chain: str, contract: str) -> str:
    """Return the CAIP-19 name of an ERC-20 token."""
    return f"{chain}/erc20:{contract}"


def account(chain: str, address: str) -> str:
    """Return the CAIP-10 name of an address on a chain."""
    return f"{chain}:{address}"


def chain_number(chain: str) -> int:
    """Return the EIP-155 chain id of a CAIP-2 name."""
    return int(chain.removeprefix("eip155:"))


AMOUNT = Amount()
ADDRESS = Address()
ACCOUNT = Account()
ASSET = Asset()
BOOLEAN = Boolean()
CHAIN = Text(most=24, pattern=_CHAIN.pattern)
DIGEST = Text(most=64, least=64, pattern=r"[0-9a-f]{64}")
IDENTIFIER = Text(most=32, least=32, pattern=r"[0-9a-f]{32}")
SLUG = Text(most=64, pattern=r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
LABEL = Text(most=80)
SENTENCE = Text(most=280, least=0)
SECONDS = Integer(most=10**10)
TIME = Integer(most=10**11)
COUNT = Integer(most=10**6)
SELECTOR = HexData(most=4, exact=True)
CALLDATA = HexData(most=128 * 1024)
HASH32 = HexData(most=32, exact=True)
AAGUID = HexData(most=16, exact=True)
PUBLIC_KEY = HexData(most=65, exact=True)
BLOB = Base64Url(most=16 * 1024)
KEY_BLOB = Base64Url(most=2048)
CREDENTIAL_ID = Base64Url(most=1023)
