"""What an operator sets for one attester: `attester.toml` in its own folder, beside its key.

Strict: a bad value, and a field that nobody knows, stop the start.
"""

from __future__ import annotations

import dataclasses
import re
import stat
import tomllib
from typing import TYPE_CHECKING, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from attester.errors import ConfigError
from chains.errors import EndpointError
from chains.nodes.endpoint import TIMEOUT_SECONDS, Endpoint
from chains.nodes.pool import Rules
from chains.simulation.slippage import Price
from core.attested import LIFETIME_MOST
from core.errors import CoreError
from core.names import ADDRESS, ASSET, CHAIN, DIGEST, SLUG
from core.schema import UINT256_MAX

if TYPE_CHECKING:
    from pathlib import Path

CONFIG_FILE, KEY_FILE, DEPLOYMENT_FILE = "attester.toml", "key", "deployment"
_KEY_BYTES = 32
_DECIMALS_MOST = 77
_HASH = re.compile(r"0x[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChainConfig:
    """A chain's own nodes, and how they are believed."""

    chain: str
    endpoints: tuple[Endpoint, ...]
    rules: Rules


@dataclasses.dataclass(frozen=True, kw_only=True)
class ManualPrice:
    """A price that the operator answers for, until it expires (Unix seconds)."""

    price: Price
    expires: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """One attester.

    Attributes:
        name: As the policy names it.
        lifetime: How long an attestation counts, seconds.
        chains: Its own nodes by CAIP-2 chain.
        prices: By CAIP-19 asset.
        code: Reviewed run-time code: Keccak-256 by (chain, EIP-55 address); of a proxy, its implementation's too.
    """

    name: str
    lifetime: int
    chains: dict[str, ChainConfig]
    prices: dict[str, ManualPrice]
    code: dict[tuple[str, str], bytes]


class _Codec(Protocol):
    """A field's reader in `core`."""

    def read(self, value: object, at: str) -> object:
        """Read a value."""


class Table:
    """Reads a TOML table field by field; what nobody asked for is an error."""

    def __init__(self, value: object, at: str) -> None:
        """Take a table."""
        if not isinstance(value, dict):
            raise ConfigError(f"{at}: a table is expected")
        self._left: dict[str, object] = dict(value)
        self._at = at

    def text(self, name: str, codec: _Codec | None = None, default: str | None = None) -> str:
        """Read text, of a codec of `core` where one is given."""
        value = self._left.pop(name, default)
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{self._at}.{name}: text is expected")
        try:
            return value if codec is None else str(codec.read(value, f"{self._at}.{name}"))
        except CoreError as error:
            raise ConfigError(str(error)) from error

    def whole(self, name: str, least: int, most: int, default: int | None = None) -> int:
        """Read an integer; amounts beyond 2⁶³ are written as text of digits."""
        value = self._left.pop(name, default)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 78:  # noqa: PLR2004 - 2^256
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ConfigError(f"{self._at}.{name}: an integer from {least} to {most} is expected")
        return value

    def path(self, name: str, folder: Path) -> Path | None:
        """Read a file's name, taken from the attester's own folder."""
        return folder / self.text(name) if name in self._left else None

    def tables(self, name: str) -> list[Table]:
        """Read a list of tables; empty where it is missing."""
        value = self._left.pop(name, [])
        if not isinstance(value, list):
            raise ConfigError(f"{self._at}.{name}: a list of tables is expected")
        return [Table(one, f"{self._at}.{name}[{place}]") for place, one in enumerate(value)]

    def done(self) -> None:
        """Refuse what is left."""
        if self._left:
            raise ConfigError(f"{self._at}: unknown: {', '.join(sorted(self._left))}")


def _endpoint(table: Table, chain_id: int, folder: Path) -> Endpoint:
    endpoint = Endpoint(
        label=table.text("label", SLUG),
        url=table.text("url"),
        chain_id=chain_id,
        timeout_seconds=table.whole("timeout_ms", 50, 60_000, int(TIMEOUT_SECONDS * 1000)) / 1000,
        headers_file=table.path("headers_file", folder),
        certificate_file=table.path("certificate_file", folder),
        key_file=table.path("key_file", folder),
        authority_file=table.path("authority_file", folder),
        fingerprint=table.text("fingerprint", default="-").removeprefix("-"),
    )
    table.done()
    if not endpoint.url.startswith(("http://", "https://")):
        raise ConfigError(f"node {endpoint.label}: an http or https address is expected")
    try:
        endpoint.check()
    except EndpointError as error:
        raise ConfigError(str(error)) from error
    return endpoint


def _chain(table: Table, folder: Path) -> ChainConfig:
    name = table.text("chain", CHAIN)
    nodes = table.tables("nodes")
    chain_id = int(name.rpartition(":")[2])
    endpoints = tuple(_endpoint(node, chain_id, folder) for node in nodes)
    labels = {endpoint.label for endpoint in endpoints}
    if not endpoints or len(labels) != len(endpoints):
        raise ConfigError(f"{name}: at least one node is needed, each with a label of its own")
    rules = Rules(
        least=table.whole("least", 1, len(endpoints), len(endpoints) // 2 + 1),
        settled_depth=table.whole("settled_depth", 1, 100_000, 12),
        head_age_most=table.whole("head_age_most", 0, 86_400, 0),
    )
    table.done()
    return ChainConfig(chain=name, endpoints=endpoints, rules=rules)


def _price(table: Table) -> tuple[str, ManualPrice]:
    asset = table.text("asset", ASSET)
    price = Price(usd_e8=table.whole("usd_e8", 1, UINT256_MAX), decimals=table.whole("decimals", 0, _DECIMALS_MOST))
    manual = ManualPrice(price=price, expires=table.whole("expires", 1, 10**11))
    table.done()
    return asset, manual


def _code(table: Table) -> tuple[tuple[str, str], bytes]:
    place = table.text("chain", CHAIN), table.text("address", ADDRESS)
    digits = table.text("hash")
    if _HASH.fullmatch(digits) is None:
        raise ConfigError(f"code of {place[1]}: a hash is 0x and 64 lower-case hex digits")
    table.done()
    return place, bytes.fromhex(digits[2:])


def config_load(folder: Path) -> Config:
    """Read an attester's settings.

    Raises:
        ConfigError: For the first thing that is wrong.
    """
    try:
        raw = tomllib.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{CONFIG_FILE} cannot be read: {error}") from error
    table = Table(raw, CONFIG_FILE)
    chains = [_chain(one, folder) for one in table.tables("chains")]
    prices = [_price(one) for one in table.tables("prices")]
    code = [_code(one) for one in table.tables("code")]
    config = Config(
        name=table.text("name", SLUG),
        lifetime=table.whole("lifetime", 30, LIFETIME_MOST, LIFETIME_MOST // 2),
        chains={one.chain: one for one in chains},
        prices=dict(prices),
        code=dict(code),
    )
    table.done()
    if not chains or len(config.chains) != len(chains):
        raise ConfigError("at least one chain is needed, each once")
    if len(config.prices) != len(prices) or len(config.code) != len(code):
        raise ConfigError("a price or a contract's code is set twice")
    return config


def key_make(folder: Path) -> bytes:
    """Make the attester's key, once; return its public half.

    Raises:
        ConfigError: If there is one already.
    """
    key = Ed25519PrivateKey.generate()
    file = folder / KEY_FILE
    try:
        file.touch(mode=0o600, exist_ok=False)
    except FileExistsError as error:
        raise ConfigError("there is a key already; it is never replaced by a new one") from error
    file.write_text(key.private_bytes_raw().hex(), encoding="ascii")
    return key.public_key().public_bytes_raw()


def key_load(folder: Path) -> Ed25519PrivateKey:
    """Read the attester's key.

    Raises:
        ConfigError: If it is missing, malformed, or others may read it.
    """
    file = folder / KEY_FILE
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise ConfigError("the key's file must be its owner's alone (mode 600)")
        raw = bytes.fromhex(file.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise ConfigError("the key cannot be read") from error
    if len(raw) != _KEY_BYTES:
        raise ConfigError("the key is not 32 bytes long")
    return Ed25519PrivateKey.from_private_bytes(raw)


def deployment_pin(folder: Path, digest: str) -> None:
    """Say which deployment this attester works for; at its console, once.

    Raises:
        ConfigError: If it is no digest, or another one is pinned.
    """
    try:
        DIGEST.read(digest, "deployment")
    except CoreError as error:
        raise ConfigError(str(error)) from error
    file = folder / DEPLOYMENT_FILE
    if file.exists() and file.read_text(encoding="ascii").strip() != digest:
        raise ConfigError("another deployment is pinned: an attester works for one")
    file.write_text(digest, encoding="ascii")


def deployment_load(folder: Path) -> str:
    """Return the pinned deployment.

    Raises:
        ConfigError: If none is pinned.
    """
    try:
        return str(DIGEST.read((folder / DEPLOYMENT_FILE).read_text(encoding="ascii").strip(), "deployment"))
    except (OSError, UnicodeDecodeError, CoreError) as error:
        raise ConfigError("no deployment is pinned: python -m attester pin") from error
