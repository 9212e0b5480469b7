"""What a description can say beyond plain comparisons: windows, lists, calls, stages, properties, recovery."""

from __future__ import annotations

import tomllib

import pytest
from coincurve import PrivateKey

from core.abi import selector_of
from core.documents.policy import Condition, ConditionOp, Policy, Seat
from core.documents.roster import Role
from core.evm import address_of
from core.policy_check import validate
from core.timewindow import zone_offset
from demo.softkey import SoftKey
from policies.errors import DescriptionError
from policies.genesis import Enrolment, WalletKey, description_parse, genesis_compile
from tests.factories.description import SETS, demo_text
from tests.factories.world import STRANGER

TEXT = demo_text()
NOW = 1_800_000_000
LOG, WITNESS = SETS["log_key"], SETS["witness_key"]
ROUTER = "0x7a250d5630B4cF539739dF2C5dAcb4c659F2488D"
MORE = f"""
[[contracts]]
label = "Router"
address = "{ROUTER}"
protocol = "uniswap"
functions = ["multicall(uint256,bytes[])", "swap(address,(uint256,address)[],uint256)"]
code_hash = "0x{"ab" * 32}"

[[guards]]
id = "every-call"
label = "Only calls that pay nobody unknown"
when = {{ not = ["calls", "every", {{ any = [["contract", "eq", "Router"], ["destination.listed", "eq", true]] }}] }}

[[grants]]
id = "swap"
label = "Swaps in office hours"
when = [
  ["contract", "eq", "Router"], ["selector", "eq", "swap(address,(uint256,address)[],uint256)"],
  ["arg.0", "own_wallet"], ["arg.1", "every", ["item.0", "ge", 1]], ["arg.2", "floor", "effects.received", 50],
  ["time.now", "within", "Europe/Zurich", "mon,tue,wed,thu,fri", "07:00", "19:00"],
  ["approve.spender", "eq", "Router"],
]
quorum = {{ risk_officer = 1, sites = 2, then = {{ cro = 1, then = {{ policy_admin = 1 }} }} }}

[[limits]]
id = "router-day"
label = "Dollars a day for each protocol, beneficiary and order"
per = ["protocol", "beneficiary", "mandate"]
measure = "usd"
window = "7d"
most = 5

[[properties]]
id = "large-two"
label = "Nobody alone"
when = ["usd", "ge", "1000000 USD"]
demand = {{ approvers = 2, sites = 1, cro = 1 }}

[[properties]]
id = "no-delegate"
label = "No foreign code, ever"
when = ["calls.delegate", "eq", true]

[[recovery]]
id = "vault-a"
public_key = "0x{"09" * 32}"
host = "vault"
"""


def compiled(text: str) -> Policy:
    table = tomllib.loads(text)
    keys = [PrivateKey().public_key.format(compressed=False) for _ in table["wallets"]]
    made = genesis_compile(
        description=description_parse(text=text, json_text=False, replacements={}),
        enrolments=[
            Enrolment(person=person["id"], name=None, key=SoftKey.generate().entry) for person in table["people"]
        ],
        wallet_keys=[WalletKey(public_key=key, address=address_of(key), label=None) for key in keys],
        document_id="ab" * 16,
        now=NOW,
    )
    return made.policy


def full(text: str = MORE) -> str:
    return TEXT.replace("succession_delay", "recovery_threshold = 1\nsuccession_delay").replace(
        'id = "exchange"', 'id = "exchange"\nbeneficiary = "acme"'
    ) + text  # fmt: skip


def leaf(field: str, op: ConditionOp, *values: str, inner: Condition | None = None) -> Condition:
    return Condition(op=op, field=field, values=values, parts=() if inner is None else (inner,))


def test_everything_that_a_policy_can_say_can_be_described() -> None:
    policy = compiled(full())
    assert validate(policy) == []
    swap = next(rule for rule in policy.grants if rule.id == "swap")
    signature = "swap(address,(uint256,address)[],uint256)"
    assert swap.when.parts == (
        leaf("contract", ConditionOp.EQ, ROUTER),
        leaf("selector", ConditionOp.EQ, "0x" + selector_of(signature).hex()),
        leaf("arg.0", ConditionOp.OWN_WALLET),
        leaf("arg.1", ConditionOp.EVERY, inner=leaf("item.0", ConditionOp.GE, "1")),
        leaf("arg.2", ConditionOp.FLOOR, "effects.received", "50"),
        leaf("time.now", ConditionOp.WITHIN, "Europe/Zurich", "mon,tue,wed,thu,fri", "07:00", "19:00"),
        leaf("approve.spender", ConditionOp.EQ, ROUTER),
    )
    assert swap.quorum is not None
    assert swap.quorum.seats == (
        Seat(role=Role.RISK_OFFICER, count=1, stage=0),
        Seat(role=Role.CRO, count=1, stage=1),
        Seat(role=Role.POLICY_ADMIN, count=1, stage=2),
    )
    (contract,) = policy.contracts
    assert (contract.protocol, contract.code_hash) == ("uniswap", b"\xab" * 32)
    assert next(e.beneficiary for e in policy.addresses if e.id == "exchange") == "acme"
    first, second = policy.properties
    assert first.demand is not None
    assert (first.demand.approvers, first.demand.sites, first.demand.seats[0].role) == (2, 1, Role.CRO)
    assert second.demand is None
    assert (policy.recovery[0].id, policy.recovery_threshold) == ("vault-a", 1)


def test_a_zone_is_written_out_until_the_policy_ends() -> None:
    policy = compiled(full())
    (zone,) = policy.zones
    assert zone.name == "Europe/Zurich"
    # 2027: winter until 28 March 01:00 UTC, summer until 31 October 01:00 UTC.
    moments = {NOW: 60, 1_806_195_599: 60, 1_806_195_600: 120, 1_824_944_399: 120, 1_824_944_400: 60}
    assert {at: zone_offset(zone, at) for at in moments} == moments
    assert zone.offsets[-1].since <= policy.header.expires


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("Europe/Zurich", "Europe/Atlantis", "zone Europe/Atlantis: 'Europe/Atlantis' is no time zone"),
        ('"07:00", "19:00"', '"07:00", "07:00"', "grant swap: time.now within: never opens"),
        ('"mon,tue,wed,thu,fri"', '"monday"', "grant swap: time.now within: weekdays are"),
        (
            '["arg.0", "own_wallet"]',
            '["arg.9", "own_wallet"]',
            "grant swap: arg.9: the function has no such argument",
        ),
        ('["arg.0", "own_wallet"]', '["arg.2", "own_wallet"]', "arg.2 is uint256 and does not take 'own_wallet'"),
        ('["contract", "eq", "Router"], ["selector"', '["selector"', "arg.0: its type is unknown"),
        ('"effects.received", 50', '"effects.received", 10001', "basis points are 0 to 10000"),
        ('"effects.received", 50', '"usd", 50', "takes an attested number's field"),
        ('["item.0", "ge", 1]', '["item.0", "ge", "x"]', "item.0 is uint256: 'x' is none"),
        ('["arg.1", "every", ["item.0", "ge", 1]]', '["arg.1", "every"]', "[field, every, condition] expected"),
        (
            '"multicall(uint256,bytes[])", ',
            '"multicall(uint)", ',
            "contracts[0] (Router).functions: 'multicall(uint)'",
        ),
        (f'address = "{ROUTER}"', f'address = "{ROUTER.lower()[:-1]}D"', "contracts[0] (Router).address"),
        ('code_hash = "0x', 'code_hash = "', "contracts[0] (Router).code_hash: 0x and hex digits expected"),
        (f"0x{'09' * 32}", "0x0909", "recovery[0]"),
        ("then = { policy_admin = 1 }", "then = 3", "grants[4] (swap).quorum: then: seats expected"),
        ("approvers = 2, sites = 1", "approvers = 1, sites = 2", "property large-two: 1 approvers cannot be"),
        ("approvers = 2", "approvers = 'x'", "properties[0] (large-two).demand: approvers: a whole number"),
        ('"calls.delegate"', '"web.first_use"', "property no-delegate: nothing can be proven"),
        ("recovery_threshold = 1", "recovery_threshold = 2", "recovery: threshold 2 of 1"),
        (f'public_key = "{LOG}"\n', "", "signers[1] (log-1).public_key: a log's signer is known by its Ed25519 key"),
        (LOG, "0xabcd", "signers[1] (log-1).public_key: "),
        (LOG, LOG[2:], "signers[1] (log-1).public_key: 0x and hex digits expected"),
        (LOG, "0x" + "00" * 32, "signer log-1: "),
        (f'public_key = "{WITNESS}"\n', "", "witnesses[0] (witness-1).public_key: 32 bytes of an Ed25519 key"),
        (WITNESS, "0xabcd", "witnesses[0] (witness-1).public_key: "),
        (WITNESS, "0x" + "00" * 32, "witness witness-1: "),
        (WITNESS, "0x" + "09" * 32, "recovery vault-a: its key has another purpose too"),
        ('id = "witness-1"', 'id = "Witness 1"', "witnesses[0] (Witness 1).id: "),
        ('host = "host-3"', 'hosts = "host-3"', "witnesses[0] (witness-1).host: a text expected"),
        ("witness_threshold = 1", "witness_threshold = 2", "witness: threshold 2 of 1"),
        ("witness_threshold = 1", "", "witness: threshold 0 of 1"),
        ("witness_threshold = 1", "witness_threshold = true", "controls.witness_threshold: a whole number expected"),
        ('"protocol", "beneficiary"', '"protocol", "friend"', "limits[6] (router-day).per: 'friend' is none of"),
    ],
)
def test_a_slip_is_named_with_its_row(before: str, after: str, problem: str) -> None:
    text = full()
    assert before in text
    with pytest.raises(DescriptionError) as refused:
        compiled(text.replace(before, after))
    assert problem in str(refused.value)


def test_conditions_nested_too_deep_are_refused_before_anything_recurses() -> None:
    deep = '["usd", "ge", 1]'
    for _ in range(200):
        deep = f"{{ not = {deep} }}"
    text = full() + f'\n[[guards]]\nid = "deep"\nlabel = "Deep"\nwhen = {deep}\n'
    with pytest.raises(
        DescriptionError, match=r"guards\[4\] \(deep\)\.when: conditions are nested more than 28 deep"
    ):
        compiled(text)


def test_an_address_nobody_registered_is_no_contract() -> None:
    with pytest.raises(DescriptionError, match="guard every-call: contract: unknown contract"):
        compiled(full().replace('any = [["contract", "eq", "Router"]', f'any = [["contract", "eq", "{STRANGER}"]'))


ANCHOR = f"""
[[clients]]
id = "notes"
name = "Anchors of the log"
public_key = "0x{"07" * 32}"
desk = "operations"
responsible = ["olga"]

[[grants]]
id = "notes"
label = "Notes of the anchor wallet to itself"
when = [["call.kind", "eq", "note"], ["initiator", "has", "notes"], ["wallet", "eq", "Drill"]]
quorum = {{}}
"""


def test_an_api_client_and_a_grant_that_needs_no_person_can_be_described() -> None:
    policy = compiled(TEXT + ANCHOR)
    (client,) = [one for one in policy.clients if one.public_key == b"\x07" * 32]
    assert (client.id, client.desk, client.responsible) == ("notes", "operations", ("olga",))
    grant = next(one for one in policy.grants if one.id == "notes")
    assert grant.quorum is not None
    assert grant.quorum.seats == ()
    assert validate(policy) == []


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("0x" + "07" * 32, "0x07", "clients"),
        ('responsible = ["olga"]', 'responsible = ["nobody"]', "nobody"),
        ('responsible = ["olga"]', "responsible = []", "responsible"),
        ('desk = "operations"', 'desc = "operations"', "clients"),
    ],
)
def test_a_slip_in_a_client_is_named(before: str, after: str, problem: str) -> None:
    assert before in ANCHOR
    with pytest.raises(DescriptionError, match=problem):
        compiled(TEXT + ANCHOR.replace(before, after))
