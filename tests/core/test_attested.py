"""What of an attestation counts: by whom, about what, on which block, of which type, and what if they disagree."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from core.attested import QUOTES, attested_facts, fact_write, quoted
from core.documents.bundle import FactValue, Provenance
from core.documents.policy import Condition, ConditionOp, Effect, Rule
from core.errors import Refusal, RefusedError
from core.facts import derive_facts, resolve_asker, usd_value
from core.policy import decide, read_linearly
from core.registry import REGISTRY, FactType
from core.schema import UINT256_MAX
from core.verify import verify
from demo.forgeries import Setting
from demo.forgeries.attested import ATTESTERS, NORTH, OWNED, SOUTH, attest, attester_keys, facts_of
from tests.factories.contracts import ROUTER, SWAP, call, contract
from tests.factories.world import ETHER, LISTED, NATIVE, NOW, TOKEN, World, compare
from tests.forgery.gate import case_of
from tests.forgery.institutions import adapt, institution

if TYPE_CHECKING:
    from core.attested import Attested
    from core.documents.bundle import SignedAttestation
    from core.registry import FactMap

WORLD = institution(Setting.ATTESTED)
CASE = case_of(WORLD, nonce=0)
INTENT = CASE.intent()


def heard(*signed: SignedAttestation, now: int = NOW, **changes: Any) -> Attested:  # noqa: ANN401 - Policy's fields
    policy = dataclasses.replace(WORLD.policy, **changes)
    return attested_facts(signed, policy, intent=INTENT.digest, deployment=WORLD.deployment, now=now)


def both(first: tuple[FactValue, ...], second: tuple[FactValue, ...] | None = None) -> Attested:
    facts = (first, first if second is None else second)
    return heard(*(attest(CASE, INTENT, by, facts=said) for by, said in zip((NORTH, SOUTH), facts, strict=True)))


def fact(field: str, *values: str) -> tuple[FactValue, ...]:
    return (FactValue(field=field, values=values),)


def test_two_of_three_attesters_are_enough_and_are_named() -> None:
    found = both(facts_of())
    assert found.facts == {"simulation.success": True, "effects.allowances": 0, "price.deviation_bps": 20}
    assert (found.attesters, found.notes) == ((NORTH, SOUTH), ())


def test_a_policy_without_attesters_believes_none() -> None:
    signed = tuple(attest(CASE, INTENT, name) for name in ATTESTERS)
    assert heard(*signed, attesters=(), attester_threshold=0).facts == {}


def test_a_third_voice_counts_against_the_other_two() -> None:
    no = attest(CASE, INTENT, OWNED, facts=facts_of(simulation__success="false"))
    found = heard(attest(CASE, INTENT, NORTH), attest(CASE, INTENT, SOUTH), no)
    assert "simulation.success" not in found.facts
    assert "simulation.success: the attesters disagree" in found.notes


@pytest.mark.parametrize(
    ("field", "said", "counts"),
    [
        ("effects.received", ("100", "90"), 90),
        ("effects.sent", ("100", "90"), 100),
        ("effects.allowances", ("0", "1"), 1),
        ("price.deviation_bps", ("20", "298"), 298),
        ("risk.score", ("7", "900"), 900),
    ],
)
def test_of_two_numbers_the_worse_for_us_counts(field: str, said: tuple[str, str], counts: int) -> None:
    assert both(fact(field, said[0]), fact(field, said[1])).facts == {field: counts}


@pytest.mark.parametrize("field", ["simulation.success", "code.unchanged", "breaker.closed", "sanctions.clear"])
def test_flags_that_differ_are_unknown(field: str) -> None:
    assert both(fact(field, "true"), fact(field, "false")).facts == {}


def test_an_amount_of_different_assets_is_unknown() -> None:
    one = fact("effects.received", "5") + fact("effects.received.asset", NATIVE)
    other = fact("effects.received", "5") + fact("effects.received.asset", TOKEN)
    assert both(one, other).facts == {}
    assert both(one).facts == {"effects.received": 5, "effects.received.asset": NATIVE}


def test_what_only_one_of_them_says_is_unknown() -> None:
    found = both(facts_of(), facts_of(code__unchanged="true"))
    assert "code.unchanged" not in found.facts
    assert "code.unchanged: said by fewer than 2" in found.notes


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("simulation.success", ("True",)),
        ("simulation.success", ("1",)),
        ("simulation.success", ("true", "true")),
        ("simulation.success", ()),
        ("effects.sent", ("01",)),
        ("effects.sent", ("-1",)),
        ("effects.sent", ("1.0",)),
        ("effects.sent", ("1e3",)),
        ("effects.sent", (" 1",)),
        ("effects.sent", ("1\u0660",)),
        ("effects.sent", (str(UINT256_MAX + 1),)),
        ("effects.sent", ("9" * 280,)),
        ("effects.sent.asset", ("",)),
        ("destination.listed", ("true",)),
        ("web.simulation", ("ok",)),
        ("usd", ("1",)),
        ("no.such.field", ("1",)),
        ("arg.0", ("1",)),
        (QUOTES, (f"{NATIVE}=0",)),
        (QUOTES, (f"{NATIVE}=-1",)),
        (QUOTES, (f"{NATIVE}=1", f"{NATIVE}=2")),
        (QUOTES, ("ether=1",)),
        (QUOTES, (NATIVE,)),
        (QUOTES, (f"{NATIVE}={UINT256_MAX + 1}",)),
    ],
)
def test_a_fact_of_the_wrong_type_or_field_spoils_its_attestation(field: str, values: tuple[str, ...]) -> None:
    found = both(facts_of(), (*facts_of(code__unchanged="true"), FactValue(field=field, values=values)))
    assert found.facts == {}
    assert len(found.notes) == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("effects.sent", UINT256_MAX),
        ("effects.sent", 0),
        ("simulation.success", False),
        ("effects.sent.asset", TOKEN),
        (QUOTES, frozenset({f"{NATIVE}=250000000000", f"{TOKEN}=100000000"})),
    ],
)
def test_what_is_written_is_read_back(field: str, value: Any) -> None:  # noqa: ANN401 - a fact's value
    assert both((fact_write(field, value),)).facts == {field: value}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("effects.sent", -1),
        ("effects.sent", UINT256_MAX + 1),
        ("effects.sent", True),
        ("simulation.success", 1),
        ("simulation.success", "true"),
        ("effects.sent.asset", ""),
        ("usd", 5),
        ("web.simulation", "ok"),
        (QUOTES, frozenset({"ether=1"})),
    ],
)
def test_what_could_not_be_read_back_is_not_written(field: str, value: Any) -> None:  # noqa: ANN401 - as above
    with pytest.raises(ValueError, match=r".+"):
        fact_write(field, value)


def test_every_attested_field_has_a_type_that_can_be_attested() -> None:
    known = {FactType.TEXT, FactType.TEXTS, FactType.NUMBER, FactType.FLAG}
    assert all(one.type in known for one in REGISTRY.values() if one.provenance is Provenance.ATTESTED)


def test_two_attestations_of_one_attester_are_one_voice_and_both_are_heard() -> None:
    again = attest(CASE, INTENT, NORTH, facts=facts_of(price__deviation_bps="500"))
    found = heard(attest(CASE, INTENT, NORTH), again, attest(CASE, INTENT, SOUTH))
    assert (found.facts["price.deviation_bps"], found.attesters) == (500, (NORTH, SOUTH))


def test_the_moment_of_expiry_is_too_late() -> None:
    signed = (attest(CASE, INTENT, NORTH), attest(CASE, INTENT, SOUTH))
    assert heard(*signed, now=NOW + 299).facts
    late = heard(*signed, now=NOW + 300)
    assert (late.facts, late.attesters) == ({}, ())
    assert late.notes[0] == f"attester {NORTH}: the attestation has expired"


# ------------------------------------------------------------------------------------ values in US dollars


def priced(*quotes: str) -> FactMap:
    return both((*facts_of(), FactValue(field=QUOTES, values=quotes))).facts


def derived(attested: FactMap, world: World = WORLD, **changes: Any) -> FactMap:  # noqa: ANN401 - Intent's fields
    intent = world.intent(**changes)
    who = resolve_asker(world.mandate(intent), world.policy)
    return derive_facts(intent, world.policy, who, order="aa" * 32, now=NOW, attested=attested)[0]


def test_the_higher_of_attested_and_reference_price_counts() -> None:
    reference = 2_500 * 10**8
    assert derived(priced(f"{NATIVE}={2 * reference}"))["usd"] == 2 * reference
    assert derived(priced(f"{NATIVE}={reference // 2}"))["usd"] == reference
    assert derived(priced(f"{TOKEN}=1"))["usd"] == reference


def test_attesters_that_quote_differently_count_as_the_dearer() -> None:
    said = [(*facts_of(), *fact(QUOTES, f"{NATIVE}={price}")) for price in (3_000 * 10**8, 4_000 * 10**8)]
    assert quoted(both(*said).facts) == {NATIVE: 4_000 * 10**8}


def test_without_its_attesters_word_a_policy_that_names_them_knows_no_value() -> None:
    assert "usd" not in derived({})
    plain = World()
    assert derived({}, plain)["usd"] == 2_500 * 10**8


def test_an_expired_reference_price_is_no_price_whatever_attesters_quote() -> None:
    quotes = {NATIVE: 1}
    assert usd_value(WORLD.policy, NATIVE, ETHER, now=NOW + 30 * 86_400, quotes=quotes) is None


def test_only_attested_fields_are_taken_from_what_is_handed_in() -> None:
    facts = derived({"destination.listed": True, "web.simulation": "ok", "simulation.success": True}, to=ROUTER)
    assert facts["destination.listed"] is False
    assert "web.simulation" not in facts
    assert facts["simulation.success"] is True


SWAPPING = adapt(
    institution(Setting.ATTESTED), contracts=(contract(ROUTER, "Router", SWAP, protocol="uniswap"),), guards=()
)
DATA = call(SWAP, LISTED, [(1, LISTED)], 7)
SENT: FactMap = {
    "simulation.success": True,
    "effects.allowances": 0,
    "effects.sent": 5 * 10**6,
    "effects.sent.asset": TOKEN,
}


def swapped(attested: FactMap, **changes: Any) -> FactMap:  # noqa: ANN401 - Intent's fields
    return derived(attested, SWAPPING, **({"to": ROUTER, "value": 0, "data": DATA, "gas": 90_000} | changes))


def test_a_call_that_is_no_transfer_is_worth_what_it_is_attested_to_send() -> None:
    assert swapped(SENT)["usd"] == 5 * 10**8
    assert swapped(SENT | {"effects.sent": 0})["usd"] == 0
    assert swapped(SENT, value=ETHER)["usd"] == 5 * 10**8 + 2_500 * 10**8


@pytest.mark.parametrize(
    "change",
    [
        {"simulation.success": False},
        {"effects.allowances": 1},
        {"effects.sent.asset": "eip155:31337/erc20:0x0000000000000000000000000000000000000001"},
    ],
)
def test_what_a_call_sends_is_unknown_if_that_is_not_the_whole(change: FactMap) -> None:
    assert "usd" not in swapped(SENT | change)


@pytest.mark.parametrize(
    "missing", ["simulation.success", "effects.allowances", "effects.sent", "effects.sent.asset"]
)
def test_what_is_not_attested_leaves_the_value_unknown(missing: str) -> None:
    assert "usd" not in swapped({name: value for name, value in SENT.items() if name != missing})


def test_a_call_that_is_not_understood_has_no_value_whatever_is_attested() -> None:
    assert "usd" not in swapped(SENT, data=DATA[:-1])
    assert "usd" not in derived(SENT, SWAPPING, to=LISTED, value=0, data=b"\x01\x02\x03\x04", gas=90_000)


# ------------------------------------------------------------------------------------------- the decision


def test_the_index_and_the_linear_reading_agree_on_attested_facts() -> None:
    who = resolve_asker(WORLD.mandate(INTENT), WORLD.policy)
    for attested in ({}, both(facts_of()).facts, both(facts_of(price__deviation_bps="298")).facts):
        facts, draw = derive_facts(INTENT, WORLD.policy, who, order="aa" * 32, now=NOW, attested=attested)
        for enforce in (True, False):
            one = decide(WORLD.policy, facts, draw, WORLD.journal, now=NOW, enforce=enforce)
            other = read_linearly(WORLD.policy, facts, draw, WORLD.journal, now=NOW, enforce=enforce, details=False)
            assert one == other
            assert one.allowed is (attested == both(facts_of()).facts)


def test_one_attester_fewer_is_told_in_the_refusal() -> None:
    bundle = CASE.bundle(CASE.mandate(INTENT), attestations=(attest(CASE, INTENT, NORTH),))
    with pytest.raises(RefusedError, match="1 of 2 attesters that are needed") as caught:
        verify(bundle, WORLD.pins, WORLD.journal, NOW)
    assert caught.value.code is Refusal.DENIED


def test_each_policy_of_a_case_in_flight_hears_its_own_attesters_only() -> None:
    rule = Rule(
        id="fails", label="fails", order=40_000, effect=Effect.BLOCK, quorum=None,
        when=Condition(
            op=ConditionOp.NOT, field=None, values=(), parts=(compare("simulation.success", ConditionOp.EQ, "true"),)
        ),
    )  # fmt: skip
    world = adapt(institution(Setting.STANDARD), attesters=attester_keys()[:1], attester_threshold=1, guards=(rule,))
    case = case_of(world, nonce=0)
    intent = case.intent()
    mandate = case.mandate(intent)
    by = {name: attest(case, intent, name) for name in (NORTH, SOUTH)}
    verify(case.bundle(mandate, attestations=tuple(by.values())), world.pins, world.journal, NOW)
    with pytest.raises(RefusedError, match="names no such attester"):
        verify(case.bundle(mandate, attestations=(by[SOUTH],)), world.pins, world.journal, NOW)
