"""What contracts are: real OpenZeppelin proxies, clones and delegations, upgraded between two looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chains.errors import IdentityError, NoQuorumError, ProofError
from chains.identity import Findings, Identity, ProxyKind, identity_compare, identity_read, reviews_of
from core.abi import selector_of
from core.chain_proof import EMPTY_CODE_HASH
from core.documents.roster import AbiFunction, ContractEntry
from core.keccak import keccak256
from core.names import checksum_address
from tests.chains.cluster import CHAIN, cluster_of
from tests.chains.contracts import OPENZEPPELIN, deploy, transact
from tests.fakes.proxy import Lie

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.chains.cluster import Cluster

pytestmark = pytest.mark.anvil
STORE = "store(uint256)"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with cluster_of(2) as cluster:
        yield cluster


def _compare(identity: Identity, *, chain: str, contracts: Iterable[ContractEntry]) -> Findings:
    return identity_compare(identity, reviews=reviews_of(contracts, chain=chain))


def _read(cluster: Cluster, address: str) -> Identity:
    cluster.sync()
    return identity_read(cluster.pool(), address=address)


def _hash(cluster: Cluster, address: str) -> bytes:
    return keccak256(bytes.fromhex(cluster.first.call("eth_getCode", address, "latest")[2:]))


def _reviewed(cluster: Cluster, *addresses: str, signature: str = STORE) -> list[ContractEntry]:
    functions = (AbiFunction(selector=selector_of(signature), signature=signature),)
    return [
        ContractEntry(
            chain=CHAIN,
            address=address,
            label=f"Contract {n}",
            code_hash=_hash(cluster, address),
            functions=functions,
            protocol=None,
        )
        for n, address in enumerate(addresses)
    ]


def _ours(cluster: Cluster, name: str, *arguments: object) -> str:
    return deploy(cluster.first, cluster.accounts[0], name, list(arguments))


def _openzeppelin(cluster: Cluster, name: str, *arguments: object) -> str:
    return deploy(cluster.first, cluster.accounts[0], name, list(arguments), OPENZEPPELIN)


def _send(cluster: Cluster, to: str, signature: str, *values: object) -> dict[str, Any]:
    return transact(cluster.first, cluster.accounts[0], to, signature, *values)


def test_a_plain_contract_and_no_contract(cluster: Cluster) -> None:
    box = _ours(cluster, "BoxV1")
    found = _read(cluster, box)
    assert (found.kind, found.code_hash, found.implementation) == (ProxyKind.NONE, _hash(cluster, box), None)
    assert _compare(found, chain=CHAIN, contracts=_reviewed(cluster, box)).is_reviewed
    empty = _read(cluster, cluster.accounts[3])
    assert (empty.has_code, empty.code_hash) == (False, EMPTY_CODE_HASH)
    assert _compare(empty, chain=CHAIN, contracts=()).is_reviewed  # where there is no code, none can have changed
    gone = _reviewed(cluster, box)
    cluster.first.call("anvil_setCode", box, "0x")
    cluster.first.call("anvil_mine", "0x1")
    assert _compare(_read(cluster, box), chain=CHAIN, contracts=gone).code_unchanged is False


def test_an_upgrade_between_approval_and_signing_is_noticed(cluster: Cluster) -> None:
    one, two = _ours(cluster, "BoxV1"), _ours(cluster, "BoxV2")
    admin = _openzeppelin(cluster, "ProxyAdmin")
    proxy = _openzeppelin(cluster, "TransparentUpgradeableProxy", one, admin, b"")
    reviewed = _reviewed(cluster, proxy, one)
    approved = _read(cluster, proxy)
    assert (approved.kind, approved.implementation, approved.admin) == (ProxyKind.EIP1967, one, admin)
    assert approved.implementation_hash == _hash(cluster, one)
    assert _compare(approved, chain=CHAIN, contracts=reviewed).is_reviewed
    _send(cluster, admin, "upgrade(address,address)", proxy, two)
    signing = _read(cluster, proxy)
    found = _compare(signing, chain=CHAIN, contracts=reviewed)
    assert (found.code_unchanged, found.implementation_unchanged) == (True, False)
    assert found.reasons == (f"{proxy} forwards to {two}, which nobody reviewed",)
    assert _compare(signing, chain=CHAIN, contracts=[*reviewed, *_reviewed(cluster, two)]).is_reviewed
    assert signing != approved


def test_a_contract_reviewed_for_something_else_does_not_pass_as_implementation(cluster: Cluster) -> None:
    one, other = _ours(cluster, "BoxV1"), _ours(cluster, "BoxV2")
    proxy = _openzeppelin(cluster, "ERC1967Proxy", other, b"")
    reviewed = [*_reviewed(cluster, proxy, one), *_reviewed(cluster, other, signature="burn(uint256)")]
    found = _compare(_read(cluster, proxy), chain=CHAIN, contracts=reviewed)
    assert found.implementation_unchanged is False
    assert "not reviewed for all functions" in found.reasons[0]


def test_a_beacon_that_points_elsewhere_is_noticed(cluster: Cluster) -> None:
    one, two = _ours(cluster, "BoxV1"), _ours(cluster, "BoxV2")
    beacon = _openzeppelin(cluster, "UpgradeableBeacon", one)
    proxy = _openzeppelin(cluster, "BeaconProxy", beacon, b"")
    reviewed = _reviewed(cluster, proxy, one, beacon)
    found = _read(cluster, proxy)
    assert (found.kind, found.implementation, found.beacon) == (ProxyKind.BEACON, one, beacon)
    assert _compare(found, chain=CHAIN, contracts=reviewed).is_reviewed
    assert not _compare(found, chain=CHAIN, contracts=reviewed[:2]).is_reviewed
    _send(cluster, beacon, "upgradeTo(address)", two)
    assert not _compare(_read(cluster, proxy), chain=CHAIN, contracts=reviewed).is_reviewed


def test_one_node_cannot_make_up_what_a_beacon_says(cluster: Cluster) -> None:
    beacon = _openzeppelin(cluster, "UpgradeableBeacon", _ours(cluster, "BoxV1"))
    proxy = _openzeppelin(cluster, "BeaconProxy", beacon, b"")
    cluster.proxies["one"].lie("eth_call", Lie.ANSWER, answer={"result": "0x" + "00" * 12 + "11" * 20})
    with pytest.raises(NoQuorumError):
        _read(cluster, proxy)
    for proxy_ in cluster.proxies.values():
        proxy_.lie("eth_call", Lie.ANSWER, answer={"result": "0x"})
    with pytest.raises(IdentityError, match="names no implementation"):
        _read(cluster, proxy)


def test_clones_name_their_target_in_code(cluster: Cluster) -> None:
    one, maker = _ours(cluster, "BoxV1"), _ours(cluster, "CloneMaker")
    receipt = _send(cluster, maker, "make(address)", one)
    clone = checksum_address("0x" + receipt["logs"][0]["data"][-40:])
    found = _read(cluster, clone)
    assert (found.kind, found.implementation) == (ProxyKind.CLONE, one)
    assert _compare(found, chain=CHAIN, contracts=_reviewed(cluster, clone, one)).is_reviewed
    assert not _compare(found, chain=CHAIN, contracts=_reviewed(cluster, clone)).is_reviewed


def test_the_older_standard_is_read_too(cluster: Cluster) -> None:
    one, two = _ours(cluster, "BoxV1"), _ours(cluster, "BoxV2")
    proxy = _ours(cluster, "OldUups", one)
    reviewed = _reviewed(cluster, proxy, one)
    found = _read(cluster, proxy)
    assert (found.kind, found.implementation) == (ProxyKind.EIP1822, one)
    assert _compare(found, chain=CHAIN, contracts=reviewed).is_reviewed
    _send(cluster, proxy, "upgrade(address)", two)
    assert not _compare(_read(cluster, proxy), chain=CHAIN, contracts=reviewed).is_reviewed


def test_a_delegation_is_no_plain_account(cluster: Cluster) -> None:
    box, account = _ours(cluster, "BoxV1"), cluster.accounts[4]
    cluster.first.call("anvil_setCode", account, "0xef0100" + box[2:].lower())
    cluster.first.call("anvil_mine", "0x1")
    found = _read(cluster, account)
    assert (found.kind, found.implementation, found.has_code) == (ProxyKind.DELEGATION, box, True)
    assert not _compare(found, chain=CHAIN, contracts=_reviewed(cluster, box)).is_reviewed


def test_a_proxy_behind_a_proxy_is_followed_and_a_circle_ends(cluster: Cluster) -> None:
    one, two = _ours(cluster, "BoxV1"), _ours(cluster, "BoxV2")
    inner = _openzeppelin(cluster, "ERC1967Proxy", one, b"")
    outer = _openzeppelin(cluster, "ERC1967Proxy", inner, b"")
    reviewed = _reviewed(cluster, outer, inner, one)
    assert _compare(_read(cluster, outer), chain=CHAIN, contracts=reviewed).is_reviewed
    slot = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"
    cluster.first.call("anvil_setStorageAt", inner, slot, "0x" + "00" * 12 + two[2:])
    cluster.first.call("anvil_mine", "0x1")
    assert not _compare(_read(cluster, outer), chain=CHAIN, contracts=reviewed).is_reviewed
    cluster.first.call("anvil_setStorageAt", inner, slot, "0x" + "00" * 12 + outer[2:])
    cluster.first.call("anvil_mine", "0x1")
    with pytest.raises(IdentityError, match="forward to each other"):
        _read(cluster, outer)


def test_slots_that_contradict_each_other_or_hold_no_address(cluster: Cluster) -> None:
    one = _ours(cluster, "BoxV1")
    proxy = _ours(cluster, "OldUups", one)
    slot = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"
    cluster.first.call("anvil_setStorageAt", proxy, slot, "0x" + "00" * 12 + one[2:])
    cluster.first.call("anvil_mine", "0x1")
    with pytest.raises(IdentityError, match="several standards"):
        _read(cluster, proxy)
    cluster.first.call("anvil_setStorageAt", proxy, slot, "0x" + "11" * 32)
    cluster.first.call("anvil_mine", "0x1")
    with pytest.raises(IdentityError, match="holds no address"):
        _read(cluster, proxy)


def test_code_and_slots_are_proven_not_believed(cluster: Cluster) -> None:
    box = _ours(cluster, "BoxV1")
    cluster.sync()
    for proxy in cluster.proxies.values():
        proxy.lie("eth_getCode", Lie.ANSWER, answer={"result": "0x363d"})
    with pytest.raises(IdentityError, match="cannot be read"):
        _read(cluster, box)
    for proxy in cluster.proxies.values():
        proxy.behave()
        proxy.lie("eth_getProof", Lie.HTML)
    with pytest.raises(ProofError):
        _read(cluster, box)


def test_without_a_reviewed_hash_nothing_is_unchanged(cluster: Cluster) -> None:
    box = _ours(cluster, "BoxV1")
    found = _compare(_read(cluster, box), chain=CHAIN, contracts=())
    assert (found.code_unchanged, found.implementation_unchanged) == (None, None)
    entries = _reviewed(cluster, box)
    found = _compare(_read(cluster, box), chain="eip155:1", contracts=entries)
    assert not found.is_reviewed


def test_redeployed_code_at_the_same_address_is_noticed(cluster: Cluster) -> None:
    box, other = _ours(cluster, "BoxV1"), _ours(cluster, "BoxV2")
    reviewed = _reviewed(cluster, box)
    cluster.first.call("anvil_setCode", box, cluster.first.call("eth_getCode", other, "latest"))
    cluster.first.call("anvil_mine", "0x1")
    found = _compare(_read(cluster, box), chain=CHAIN, contracts=reviewed)
    assert found.code_unchanged is False
