"""What the demo's policy promises is proven, and what it does not promise is shown; so is the richest description."""

from __future__ import annotations

import dataclasses

from core.documents.policy import ConditionOp, Demand, Property
from policies.proof.check import prove
from policies.proof.findings import CheckState, ProofReport
from tests.factories.world import compare
from tests.policies.test_genesis_rules import TEXT, compiled, full

# Where a note goes is unknown, as it moves nothing: what is promised of destinations leaves notes out.
PROMISES = """
[[properties]]
id = "large-unlisted"
label = "No transfer above 1,000,000 USD off the whitelist with fewer than 2 approvers"
when = [["usd", "ge", "1000000.00000001 USD"], ["destination.listed", "eq", false]]
demand = { approvers = 2 }

[[properties]]
id = "unlisted"
label = "An address that is not listed takes a senior risk officer"
when = [["destination.listed", "eq", false], { not = ["call.kind", "eq", "note"] }]
demand = { approvers = 2, senior_risk_officer = 1, cro = 1 }

[[properties]]
id = "large"
label = "25,000 USD take the CRO and two sites"
when = ["usd", "ge", "25000 USD"]
demand = { approvers = 3, sites = 2, risk_officer = 2, cro = 1 }

[[properties]]
id = "most"
label = "Nothing above 50,000 USD"
when = ["usd", "ge", "50000.00000001 USD"]

[[properties]]
id = "not-understood"
label = "Nothing that is not understood"
when = ["calls.unknown", "eq", true]

[[properties]]
id = "cooling"
label = "Nothing to a counterparty whose cool-down is not over"
when = [
    ["destination", "eq", "newcomer"],
    ["destination.cooling", "eq", true],
    { not = ["call.kind", "eq", "note"] },
]

[[properties]]
id = "traders-only"
label = "Only traders move anything; a note moves nothing"
when = [{ not = ["initiator.roles", "has", "trader"] }, { not = ["call.kind", "eq", "note"] }]

[[properties]]
id = "anchors-only"
label = "Notes are the anchors' client's"
when = [["call.kind", "eq", "note"], { not = ["initiator", "has", "anchor"] }]

[[properties]]
id = "anchor-wallet-only"
label = "Notes are the anchor wallet's"
when = [["call.kind", "eq", "note"], { not = ["wallet", "eq", "Anchor"] }]

[[properties]]
id = "nobody-alone"
label = "Every transfer takes two"
when = ["call.kind", "in", "native_transfer", "token_transfer"]
demand = { approvers = 2 }
"""


def states(report: ProofReport) -> dict[str, CheckState]:
    return {check.id.removeprefix("property:"): check.state for check in report.checks}


def test_the_demos_promises_are_proven_and_the_one_that_it_does_not_make_is_shown() -> None:
    report = prove(policy=compiled(TEXT + PROMISES), previous=None)
    found = states(report)
    # Up to 1,000 USD to the whitelist take one risk officer: that is what the demo says.
    assert found.pop("nobody-alone") is CheckState.FAILED
    assert set(found.values()) == {CheckState.PROVEN}
    alone = next(check for check in report.checks if check.id == "property:nobody-alone")
    assert "would be allowed with 1 risk officer" in alone.findings[0].sentence


def test_lists_arguments_windows_and_floors_are_proven_about_too() -> None:
    found = states(prove(policy=compiled(full()), previous=None))
    assert found["contradictions"] is CheckState.PROVEN
    assert found["no-delegate"] is not CheckState.UNKNOWN
    assert CheckState.UNKNOWN not in found.values()


def test_a_case_that_turns_on_lists_arguments_windows_and_floors_is_made_real() -> None:
    # The guard over whitelisted addresses blocks calls whose destination is not known.
    policy = dataclasses.replace(compiled(full()), guards=())
    stated = Property(
        id="two",
        label="Swaps take four",
        when=compare("call.kind", ConditionOp.EQ, "contract_call"),
        demand=Demand(approvers=4, sites=0, seats=()),
    )
    report = prove(policy=dataclasses.replace(policy, properties=(stated,), limits=()), previous=None)
    case = report.checks[-1].findings[0].case
    assert report.checks[-1].state is CheckState.FAILED
    assert case is not None
    assert dict(case.outcomes)["policy 1"].endswith("by swap")
    three = dataclasses.replace(stated, demand=Demand(approvers=3, sites=2, seats=()))
    proven = prove(policy=dataclasses.replace(policy, properties=(three,), limits=()), previous=None)
    assert proven.checks[-1].state is CheckState.PROVEN
