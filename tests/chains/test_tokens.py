"""Tokens that describe themselves oddly or not at all: a plain answer to each, and nothing harmful on a page."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone
from eth_abi.abi import encode

from audit.models import AuditAlarm
from chains.errors import NodeAnswerError, NodeRefusalError
from chains.services import asset_create
from chains.tokens import TEXT_MOST, TokenFacts, token_problem, token_read
from chains.watch import asset_watch, assets_sweep
from core.names import checksum_address
from tests.chains.cluster import cluster_of
from tests.chains.conftest import CHAIN
from tests.chains.contracts import mined
from tests.fakes.proxy import Lie

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chains.cluster import Cluster
    from tests.chains.conftest import Bench

pytestmark = pytest.mark.anvil
STRANGE = json.loads((Path(__file__).parents[1] / "contracts" / "Strange.json").read_text(encoding="utf-8"))
MARKUP = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with cluster_of(2) as cluster:
        yield cluster


def _strange(node: object, owner: str, *, name: str = "ODD", places: int = 6, has_places: bool = True) -> str:
    arguments = encode(["uint8", "string", "uint8", "bool"], [0, name, places, has_places])
    call = {"from": owner, "data": STRANGE["StrangeToken"] + arguments.hex(), "gas": hex(20_000_000)}
    return checksum_address(mined(node, call)["contractAddress"])  # type: ignore[arg-type]  # any anvil


def _facts(cluster: Cluster, **how: object) -> TokenFacts:
    token = _strange(cluster.first, cluster.accounts[0], **how)  # type: ignore[arg-type]  # as above
    cluster.sync()
    return token_read(cluster.pool(), address=token)


@pytest.mark.parametrize("places", [0, 1, 18, 77])
def test_decimals_that_fit_are_read(cluster: Cluster, places: int) -> None:
    assert _facts(cluster, places=places).decimals == places


@pytest.mark.parametrize("how", [{"places": 78}, {"places": 255}, {"has_places": False}])
def test_decimals_that_cannot_be_or_are_missing_are_none(cluster: Cluster, how: dict[str, object]) -> None:
    facts = _facts(cluster, **how)
    assert facts.decimals is None
    assert "does not say how many decimals" in token_problem(facts, decimals=6)


def test_a_name_of_ten_kilobytes_is_cut(cluster: Cluster) -> None:
    facts = _facts(cluster, name="A" * 10_000)
    assert (len(facts.name), len(facts.symbol)) == (TEXT_MOST, TEXT_MOST)


def test_markup_stays_text_and_control_characters_go(cluster: Cluster) -> None:
    assert _facts(cluster, name=MARKUP).name == MARKUP[:TEXT_MOST]
    assert _facts(cluster, name="a\u202eb\x00c\nd").name == "a b c d"


def test_what_is_no_token(cluster: Cluster) -> None:
    facts = token_read(cluster.pool(), address=cluster.accounts[4])
    assert facts == TokenFacts(has_code=False, name="", symbol="", decimals=None)
    assert token_problem(facts, decimals=6) == "There is no contract at the token's address."


@pytest.mark.parametrize(
    "word",
    [
        "0x",
        "0x00",
        "0x" + "ff" * 32,
        "0x" + "ff" * 64,
        "0x" + "00" * 31 + "20" + "ff" * 32,
        "0x" + "00" * 31 + "20" + "00" * 31 + "05" + "ff" * 32,
        "0x4d4b52" + "00" * 29,
    ],
)
def test_whatever_a_token_answers_is_text_or_nothing(cluster: Cluster, word: str) -> None:
    token = _strange(cluster.first, cluster.accounts[0])
    cluster.sync()
    for proxy in cluster.proxies.values():
        proxy.lie("eth_call", Lie.ANSWER, answer={"result": word})
    facts = token_read(cluster.pool(), address=token)
    assert facts.name.isprintable()
    assert facts.decimals is None
    assert facts.name == ("MKR" if word.startswith("0x4d4b52") else facts.name)


def test_a_client_reads_odd_decimals_plainly(bench: Bench) -> None:
    client = bench.client()
    assert client.token_decimals(_strange(bench.node, bench.rich, places=0)) == 0
    with pytest.raises(NodeAnswerError, match="impossible decimals"):
        client.token_decimals(_strange(bench.node, bench.rich, places=255))
    with pytest.raises(NodeRefusalError, match="revert"):
        client.token_decimals(_strange(bench.node, bench.rich, has_places=False))


def test_an_entry_that_does_not_fit_its_contract_alarms(configured: Bench) -> None:
    token = _strange(configured.node, configured.rich, name=MARKUP, places=18)
    asset = asset_create(actor="x", caip19=f"{CHAIN}/erc20:{token}", symbol="ODD", name="Odd", decimals=6)
    assert asset_watch(asset=asset) == "The token says that it has 18 decimals; the asset's entry says 6."
    alarm = AuditAlarm.objects.get(tag="chains:asset:mismatch")
    assert "18 decimals" in alarm.message
    asset.decimals = 18
    asset.save()
    assert asset_watch(asset=asset) == ""
    alarm.refresh_from_db()
    assert alarm.closed_us is not None


def test_the_sweep_outlives_nodes_that_are_away(configured: Bench) -> None:
    asset_create(actor="x", caip19=f"{CHAIN}/erc20:0x{'11' * 20}", symbol="ODD", name="Odd", decimals=6)
    configured.proxy.lie("eth_getCode", Lie.FLOOD)
    started = time.monotonic()
    assert assets_sweep(now=timezone.now()) == 0
    assert time.monotonic() - started < 10
    assert not AuditAlarm.objects.filter(tag="chains:asset:mismatch").exists()
