"""An attester on real contracts: what it signs counts in `core`, and what it cannot know it does not sign."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

from attester.errors import NotAttestedError
from attester.service import REQUEST_BYTES
from core.attested import QUOTES, attested_facts, quoted
from core.calldata import encode_transfer
from core.documents.roster import NamedKey
from core.keccak import keccak256
from core.names import checksum_address, native_asset, token_asset
from tests.attester.conftest import NAMES, Desk, attester_make, settings_of
from tests.chains.contracts import OPENZEPPELIN, calldata, deploy, transact
from tests.factories.world import CHAIN, NOW, STRANGER
from tests.fakes.proxy import Lie, LyingNode

if TYPE_CHECKING:
    from pathlib import Path

    from attester.service import Attester
    from core.documents.bundle import SignedAttestation
    from core.documents.mandate import Intent
    from core.registry import FactMap

pytestmark = [pytest.mark.anvil, pytest.mark.timeout(400)]


def question(intent: Intent, block: int | None = None) -> bytes:
    return json.dumps({"v": 1, "intent": intent.to_json(), "block": block}).encode()


def make(
    tmp_path: Path, desk: Desk, *, more: str = "", url: str = "", name: str = NAMES[0]
) -> tuple[Attester, bytes]:
    text = settings_of(name, url or desk.market.node.url, desk.market, more=more)
    return attester_make(tmp_path / name, text, desk.world.deployment)


def believed(desk: Desk, intent: Intent, key: bytes, *signed: SignedAttestation) -> FactMap:
    """What a policy that names this one attester takes from it."""
    named = (NamedKey(id=NAMES[0], public_key=key, host="north"),)
    policy = dataclasses.replace(desk.world.policy, attesters=named, attester_threshold=1)
    found = attested_facts(signed, policy, intent=intent.digest, deployment=desk.world.deployment, now=NOW)
    assert found.notes == ()
    return found.facts


@pytest.mark.parametrize(("million", "bps"), [(1, 21), (5, 299)])
def test_a_swap_is_attested_with_what_it_costs(tmp_path: Path, desk: Desk, million: int, bps: int) -> None:
    attester, key = make(tmp_path, desk)
    intent = desk.swap(million)
    facts = believed(desk, intent, key, attester.attest(question(intent), now=NOW))
    assert facts["simulation.success"] is True
    assert facts["price.deviation_bps"] == bps
    assert (facts["effects.sent"], facts["effects.allowances"]) == (million * 10**12, 0)
    assert facts["effects.sent.asset"] == token_asset(CHAIN, desk.market.usdc)
    assert facts["effects.received.asset"] == token_asset(CHAIN, desk.market.weth)
    assert quoted(facts)[native_asset(CHAIN)] == 2_500 * 10**8
    assert "code.unchanged" not in facts


def test_reviewed_code_is_attested_and_other_code_is_told(tmp_path: Path, desk: Desk) -> None:
    router = desk.market.router
    code = bytes.fromhex(desk.market.node.call("eth_getCode", router, "latest")[2:])
    for name, digest, unchanged in (("a", keccak256(code).hex(), True), ("b", "11" * 32, False)):
        more = f'[[code]]\nchain = "{CHAIN}"\naddress = "{router}"\nhash = "0x{digest}"\n'
        attester, key = make(tmp_path / name, desk, more=more)
        intent = desk.swap(1)
        facts = believed(desk, intent, key, attester.attest(question(intent), now=NOW))
        assert facts["code.unchanged"] is unchanged
        assert facts["implementation.unchanged"] is unchanged


def test_an_upgrade_behind_an_unchanged_proxy_is_told(tmp_path: Path, desk: Desk) -> None:
    node, owner = desk.market.node, checksum_address(desk.market.node.call("eth_accounts")[7])
    one, two = (deploy(node, owner, name, []) for name in ("BoxV1", "BoxV2"))
    admin = deploy(node, owner, "ProxyAdmin", [], OPENZEPPELIN)
    proxy = deploy(node, owner, "TransparentUpgradeableProxy", [one, admin, b""], OPENZEPPELIN)
    more = ""
    for address in (proxy, one):
        digest = keccak256(bytes.fromhex(node.call("eth_getCode", address, "latest")[2:])).hex()
        more += f'[[code]]\nchain = "{CHAIN}"\naddress = "{address}"\nhash = "0x{digest}"\n'
    attester, key = make(tmp_path, desk, more=more)
    intent = desk.world.intent(to=proxy, value=0, data=calldata("store(uint256)", 7), gas=90_000)
    for unchanged in (True, False):
        facts = believed(desk, intent, key, attester.attest(question(intent), now=NOW))
        assert facts["code.unchanged"] is True
        assert facts["implementation.unchanged"] is unchanged
        transact(node, owner, admin, "upgrade(address,address)", proxy, two)


def test_a_payment_to_an_account_without_code_has_none_that_changed(tmp_path: Path, desk: Desk) -> None:
    attester, key = make(tmp_path, desk)
    intent = desk.world.intent(to=STRANGER, value=5)
    facts = believed(desk, intent, key, attester.attest(question(intent), now=NOW))
    assert facts["code.unchanged"] is True
    assert (facts["effects.sent"], facts["effects.sent.asset"]) == (5, native_asset(CHAIN))
    assert facts["effects.received"] == 0
    assert "price.deviation_bps" not in facts


def test_what_fails_is_attested_as_failed_and_nothing_else(tmp_path: Path, desk: Desk) -> None:
    attester, key = make(tmp_path, desk)
    intent = desk.world.token_intent(10**30, to=desk.market.usdc)
    facts = believed(desk, intent, key, attester.attest(question(intent), now=NOW))
    assert facts["simulation.success"] is False
    assert set(facts) == {"simulation.success", QUOTES}


def test_an_allowance_is_counted(tmp_path: Path, desk: Desk) -> None:
    attester, key = make(tmp_path, desk)
    data = bytes.fromhex("095ea7b3") + encode_transfer(STRANGER, 7)[4:]
    intent = desk.world.intent(to=desk.market.usdc, value=0, data=data, gas=90_000)
    facts = believed(desk, intent, key, attester.attest(question(intent), now=NOW))
    assert (facts["effects.allowances"], facts["effects.sent"], facts["effects.received"]) == (1, 0, 0)


def test_two_attesters_meet_on_one_block(tmp_path: Path, desk: Desk) -> None:
    intent = desk.swap(1)
    attesters = [make(tmp_path, desk, name=name) for name in NAMES]
    first = attesters[0][0].attest(question(intent), now=NOW)
    desk.market.node.call("anvil_mine", "0x2")
    second = attesters[1][0].attest(question(intent, first.document.block_number), now=NOW)
    assert first.document.block_hash == second.document.block_hash
    assert first.document.facts == second.document.facts
    desk.market.node.call("anvil_mine", "0x8")
    with pytest.raises(NotAttestedError, match="not among the newest"):
        attesters[1][0].attest(question(intent, first.document.block_number), now=NOW)
    with pytest.raises(NotAttestedError, match="not among the newest"):
        attesters[1][0].attest(question(intent, 10**9), now=NOW)


def test_an_expired_price_stops_it(tmp_path: Path, desk: Desk) -> None:
    attester, _ = make(tmp_path, desk)
    later = NOW + 3_600
    intent = desk.world.intent(header=dataclasses.replace(desk.world.intent().header, expires=later + 60))
    with pytest.raises(NotAttestedError, match="has expired") as caught:
        attester.attest(question(intent), now=later)
    assert caught.value.status == 503


@pytest.mark.parametrize("lie", [Lie.HTML, Lie.HALF, Lie.DROP])
def test_with_a_node_that_is_broken_nothing_is_signed(tmp_path: Path, desk: Desk, lie: Lie) -> None:
    with LyingNode(desk.market.node.url) as proxy:
        attester, _ = make(tmp_path, desk, url=proxy.url)
        for method in ("eth_simulateV1", "debug_traceCall", "eth_call"):
            proxy.lie(method, lie)
        with pytest.raises(NotAttestedError) as caught:
            attester.attest(question(desk.swap(1)), now=NOW)
    assert caught.value.status == 503


def test_with_one_honest_node_of_two_nothing_is_signed(tmp_path: Path, desk: Desk) -> None:
    with LyingNode(desk.market.node.url) as proxy:
        text = settings_of(NAMES[0], desk.market.node.url, desk.market)
        second = f'[[chains.nodes]]\nlabel = "other"\nurl = "{proxy.url}"\n[[prices]]'
        text = text.replace("[[prices]]", second, 1)
        attester, _ = attester_make(tmp_path / "two", text, desk.world.deployment)
        fine = [{"parentHash": "0x" + "00" * 32, "calls": [{"status": "0x1", "gasUsed": "0x5208", "logs": []}]}]
        proxy.lie("eth_simulateV1", Lie.ANSWER, answer={"result": fine})
        with pytest.raises(NotAttestedError, match="1 of 2 nodes answered"):
            attester.attest(question(desk.swap(1)), now=NOW)


def test_with_nodes_that_contradict_each_other_nothing_is_signed(tmp_path: Path, desk: Desk) -> None:
    def silenced(result: list[dict[str, list[dict[str, object]]]]) -> object:
        return [block | {"calls": [call | {"logs": []} for call in block["calls"]]} for block in result]

    with LyingNode(desk.market.node.url) as proxy:
        text = settings_of(NAMES[0], desk.market.node.url, desk.market)
        second = f'[[chains.nodes]]\nlabel = "other"\nurl = "{proxy.url}"\n[[prices]]'
        attester, _ = attester_make(tmp_path / "two", text.replace("[[prices]]", second, 1), desk.world.deployment)
        assert attester.attest(question(desk.swap(1)), now=NOW).document.facts
        proxy.lie("eth_simulateV1", Lie.EDIT, answer=silenced)
        with pytest.raises(NotAttestedError, match="contradict"):
            attester.attest(question(desk.swap(1)), now=NOW)


def _asked(about: Intent, **changes: Any) -> bytes:  # noqa: ANN401 - any JSON
    return json.dumps({"v": 1, "intent": about.to_json(), "block": None} | changes).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"v": True},
        {"block": -1},
        {"block": True},
        {"block": "1"},
        {"block": 1.5},
        {"intent": None},
        {"intent": []},
        {"intent": {}},
        {"more": 1},
    ],
)
def test_a_question_that_makes_no_sense_is_told_so(tmp_path: Path, desk: Desk, changes: dict[str, object]) -> None:
    attester, _ = make(tmp_path, desk)
    with pytest.raises(NotAttestedError) as caught:
        attester.attest(_asked(desk.swap(1), **changes), now=NOW)
    assert caught.value.status == 400


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b"\xff", b"[" * 100_000, b" " * (REQUEST_BYTES + 1)])
def test_what_is_no_question_is_told_so(tmp_path: Path, desk: Desk, body: bytes) -> None:
    attester, _ = make(tmp_path, desk)
    with pytest.raises(NotAttestedError) as caught:
        attester.attest(body, now=NOW)
    assert caught.value.status == 400


def test_only_living_intents_of_its_own_deployment_are_attested(tmp_path: Path, desk: Desk) -> None:
    attester, _ = make(tmp_path, desk)
    header = dataclasses.replace(desk.swap(1).header, created=NOW - 9)
    for wrong in (dataclasses.replace(header, deployment="ab" * 32), dataclasses.replace(header, expires=NOW)):
        with pytest.raises(NotAttestedError) as caught:
            attester.attest(question(desk.swap(1, header=wrong)), now=NOW)
        assert caught.value.status == 400


def test_another_chain_is_not_looked_at(tmp_path: Path, desk: Desk) -> None:
    attester, _ = make(tmp_path, desk)
    intent = desk.swap(1, chain="eip155:1", wallet=f"eip155:1:{desk.account}")
    with pytest.raises(NotAttestedError) as caught:
        attester.attest(question(intent), now=NOW)
    assert caught.value.status == 404
