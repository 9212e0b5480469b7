"""A case that people consented to before the policy changed: both policies must allow it, and it counts once."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from core.casefile import check_case
from core.documents.bundle import CaseFile
from core.documents.policy import Dimension, Measure
from core.documents.roster import Role
from core.draws import one_draw
from core.errors import Refusal, RefusedError
from core.limits import AssetDraw
from core.records import ReserveRecord
from core.verify import verify
from demo.forgeries.catalogue import policy, sign
from tests.factories.succession import HOLDERS, next_policy, recover, recoverable, without
from tests.factories.world import DAY, NATIVE, NOW, World, header, limit, seats
from tests.forgery.gate import CoreGate

if TYPE_CHECKING:
    from core.documents.bundle import Bundle
    from core.documents.policy import SignedPolicy
    from core.limits import Draw


@pytest.fixture
def gate() -> CoreGate:
    return CoreGate(recoverable())


def follow(gate: CoreGate, **changes: Any) -> SignedPolicy:  # noqa: ANN401 - Policy's fields
    """Hand over a successor, and let the world's clock pass the delay that its predecessor names."""
    world, before = gate.world, gate.pins.policy(gate.journal.policy_at(gate.world.now))
    head = header("policy", world.deployment, now=world.now, lifetime=30 * DAY)
    controls = dataclasses.replace(before.controls, succession_delay=0)
    fields: dict[str, Any] = {"header": head, "controls": controls}
    signed = world.sign_policy(next_policy(world, after=before, **(fields | changes)), "adam", "anna")
    assert gate.deliver(policy(signed)) is None
    found = gate.journal.waiting_at(world.now)
    world.now += found.effective - world.now if found is not None else 0
    return signed


def fresh(gate: CoreGate) -> Bundle:
    """Make a case under the world's first policy, now."""
    return gate.case().bundle()


def outcome(gate: CoreGate, bundle: Bundle) -> Refusal | None:
    return gate.deliver(sign(bundle))


def test_a_case_that_both_policies_allow_is_signed_and_both_are_recorded(gate: CoreGate) -> None:
    new = follow(gate, institution="New Bank").policy
    bundle = fresh(gate)
    assert outcome(gate, bundle) is None
    verified = verify(bundle, gate.pins, gate.journal, gate.world.now)
    assert any("consented under policy 1" in check for check in verified.checks)
    raised = dataclasses.replace(bundle, attempt=gate.case().attempt(bundle.attempt.nonce, 90 * 10**9, 2 * 10**9))
    record = verify(raised, gate.pins, gate.journal, gate.world.now).record
    assert isinstance(record, ReserveRecord)
    assert (record.policy, record.newest) == (gate.world.deployment, new.digest)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"grants": ()}, Refusal.DENIED),
        ({"limits": (limit("tiny", Measure.ASSET, 1, window=0, asset=NATIVE, order=1),)}, Refusal.DENIED),
        ({"addresses": ()}, Refusal.DENIED),
        ({"wallets": ()}, Refusal.UNKNOWN_WALLET),
        ({"signers": "renamed"}, Refusal.WRONG_SIGNER),
    ],
)
def test_what_the_newest_denies_is_not_signed(gate: CoreGate, changes: dict[str, Any], code: Refusal) -> None:
    if changes.get("signers") == "renamed":
        old = gate.world.policy
        other = dataclasses.replace(old.signers[0], id="hsm-9")
        wallets = tuple(dataclasses.replace(w, signers=("hsm-9",)) for w in old.wallets)
        changes = {"signers": (other,), "wallets": wallets}
    follow(gate, **changes)
    assert outcome(gate, fresh(gate)) is code


def test_what_the_consented_policy_denies_is_not_signed_either(gate: CoreGate) -> None:
    follow(
        gate,
        grants=tuple(dataclasses.replace(g, quorum=seats((Role.RISK_OFFICER, 1))) for g in gate.world.policy.grants),
    )
    case = gate.case()
    mandate = case.mandate()
    one = (case.ask(mandate), case.consent(mandate.digest, "rita"))
    assert outcome(gate, case.bundle(mandate, consents=one)) is Refusal.QUORUM
    assert outcome(gate, case.bundle(mandate)) is None


def test_each_quorum_is_filled_under_its_own_roster(gate: CoreGate) -> None:
    people = tuple(
        dataclasses.replace(p, roles=(Role.RISK_OFFICER,)) if p.id in ("tom", "clara") else p
        for p in (
            dataclasses.replace(p, roles=(Role.TRADER,)) if p.id == "ravi" else p for p in gate.world.policy.people
        )
    )
    follow(gate, people=people, escalations=())
    case = gate.case()
    mandate = case.mandate()
    assert outcome(gate, case.bundle(mandate)) is Refusal.QUORUM, "ravi holds no seat any more"
    three = (*case.bundle(mandate).consents, case.consent(mandate.digest, "clara"))
    assert outcome(gate, case.bundle(mandate, consents=three)) is None


def test_whoever_was_removed_approves_and_asks_for_nothing(gate: CoreGate) -> None:
    roles = {"clara": (Role.CRO, Role.RISK_OFFICER)}
    people = tuple(
        dataclasses.replace(p, roles=roles.get(p.id, p.roles)) for p in without(gate.world, "ravi", "tessa")
    )
    follow(gate, people=people, escalations=())
    assert outcome(gate, fresh(gate)) is Refusal.UNKNOWN_PERSON, "tessa asked"
    case = dataclasses.replace(gate.case(), cast=dataclasses.replace(gate.case().cast, initiator="tom"))
    assert outcome(gate, case.bundle()) is Refusal.QUORUM, "ravi approved"


def test_a_case_that_names_a_policy_which_never_was_in_force_is_refused(gate: CoreGate) -> None:
    world = gate.world
    head = header("policy", world.deployment, now=world.now, lifetime=30 * DAY)
    replaced = world.sign_policy(next_policy(world, header=head, limits=()), "adam", "anna")
    assert gate.deliver(policy(replaced)) is None
    head = header("policy", world.deployment, now=world.now + 1, lifetime=30 * DAY)
    follow(gate, header=head)
    case = dataclasses.replace(gate.case(), policy=replaced.policy)
    assert replaced.policy.digest in gate.pins.policies
    assert outcome(gate, case.bundle()) is Refusal.WRONG_POLICY


def test_neither_policy_may_have_expired(gate: CoreGate) -> None:
    soon = dataclasses.replace(gate.world.policy.header, expires=NOW + 5 * DAY)
    for expired in ("consented", "newest"):
        world = recoverable(header=soon) if expired == "consented" else recoverable()
        one = CoreGate(world)
        lifetime = 30 * DAY if expired == "consented" else 4 * DAY
        follow(one, header=header("policy", world.deployment, lifetime=lifetime))
        world.now = NOW + 6 * DAY
        assert outcome(one, fresh(one)) is Refusal.POLICY_EXPIRED, expired


def test_an_older_policy_than_the_last_one_counts_too(gate: CoreGate) -> None:
    follow(gate, institution="Second")
    follow(gate, institution="Third")
    assert gate.pins.policy(gate.journal.policy_at(gate.world.now)).number == 3
    assert outcome(gate, fresh(gate)) is None


def test_it_draws_once_at_the_worse_price(gate: CoreGate) -> None:
    dearer = tuple(dataclasses.replace(p, usd_e8=p.usd_e8 * 2) for p in gate.world.policy.prices)
    follow(
        gate,
        prices=dearer,
        limits=tuple(dataclasses.replace(x, per=(Dimension.WALLET,)) for x in gate.world.policy.limits),
    )
    bundle = fresh(gate)
    assert outcome(gate, bundle) is None
    drawn = gate.journal.draw_of(bundle.intent.digest)
    assert drawn is not None
    alone = CoreGate(recoverable())
    before = alone.case().bundle()
    assert outcome(alone, before) is None
    once = alone.journal.draw_of(before.intent.digest)
    assert once is not None
    assert once.usd_e8 is not None
    assert drawn.usd_e8 == 2 * once.usd_e8
    assert (
        gate.journal.used(limit("n", Measure.COUNT, 9, window=DAY, order=1), (gate.world.wallet,), now=gate.world.now)
        == 1
    )


def test_a_client_whose_responsible_people_changed_has_to_ask_again(gate: CoreGate) -> None:
    follow(gate, clients=tuple(dataclasses.replace(c, responsible=("tom",)) for c in gate.world.policy.clients))
    world = gate.world
    bundle = world.bundle(world.mandate(asker="bot-1"), approvers=("ravi", "clara"))
    assert outcome(gate, bundle) is Refusal.DENIED


def kept(gate: CoreGate, bundle: Bundle, *policies: SignedPolicy) -> CaseFile:
    return CaseFile(
        kind="countersign.case.v1",
        policies=(gate.world.signed_policy, *policies),
        bundle=bundle,
        signed_at=gate.world.now,
        raw=gate.signed[-1],
    )


def test_a_kept_case_in_flight_holds_offline_and_not_where_the_newest_denies_it(gate: CoreGate) -> None:
    new = follow(gate, institution="New Bank")
    bundle = fresh(gate)
    assert outcome(gate, bundle) is None
    report = check_case(kept(gate, bundle, new), gate.world.deployment)
    assert report.failure is None
    assert any("follows by its predecessor's quorum, after the delay" in check for check in report.checks)
    denying = gate.world.sign_policy(next_policy(gate.world, after=new.policy, grants=()), "adam", "anna")
    failure = check_case(kept(gate, bundle, new, denying), gate.world.deployment).failure
    assert failure is not None
    assert failure.startswith("denied")


def test_a_kept_case_after_a_recovery_holds_offline(gate: CoreGate) -> None:
    lost = recover(gate.world, HOLDERS[:2], people=without(gate.world, "olga"))
    assert gate.deliver(policy(lost)) is None
    gate.world.now += 7 * DAY
    case = dataclasses.replace(gate.case(), policy=lost.policy)
    bundle = case.bundle()
    assert outcome(gate, bundle) is None
    report = check_case(kept(gate, bundle, lost), gate.world.deployment)
    assert report.failure is None
    assert any("by the offline recovery keys" in check for check in report.checks)


def draw(**changes: Any) -> Draw:  # noqa: ANN401 - Draw's fields
    gate = CoreGate(World())
    bundle = gate.case().bundle()
    assert gate.deliver(sign(bundle)) is None
    found = gate.journal.draw_of(bundle.intent.digest)
    assert found is not None
    return dataclasses.replace(found, order="aa" * 32, wallet="eip155:1:x", initiators=("tessa",), **changes)


def test_one_draw_takes_the_worse_of_each() -> None:
    one, two = draw(usd_e8=5, beneficiaries=("acme",)), draw(usd_e8=7, beneficiaries=("beta",), protocols=("pool",))
    joined = one_draw([one, two])
    assert (joined.usd_e8, joined.beneficiaries, joined.protocols) == (7, ("acme", "beta"), ("pool",))
    assert one_draw([one, draw(usd_e8=None)]).usd_e8 is None


@pytest.mark.parametrize(
    "changes",
    [
        {"initiators": ("tom",)},
        {"desk": "x"},
        {"destinations": ()},
        {"amounts": (AssetDraw(asset=NATIVE, amount=1),)},
    ],
)
def test_policies_that_read_the_case_differently_are_not_joined(changes: dict[str, Any]) -> None:
    one = draw()
    with pytest.raises(RefusedError) as caught:
        one_draw([one, dataclasses.replace(one, **changes)])
    assert caught.value.code is Refusal.DENIED
