"""What attesters say at the re-check: their silence lets a case wait, and what they say by then may send it back."""

from __future__ import annotations

import dataclasses
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from approvals.models import User
from attester.config import ChainConfig, Config, ManualPrice, key_load, key_make
from attester.service import Attester
from chains.nodes.endpoint import Endpoint
from chains.nodes.pool import Rules
from chains.services import chain_create, node_create
from chains.simulation.slippage import Price
from core.documents.policy import Condition, ConditionOp, Effect, Rule
from core.documents.roster import NamedKey, WalletKind
from core.lifecycle import State
from custody.services import wallet_create
from oms.workflow import request_recheck
from policies.services import genesis_store
from tests.attester.conftest import serving
from tests.factories.world import CHAIN, DAY, ETHER, NATIVE, PEOPLE, World, compare
from tests.oms.conftest import Desk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_django import Settings

    from demo.services.anvil import Node
    from oms.models import TransactionRequest

NAME = "attester-1"


@dataclasses.dataclass
class House:
    """A desk whose policy names one attester."""

    desk: Desk
    attester: Attester

    def price(self, usd: int) -> None:
        """Have the attester quote another price."""
        price = ManualPrice(price=Price(usd_e8=usd * 10**8, decimals=18), expires=int(time.time()) + DAY)
        self.attester.config = dataclasses.replace(self.attester.config, prices={NATIVE: price})

    def approved(self) -> TransactionRequest:
        """Ask for 1 ether and have both officers approve it."""
        request = self.desk.ask()
        assert request.state == State.PENDING, request.sub_status
        for officer in ("rita", "ravi"):
            request = self.desk.decide(request, officer)
        assert request.state == State.APPROVED
        return request

    def recheck(self, request: TransactionRequest) -> TransactionRequest:
        request_recheck(reference=request.reference, now=timezone.now())
        request.refresh_from_db()
        return request


@pytest.fixture
def house(db: None, anvil_node: Node, tmp_path: Path, settings: Settings) -> Iterator[House]:  # noqa: ARG001 - asks for the database
    fails = Condition(
        op=ConditionOp.NOT, field=None, values=(), parts=(compare("simulation.success", ConditionOp.EQ, "true"),)
    )
    guard = Rule(id="fails", label="Seen to succeed", order=9, when=fails, effect=Effect.BLOCK, quorum=None)
    named = NamedKey(id=NAME, public_key=key_make(tmp_path), host="host-4")
    overrides = {"attesters": (named,), "attester_threshold": 1, "guards": (guard,)}
    world = World(now=int(time.time()), overrides=overrides)
    anvil_node.call("anvil_setBalance", world.wallet.rpartition(":")[2], hex(1000 * ETHER))
    genesis_store(signed=world.signed_policy, digest=world.deployment, actor="x", now=world.now)
    users = {
        name: User.objects.create_user(name, display_name=name.title(), desk=desk, site=site)
        for name, (_, desk, site) in PEOPLE.items()
    }
    chain_create(actor="x", caip2=CHAIN, name="Dev chain", native_symbol="ETH", confirmation_depth=2)
    node_create(actor="x", chain=CHAIN, label="anvil", url=anvil_node.url)
    wallet_create(
        actor="x",
        caip10=world.wallet,
        label="Treasury Hot",
        kind=WalletKind.HSM,
        public_key=world.wallet_public_key,
        signers=(world.signer,),
    )
    own = Endpoint(label="own", url=anvil_node.url, chain_id=31337)
    chain = ChainConfig(chain=CHAIN, endpoints=(own,), rules=Rules(least=1))
    config = Config(name=NAME, lifetime=300, chains={CHAIN: chain}, prices={}, code={})
    made = House(Desk(world, anvil_node, users), Attester(config, key_load(tmp_path), world.deployment))
    made.price(2_500)
    with ExitStack() as stack:
        settings.COUNTERSIGN_ATTESTERS = {NAME: stack.enter_context(serving(made.attester, clock=world.now))}
        yield made


def test_a_case_goes_on_while_attesters_say_what_they_said(house: House) -> None:
    assert house.recheck(house.approved()).state == State.SIGNING


def test_the_silence_of_attesters_lets_a_case_wait(house: House, settings: Settings) -> None:
    request = house.approved()
    there = settings.COUNTERSIGN_ATTESTERS
    settings.COUNTERSIGN_ATTESTERS = {NAME: "http://127.0.0.1:9"}
    waiting = house.recheck(request)
    assert (waiting.state, waiting.sub_status.partition(":")[0]) == (
        State.APPROVED,
        "The attesters say nothing that counts",
    )
    settings.COUNTERSIGN_ATTESTERS = there
    assert house.recheck(request).state == State.SIGNING


def test_a_price_that_asks_for_more_people_sends_the_case_back(house: House) -> None:
    request = house.approved()
    house.price(20_000)
    back = house.recheck(request)
    assert back.state == State.BLOCKED
    assert "takes more people than approved it" in back.sub_status


def test_what_attesters_see_fail_by_now_is_not_signed(house: House) -> None:
    request = house.approved()
    wallet = house.desk.world.wallet.rpartition(":")[2]
    house.desk.node.call("anvil_setBalance", wallet, hex(ETHER // 2))
    back = house.recheck(request)
    assert back.state == State.BLOCKED
    assert "it would fail" in back.sub_status
