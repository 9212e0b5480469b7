"""What the signer's decision remembers and refuses beyond the forgery suite: roles, repeats, records, refusals."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from core.documents.roster import SignerRole, WalletKind
from core.errors import CoreError, PolicyError, Refusal, RefusedError, SpentTokenError, require
from core.nonces import raised
from core.verify import verify
from demo.forgeries import CATALOGUE, Setting
from demo.forgeries.attested import NORTH, SOUTH, attest
from demo.forgeries.keepers import logged
from tests.factories.leases import held
from tests.factories.world import DAY, ETHER, NOW, World, header
from tests.forgery.gate import case_of
from tests.forgery.institutions import adapt, institution

if TYPE_CHECKING:
    from core.documents.bundle import Bundle


def refused(world: World, bundle: Bundle | None = None, *, now: int = NOW, **pins: Any) -> Refusal:  # noqa: ANN401
    with pytest.raises(RefusedError) as caught:
        verify(bundle or world.bundle(), dataclasses.replace(world.pins, **pins), world.journal, now)
    return caught.value.code


@pytest.fixture
def world() -> World:
    return World()


def test_the_token_says_what_was_checked_and_what_has_to_be_remembered(world: World) -> None:
    bundle = world.bundle()
    token = verify(bundle, world.pins, world.journal, NOW)
    record = token.record
    assert record is not None
    assert record.signing_hash == token.transaction.signing_hash
    assert (record.intent, record.mandate, record.nonce) == (bundle.intent.digest, bundle.mandate.digest, 0)
    assert {used.id for used in record.consents} == {one.statement.header.id for one in bundle.consents}
    assert record.draw is not None
    assert record.draw.initiators == ("tessa",)
    assert any("ravi, rita" in check for check in token.checks)


def test_verification_changes_nothing(world: World) -> None:
    head, bundle = world.journal.head, world.bundle()
    first, second = (verify(bundle, world.pins, world.journal, NOW) for _ in range(2))
    assert world.journal.head == head
    assert first.record == second.record


def test_a_mandate_that_names_its_nonce_is_signed_at_no_other(world: World) -> None:
    second = world.mandate(nonce=1)
    for attempted in (0, 2):
        assert refused(world, world.bundle(second, nonce=attempted)) is Refusal.INTENT_MISMATCH
    # Also in its own turn only: the lane's next is 0.
    assert refused(world, world.bundle(second, nonce=1)) is Refusal.NONCE
    first = verify(world.bundle(world.mandate(nonce=0)), world.pins, world.journal, NOW).record
    assert first is not None
    world.journal.apply(world.journal.encode(first))
    assert verify(world.bundle(second, nonce=1), world.pins, world.journal, NOW).transaction.nonce == 1


def test_people_consent_to_the_nonce_that_a_mandate_names(world: World) -> None:
    bundle = world.bundle(world.mandate(nonce=0))
    moved = dataclasses.replace(bundle, mandate=dataclasses.replace(bundle.mandate, nonce=None))
    assert refused(world, moved) is Refusal.CONSENT_MISMATCH


def test_a_fee_raise_draws_nothing_again(world: World) -> None:
    bundle = world.bundle(world.mandate(world.intent(value=19 * ETHER)), approvers=("rita", "ravi", "clara"))
    first = verify(bundle, world.pins, world.journal, NOW).record
    assert first is not None
    world.journal.apply(world.journal.encode(first))
    attempt = dataclasses.replace(bundle.attempt, max_fee_per_gas=90 * 10**9, max_priority_fee_per_gas=2 * 10**9)
    again = verify(dataclasses.replace(bundle, attempt=attempt), world.pins, world.journal, NOW + 60).record
    assert again is not None
    assert (again.nonce, again.draw) == (0, None)


@pytest.mark.parametrize(("fee", "least"), [(0, 0), (1, 2), (8, 9), (9, 11), (100, 113), (10**9, 1_125_000_000)])
def test_a_raise_is_an_eighth_rounded_up(fee: int, least: int) -> None:
    assert raised(fee) == least


@pytest.mark.parametrize("role", [SignerRole.LOG, SignerRole.PARTY])
def test_a_signer_of_another_role_signs_no_payment(world: World, role: SignerRole) -> None:
    assert refused(world, role=role) is Refusal.WRONG_SIGNER


def test_a_signer_that_the_policy_does_not_name_signs_nothing(world: World) -> None:
    assert refused(world, signer="hsm-2") is Refusal.WRONG_SIGNER


def test_a_wallet_of_another_signer_is_not_signed_for(world: World) -> None:
    other = dataclasses.replace(world.policy.signers[0], id="hsm-2")
    wallets = tuple(dataclasses.replace(wallet, signers=("hsm-2",)) for wallet in world.policy.wallets)
    adapt(world, signers=(*world.policy.signers, other), wallets=wallets)
    assert refused(world) is Refusal.WRONG_SIGNER


def test_a_party_does_not_sign_alone_for_a_shared_wallet(world: World) -> None:
    party = dataclasses.replace(world.policy.signers[0], role=SignerRole.PARTY)
    wallets = tuple(dataclasses.replace(wallet, kind=WalletKind.MPC) for wallet in world.policy.wallets)
    adapt(world, signers=(party,), wallets=wallets)
    pins = dataclasses.replace(world.pins, role=SignerRole.PARTY)
    verified = verify(world.bundle(), pins, world.journal, world.now)
    verified.journalled()
    with pytest.raises(SpentTokenError, match="certificate"):
        verified.spend()


def test_neither_kind_of_signer_signs_for_the_other_kind_of_wallet(world: World) -> None:
    shared = tuple(dataclasses.replace(wallet, kind=WalletKind.MPC) for wallet in world.policy.wallets)
    adapt(world, wallets=shared)
    assert refused(world) is Refusal.UNSUPPORTED
    single = tuple(dataclasses.replace(wallet, kind=WalletKind.HSM) for wallet in world.policy.wallets)
    adapt(world, wallets=single, signers=(dataclasses.replace(world.policy.signers[0], role=SignerRole.PARTY),))
    assert refused(world, role=SignerRole.PARTY) is Refusal.UNSUPPORTED


def test_a_signer_that_signs_the_log_signs_no_payment_whatever_the_policy_says(world: World) -> None:
    log = dataclasses.replace(world.policy.signers[0], role=SignerRole.LOG)
    adapt(world, signers=(log,))
    assert refused(world, role=SignerRole.LOG) is Refusal.UNSUPPORTED


def test_a_policy_of_another_deployment_judges_nothing_even_if_it_is_pinned(world: World) -> None:
    other = World()
    world.policy = dataclasses.replace(
        other.policy, header=header("policy", other.deployment), number=2, previous=other.deployment
    )
    world.journal = world.make_journal(policy=world.policy.digest)
    pinned = {world.policy.digest: world.policy}
    assert refused(world, policies=pinned) is Refusal.WRONG_DEPLOYMENT


def test_pins_of_another_deployment_sign_nothing(world: World) -> None:
    assert refused(world, deployment="ab" * 32) is Refusal.WRONG_DEPLOYMENT


def test_a_policy_file_swapped_under_its_digest_is_found(world: World) -> None:
    edited = dataclasses.replace(world.policy, limits=())
    assert refused(world, policies={world.policy.digest: edited}) is Refusal.WRONG_POLICY


def test_an_expired_envelope_is_refused(world: World) -> None:
    bundle = world.bundle()
    assert refused(world, bundle, now=bundle.header.expires) is Refusal.EXPIRED


def test_a_mandate_from_before_the_journal_is_refused(world: World) -> None:
    bundle = world.bundle()
    world.journal = world.make_journal(not_before=NOW + 1)
    assert refused(world, bundle) is Refusal.BEFORE_JOURNAL


def test_a_mandate_of_the_very_second_in_which_the_journal_begins_counts(world: World) -> None:
    world.journal = world.make_journal(not_before=NOW)
    verify(world.bundle(), world.pins, world.journal, NOW)


def test_an_hsm_signer_does_not_sign_for_a_shared_wallet(world: World) -> None:
    adapt(world, wallets=tuple(dataclasses.replace(wallet, kind=WalletKind.MPC) for wallet in world.policy.wallets))
    assert refused(world) is Refusal.UNSUPPORTED


def test_a_restarted_journal_denies_until_its_windows_have_passed() -> None:
    world = World()
    world.journal = world.make_journal(full=True)
    assert refused(world) is Refusal.DENIED
    world.now = NOW + DAY
    assert refused(world, world.bundle(), now=world.now) is Refusal.DENIED
    world.now = NOW + DAY + 1
    verify(world.bundle(), world.pins, world.journal, world.now)


def test_a_counter_that_counts_is_no_obstacle(world: World) -> None:
    for counter in (9, 5, 7):  # approvals come out of order
        world.keys["rita"].counter = counter
        record = verify(world.bundle(), world.pins, world.journal, NOW).record
        assert record is not None
        world.journal.apply(world.journal.encode(record))


def test_each_setting_of_the_catalogue_is_an_institution_that_works() -> None:
    for setting in Setting:
        made = institution(setting)
        intent = made.intent(value=1)
        # Who names no attesters does not read what they say.
        attested = tuple(attest(case_of(made, nonce=0), intent, name) for name in (NORTH, SOUTH))
        # Nor does who names no witnesses ask for leases, or for what the log holds.
        bundle = logged(made.bundle(made.mandate(intent), attestations=attested), deployment=made.deployment, now=NOW)
        verify(bundle, made.pins, made.journal, NOW, held(expires=NOW + 1))


PARTIES = {Refusal.CERTIFICATE, Refusal.BEHIND, Refusal.SESSION, Refusal.FROZEN}
ELSEWHERE = {Refusal.BEFORE_JOURNAL, Refusal.WRONG_SIGNER, Refusal.LOG, Refusal.CEREMONY} | PARTIES
"""Not in the catalogue: they need another journal or other pins (above), or are the log signer's or the parties'."""
UNUSED = {Refusal.WRONG_CHAIN}
"""A wire code that nothing sends: an intent of another chain is malformed, or of an unknown wallet."""


def test_every_reason_to_refuse_is_the_answer_to_some_forgery() -> None:
    answered = {code for forgery in CATALOGUE.values() for code in forgery.expect}
    assert set(Refusal) - answered == ELSEWHERE | UNUSED


def test_refusals_are_ours_and_carry_their_code() -> None:
    require(1, Refusal.DENIED, "never said")
    with pytest.raises(CoreError) as caught:
        require("", Refusal.DENIED, "said")
    assert (caught.value.code, caught.value.message) == (Refusal.DENIED, "said")  # type: ignore[attr-defined]
    assert str(PolicyError(["a", "b"])) == "a; b"
