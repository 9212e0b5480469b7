"""A pool on a real node, a wallet that may swap there, and attesters that look at it."""

from __future__ import annotations

import dataclasses
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from attester.config import config_load, deployment_pin, key_load, key_make
from attester.service import Attester
from attester.web import make_server
from core.names import native_asset, token_asset
from demo.services.anvil import anvil
from tests.factories.uniswap import PRICE, uniswap_deploy
from tests.factories.world import CHAIN, NOW, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from core.documents.mandate import Intent
    from tests.factories.uniswap import Uniswap

NAMES = ("oracle-north", "oracle-south")
LATER = NOW + 3_600


@pytest.fixture(scope="session")
def market() -> Iterator[Uniswap]:
    with anvil() as node:
        yield uniswap_deploy(node)


def settings_of(name: str, url: str, market: Uniswap, *, more: str = "") -> str:
    """Return an attester's settings: one node, and the prices of the pool's two tokens and of the native coin."""
    prices = "".join(
        f'[[prices]]\nasset = "{asset}"\ndecimals = {decimals}\nusd_e8 = {usd * 10**8}\nexpires = {LATER}\n'
        for asset, decimals, usd in (
            (native_asset(CHAIN), 18, PRICE),
            (token_asset(CHAIN, market.weth), 18, PRICE),
            (token_asset(CHAIN, market.usdc), 6, 1),
        )
    )
    node = f'[[chains]]\nchain = "{CHAIN}"\n[[chains.nodes]]\nlabel = "own"\nurl = "{url}"\n'
    return f'name = "{name}"\n{node}{prices}{more}'


def attester_make(folder: Path, text: str, deployment: str) -> tuple[Attester, bytes]:
    """Make an attester as its operator does; return it with its public key."""
    folder.mkdir(parents=True)
    (folder / "attester.toml").write_text(text, encoding="utf-8")
    public = key_make(folder)
    deployment_pin(folder, deployment)
    return Attester(config_load(folder), key_load(folder), deployment), public


@dataclasses.dataclass
class Desk:
    """A wallet with USDC before the pool."""

    market: Uniswap
    world: World
    account: str

    def swap(self, million: int, **changes: Any) -> Intent:  # noqa: ANN401 - Intent's fields
        """Sell so many million USDC."""
        data = self.market.swap_data(million * 10**12, self.account)
        fields = {"to": self.market.router, "value": 0, "data": data, "gas": 400_000} | changes
        return self.world.intent(**fields)


@pytest.fixture
def desk(market: Uniswap) -> Iterator[Desk]:
    world = World()
    account = world.wallet.rpartition(":")[2]
    kept = market.node.call("evm_snapshot")
    market.node.call("anvil_setBalance", account, hex(10**20))
    market.fund(account, 5 * 10**12)
    market.approve(account, 5 * 10**12)
    yield Desk(market, world, account)
    market.node.call("evm_revert", kept)


@contextmanager
def serving(attester: Attester, *, clock: int = NOW) -> Iterator[str]:
    """Serve an attester on a free port; yield its address."""
    server = make_server(attester, "127.0.0.1", 0, lambda: float(clock))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
