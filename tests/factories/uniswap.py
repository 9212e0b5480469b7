"""The reference pool on real Uniswap V3 contracts: 0.200 % for 1,000,000 USDC, 2.98 % for 5,000,000, at 2,500 a coin.

Two positions in a 0.05 % pool: about ±0.31 % (0.83M a side) and ±12 % (6.4M a side). The artifacts come from npm.
"""

from __future__ import annotations

import dataclasses
import json
import time
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eth_abi.abi import encode

from core.abi import argument_types, selector_of
from core.names import checksum_address

if TYPE_CHECKING:
    from demo.services.anvil import Node

_ROOT = Path(__file__).resolve().parents[2]
_UNISWAP = _ROOT / "node_modules" / "@uniswap"
_FACTORY = "v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json"
_POSITIONS = "v3-periphery/artifacts/contracts/NonfungiblePositionManager.sol/NonfungiblePositionManager.json"
_ROUTER = "v3-periphery/artifacts/contracts/SwapRouter.sol/SwapRouter.json"
_WETH = "v2-periphery/build/WETH9.json"

FEE = 500
"""The pool's fee, hundredths of a basis point: 0.05 %."""
PRICE = 2_500
"""US dollars for one coin."""
_RANGES = (
    (-198_110, -198_050, 10_984_810_719_264_817_000),
    (-199_210, -196_950, 2_324_436_388_691_176_400),
)
"""Lower tick, upper tick, liquidity of each position."""
_USDC_UNITS = 10**6
_SUPPLY = 100_000_000 * _USDC_UNITS
_FOR_EVER = 2**40
EXACT_INPUT_SINGLE = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))"
APPROVE = "approve(address,uint256)"


def _call(signature: str, *values: Any) -> str:  # noqa: ANN401 - whatever the ABI says
    types = argument_types(signature)
    if types is None:
        raise ValueError(signature)
    return "0x" + (selector_of(signature) + encode(types, values)).hex()


def mined(node: Node, call: dict[str, Any]) -> dict[str, Any]:
    """Send from one of the node's own accounts; return the receipt of what has to succeed."""
    transaction_hash = node.call("eth_sendTransaction", {"gas": hex(10_000_000), **call})
    for _ in range(400):
        receipt: dict[str, Any] | None = node.call("eth_getTransactionReceipt", transaction_hash)
        if receipt is not None:
            if int(receipt["status"], 16) != 1:
                raise AssertionError(f"a transaction of the fixture failed: {call.get('data', '')[:10]}")
            return receipt
        time.sleep(0.01)
    raise AssertionError("not mined")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Uniswap:
    """A deployed pool. All addresses EIP-55."""

    node: Node
    owner: str
    weth: str
    usdc: str
    factory: str
    positions: str
    router: str
    pool: str

    def swap_data(self, amount: int, recipient: str, least: int = 0) -> bytes:
        """Return the router's calldata that sells USDC (base units) for WETH."""
        words = (self.usdc, self.weth, FEE, recipient, _FOR_EVER, amount, least, 0)
        return bytes.fromhex(_call(EXACT_INPUT_SINGLE, words)[2:])

    def fund(self, account: str, amount: int) -> None:
        """Give an account USDC (base units)."""
        mined(
            self.node, {"from": self.owner, "to": self.usdc, "data": _call("mint(address,uint256)", account, amount)}
        )

    def approve(self, account: str, amount: int) -> None:
        """Let the router move an account's USDC; the account is impersonated."""
        self.node.call("anvil_impersonateAccount", account)
        mined(self.node, {"from": account, "to": self.usdc, "data": _call(APPROVE, self.router, amount)})
        self.node.call("anvil_stopImpersonatingAccount", account)


def _artifact(path: str) -> str:
    code = str(json.loads((_UNISWAP / path).read_text(encoding="utf-8"))["bytecode"])
    return code if code.startswith("0x") else "0x" + code


def _deploy(node: Node, owner: str, code: str, types: tuple[str, ...] = (), values: tuple[Any, ...] = ()) -> str:
    receipt = mined(node, {"from": owner, "data": code + encode(types, values).hex()})
    return checksum_address(receipt["contractAddress"])


def _usdc(node: Node, owner: str, weth: str) -> str:
    """Deploy tokens until one sorts after WETH: the pool's prices are written for that order."""
    artifact = _ROOT / "demo" / "contracts" / "DemoToken.json"
    code = json.loads(artifact.read_text(encoding="utf-8"))["bytecode"]
    while True:
        kinds, values = ("string", "string", "uint8", "uint256"), ("USD Coin", "USDC", 6, _SUPPLY)
        token = _deploy(node, owner, code, kinds, values)
        if int(token, 16) > int(weth, 16):
            return token


def uniswap_deploy(node: Node) -> Uniswap:
    """Deploy and seed the reference pool on a node whose accounts are unlocked."""
    owner = checksum_address(node.call("eth_accounts")[9])
    weth = _deploy(node, owner, _artifact(_WETH))
    usdc = _usdc(node, owner, weth)
    factory = _deploy(node, owner, _artifact(_FACTORY))
    router = _deploy(node, owner, _artifact(_ROUTER), ("address", "address"), (factory, weth))
    three = ("address", "address", "address")
    positions = _deploy(node, owner, _artifact(_POSITIONS), three, (factory, weth, weth))
    root = isqrt((PRICE * _USDC_UNITS << 192) // 10**18)
    create = _call("createAndInitializePoolIfNecessary(address,address,uint24,uint160)", weth, usdc, FEE, root)
    mined(node, {"from": owner, "to": positions, "data": create})
    found = node.call(
        "eth_call", {"to": factory, "data": _call("getPool(address,address,uint24)", weth, usdc, FEE)}, "latest"
    )
    pool = checksum_address("0x" + found[-40:])
    mined(node, {"from": owner, "to": weth, "data": _call("deposit()"), "value": hex(3_000 * 10**18)})
    for token in (weth, usdc):
        mined(node, {"from": owner, "to": token, "data": _call(APPROVE, positions, 2**256 - 1)})
    made = Uniswap(
        node=node, owner=owner, weth=weth, usdc=usdc, factory=factory, positions=positions, router=router, pool=pool
    )
    for lower, upper, liquidity in _RANGES:
        _provide(made, root, lower, upper, liquidity)
    return made


def _provide(made: Uniswap, root: int, lower: int, upper: int, liquidity: int) -> None:
    """Put in what a position of so much liquidity takes at this price; a little over, the rest stays here."""
    low, high = _root_at(lower), _root_at(upper)
    weth = (liquidity << 96) * (high - root) // (high * root)
    usdc = liquidity * (root - low) >> 96
    mint = _call(
        "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))",
        (made.weth, made.usdc, FEE, lower, upper, weth, usdc, 0, 0, made.owner, _FOR_EVER),
    )
    mined(made.node, {"from": made.owner, "to": made.positions, "data": mint})


def _root_at(tick: int) -> int:
    """Return the square root of 1.0001^tick, times 2^96, exactly enough."""
    precision = 10**60
    power = 10_001**-tick * precision // 10_000**-tick
    return isqrt((precision << 192) // power)
