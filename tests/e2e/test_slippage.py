"""The slippage of a real swap: shown before anyone signs, and held by a real signer against a web tier that lies.

Real Uniswap V3 contracts, two attesters in processes of their own with their own keys, a signer in its own with
SoftHSM, and the pages of the web tier.
"""

from __future__ import annotations

import dataclasses
import re
import sys
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from eth_abi.abi import encode

from approvals.models import User
from attester.config import deployment_pin, key_make
from chains.attesters import AttestersError, attestations_ask, attestations_for_signing
from chains.services import chain_create, node_create
from core.abi import selector_of
from core.documents.bundle import FactValue
from core.documents.policy import Condition, ConditionOp, Effect, Measure, Rule
from core.documents.roster import AssetEntry, NamedKey, ReferencePrice, Role, WalletKind
from core.names import native_asset, token_asset
from custody.services import wallet_create
from demo.services.anvil import anvil
from demo.services.processes import free_port, running
from policies.services import genesis_store
from tests.attester.conftest import settings_of
from tests.factories.contracts import contract
from tests.factories.uniswap import APPROVE, EXACT_INPUT_SINGLE, FEE, PRICE, uniswap_deploy
from tests.factories.world import CHAIN, DAY, PEOPLE, compare, every, limit, seats
from tests.sign_in import signed_in
from tests.signer.rig import Rig, make_template

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.test.client import _MonkeyPatchedWSGIResponse as Response
    from pytest_django import Settings

    from core.documents.bundle import Bundle, SignedAttestation
    from core.documents.mandate import Intent
    from tests.factories.uniswap import Uniswap
    from tests.signer.rig import Served

pytestmark = [pytest.mark.anvil, pytest.mark.database, pytest.mark.timeout(400)]
ATTESTERS = ("attester-north", "attester-south")
CALL = "/requests/call/"
GWEI = 10**9


def rules(market: Uniswap) -> dict[str, Any]:
    """Swaps for ourselves, at most 1 % away from the attesters' prices, and only what they saw succeed."""
    fails = Condition(
        op=ConditionOp.NOT, field=None, values=(), parts=(compare("simulation.success", ConditionOp.EQ, "true"),)
    )
    swap = "0x" + selector_of(EXACT_INPUT_SINGLE).hex()
    far = every(compare("selector", ConditionOp.EQ, swap), compare("price.deviation_bps", ConditionOp.GE, "101"))
    guards = tuple(
        Rule(id=name, label=label, order=order, when=when, effect=Effect.BLOCK, quorum=None)
        for order, (name, label, when) in enumerate(
            [("fails", "What attesters did not see succeed", fails), ("slips", "Slippage above 1 %", far)], start=1
        )
    )
    own = every(
        compare("contract", ConditionOp.EQ, market.router),
        compare("selector", ConditionOp.EQ, swap),
        Condition(op=ConditionOp.OWN_WALLET, field="arg.0.3", values=(), parts=()),
    )
    swaps = Rule(
        id="swaps",
        label="Swaps for ourselves",
        order=1,
        when=own,
        effect=Effect.ALLOW,
        quorum=seats((Role.RISK_OFFICER, 1)),
    )
    assets = {
        native_asset(CHAIN): ("ETH", 18, PRICE),
        token_asset(CHAIN, market.usdc): ("USDC", 6, 1),
        token_asset(CHAIN, market.weth): ("WETH", 18, PRICE),
    }
    return {
        "assets": tuple(AssetEntry(id=a, symbol=s, name=s, decimals=d) for a, (s, d, _) in assets.items()),
        "prices": tuple(
            ReferencePrice(asset=a, usd_e8=usd * 10**8, expires=int(time.time()) + 30 * DAY)
            for a, (_, _, usd) in assets.items()
        ),
        "contracts": (contract(market.router, "Router", EXACT_INPUT_SINGLE), contract(market.usdc, "USDC", APPROVE)),
        "guards": guards,
        "grants": (swaps,),
        "escalations": (),
        "limits": (limit("usd-day", Measure.USD, 10**7 * 10**8, window=DAY, order=1),),
        "attester_threshold": 2,
    }


@dataclasses.dataclass
class Site:
    """Everything that runs."""

    market: Uniswap
    rig: Rig
    account: str

    def intent(self, million: int) -> Intent:
        return self.rig.world.intent(
            to=self.market.router,
            value=0,
            data=self.market.swap_data(million * 10**12, self.account),
            gas=400_000,
            max_fee_per_gas=10 * GWEI,
            max_priority_fee_per_gas=GWEI,
        )

    def bundle(self, intent: Intent, attestations: tuple[SignedAttestation, ...]) -> Bundle:
        """A whole case: the asker asked, the officer approved, and the web tier put these attestations to it."""
        world = self.rig.world
        return world.bundle(world.mandate(intent), approvers=("rita",), nonce=0, attestations=attestations)


def _keyed(state: Path) -> bytes:
    state.mkdir()
    return key_make(state)


def _listens(log: Path) -> bool:
    return log.exists() and " listens on " in log.read_text()


@pytest.fixture
def site(tmp_path: Path, db: None, settings: Settings) -> Iterator[Site]:  # noqa: ARG001 - asks for the database
    with ExitStack() as stack:
        market = uniswap_deploy(stack.enter_context(anvil()))
        keys = {name: _keyed(tmp_path / name) for name in ATTESTERS}
        named = tuple(NamedKey(id=name, public_key=key, host=name) for name, key in keys.items())
        template = make_template(tmp_path / "template")
        rig = Rig(template, tmp_path / "signer", overrides={"attesters": named, **rules(market)})
        world, account = rig.world, rig.world.wallet.rpartition(":")[2]
        market.node.call("anvil_setBalance", account, hex(10**20))
        market.fund(account, 5 * 10**12)
        market.approve(account, 5 * 10**12)
        # The allowance was given by the fixture, not by the signer, whose first nonce is 0.
        market.node.call("anvil_setNonce", account, "0x0")
        addresses = {}
        for name in ATTESTERS:
            text = settings_of(name, market.node.url, market)
            text = re.sub(r"expires = \d+", f"expires = {world.now + DAY}", text)
            (tmp_path / name / "attester.toml").write_text(text, encoding="utf-8")
            deployment_pin(tmp_path / name, world.deployment)
            port, log = free_port(), tmp_path / f"{name}.log"
            command: list[str | Path] = [sys.executable, "-m", "attester", "serve", "--state", tmp_path / name]
            stack.enter_context(
                running(
                    [*command, "--port", str(port)],
                    ready=partial(_listens, log),
                    log=log,
                )
            )
            addresses[name] = f"http://127.0.0.1:{port}"
        settings.COUNTERSIGN_ATTESTERS = addresses
        _web_tier(market, rig)
        rig.pin()
        yield Site(market, rig, account)


def _web_tier(market: Uniswap, rig: Rig) -> None:
    world = rig.world
    genesis_store(signed=world.signed_policy, digest=world.deployment, actor="system:test", now=world.now)
    for name, (_, desk, place) in PEOPLE.items():
        User.objects.create_user(name, display_name=name.title(), desk=desk, site=place)
    chain_create(actor="x", caip2=CHAIN, name="Dev chain", native_symbol="ETH", confirmation_depth=1)
    node_create(actor="x", chain=CHAIN, label="web-node", url=market.node.url)
    wallet_create(
        actor="x",
        caip10=world.wallet,
        label="Treasury Hot",
        kind=WalletKind.HSM,
        public_key=world.wallet_public_key,
        signers=(world.signer,),
    )


def previewed(site: Site, amount: str) -> Response:
    """Type a swap into the form, as a trader does, and have it previewed."""
    key = f"{CHAIN}:{site.market.router}:0x{selector_of(EXACT_INPUT_SINGLE).hex()}"
    typed = {
        "function": key,
        "wallet": site.rig.world.wallet,
        "arg-0-0": "USDC",
        "arg-0-1": "WETH",
        "arg-0-2": str(FEE),
        "arg-0-3": "Treasury Hot",
        "arg-0-4": "in 20 minutes",
        "arg-0-5": amount,
        "arg-0-6": "0",
        "arg-0-7": "0",
        "value": "",
        "allowance": "",
        "purpose": "Rebalancing",
    }
    page: Response = signed_in(User.objects.get(person_id="tessa")).post(CALL, typed)
    assert page.status_code == 200, page.content.decode()
    return page


def test_the_page_shows_the_loss_before_anyone_signs(site: Site, settings: Settings) -> None:
    for amount, loss, allowed in (("5,000,000 USDC", "2.98 %", False), ("1,000,000 USDC", "0.200 %", True)):
        page = previewed(site, amount)
        preview, words = page.context["preview"], page.content.decode()
        assert (preview.loss, preview.loss_source) == (loss, "by the attesters' prices")
        assert f"<strong>{loss}</strong>" in words
        assert f"Swap {amount} for at least 0 WETH (0.05 % pool) to Treasury Hot" in words
        assert preview.decision.allowed is allowed
        assert preview.simulation.succeeded
        assert len(preview.evidence.attestations) == 2
        assert "attester-north, attester-south" in words
    _sequence(site)
    _gone(site, settings)


def refused(signer: Served, bundle: Bundle) -> str:
    answer = signer.sign(bundle)
    assert answer["ok"] is False, answer
    assert answer["error"]["code"] == "denied", answer
    return str(answer["error"]["message"])


def rewritten(signed: SignedAttestation, **values: str) -> SignedAttestation:
    """What a web tier does that claims otherwise: other facts over the same signature."""
    changes = {name.replace("__", "."): value for name, value in values.items()}
    facts = tuple(
        FactValue(field=fact.field, values=(changes[fact.field],)) if fact.field in changes else fact
        for fact in signed.document.facts
    )
    return dataclasses.replace(signed, document=dataclasses.replace(signed.document, facts=facts))


def test_the_signer_holds_the_slippage_guard_against_a_web_tier_that_lies(site: Site) -> None:
    large, small = site.intent(5), site.intent(1)
    of_large, of_small = attestations_ask(intent=large).signed, attestations_ask(intent=small).signed
    with site.rig.served() as signer:
        _lie(site, signer, large, of_large, of_small)
        # The cheap one is signed, and does on the chain what was attested.
        answer = signer.sign(site.bundle(small, of_small))
    assert answer["ok"] is True, answer
    said = {fact.field: fact.values[0] for fact in of_small[0].document.facts}
    site.market.node.call("eth_sendRawTransaction", answer["result"]["raw"])
    asked = {"to": site.market.weth, "data": "0x70a08231" + encode(["address"], [site.account]).hex()}
    deadline = time.monotonic() + 5
    while (held := int(site.market.node.call("eth_call", asked, "latest"), 16)) == 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert held == int(said["effects.received"])


Signed = tuple["SignedAttestation", ...]


def _lie(site: Site, signer: Served, large: Intent, of_large: Signed, of_small: Signed) -> None:
    """Try everything that a web tier can do about a swap whose slippage people do not want."""

    def refusal(attestations: Signed) -> str:
        return refused(signer, site.bundle(large, attestations))

    # Told the truth.
    assert "guard slips (Slippage above 1 %) matched" in refusal(of_large)
    # Told nothing, or too little.
    assert "0 of 2 attesters" in refusal(())
    assert "1 of 2 attesters" in refusal(of_large[:1])
    assert "1 of 2 attesters" in refusal((of_large[0], of_large[0]))
    # Told that it is cheap: over a signature for something else, and with the attestations of the cheap swap.
    lie = tuple(rewritten(one, price__deviation_bps="20") for one in of_large)
    assert "is not signed by its key" in refusal(lie)
    assert "is about another transaction" in refusal(of_small)
    # One that says nothing of slippage at all.
    silent = tuple(
        dataclasses.replace(
            one,
            document=dataclasses.replace(
                one.document, facts=tuple(f for f in one.document.facts if f.field != "price.deviation_bps")
            ),
        )
        for one in of_large
    )
    refusal(silent)


def _gone(site: Site, settings: Settings) -> None:
    """An attester that does not answer stops the line, and the page says so."""
    settings.COUNTERSIGN_ATTESTERS = settings.COUNTERSIGN_ATTESTERS | {"attester-south": "http://127.0.0.1:9"}
    page = previewed(site, "1,000,000 USDC")
    assert "1 of 2 attesters that are needed" in page.content.decode()
    assert page.context["preview"].decision.allowed is False
    with pytest.raises(AttestersError, match="1 of 2 attesters answered"):
        attestations_for_signing(intent=site.intent(1))


def _sequence(site: Site) -> None:
    """An exact allowance and the swap are simulated one after the other, and asked for one after the other."""
    site.market.approve(site.account, 0)
    site.market.node.call("anvil_setNonce", site.account, "0x0")
    key = f"{CHAIN}:{site.market.router}:0x{selector_of(EXACT_INPUT_SINGLE).hex()}"
    typed = {"function": key, "wallet": site.rig.world.wallet, "allowance": "1,000,000 USDC", "purpose": ""}
    for place, text in enumerate(
        ("USDC", "WETH", "500", "Treasury Hot", "in 20 minutes", "1,000,000 USDC", "0", "0")
    ):
        typed[f"arg-0-{place}"] = text
    page = signed_in(User.objects.get(person_id="tessa")).post(CALL, typed)
    preview = page.context["preview"]
    assert [one.succeeded for one in preview.sequence] == [True, True]
    assert preview.loss == "0.200 %"
    assert "This takes two requests" in page.content.decode()
    # By itself it fails today, and attesters say so.
    assert preview.evidence.attested.facts["simulation.success"] is False
    link = page.context["approve_link"]
    form = signed_in(User.objects.get(person_id="tessa")).get(link)
    assert form.status_code == 200
    assert f'value="{10**12}"' in form.content.decode()
