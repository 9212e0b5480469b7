"""The pages for a contract call: what is typed is kept, what is wrong is named, what is asked is said in words."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from approvals.models import User
from chains.services import chain_create, node_create
from core.documents.consent import Decision
from core.documents.mandate import Mandate
from core.documents.roster import WalletKind
from custody.services import wallet_create
from oms.errors import RequestRefusedError
from oms.services import request_ask
from policies.services import genesis_store
from tests.factories.contracts import APPROVE, ROUTER, SWAP, call, contract
from tests.factories.world import CHAIN, ETHER, PEOPLE, TOKEN_CONTRACT, World
from tests.oms.conftest import Desk
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from django.test import Client

    from demo.services.anvil import Node

PAGE = "/requests/call/"
KEY = f"{CHAIN}:{TOKEN_CONTRACT}:0x095ea7b3"


@pytest.fixture
def caller(db: None, anvil_node: Node) -> Desk:  # noqa: ARG001 - asks for the database
    """An institution that registers a token's approve and a router's swap."""
    registered = (contract(TOKEN_CONTRACT, "Token", APPROVE), contract(ROUTER, "Router", SWAP))
    world = World(now=int(time.time()), overrides={"contracts": registered})
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
    return Desk(world=world, node=anvil_node, users=users)


@pytest.fixture
def trader(caller: Desk) -> Client:
    return signed_in(caller.users["tessa"])


def typed(caller: Desk, **changes: str) -> dict[str, str]:
    fields = {"function": KEY, "wallet": caller.world.wallet, "arg-0": "Router", "arg-1": "5 USDC"}
    return fields | {"value": "", "allowance": "", "purpose": "Before a swap"} | changes


def test_only_registered_functions_are_offered(trader: Client) -> None:
    page = trader.get(PAGE).content.decode()
    assert "Token · approve(address,uint256)" in page
    assert "Router · swap(" in page
    assert 'name="arg-0"' not in page
    assert 'name="arg-1"' in trader.get(PAGE, {"function": KEY}).content.decode()


@pytest.mark.parametrize("key", ["", "nobody", f"{CHAIN}:{TOKEN_CONTRACT}:0xa9059cbb", "\0", "x" * 5_000])
def test_a_function_that_nobody_registered_is_told_so(caller: Desk, trader: Client, key: str) -> None:
    assert trader.get(PAGE, {"function": key}).status_code == 200
    page = trader.post(PAGE, typed(caller, function=key))
    assert page.status_code == 422
    assert "Choose one of the functions that the policy registers." in page.content.decode()


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("arg-0", "nobody", "Names are not looked up"),
        ("arg-0", "<script>alert(1)</script>", "Enter an address"),
        ("arg-1", str(2**256), "A uint256 is a number"),
        ("arg-1", "1e9", "names no asset e9"),
        ("arg-1", "1.5", "Enter a whole number"),
        ("arg-1", "5 DOGE", "names no asset DOGE"),
        ("value", "-1", "Enter a number such as"),
        ("allowance", "much", "one of the policy"),
        ("wallet", "eip155:1:0x0", "Choose one of the wallets"),
        ("purpose", "a\nb", "in one line"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_lost(
    caller: Desk, trader: Client, field: str, text: str, words: str
) -> None:
    page = trader.post(PAGE, typed(caller, **{field: text}))
    assert page.status_code == 422
    body = page.content.decode()
    assert words in body
    assert page.context["form"][field].value() == text
    assert "<script>alert" not in body
    assert 'value="Before a swap"' in body or field == "purpose"


def ask(caller: Desk, mandate: Mandate) -> Any:  # noqa: ANN401 - TransactionRequest
    consent = caller.signed(mandate, "tessa", Decision.ASK)
    return request_ask(
        user=caller.users["tessa"], mandate_raw=mandate.to_bytes(), consent_raw=consent, now=timezone.now()
    )


def test_a_call_is_previewed_asked_and_said_in_words(caller: Desk, trader: Client) -> None:
    page = trader.post(PAGE, typed(caller))
    assert page.status_code == 200, page.content.decode()
    assert "Let Router take at most 5 USDC" in page.content.decode()
    asked = json.loads(page.context["consent_request"])
    mandate = Mandate.from_json(asked["document"])
    request = ask(caller, mandate)
    assert (request.destination, request.amount) == (TOKEN_CONTRACT, 0)
    detail = trader.get(f"/requests/{request.reference}/")
    assert "Let Router take at most 5 USDC, from Treasury Hot" in detail.content.decode()


@pytest.mark.parametrize(
    ("to", "data"),
    [
        (ROUTER, b"\x01\x02\x03\x04"),
        (TOKEN_CONTRACT, call(APPROVE, ROUTER, 5) + b"\0"),
        (TOKEN_CONTRACT, call(APPROVE, ROUTER, 5)[:-1]),
        (ROUTER, call(APPROVE, ROUTER, 5)),
        (ROUTER, b"\0" * 128 * 1024),
    ],
)
def test_what_cannot_be_read_whole_cannot_be_asked_for(caller: Desk, to: str, data: bytes) -> None:
    intent = caller.world.intent(to=to, value=0, data=data, gas=90_000)
    with pytest.raises(RequestRefusedError, match="can be read whole"):
        ask(caller, caller.world.mandate(intent))


def test_somebody_who_may_not_ask_sees_no_form(caller: Desk) -> None:
    assert signed_in(caller.users["rita"]).get(PAGE).status_code == 403
