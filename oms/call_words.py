"""What a call does, in one sentence and in a line for each call inside it: by registered functions only.

Words come from functions that the policy registers and from assets and addresses that it names. Bytes whose function
nobody registered are said to be unknown, whatever a list of four-byte hints may call them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.abi import SELECTOR_BYTES, argument_types, decode_strict, fact_of
from core.books import books_of
from core.calldata import CallKind
from core.calls import open_calls
from core.names import native_asset, token_asset
from core.schema import UINT256_MAX
from oms.intents import amount_format

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.calls import Allowance, Made
    from core.documents.policy import Policy
    from core.registry import Fact

_MOST_WORDS = 400
_PATH_FEE = 3
_ADDRESS_BYTES = 20

Arguments = tuple["Fact", ...]


class Names:
    """How a policy names what stands in calls of one chain."""

    def __init__(self, policy: Policy, chain: str) -> None:
        """Read the policy's lists once."""
        self.policy, self.chain = policy, chain
        self.assets = {asset.id: asset for asset in policy.assets}
        self._labels = {entry.address: entry.label for entry in policy.contracts if entry.chain == chain}
        self._labels |= {entry.address: entry.label for entry in policy.addresses if entry.chain == chain}
        self._labels |= {wallet.address: wallet.label for wallet in policy.wallets if wallet.chain == chain}

    def place(self, address: Fact) -> str:
        """Name an address by its label, or in full."""
        return self._labels.get(str(address), str(address))

    def token(self, address: Fact) -> str:
        """Name a token by its symbol, or its contract in full."""
        asset = self.assets.get(token_asset(self.chain, str(address)))
        return str(address) if asset is None else asset.symbol

    def amount(self, asset: str, amount: Fact) -> str:
        """Write an amount in its asset's units; in base units where the policy names no such asset."""
        known = self.assets.get(asset)
        if amount == UINT256_MAX:
            return f"any amount of {known.symbol if known else asset}"
        if known is None or not isinstance(amount, int):
            return f"{amount} base units of {asset}"
        return f"{amount_format(amount, known.decimals)} {known.symbol}"

    def of_token(self, address: Fact, amount: Fact) -> str:
        """Write an amount of the token at an address."""
        return self.amount(token_asset(self.chain, str(address)), amount)


def _inside(value: Fact) -> Arguments:
    return value if isinstance(value, tuple) else ()


def _single(names: Names, values: Arguments) -> str:
    """Uniswap V3 (SwapRouter): tokenIn, tokenOut, fee, recipient, deadline, amountIn, amountOutMinimum, limit."""
    sold, bought, fee, to, _, amount, least, _ = _inside(values[0])
    pool = f" ({_percent(fee)} pool)"
    return (
        f"Swap {names.of_token(sold, amount)} for at least {names.of_token(bought, least)}{pool} to {names.place(to)}"
    )


def _single_exact(names: Names, values: Arguments) -> str:
    """Uniswap V3 (SwapRouter): as `_single`, with amountOut and amountInMaximum."""
    sold, bought, fee, to, _, amount, most, _ = _inside(values[0])
    pool = f" ({_percent(fee)} pool)"
    return f"Buy {names.of_token(bought, amount)} for at most {names.of_token(sold, most)}{pool} to {names.place(to)}"


def _percent(fee: Fact) -> str:
    """Write a pool's fee, hundredths of a basis point."""
    whole, part = divmod(fee if isinstance(fee, int) else 0, 10_000)
    return f"{whole}.{part:04d}".rstrip("0").rstrip(".") + " %"


def _ends(path: Fact) -> tuple[str, str] | None:
    """Return the first and the last token of a Uniswap V3 path (address, fee, address and so on)."""
    raw = bytes.fromhex(str(path)[2:]) if str(path).startswith("0x") else b""
    step = _ADDRESS_BYTES + _PATH_FEE
    if len(raw) < step + _ADDRESS_BYTES or (len(raw) - _ADDRESS_BYTES) % step:
        return None
    first, last = fact_of("address", "0x" + raw[:20].hex()), fact_of("address", "0x" + raw[-20:].hex())
    return str(first), str(last)


def _path(names: Names, values: Arguments) -> str:
    """Uniswap V3 (SwapRouter): path, recipient, deadline, amountIn, amountOutMinimum."""
    path, to, _, amount, least = _inside(values[0])
    ends = _ends(path)
    if ends is None:
        return "Swap along a path that cannot be read"
    sold, bought = ends
    return f"Swap {names.of_token(sold, amount)} for at least {names.of_token(bought, least)} to {names.place(to)}"


def _tokens(names: Names, values: Arguments) -> str:
    """Uniswap V2: amountIn, amountOutMin, path, to, deadline."""
    amount, least, path, to, _ = values
    route = _inside(path)
    if not route:
        return "Swap along a path that names no token"
    return (
        f"Swap {names.of_token(route[0], amount)} for at least {names.of_token(route[-1], least)} "
        f"to {names.place(to)}"
    )


def _liquidity(names: Names, values: Arguments) -> str:
    """Uniswap V2: tokenA, tokenB, amountADesired, amountBDesired, amountAMin, amountBMin, to, deadline."""
    one, other, most_one, most_other, *_, to, _ = values
    return (
        f"Add at most {names.of_token(one, most_one)} and {names.of_token(other, most_other)} to their pool, "
        f"shares to {names.place(to)}"
    )


def _safe(names: Names, values: Arguments) -> str:
    """Safe: to, value, data, operation, safeTxGas, baseGas, gasPrice, gasToken, refundReceiver, signatures."""
    to, value, data, operation, *_ = values
    way = "run the code of" if operation == 1 else "call"
    sent = f" with {names.amount(native_asset(names.chain), value)}" if value else ""
    length = (len(str(data)) - 2) // 2 if str(data).startswith("0x") else 0
    return f"Have the Safe {way} {names.place(to)}{sent}, {length or 'many'} bytes of data"


KNOWN: dict[str, Callable[[Names, Arguments], str]] = {
    "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))": _single,
    "exactOutputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))": _single_exact,
    "exactInput((bytes,address,uint256,uint256,uint256))": _path,
    "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)": _tokens,
    "addLiquidity(address,address,uint256,uint256,uint256,uint256,address,uint256)": _liquidity,
    "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)": _safe,
}
"""What well-known functions mean, by their whole signature; which contract may be called is the policy's affair."""


def _allowance_words(names: Names, given: Allowance) -> str:
    if not given.amount:
        token = names.token(given.asset.rpartition(":")[2])
        return f"Take back what {names.place(given.spender)} may take of {token}"
    return f"Let {names.place(given.spender)} take at most {names.amount(given.asset, given.amount)}"


def made_words(made: Made, data: bytes | None, names: Names) -> str:
    """Say what one call does.

    Args:
        made: The call.
        data: Its calldata, where it is at hand.
        names: How things are called.
    """
    sent = f", with {names.amount(native_asset(names.chain), made.value)}" if made.value and made.has_data else ""
    if made.kind in (CallKind.NATIVE, CallKind.TOKEN) and made.flow is not None:
        return f"Transfer {names.amount(made.flow.asset, made.flow.amount)} to {names.place(made.flow.destination)}"
    if made.allowance is not None:
        return _allowance_words(names, made.allowance) + sent
    function = None
    if made.contract is not None:
        function = next((f for f in made.contract.functions if f.selector == made.selector), None)
    if function is None or made.arguments is None:
        known = "" if made.selector is None else f", function 0x{made.selector.hex()}"
        size = "" if data is None else f", {len(data):,} bytes"
        return f"Call {names.place(made.to)} in a way that nobody registered{known}{size}{sent}"
    name = function.signature.partition("(")[0]
    describe = KNOWN.get(function.signature)
    if describe is not None:
        return f"{describe(names, made.arguments)} (by {names.place(made.to)}){sent}"
    if made.is_batch:
        return f"Make several calls through {names.place(made.to)}{sent}"
    return f"Call {name} of {names.place(made.to)}{sent}"


def call_lines(chain: str, to: str, value: int, data: bytes, policy: Policy) -> tuple[str, ...]:
    """Say what a transaction does: the call itself first, then each call inside it.

    Args:
        chain: CAIP-2.
        to: Whom it calls, EIP-55.
        value: Wei.
        data: The calldata.
        policy: Names and registers things.
    """
    names = Names(policy, chain)
    calls = open_calls(chain, to, value, data, books_of(policy))
    lines = []
    for place, made in enumerate(calls.made):
        words = made_words(made, data if place == 0 else None, names)
        foreign = " — foreign code in its caller's place" if made.delegate else ""
        lines.append("  " * made.depth + words[:_MOST_WORDS] + foreign)
    return tuple(lines)


def arguments_of(signature: str, data: bytes) -> Arguments | None:
    """Return a call's arguments as facts; None unless the data is the one encoding of this signature's arguments."""
    types = argument_types(signature)
    values = None if types is None else decode_strict(types, data[SELECTOR_BYTES:])
    if types is None or values is None:
        return None
    return tuple(fact_of(kind, value) for kind, value in zip(types, values, strict=True))
