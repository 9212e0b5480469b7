"""The policy after the pinned one, in a real Chromium: what changes is said by the page, and only then signed."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

from core.canonical import canonical, tagged_digest
from core.consents import Subject, check_consent
from core.documents.base import SKEW
from core.documents.consent import Decision, SignedConsent, SubjectType
from core.documents.policy import (
    Condition,
    ConditionOp,
    Demand,
    Effect,
    Evidence,
    EvidenceKind,
    Policy,
    Property,
    Rule,
)
from core.documents.roster import AddressEntry, Role
from core.errors import RefusedError
from core.schema import read_struct
from core.succession import AccessionKind, check_successor
from demo.softkey import SoftKey
from tests.consent.house import refusal
from tests.factories.succession import next_policy, without
from tests.factories.world import CHAIN, DAY, NATIVE, STRANGER, compare, every, header, seats

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.fixtures import PlugIn
    from tests.consent.house import House, Picture
    from tests.factories.world import World

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("console_guard")]


def report(policy: Policy, kind: str, **more: Any) -> str:  # noqa: ANN401 - JSON
    return canonical({"kind": kind, "content": policy.content_digest, "cases": 12, **more}).decode()


def evidenced(policy: Policy) -> tuple[Policy, list[dict[str, str]]]:
    """Put reports about a policy into it, as a proposal does."""
    bodies = {kind: report(policy, kind.value) for kind in EvidenceKind}
    rows = tuple(Evidence(kind=kind, digest=tagged_digest("report", body.encode())) for kind, body in bodies.items())
    return (
        dataclasses.replace(policy, evidence=rows),
        [{"kind": kind.value, "body": body} for kind, body in bodies.items()],
    )


def changed(world: World) -> Policy:
    """Draft a successor that changes something in many sections."""
    policy, new_key = world.policy, SoftKey.generate()
    people = tuple(
        dataclasses.replace(person, roles=(*person.roles, Role.CRO), keys=(*person.keys, new_key.entry))
        if person.id == "ravi"
        else person
        for person in without(world, "tom")
    )
    fresh = dataclasses.replace(
        policy.addresses[0], id="newbank", label="New Bank", address=STRANGER, reason="Second venue"
    )
    limits = tuple(
        dataclasses.replace(limit, most=limit.most * 2) if place == 0 else limit
        for place, limit in enumerate(policy.limits)
    )
    grants = tuple(
        dataclasses.replace(rule, quorum=seats((Role.RISK_OFFICER, 1))) if place == 0 else rule
        for place, rule in enumerate(policy.grants)
    )
    guard = Rule(
        id="no-night",
        label="Nothing at night",
        order=90,
        when=compare("time.minute", ConditionOp.LE, "360"),
        effect=Effect.BLOCK,
        quorum=None,
    )
    stated = Property(
        id="large-needs-two",
        label="Large takes two",
        when=compare("usd", ConditionOp.GE, str(1_000_000 * 10**8)),
        demand=Demand(approvers=2, sites=2, seats=()),
    )
    prices = tuple(
        dataclasses.replace(price, usd_e8=3_000 * 10**8) if price.asset == NATIVE else price
        for price in policy.prices
    )
    return next_policy(
        world,
        people=people,
        addresses=(*policy.addresses, fresh),
        limits=limits,
        grants=grants,
        guards=(*policy.guards, guard),
        properties=(stated,),
        prices=prices,
        controls=dataclasses.replace(policy.controls, succession_delay=2 * DAY),
    )


def open_policy(page: Page, house: House, policy: Policy, reports: object = (), actor: str = "adam") -> None:
    page.goto("about:blank")
    page.goto(house.address(policy.to_json(), "review", actor, reports=list(reports)))  # type: ignore[call-overload]


def test_what_changes_is_said_in_sentences(page: Page, house: House, world: World, picture: Picture) -> None:
    policy, reports = evidenced(changed(world))
    open_policy(page, house, policy, reports)
    page.locator("#approve:enabled").wait_for()
    assert page.inner_text("h1") == "Policy 2 of Example Bank (demo profile) — follows policy 1"
    assert page.text_content("#digest") == policy.digest
    said = page.inner_text("#difference")
    for words in (
        "Removed Tom (tom)",
        "Ravi (ravi). roles added: cro; keys added: 1",
        "+ Added New Bank (newbank)",
        "Second venue",
        "+ Added Nothing at night (no-night): Blocked when the minute of the UTC day is at most 360.",
        "with 2 risk officers. Becomes: Allowed when",
        "with 1 risk officer.",
        "+ Added Large takes two (large-needs-two): Whenever the value in US dollars is at least $1,000,000.00, it",
        "takes at least 2 distinct approvers from at least 2 sites, or is denied.",
        "usd e8 was $2,500.00, becomes $3,000.00",
        "A next policy that loosens waited 1 d, will wait 2 d",
    ):
        assert words in said, words
    address = page.locator("#difference li", has_text="New Bank").locator(".hex.address")
    assert address.text_content() == STRANGER, "the whole address, to be compared"
    (added,) = set(next(p for p in policy.people if p.id == "ravi").keys) - set(
        next(p for p in world.policy.people if p.id == "ravi").keys
    )
    assert page.locator("#difference li", has_text="keys added").locator(".hex.digest").count() == 1
    assert added.public_key
    assert "otherwise 1 d after each signer" in page.inner_text("#force")
    assert [row.get_attribute("data-offered") for row in page.locator("[data-report]").all()] == ["yes", "yes"]
    assert "12" in page.locator("[data-report=replay]").inner_text()
    picture(page, "difference")
    page.emulate_media(color_scheme="dark")
    picture(page, "dark")


@pytest.mark.parametrize("decision", [Decision.APPROVE, Decision.REJECT], ids=["approve", "reject"])
def test_what_is_signed_is_what_signers_accept(
    page: Page, house: House, world: World, virtual_key: PlugIn, decision: Decision
) -> None:
    policy, reports = evidenced(changed(world))
    consents = []
    for actor in ("adam", "anna"):
        open_policy(page, house, policy, reports, actor)
        key = virtual_key(page)
        key.hold(world.keys[actor])
        page.fill("#reason", "Too loose" if decision is Decision.REJECT else "")
        page.click(f"#{decision.value}")
        page.locator("#signed").wait_for()
        consents.append(read_struct(SignedConsent, json.loads(page.input_value("#signed")), "consent"))
        key.unplug()
    subject = Subject(
        type=SubjectType.POLICY, digest=policy.digest, policy=world.policy.digest, deployment=world.deployment
    )
    voices = [check_consent(one, subject, world.policy, now=world.now + SKEW) for one in consents]
    assert [(voice.actor, voice.decision) for voice in voices] == [("adam", decision), ("anna", decision)]
    # A signer that is away for days still finds them valid when it is back.
    assert all(one.statement.header.expires - one.statement.header.created == 7 * DAY for one in consents)
    if decision is Decision.APPROVE:
        signed = dataclasses.replace(world.signed_policy, policy=policy, consents=tuple(consents))
        accession = check_successor(signed, world.policy, now=world.now + SKEW)
        assert accession.kind is AccessionKind.LOOSENING
        assert any("ravi" in sentence.lower() for sentence in accession.loosenings)


def test_one_that_says_the_same_is_shown_as_that(page: Page, house: House, world: World) -> None:
    expires = world.policy.header.expires
    same = next_policy(
        world, header=dataclasses.replace(header("policy", world.deployment, now=world.now), expires=expires)
    )
    open_policy(page, house, same)
    page.get_by_text("Nothing: it says the same as the pinned policy.").wait_for()
    codes = [row.get_attribute("data-code") for row in page.locator("#banners [data-code]").all()]
    assert codes == ["no_replay", "no_proof"]


def test_a_sentence_for_whatever_differs(page: Page, house: House, world: World) -> None:
    """Change each section by itself: none of it goes unsaid, not even an order."""
    policy = world.policy
    other_wallet = dataclasses.replace(policy.wallets[0], label="Cold")
    variants: dict[str, dict[str, Any]] = {
        "institution": {"institution": "Other Bank"},
        "consent": {"consent": dataclasses.replace(policy.consent, aaguids=(*policy.consent.aaguids, b"\x07" * 16))},
        "order": {"people": tuple(reversed(policy.people))},
        "client": {"clients": ()},
        "signer": {"signers": (dataclasses.replace(policy.signers[0], vendor="other"),)},
        "wallet": {"wallets": (other_wallet,)},
        "asset": {"assets": (dataclasses.replace(policy.assets[0], symbol="WETH"), *policy.assets[1:])},
        "rule order": {"grants": tuple(dataclasses.replace(r, order=r.order + 50) for r in policy.grants)},
        "threshold": {"witness_threshold": 3},
        "rule label": {
            "grants": (dataclasses.replace(policy.grants[0], label="Renamed"), *policy.grants[1:]),
        },
        "twice": {"addresses": (*policy.addresses, dataclasses.replace(policy.addresses[0], address=STRANGER))},
    }
    for name, change in variants.items():
        open_policy(page, house, next_policy(world, **change))
        page.locator("#approve:enabled").wait_for()
        # The end of its lifetime is one difference of all of these.
        assert page.locator("#difference li").count() >= 2, name


def test_words_of_every_operator(page: Page, house: House, world: World) -> None:
    def of(op: ConditionOp, field: str, *values: str, parts: tuple[Condition, ...] = ()) -> Condition:
        return Condition(op=op, field=field, values=values, parts=parts)

    tree = every(
        of(ConditionOp.SOME, "calls", parts=(compare("call.kind", ConditionOp.EQ, "token_transfer"),)),
        of(ConditionOp.EVERY, "arg.1", parts=(of(ConditionOp.OWN_WALLET, "item.0"),)),
        of(ConditionOp.WITHIN, "time.now", "Europe/Zurich", "mon,fri", "22:00", "06:00"),
        of(ConditionOp.FLOOR, "arg.2.0", "effects.received", "50"),
        compare("approve.unlimited", ConditionOp.EQ, "true"),
    )
    guard = dataclasses.replace(world.policy.guards[0], id="everything", label="Everything", order=77, when=tree)
    open_policy(page, house, next_policy(world, guards=(*world.policy.guards, guard)))
    said = page.locator("#difference li", has_text="everything").inner_text()
    for words in (
        "at least one of the calls has: (the call is token transfer)",
        "every one of argument 2 (“arg.1”) has: (the element, part 1 (“item.0”) is an own wallet)",
        "it is mon,fri between 22:00 and 06:00 in Europe/Zurich (past midnight)",
        "argument 3, part 1 (“arg.2.0”) is at least what the wallet is attested to receive, in base units,",
        "less 50 basis points",
        "an allowance in it is unlimited",
    ):
        assert words in said, (words, said)


def test_stages_are_said_in_their_order(page: Page, house: House, world: World) -> None:
    quorum = seats((Role.CRO, 1), (Role.RISK_OFFICER, 2))
    staged = dataclasses.replace(quorum, seats=(dataclasses.replace(quorum.seats[0], stage=1), quorum.seats[1]))
    grants = (dataclasses.replace(world.policy.grants[0], quorum=staged), *world.policy.grants[1:])
    open_policy(page, house, next_policy(world, grants=grants))
    said = page.inner_text("#difference")
    assert "2 risk officers, then 1 CRO" in said


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"number": 3}, "wrong_policy"),
        ({"previous": "ab" * 32}, "wrong_policy"),
        ({"profile": "production"}, "profile"),
    ],
    ids=["a number is left out", "another predecessor", "another profile"],
)
def test_what_does_not_follow_is_refused(
    page: Page, house: House, world: World, changes: dict[str, Any], code: str
) -> None:
    document = next_policy(world).to_json() | changes
    page.goto(house.address(document, "review", "adam"))
    assert refusal(page)[0] == code


def test_another_deployments_policy_is_refused(page: Page, house: House, world: World) -> None:
    foreign = next_policy(world, header=header("policy", "ab" * 32, now=world.now))
    page.goto(house.address(foreign.to_json(), "review", "adam"))
    assert refusal(page)[0] == "wrong_deployment"


def test_expired_and_future_policies_are_refused(page: Page, house: House, world: World) -> None:
    for at, code in ((world.now - 60 * DAY, "expired"), (world.now + DAY, "not_yet_valid")):
        made = next_policy(world, header=header("policy", world.deployment, now=at))
        page.goto("about:blank")
        page.goto(house.address(made.to_json(), "review", "adam"))
        assert refusal(page)[0] == code


def test_whoever_is_not_on_the_pinned_roster_signs_nothing(page: Page, house: House, world: World) -> None:
    """The new roster lists mallory; the pinned one does not, and it is the pinned one that counts."""
    mallory = dataclasses.replace(world.policy.people[0], id="mallory", keys=(SoftKey.generate().entry,))
    made = next_policy(world, people=(*world.policy.people, mallory))
    open_policy(page, house, made, actor="mallory")
    assert refusal(page)[0] == "unknown_person"


@pytest.mark.parametrize("trick", ["body", "kind", "foreign", "extra", "not json"])
def test_a_report_that_was_tampered_with_is_refused(page: Page, house: House, world: World, trick: str) -> None:
    drafted = changed(world)
    policy, reports = evidenced(drafted)
    if trick == "body":
        reports[0]["body"] = reports[0]["body"].replace("12", "11")
    elif trick == "kind":
        reports[0]["kind"], reports[1]["kind"] = reports[1]["kind"], reports[0]["kind"]
    elif trick == "extra":
        reports.append({"kind": "replay", "body": "{}"})
    else:
        body = "no report" if trick == "not json" else report(next_policy(world), "replay")
        row = Evidence(kind=EvidenceKind.REPLAY, digest=tagged_digest("report", body.encode()))
        policy, reports = dataclasses.replace(drafted, evidence=(row,)), [{"kind": "replay", "body": body}]
    open_policy(page, house, policy, reports)
    assert refusal(page)[0] == "report"


def test_a_report_that_is_not_offered_is_named(page: Page, house: House, world: World) -> None:
    policy, _ = evidenced(changed(world))
    open_policy(page, house, policy)
    page.locator("#approve:enabled").wait_for()
    assert [row.get_attribute("data-offered") for row in page.locator("[data-report]").all()] == ["no", "no"]
    assert policy.evidence[0].digest == page.locator("[data-report] .hex.digest").first.text_content()


def test_hostile_text_stays_text(page: Page, house: House, world: World) -> None:
    markup = '<img src=x onerror="document.title=1">'
    hostile = AddressEntry(
        id="evil", chain=CHAIN, address=STRANGER, label=markup, reason="<script>1</script>",
        usable_from=world.now, expires=world.now + DAY, beneficiary=None,
    )  # fmt: skip
    made = next_policy(world, addresses=(*world.policy.addresses, hostile))
    body = canonical({"content": made.content_digest, "note\u202e": f"{markup}\u202eevil", "deep": [[{}]]}).decode()
    row = Evidence(kind=EvidenceKind.PROOF, digest=tagged_digest("report", body.encode()))
    policy = dataclasses.replace(made, evidence=(row,))
    open_policy(page, house, policy, [{"kind": "proof", "body": body}])
    page.locator("#approve:enabled").wait_for()
    assert page.locator("img").count() == 0
    assert markup in page.inner_text("#difference")
    assert "\u202e" not in page.locator("[data-report]").inner_text()


def test_a_signature_for_one_successor_is_none_for_another(
    page: Page, house: House, world: World, virtual_key: PlugIn
) -> None:
    policy, reports = evidenced(changed(world))
    open_policy(page, house, policy, reports)
    virtual_key(page).hold(world.keys["adam"])
    page.click("#approve")
    page.locator("#signed").wait_for()
    signed = read_struct(SignedConsent, json.loads(page.input_value("#signed")), "consent")
    assert (signed.statement.subject, signed.statement.policy) == (policy.digest, world.policy.digest)
    other = next_policy(world, institution="Other")
    subject = Subject(
        type=SubjectType.POLICY, digest=other.digest, policy=world.policy.digest, deployment=world.deployment
    )
    with pytest.raises(RefusedError, match="another document"):
        check_consent(signed, subject, world.policy, now=world.now + 5)


# ------------------------------------------------------------------------------ requests under an earlier policy


def advance(house: House, world: World, policy: Policy) -> None:
    """Install a successor as two people do at the host's console."""
    house.write("pins.json", {"deployment": world.deployment, "policy": policy.digest})
    house.write("policy.json", policy.to_json())
    house.write("earlier.json", {"policies": [world.policy.to_json()]})


def test_a_request_that_was_asked_before_is_still_shown(
    page: Page, house: House, world: World, virtual_key: PlugIn, picture: Picture
) -> None:
    mandate = world.mandate()
    advance(house, world, next_policy(world, institution="Example Bank 2"))
    page.goto(house.address(mandate.to_json(), "approve", "rita"))
    page.locator("#approve:enabled").wait_for()
    banner = page.locator("#banners [data-code=earlier_policy]")
    assert "Asked under policy 1. Policy 2 is pinned here" in banner.inner_text()
    picture(page, "earlier")
    virtual_key(page).hold(world.keys["rita"])
    page.click("#approve")
    page.locator("#signed").wait_for()
    signed = read_struct(SignedConsent, json.loads(page.input_value("#signed")), "consent")
    assert signed.statement.policy == world.policy.digest


def test_whom_the_newer_policy_removed_signs_nothing_under_the_older(page: Page, house: House, world: World) -> None:
    advance(house, world, next_policy(world, people=without(world, "rita")))
    page.goto(house.address(world.mandate().to_json(), "approve", "rita"))
    assert refusal(page)[0] == "unknown_person"


def test_an_earlier_policy_that_is_not_the_one_before_is_refused(page: Page, house: House, world: World) -> None:
    advance(house, world, next_policy(world))
    foreign = dataclasses.replace(world.policy, institution="Mallory Bank")
    house.write("earlier.json", {"policies": [foreign.to_json()]})
    page.goto(house.address(world.mandate().to_json(), "approve", "rita"))
    assert refusal(page)[0] == "wrong_policy"


def test_without_the_earlier_policy_its_requests_are_refused(page: Page, house: House, world: World) -> None:
    advance(house, world, next_policy(world))
    (house.root / "earlier.json").unlink()
    page.goto(house.address(world.mandate().to_json(), "approve", "rita"))
    assert refusal(page)[0] == "wrong_policy"
