"""Identifiers have one spelling each."""

from __future__ import annotations

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DocumentError
from core.names import (
    ACCOUNT,
    ADDRESS,
    ASSET,
    CHAIN,
    DIGEST,
    IDENTIFIER,
    SLUG,
    account,
    address_bytes,
    address_from_bytes,
    chain_number,
    checksum_address,
    native_asset,
    token_asset,
)
from tests.soak import bounded

# EIP-55, section "Test Cases".
EIP_55 = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]


@pytest.mark.parametrize("address", EIP_55)
def test_the_published_checksums(address: str) -> None:
    assert checksum_address(address.lower()) == address
    assert checksum_address("0x" + address[2:].upper()) == address
    assert ADDRESS.read(address, "x") == address
    assert address_from_bytes(address_bytes(address)) == address


@bounded(100)
@given(st.binary(min_size=20, max_size=20))
def test_checksums_agree_with_another_implementation(raw: bytes) -> None:
    assert address_from_bytes(raw) == to_checksum_address(raw)


@pytest.mark.parametrize(
    "address",
    [
        EIP_55[4].lower(),
        "0x" + EIP_55[4][2:].upper(),
        EIP_55[4][:-1] + "D",
        EIP_55[4][2:],
        "0X" + EIP_55[4][2:],
        EIP_55[4] + "0",
        EIP_55[4] + "\n",
        EIP_55[4][:-1],
        "",
        None,
        7,
    ],
)
def test_any_other_spelling_of_an_address_is_refused(address: object) -> None:
    with pytest.raises(DocumentError):
        ADDRESS.read(address, "to")


def test_what_is_no_address_has_no_checksum() -> None:
    with pytest.raises(DocumentError):
        checksum_address("0x12")


@pytest.mark.parametrize("chain", ["eip155:1", "eip155:31337", "eip155:9999999999999999"])
def test_caip_2_chains(chain: str) -> None:
    assert CHAIN.read(chain, "chain") == chain
    assert chain_number(chain) == int(chain[7:])


OTHER_CHAINS = (
    "eip155:0", "eip155:01", "eip155:", "eip155:-1", "EIP155:1", "eip155:1 ", "1", "eip155:\u0663", "bip122:1",
    "eip155:99999999999999999", "eip155:1\n", 1, None,
)  # fmt: skip


@pytest.mark.parametrize("chain", OTHER_CHAINS)
def test_other_chains_are_refused(chain: object) -> None:
    with pytest.raises(DocumentError):
        CHAIN.read(chain, "chain")


def test_caip_10_accounts() -> None:
    good = f"eip155:1:{EIP_55[4]}"
    assert ACCOUNT.read(good, "wallet") == good == account("eip155:1", EIP_55[4])


@pytest.mark.parametrize(
    "value", [f"eip155:1:{EIP_55[4].lower()}", f"eip155:01:{EIP_55[4]}", EIP_55[4], f":{EIP_55[4]}",
              f"eip155:1:{EIP_55[4]}:", f"eip155:1::{EIP_55[4]}", "", None, 3]
)  # fmt: skip
def test_other_accounts_are_refused(value: object) -> None:
    with pytest.raises(DocumentError):
        ACCOUNT.read(value, "wallet")


def test_caip_19_assets() -> None:
    for good in (native_asset("eip155:1"), token_asset("eip155:1", EIP_55[4])):
        assert ASSET.read(good, "asset") == good


@pytest.mark.parametrize(
    "value", ["eip155:1/slip44:61", "eip155:1/slip44:060", "eip155:1", f"eip155:1/erc20:{EIP_55[4].lower()}",
              f"eip155:1/erc721:{EIP_55[4]}", f"eip155:1/erc20:{EIP_55[4]}/7", "eip155:1/slip44:60/erc20:", None, 5]
)  # fmt: skip
def test_other_assets_are_refused(value: object) -> None:
    with pytest.raises(DocumentError):
        ASSET.read(value, "asset")


@pytest.mark.parametrize(
    ("codec", "good", "bad"),
    [
        (DIGEST, "ab" * 32, ["AB" * 32, "ab" * 31, "ab" * 33, "0x" + "ab" * 31, ""]),
        (IDENTIFIER, "0f" * 16, ["0F" * 16, "0f" * 15, "0f" * 15 + "g0"]),
        (SLUG, "hsm-1.a_b", ["", "-a", "a-", "A", "a b", "é", "a" * 65, "a\n"]),
    ],
)
def test_digests_ids_and_slugs(codec: object, good: str, bad: list[str]) -> None:
    assert codec.read(good, "x") == good  # type: ignore[attr-defined]
    for value in bad:
        with pytest.raises(DocumentError):
            codec.read(value, "x")  # type: ignore[attr-defined]
