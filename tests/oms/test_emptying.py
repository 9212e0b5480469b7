"""Emptying a wallet into a successor by ordinary requests: amounts, gas, rests, holds, and who may take over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from coincurve import PrivateKey
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from approvals.models import User
from chains.services import chain_create, node_create
from core.calldata import encode_transfer
from core.documents.consent import Decision
from core.documents.roster import AddressEntry, AssetEntry, ReferencePrice, WalletKind
from core.documents.roster import Wallet as RosterWallet
from core.evm import address_of
from core.key_lifecycle import KeyEvent
from core.lifecycle import State
from custody.key_transitions import key_lock, key_move
from custody.models import Wallet
from custody.services import wallet_create
from oms.emptying import plan_make, successors
from oms.holds import hold_release
from oms.intents import amount_format
from oms.models import TransactionRequest
from oms.services import request_ask
from oms.sweep import sweep_once
from policies.services import genesis_store
from tests.chains.contracts import deploy, mined
from tests.factories.world import CHAIN, DAY, ETHER, NATIVE, PEOPLE, STRANGER, World
from tests.oms.conftest import Desk
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from demo.services.anvil import Node
    from oms.emptying import Plan

pytestmark = [pytest.mark.anvil, pytest.mark.django_db(transaction=True)]
OLD, NEW = PrivateKey(b"\1" * 32), PrivateKey(b"\2" * 32)
HELD = 10**9


def _public(key: PrivateKey) -> bytes:
    return key.public_key.format(compressed=False)


def _wallet(key: PrivateKey, label: str) -> RosterWallet:
    return RosterWallet(
        id=f"{CHAIN}:{address_of(_public(key))}",
        label=label,
        kind=WalletKind.HSM,
        public_key=_public(key),
        signers=("hsm-1",),
        threshold=1,
    )


FIRST, SECOND = _wallet(OLD, "Treasury Hot"), _wallet(NEW, "Treasury Hot 2")


@pytest.fixture
def desk(db: None, anvil_node: Node) -> Desk:  # noqa: ARG001 - asks for the database
    """A wallet with 18 ether and a token, and its successor, which the policy names and lists."""
    now = int(time.time())
    owner = anvil_node.call("eth_accounts")[0]
    contract = deploy(anvil_node, owner, "DemoToken", ["Dollar", "USDX", 6, HELD])
    anvil_node.call("anvil_setBalance", FIRST.address, hex(18 * ETHER))
    mined(anvil_node, {"from": owner, "to": contract, "data": "0x" + encode_transfer(FIRST.address, HELD).hex()})
    token = f"{CHAIN}/erc20:{contract}"
    entry = AddressEntry(
        id="successor",
        chain=CHAIN,
        address=SECOND.address,
        label="Treasury Hot 2",
        reason="rotation",
        usable_from=now - DAY,
        expires=now + 90 * DAY,
        beneficiary=None,
    )
    assets = (
        AssetEntry(id=NATIVE, symbol="ETH", name="Ether", decimals=18),
        AssetEntry(id=token, symbol="USDX", name="Dollar", decimals=6),
        AssetEntry(id=f"{CHAIN}/erc20:{STRANGER}", symbol="GONE", name="No contract", decimals=6),
    )
    prices = tuple(
        ReferencePrice(asset=name, usd_e8=usd * 10**8, expires=now + 100 * DAY)
        for name, usd in ((NATIVE, 100), (token, 1))
    )
    overrides = {"wallets": (FIRST, SECOND), "addresses": (entry,), "assets": assets, "prices": prices}
    world = World(now=now, wallet_public_key=_public(OLD), overrides=overrides)
    genesis_store(signed=world.signed_policy, digest=world.deployment, actor="x", now=now)
    users = {
        name: User.objects.create_user(name, display_name=name.title(), desk=desk, site=site)
        for name, (_, desk, site) in PEOPLE.items()
    }
    chain_create(actor="x", caip2=CHAIN, name="Dev chain", native_symbol="ETH", confirmation_depth=2)
    node_create(actor="x", chain=CHAIN, label="anvil", url=anvil_node.url)
    for one in (FIRST, SECOND):
        wallet_create(
            actor="x", caip10=one.id, label=one.label, kind=one.kind, public_key=one.public_key, signers=one.signers
        )
    return Desk(world=world, node=anvil_node, users=users)


def plan(desk: Desk, *, held: bool = True) -> Plan:
    return plan_make(policy=desk.world.policy, wallet=FIRST, held=held)


def ask(desk: Desk, number: int, *, held: bool = True) -> TransactionRequest:
    """Ask for one leg of the plan, as the page's form does."""
    leg = plan(desk, held=held).legs[number]
    mandate = desk.preview(
        held=held, wallet=FIRST.id, asset=leg.asset.id, destination=SECOND.address, amount_text=leg.amount_text
    ).mandate
    return request_ask(
        user=desk.users["tessa"],
        mandate_raw=mandate.to_bytes(),
        consent_raw=desk.signed(mandate, "tessa", Decision.ASK),
        now=timezone.now(),
        held=held,
    )


def test_tokens_come_first_and_the_coin_leaves_what_gas_can_cost(desk: Desk) -> None:
    made = plan(desk)
    assert [(leg.asset.symbol, leg.balance, leg.is_coin) for leg in made.legs] == [
        ("USDX", HELD, False),
        ("ETH", 18 * ETHER, True),
    ]
    token, coin = made.legs
    assert (token.amount, token.asked) == (HELD, 0)
    assert coin.amount == 18 * ETHER - made.reserve
    assert 0 < plan(desk, held=False).reserve < made.reserve
    assert made.unread == ("No contract",)


def test_what_is_planned_can_be_paid_in_the_very_amounts(desk: Desk) -> None:
    requests = [ask(desk, 0), ask(desk, 1)]
    assert [request.state for request in requests] == [State.PENDING, State.PENDING]
    after = plan(desk)
    assert [leg.amount for leg in after.legs] == [0, 0]
    assert after.left == ()
    assert {one.pk for one in after.requests} == {one.pk for one in requests}


def test_what_comes_in_later_is_a_rest_that_takes_a_request_of_its_own(desk: Desk) -> None:
    asked = ask(desk, 0)
    desk.node.call("anvil_setBalance", FIRST.address, hex(19 * ETHER))
    coin = plan(desk).legs[1]
    assert 18 * ETHER < coin.amount < 19 * ETHER
    ask(desk, 1)
    desk.node.call("anvil_setBalance", FIRST.address, hex(20 * ETHER))
    rest = plan(desk).legs[1]
    assert 0 < rest.amount <= ETHER
    assert TransactionRequest.objects.get(pk=asked.pk).amount == HELD


def test_it_is_consented_to_now_and_goes_when_an_operator_says_so(desk: Desk) -> None:
    request = ask(desk, 0)
    for name in ("rita", "ravi"):
        request = desk.decide(request, name)
    sweep_once(now=timezone.now())
    request.refresh_from_db()
    assert request.state == State.APPROVED
    with transaction.atomic():
        key = key_lock(wallet=FIRST.id)
        for event in (KeyEvent.ACTIVATE, KeyEvent.RETIRE):
            key_move(key=key, event=event, actor="user:olga", now=timezone.now(), why="rotation")
    hold_release(actor="user:olga", reference=request.reference, now=timezone.now())
    sweep_once(now=timezone.now())
    request.refresh_from_db()
    assert request.state == State.SIGNING, request.sub_status


def test_less_than_was_consented_to_is_blocked_and_not_sent(desk: Desk) -> None:
    request = ask(desk, 1)
    for name in ("rita", "ravi"):
        request = desk.decide(request, name)
    desk.node.call("anvil_setBalance", FIRST.address, hex(ETHER))
    hold_release(actor="user:olga", reference=request.reference, now=timezone.now())
    sweep_once(now=timezone.now())
    request.refresh_from_db()
    assert request.state != State.SIGNING, request.sub_status


def test_a_wallet_without_enough_for_gas_leaves_nothing_to_ask(desk: Desk) -> None:
    desk.node.call("anvil_setBalance", FIRST.address, hex(1))
    assert plan(desk).legs[1].amount == 0


def test_who_may_take_over_and_why_not(desk: Desk) -> None:
    policy, now = desk.world.policy, int(time.time())

    def problems(at: int = now) -> list[str]:
        return [one.problem for one in successors(policy=policy, wallet=FIRST.id, now=at)]

    assert problems() == [""]
    assert problems(now - 2 * DAY) == ["its whitelist entry is cooling"]
    assert problems(now + 100 * DAY) == ["its whitelist entry is expired"]
    # Nobody lists the first one, so that it takes over from nobody.
    assert [one.problem for one in successors(policy=policy, wallet=SECOND.id, now=now)] == [
        "no whitelist entry of the policy in force names it"
    ]
    with transaction.atomic():
        key = key_lock(wallet=SECOND.id)
        for event in (KeyEvent.ACTIVATE, KeyEvent.SUSPEND):
            key_move(key=key, event=event, actor="user:olga", now=timezone.now(), why="x")
    assert problems() == ["its key is suspended"]


def test_the_page_drafts_the_transfers_and_the_ordinary_preview_takes_them(desk: Desk) -> None:
    address = reverse("oms:wallet_empty", args=[FIRST.id])
    tessa = signed_in(desk.users["tessa"])
    assert "choose a successor" in tessa.get(address).content.decode()
    page = tessa.get(address, {"into": SECOND.id, "held": "yes"})
    text = page.content.decode()
    amount = amount_format(page.context["plan"].legs[1].amount, 18)
    assert f'name="amount" value="{amount}"' in text
    assert "No contract" in text
    fields = {
        "wallet": FIRST.id,
        "asset": NATIVE,
        "listed": SECOND.address,
        "amount": amount,
        "purpose": "Empty Treasury Hot into Treasury Hot 2",
        "held": "yes",
    }
    preview = tessa.post(reverse("oms:request_new"), fields)
    assert preview.status_code == 200, preview.context["form"].errors
    assert "?held=yes" in preview.content.decode()
    ask(desk, 0)
    text = tessa.get(address, {"into": SECOND.id}).content.decode()
    assert "nothing left" in text
    assert "held" in text


def test_bad_input_and_people_who_do_not_ask(desk: Desk) -> None:
    address = reverse("oms:wallet_empty", args=[FIRST.id])
    rita = signed_in(desk.users["rita"])
    assert "a trader asks" in rita.get(address, {"into": SECOND.id}).content.decode()
    for into in ("x", FIRST.id, "\0", "a" * 5_000, "eip155:1:0x00"):
        assert "This one cannot take over" in rita.get(address, {"into": into}).content.decode()
    for name in ("x", "eip155:31337:0x00", "a" * 300, "%00"):
        assert rita.get(f"/wallets/{name}/empty/").status_code == 404, name
    assert rita.post(address).status_code == 405
    desk.node.call("anvil_setBalance", FIRST.address, hex(0))
    assert rita.get(address, {"into": SECOND.id, "held": "no"}).status_code == 200


def test_without_a_node_the_page_says_so(desk: Desk) -> None:
    from chains.models import Node as NodeRow  # noqa: PLC0415 - `Node` is anvil's here

    NodeRow.objects.update(url="http://127.0.0.1:9")
    page = signed_in(desk.users["rita"]).get(reverse("oms:wallet_empty", args=[FIRST.id])).content.decode()
    assert "No node of this chain answers" in page


def test_a_wallet_that_the_policy_does_not_name_is_asked_for_nothing(desk: Desk) -> None:
    other = PrivateKey(b"\3" * 32)
    named = _wallet(other, "Elsewhere")
    wallet_create(
        actor="x", caip10=named.id, label="Elsewhere", kind=named.kind, public_key=_public(other), signers=["hsm-1"]
    )
    page = signed_in(desk.users["rita"]).get(reverse("oms:wallet_empty", args=[named.id])).content.decode()
    assert "Nothing can be asked" in page
    assert Wallet.objects.count() == 3
