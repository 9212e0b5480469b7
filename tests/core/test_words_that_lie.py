"""A party that says that a case draws more than it does: a lie that signs nothing, and would fill others' limits."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.documents.party import Certificate
from core.documents.roster import ApiClient
from core.errors import Refusal
from core.limits import AssetDraw
from core.names import native_asset
from core.reception import receive_successor
from tests.core.test_certificate import code_of
from tests.core.test_shared_cancel import cancelled, expire
from tests.factories.documents import DAY, header
from tests.factories.parties import Parties
from tests.factories.succession import next_policy
from tests.factories.world import CHAIN, World

if TYPE_CHECKING:
    from core.documents.bundle import Bundle

NATIVE = native_asset(CHAIN)
SOMEBODY = "0x" + "9" * 40


def lying(group: Parties, case: Bundle, changes: dict[str, Any]) -> Certificate:
    """Have four parties reserve a case, the first of whom says something else of what it draws."""
    first, *others = group.certificate(case, 1, 2, 3, 4).reservations
    draw = dataclasses.replace(first.document.draw, **changes)
    return Certificate(reservations=(group[1].sign(dataclasses.replace(first.document, draw=draw)), *others))


@pytest.mark.parametrize(
    "changes",
    [
        {"usd_e8": 2**256 - 1},
        {"usd_e8": None},
        {"fee": 2**256 - 1},
        {"amounts": (AssetDraw(asset=NATIVE, amount=2**256 - 1),)},
        {"beneficiaries": (SOMEBODY,)},
        {"protocols": tuple(f"protocol-{number:02}" for number in range(33))},
        {"desk": "desk-z"},
        {"initiators": ("mallory",)},
        {"order": "0" * 64},
        {"time": 5},
    ],
)
def test_nobody_joins_over_a_word_that_others_would_learn_too_much_from(changes: dict[str, Any]) -> None:
    group = Parties()
    case, now = group.case(), group.world.now
    certificate = lying(group, case, changes)
    for place in (2, 3, 4):
        terms = group.terms(case, (2, 3, 4))
        refused = code_of(lambda: group[place].join(case, certificate, terms, now))  # noqa: B023
        assert refused is Refusal.CERTIFICATE
    # Without that word the same parties sign the same case, and what it draws is learned as it is.
    honest = Certificate(reservations=(*certificate.reservations[1:], group[5].reserve(case, now)))
    group[3].join(case, honest, group.terms(case, (2, 3, 4)), now)
    assert group[1].journal.draw_of(case.intent.digest) is not None
    group[4].reserve(group.case(1), now)


@pytest.mark.parametrize("changes", [{"usd_e8": 0}, {"beneficiaries": ()}])
def test_a_word_that_draws_less_takes_nothing_from_the_others(changes: dict[str, Any]) -> None:
    group = Parties()
    case, now = group.case(), group.world.now
    certificate = lying(group, case, changes)
    group[3].join(case, certificate, group.terms(case, (2, 3, 4)), now)
    assert group[5].learn(certificate, now)
    assert group[5].journal.draw_of(case.intent.digest) == group[3].journal.draw_of(case.intent.digest)


def test_the_cancel_of_a_clients_case_draws_the_same_where_the_case_was_never_seen() -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    client = ApiClient(id="bot-1", name="Rebalancer", public_key=public, desk="desk-a", responsible=("tom",))
    group = Parties(clients=(client,))
    world = group.world
    world.client_key = key
    mandate = world.mandate(world.intent(), asker="bot-1")
    case = world.bundle(mandate, nonce=0)
    for place in (1, 2):
        group[place].reserve(case, world.now)
    expire(group)
    cancel = cancelled(group, case)
    certificate = group.certificate(cancel, 1, 2, 3, 4)
    assert {one.document.draw.initiators for one in certificate.reservations} == {("bot-1", "tom")}
    binding = certificate.reservations[0].document.binding
    about = {"message_hash": binding.signing_hash, "subject": binding.cancel}
    for place in (1, 3, 4):
        group[place].join(cancel, certificate, group.terms(cancel, (1, 3, 4), **about), world.now)
    # So whoever was away can learn it, and its lane goes on.
    assert group[5].learn(certificate, world.now)


def test_a_cancel_is_signed_whatever_parties_remember_of_who_asked_but_not_over_more_fees() -> None:
    group = Parties()
    case = group.case()
    for place in (1, 2):
        group[place].reserve(case, group.world.now)
    expire(group)
    cancel, now = cancelled(group, case), group.world.now
    binding = group[2].reserve(cancel, now).document.binding
    terms = group.terms(cancel, (2, 3, 4), message_hash=binding.signing_hash, subject=binding.cancel)
    more = lying(group, cancel, {"fee": 2**256 - 1})
    assert code_of(lambda: group[3].join(cancel, more, terms, now)) is Refusal.CERTIFICATE
    group[3].join(cancel, lying(group, cancel, {"desk": "desk-z"}), terms, now)


def follow(group: Parties, **changes: Any) -> None:  # noqa: ANN401 - of Policy
    """Have every party accept a successor, which waits for nothing."""
    world = group.world
    head = header("policy", world.deployment, now=world.now, lifetime=30 * DAY)
    signed = world.sign_policy(next_policy(world, header=head, **changes), "adam", "anna")
    for party in group.all.values():
        record = receive_successor(signed, party.pins, party.journal, now=world.now)
        assert record is not None
        policies = {**party.pins.policies, signed.policy.digest: signed.policy}
        party.pins = dataclasses.replace(party.pins, policies=policies)
        party.journal.apply(party.journal.encode(record))
    assert group[1].journal.policy_at(world.now) == signed.policy.digest


def test_a_price_that_rose_since_some_reserved_a_case_keeps_nobody_from_signing_it() -> None:
    group = Parties(controls=dataclasses.replace(World().policy.controls, succession_delay=0))
    prices = tuple(dataclasses.replace(price, usd_e8=2 * price.usd_e8) for price in group.policy.prices)
    early = group.case()
    for place in (1, 2, 3):
        group[place].reserve(early, group.world.now)
    follow(group, prices=prices)
    # The case is asked for again, and more parties are there now: they reckon with the new price.
    case = dataclasses.replace(early, header=group.case().header)
    certificate = group.certificate(case, 1, 2, 3, 4)
    values = [word.document.draw.usd_e8 or 0 for word in certificate.reservations]
    assert values[0] > 0
    assert values == [values[0], values[0], values[0], 2 * values[0]]
    group[1].join(case, certificate, group.terms(case, (1, 2, 3)), group.world.now)
