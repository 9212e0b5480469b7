"""What the page shows beside the document: what attesters signed, the rule, who has spoken, which seats are open."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.attested import attested_facts
from core.documents.bundle import Attestation, FactValue, Provenance, SignedAttestation
from core.documents.consent import Decision, SignedConsent
from core.documents.policy import Measure
from core.documents.roster import NamedKey, Role
from core.registry import REGISTRY
from core.schema import write_struct
from tests.factories.parties import Parties
from tests.factories.world import DAY, ETHER, NATIVE, STRANGER, TOKEN, header, limit, seats

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from core.documents.mandate import Intent
    from tests.browser.fixtures import PlugIn
    from tests.consent.house import House, Picture
    from tests.factories.world import World

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("console_guard")]
KEYS = {name: Ed25519PrivateKey.generate() for name in ("attester-1", "attester-2", "attester-3")}
_FACTS = {
    "simulation.success": ("true",),
    "effects.sent": ("250000000000",),
    "effects.sent.asset": (TOKEN,),
    "effects.received": ("0",),
    "effects.allowances": ("0",),
}
Facts = dict[str, tuple[str, ...]]


def _attesters() -> dict[str, Any]:
    named = tuple(
        NamedKey(id=name, public_key=key.public_key().public_bytes_raw(), host=f"host-{name}")
        for name, key in KEYS.items()
    )
    return {"attesters": named, "attester_threshold": 2}


def _attest(
    world: World,
    intent: Intent,
    attester: str = "attester-1",
    facts: Facts | None = None,
    *,
    by: str | None = None,
    **changes: Any,  # noqa: ANN401 - fields of Attestation
) -> SignedAttestation:
    said = tuple(FactValue(field=name, values=values) for name, values in (facts or _FACTS).items())
    fields: dict[str, Any] = {
        "header": header("attestation", world.deployment, now=world.now - 12, lifetime=300),
        "attester": attester,
        "intent": intent.digest,
        "block_number": 19_204_118,
        "block_hash": b"\7" * 32,
        "facts": said,
    }
    document = Attestation(**(fields | changes))
    return SignedAttestation(document=document, signature=KEYS[by or attester].sign(bytes.fromhex(document.digest)))


def _written(signed: list[SignedAttestation]) -> list[dict[str, object]]:
    return [write_struct(one, "attestation") for one in signed]


@pytest.fixture
def attested(house: House, now: int) -> World:
    made = house.world(now=now, **_attesters())
    house.pin(made)
    return made


def _consent(world: World, house: House, subject: str, actor: str, decision: Decision) -> SignedConsent:
    statement = world.statement(subject, actor, decision)
    return world.keys[actor].consent(statement, origin=house.origin, rp_id="localhost")


def test_a_full_case_fits_one_screen(
    page: Page, house: House, attested: World, virtual_key: PlugIn, picture: Picture
) -> None:
    world = attested
    intent = world.token_intent(250_000 * 10**6)
    mandate = world.mandate(intent, purpose="Collateral call 2291, due 16:00")
    consents = [
        _consent(world, house, mandate.digest, "tessa", Decision.ASK),
        _consent(world, house, mandate.digest, "ravi", Decision.APPROVE),
    ]
    more = {
        "attestations": _written([_attest(world, intent), _attest(world, intent, "attester-2")]),
        "consents": [write_struct(one, "consent") for one in consents],
        "rules": [world.policy.grants[0].id],
        "claimed": {"USD value": "$250,000.00"},
    }
    virtual_key(page).hold(world.keys["rita"])
    page.goto(house.origin)
    page.evaluate("(name) => localStorage.setItem(name, '1')", f"approved:{intent.chain}:{_paid(intent)}")
    page.goto(house.address(mandate.to_json(), "review", "rita", **more))
    page.locator("#approve:enabled").wait_for()
    picture(page, "light")
    page.emulate_media(color_scheme="dark")
    picture(page, "dark")
    assert page.locator("#banners > *").count() == 0
    assert "\u2212 250,000.00 USDC" in page.inner_text("#attested")
    assert "attester-1, attester-2 (2 needed), on block 19,204,118" in page.inner_text("#attested")
    assert page.inner_text("#seats").replace("\n\n", "\n") == "✓ Ravi: risk officer\n○ open: risk officer"
    assert "Tessa asked" in (page.text_content("#voices") or "")
    overflow = page.evaluate("document.documentElement.scrollHeight - window.innerHeight")
    assert overflow <= 0


def _paid(intent: Intent) -> str:
    return intent.movements[0].destination


def test_consents_that_do_not_verify_fill_no_seat(page: Page, house: House, world: World) -> None:
    mandate, other = world.mandate(), world.mandate(purpose="Another")
    good = _consent(world, house, mandate.digest, "ravi", Decision.APPROVE)
    elsewhere = world.keys["ravi"].consent(good.statement, origin=house.return_origin, rp_id="localhost")
    theirs = world.keys["rita"].consent(good.statement, origin=house.origin, rp_id="localhost")
    bad = [
        elsewhere,
        theirs,
        _consent(world, house, other.digest, "ravi", Decision.APPROVE),
        dataclasses.replace(good, statement=dataclasses.replace(good.statement, reason="ok")),
    ]
    rules = [world.policy.grants[0].id]
    for one in bad:
        page.goto("about:blank")
        written = [write_struct(one, "consent")]
        page.goto(house.address(mandate.to_json(), "review", "rita", consents=written, rules=rules))
        page.locator("[data-code=bad_consents]").wait_for()
        assert page.locator("[data-seat=filled]").count() == 0
    page.goto("about:blank")
    page.goto(
        house.address(mandate.to_json(), "review", "rita", consents=[write_struct(good, "consent")], rules=rules)
    )
    page.locator("[data-seat=filled]").wait_for()
    assert page.locator("[data-code=bad_consents]").count() == 0


def test_an_askers_own_approval_fills_no_seat_and_a_rejection_is_told(page: Page, house: House, world: World) -> None:
    mandate = world.mandate(asker="bot-1")
    said = [
        _consent(world, house, mandate.digest, "rita", Decision.APPROVE),
        _consent(world, house, mandate.digest, "ravi", Decision.REJECT),
    ]
    consents = [write_struct(one, "consent") for one in said]
    address = house.address(mandate.to_json(), "review", "ravi", consents=consents, rules=[world.policy.grants[0].id])
    page.goto(address)
    page.locator("[data-code=rejected]").wait_for()
    assert page.locator("[data-seat=filled]").count() == 0


def test_a_rule_that_the_policy_does_not_have_is_named(page: Page, house: House, world: World) -> None:
    page.goto(house.address(world.mandate().to_json(), "review", "rita", rules=["anything-goes"]))
    page.get_by_text("does not have: anything-goes").wait_for()


def test_without_enough_attesters_the_page_says_so(page: Page, house: House, attested: World) -> None:
    intent = attested.intent()
    one = _written([_attest(attested, intent)])
    page.goto(house.address(attested.mandate(intent).to_json(), "review", "rita", attestations=one))
    page.locator("[data-code=not_attested]").wait_for()
    assert page.get_attribute("#attested", "data-state") == "missing"


def test_who_only_rejects_is_told_of_no_missing_simulation(page: Page, house: House, attested: World) -> None:
    page.goto(house.address(attested.mandate().to_json(), "reject", "rita"))
    page.locator("#reject:enabled").wait_for()
    assert page.locator("[data-code=not_attested], #attested").count() == 0


def test_a_simulation_that_fails_is_told_in_red(page: Page, house: House, attested: World, picture: Picture) -> None:
    intent = attested.intent(to=STRANGER)
    facts: Facts = {**_FACTS, "simulation.success": ("false",), "risk.score": ("900",)}
    both = _written([_attest(attested, intent, name, facts) for name in ("attester-1", "attester-3")])
    page.goto(house.address(attested.mandate(intent).to_json(), "review", "rita", attestations=both))
    page.locator("[data-code=simulation_failed]").wait_for()
    picture(page, "failed")
    assert "Risk score" in page.inner_text("#attested")


def _threshold(house: House, now: int) -> World:
    """Return an institution whose wallet is of five parties, under 6 ether a day that ask the CRO."""
    daily = limit("day", Measure.ASSET, 6 * ETHER, order=1, asset=NATIVE, window=DAY)
    daily = dataclasses.replace(daily, quorum=seats((Role.CRO, 1)))
    made = house.world(now=now)
    parties = Parties(now=now, limits=(daily,), consent=made.policy.consent).world
    house.pin(parties)
    return parties


def test_limits_in_degraded_mode_are_shown_as_they_count(
    page: Page, house: House, now: int, picture: Picture
) -> None:
    world = _threshold(house, now)
    rules = [world.policy.grants[0].id, "day"]
    named, plain = dataclasses.replace(world.mandate(), nonce=4), world.mandate()
    page.goto(house.address(plain.to_json(), "review", "rita", rules=rules))
    assert "At most 6.00 ETH within 1 d" in page.inner_text("#standing")
    assert page.locator("#divided").count() == 0
    for mandate, parts, limit_words, code in (
        (named, 3, "At most 2.00 ETH within 1 d", None),
        (plain, 3, "At most 2.00 ETH within 1 d", "no_nonce"),
        (named, 2, "At most 6.00 ETH within 1 d", "wrong_parts"),
    ):
        page.goto("about:blank")
        page.goto(house.address(mandate.to_json(), "review", "rita", rules=rules, limit_parts=parts))
        assert limit_words in page.inner_text("#standing")
        assert page.locator("#divided").count() == (0 if code == "wrong_parts" else 1)
        told = page.locator("[data-code=no_nonce], [data-code=wrong_parts]").evaluate_all(
            "found => found.map((one) => one.dataset.code)"
        )
        assert told == ([] if code is None else [code])
        picture(page, f"{parts}-{code}")


_READ = """async ({pins, policy, cases, now}) => {
  const [attested, house, schema] = await Promise.all(
    ["attested", "house", "schema"].map((name) => import(`/js/${name}.js`)));
  const pinned = await house.checkPinned(pins, policy);
  const form = schema.items(attested.signedAttestation, {most: 64});
  return Promise.all(cases.map(async ({offered, intent}) => {
    const read = await attested.attestedOf(form(offered, "it"), pinned, intent, pins.deployment, now);
    return {facts: Object.fromEntries(read.facts), attesters: read.attesters};
  }));
}"""


def test_what_counts_is_what_core_counts(page: Page, house: House, attested: World) -> None:
    world, intent = attested, attested.intent()
    other = world.intent(value=7)
    block: dict[str, Any] = {"block_hash": b"\1" * 32}
    worse: Facts = {**_FACTS, "effects.sent": ("250000000001",), "risk.score": ("5",)}
    native = f"{intent.chain}/slip44:60"
    differs: Facts = {**_FACTS, "effects.sent.asset": (native,), "simulation.success": ("false",)}
    odd: tuple[Facts, ...] = (
        {"web.simulation": ("ok",)},
        {"effects.sent": ("-1",)},
        {"effects.sent": ("1", "2")},
        {"simulation.success": ("yes",)},
        {"price.quotes": ("gold=1",)},
        {"price.quotes": (f"{native}=0",)},
        {"price.quotes": (f"{native}=1", f"{native}=2")},
    )
    quotes: tuple[Facts, ...] = ({"price.quotes": (f"{native}=5", f"{TOKEN}=1")}, {"price.quotes": (f"{native}=7",)})
    old = header("attestation", world.deployment, now=world.now - 400, lifetime=300)
    long = header("attestation", world.deployment, now=world.now, lifetime=601)
    foreign = header("attestation", "ab" * 32, now=world.now)
    first, second = _attest(world, intent), _attest(world, intent, "attester-2")
    cases = [
        [first, second],
        [first],
        [first, first],
        [first, second, _attest(world, intent, "attester-3", worse)],
        [first, _attest(world, intent, "attester-2", worse)],
        [first, _attest(world, intent, "attester-2", differs)],
        [first, _attest(world, intent, "attester-2", by="attester-3")],
        [first, _attest(world, other, "attester-2")],
        [first, _attest(world, intent, "attester-2", **block)],
        [first, second, _attest(world, intent, "attester-3", **block)],
        *([first, _attest(world, intent, "attester-2", header=head)] for head in (old, long, foreign)),
        *([first, _attest(world, intent, "attester-2", {**_FACTS, **facts})] for facts in odd),
        [_attest(world, intent, f"attester-{place}", facts) for place, facts in enumerate(quotes, start=1)],
        [],
    ]
    page.goto(house.origin)
    offered = [{"offered": _written(case), "intent": intent.digest} for case in cases]
    pins = {"deployment": world.deployment, "policy": world.policy.digest}
    policy = json.loads((house.root / "policy.json").read_text())
    answers = page.evaluate(_READ, {"pins": pins, "policy": policy, "cases": offered, "now": world.now})
    for case, answer in zip(cases, answers, strict=True):
        core = attested_facts(case, world.policy, intent=intent.digest, deployment=world.deployment, now=world.now)
        told = {name: _spelled(value) for name, value in core.facts.items()}
        assert (answer["facts"], answer["attesters"]) == (told, list(core.attesters))


def _spelled(value: object) -> list[str]:
    if isinstance(value, frozenset):
        return sorted(str(one) for one in value)
    return [str(value).lower() if isinstance(value, bool) else str(value)]


def test_the_page_knows_the_attested_fields_of_the_registry(page: Page, house: House) -> None:
    page.goto(house.origin)
    fields = page.evaluate("async () => (await import('/js/attested.js')).FIELDS")
    assert fields == {
        name: field.type.value for name, field in REGISTRY.items() if field.provenance is Provenance.ATTESTED
    }
