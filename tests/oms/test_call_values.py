"""Typed arguments and what calls are called: strict reading, plain answers, no word from a four-byte hint."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from core.abi import argument_types
from core.calldata import encode_transfer
from core.schema import UINT256_MAX
from oms.call_values import Reader, leaves_of
from oms.call_words import KNOWN, call_lines
from oms.calls import call_parse, registered_find, registered_of
from oms.errors import FormError
from tests.factories.contracts import (
    APPROVE,
    MULTI_SEND,
    MULTICALL,
    PERMIT,
    ROUTER,
    SEND_MANY,
    SWAP,
    batch,
    call,
    contract,
    packed,
)
from tests.factories.uniswap import EXACT_INPUT_SINGLE
from tests.factories.world import CHAIN, ETHER, LISTED, NOW, STRANGER, TOKEN_CONTRACT, World

if TYPE_CHECKING:
    from core.documents.policy import Policy

SAFE = "0x41675C099F32341bf84BFc5382aF534df5C7461a"
EXACT = "exactInput((bytes,address,uint256,uint256,uint256))"
V2 = "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)"
EXECUTE = "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)"
WORLD = World(
    overrides={
        "contracts": (
            contract(ROUTER, "Router", SWAP, EXACT_INPUT_SINGLE, EXACT, V2, MULTICALL),
            contract(MULTI_SEND, "MultiSend", SEND_MANY),
            contract(SAFE, "Vault", EXECUTE),
            contract(TOKEN_CONTRACT, "Token", APPROVE, PERMIT, MULTICALL),
        )
    }
)
OWN = WORLD.wallet.rpartition(":")[2]
READER = Reader(WORLD.policy, CHAIN, now=NOW)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("uint256", "0", 0),
        ("uint256", str(UINT256_MAX), UINT256_MAX),
        ("uint256", "1,250.5 USDC", 1_250_500_000),
        ("uint256", "1 ETH", ETHER),
        ("uint256", "in 20 minutes", NOW + 1_200),
        ("uint256", "in 1 hour", NOW + 3_600),
        ("uint8", "255", 255),
        ("int8", "-128", -128),
        ("bool", "yes", True),
        ("bool", "FALSE", False),
        ("address", LISTED, LISTED),
        ("address", "Binance", LISTED),
        ("address", "usdc", TOKEN_CONTRACT),
        ("bytes", "0x", b""),
        ("bytes4", "0xDEADbeef", b"\xde\xad\xbe\xef"),
        ("string", " as it is ", " as it is "),
        ("uint256[]", '["1", "2 USDC"]', [1, 2_000_000]),
        ("address[2]", '["USDC", "Router"]', [TOKEN_CONTRACT, ROUTER]),
        ("(uint256,address)[]", '[["5", "USDC"]]', [[5, TOKEN_CONTRACT]]),
    ],
)
def test_what_is_typed_is_read(kind: str, text: str, value: object) -> None:
    assert READER.read(kind, text) == value


def test_an_own_wallet_goes_by_its_label() -> None:
    # Its address is new in every process, so it is no parameter: workers have to find the same tests.
    assert READER.read("address", "treasury hot") == OWN


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("uint256", ""),
        ("uint256", "-1"),
        ("uint256", "01"),
        ("uint256", "1e18"),
        ("uint256", "1.5"),
        ("uint256", "0x10"),
        ("uint256", str(UINT256_MAX + 1)),
        ("uint256", "1,5 USDC"),
        ("uint256", "1.0000001 USDC"),
        ("uint256", "1 DOGE"),
        ("uint256", "in 0 minutes"),
        ("uint256", "\u0661"),
        ("uint8", "256"),
        ("int8", "128"),
        ("bool", "1"),
        ("address", "0x1234"),
        ("address", LISTED.lower()),
        ("address", "0x" + "0" * 40),
        ("address", "nobody"),
        ("bytes", "abcd"),
        ("bytes", "0xabc"),
        ("bytes4", "0xdead"),
        ("uint256[]", "1, 2"),
        ("uint256[]", "[1]"),
        ("uint256[]", '{"a": 1}'),
        ("uint256[2]", '["1"]'),
        ("(uint256,address)", '["1"]'),
        ("uint256[]", "[" * 5_000),
        ("string", "x" * (128 * 1024 + 1)),
    ],
)
def test_what_cannot_be_meant_is_told_so(kind: str, text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        READER.read(kind, text)


def test_a_name_that_means_two_addresses_means_none() -> None:
    entry = next(one for one in WORLD.policy.addresses if one.address == LISTED)
    twice = dataclasses.replace(entry, id="other", address=STRANGER)
    policy = dataclasses.replace(WORLD.policy, addresses=(*WORLD.policy.addresses, twice))
    with pytest.raises(ValueError, match="several addresses"):
        Reader(policy, CHAIN, now=NOW).read("address", "Binance")


def test_tuples_become_fields_of_their_own() -> None:
    leaves = leaves_of(argument_types(EXACT_INPUT_SINGLE) or ())
    assert [(leaf.name, leaf.kind) for leaf in leaves][:3] == [
        ("arg-0-0", "address"),
        ("arg-0-1", "address"),
        ("arg-0-2", "uint24"),
    ]
    assert [leaf.kind for leaf in leaves_of(argument_types(SWAP) or ())] == [
        "address",
        "(uint256,address)[]",
        "uint256",
    ]


def parsed(signature: str, **typed: str) -> Any:  # noqa: ANN401 - CallDraft
    key = next(one.key for one in registered_of(WORLD.policy) if one.function.signature == signature)
    return call_parse(policy=WORLD.policy, wallet=WORLD.wallet, function=key, typed=typed, now=NOW)


def test_typed_arguments_become_exactly_the_calldata() -> None:
    draft = parsed(APPROVE, **{"arg-0": "Router", "arg-1": "1,000 USDC", "value": "", "purpose": " Swap "})
    assert draft.data == call(APPROVE, ROUTER, 10**9)
    assert (draft.value, draft.purpose, draft.allowance) == (0, "Swap", None)
    paying = parsed(MULTICALL, **{"arg-0": f'["0x{encode_transfer(LISTED, 5).hex()}"]', "value": "1.5"})
    assert (paying.data, paying.value) == (batch(MULTICALL, [encode_transfer(LISTED, 5)]), 3 * ETHER // 2)


def test_every_wrong_field_is_named_at_once() -> None:
    wrong = {"arg-0": "nobody", "arg-1": "x", "value": "-1", "allowance": "5 DOGE", "purpose": "a\nb"}
    with pytest.raises(FormError) as caught:
        parsed(APPROVE, **wrong)
    assert set(caught.value.errors) == set(wrong)


def test_calldata_of_more_than_128_kib_is_told_so() -> None:
    with pytest.raises(FormError) as caught:
        parsed(SEND_MANY, **{"arg-0": "0x" + "00" * (128 * 1024)})
    assert "larger than a transaction may be" in caught.value.errors[""][0]


@pytest.mark.parametrize(
    "key", ["", "nobody", f"{CHAIN}:{LISTED}:0x095ea7b3", f"{CHAIN}:{TOKEN_CONTRACT}:0x00000000"]
)
def test_what_nobody_registered_cannot_be_asked_for(key: str) -> None:
    assert registered_find(WORLD.policy, key) is None
    with pytest.raises(FormError) as caught:
        call_parse(policy=WORLD.policy, wallet=WORLD.wallet, function=key, typed={}, now=NOW)
    assert "function" in caught.value.errors


def said(to: str, data: bytes, value: int = 0, policy: Policy = WORLD.policy) -> tuple[str, ...]:
    return call_lines(CHAIN, to, value, data, policy)


def test_swaps_are_said_in_units_and_names() -> None:
    single = call(EXACT_INPUT_SINGLE, (TOKEN_CONTRACT, STRANGER, 500, OWN, NOW, 10**12, 7, 0))
    words = f"Swap 1,000,000 USDC for at least 7 base units of {CHAIN}/erc20:{STRANGER} (0.05 % pool)"
    assert said(ROUTER, single) == (f"{words} to Treasury Hot (by Router)",)
    path = bytes.fromhex(TOKEN_CONTRACT[2:]) + (3_000).to_bytes(3, "big") + bytes.fromhex(TOKEN_CONTRACT[2:])
    along = call(EXACT, (path, OWN, NOW, 10**6, 2 * 10**6))
    assert said(ROUTER, along) == ("Swap 1 USDC for at least 2 USDC to Treasury Hot (by Router)",)
    crooked = call(EXACT, (path[:-1], OWN, NOW, 10**6, 1))
    assert said(ROUTER, crooked) == ("Swap along a path that cannot be read (by Router)",)
    old = call(V2, 10**6, 5, [TOKEN_CONTRACT, TOKEN_CONTRACT], LISTED, NOW)
    assert said(ROUTER, old) == ("Swap 1 USDC for at least 0.000005 USDC to Binance (by Router)",)
    assert said(ROUTER, call(V2, 1, 1, [], LISTED, NOW)) == ("Swap along a path that names no token (by Router)",)


def test_allowances_are_said_as_what_they_allow() -> None:
    assert said(TOKEN_CONTRACT, call(APPROVE, ROUTER, 10**9)) == ("Let Router take at most 1,000 USDC",)
    assert said(TOKEN_CONTRACT, call(APPROVE, ROUTER, UINT256_MAX)) == ("Let Router take at most any amount of USDC",)
    assert said(TOKEN_CONTRACT, call(APPROVE, ROUTER, 0)) == ("Take back what Router may take of USDC",)
    permit = call(PERMIT, OWN, STRANGER, 5, NOW, 27, bytes(32), bytes(32))
    assert said(TOKEN_CONTRACT, permit) == (f"Let {STRANGER} take at most 0.000005 USDC",)


def test_calls_inside_calls_are_said_line_for_line() -> None:
    many = batch(MULTICALL, [encode_transfer(LISTED, 5), call(APPROVE, ROUTER, 7)])
    assert said(TOKEN_CONTRACT, many) == (
        "Make several calls through Token",
        "  Transfer 0.000005 USDC to Binance",
        "  Let Router take at most 0.000007 USDC",
    )
    foreign = packed((1, STRANGER, 0, b"\1\2\3\4"), (0, LISTED, 3, b""))
    lines = said(MULTI_SEND, foreign)
    assert "foreign code" in lines[1]
    assert lines[2] == "  Transfer 0.000000000000000003 ETH to Binance"


def test_a_safe_says_whom_it_calls_and_how() -> None:
    nobody = "0x" + "00" * 20
    for operation, way in ((0, "call"), (1, "run the code of")):
        data = call(EXECUTE, LISTED, 5, b"\1" * 9, operation, 0, 0, 0, nobody, nobody, b"")
        (words,) = said(SAFE, data)
        assert words == f"Have the Safe {way} Binance with 0.000000000000000005 ETH, 9 bytes of data (by Vault)"


@pytest.mark.parametrize("data", [b"\xa9\x05\x9c\xbb" + bytes(64), b"\x41\x4b\xf3\x89", b"\1", b"\0" * 128 * 1024])
def test_a_four_byte_hint_names_nothing(data: bytes) -> None:
    (words,) = said(STRANGER, data)
    assert words.startswith(f"Call {STRANGER} in a way that nobody registered")
    assert "transfer" not in words.lower()


def test_an_encoding_that_does_not_match_its_abi_is_not_understood() -> None:
    single = call(EXACT_INPUT_SINGLE, (TOKEN_CONTRACT, STRANGER, 500, OWN, NOW, 10**12, 7, 0))
    for wrong in (single + b"\0", single[:-1], single[:4]):
        assert said(ROUTER, wrong)[0].startswith("Call Router in a way that nobody registered, function 0x414bf389")


def test_every_known_meaning_is_of_a_signature_that_can_be_registered() -> None:
    assert all(argument_types(signature) for signature in KNOWN)
