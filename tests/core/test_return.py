"""A party that comes back with an empty journal and a new key learns every certificate, and counts again."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.errors import Refusal, RefusedError
from core.records import AccessionKind, PolicyRecord
from tests.factories.parties import Parties
from tests.factories.world import DAY

if TYPE_CHECKING:
    from core.documents.bundle import Bundle
    from core.documents.party import Certificate
    from core.documents.policy import Policy

LOST = 2


@pytest.fixture
def group() -> Parties:
    """Three parties, of whom all have to certify."""
    return Parties(2, 3)


def sign(group: Parties, case: Bundle) -> Certificate:
    certificate = group.certificate(case, 1, 2, 3)
    terms = group.terms(case, (1, 2))
    for place in (1, 2):
        group[place].join(case, certificate, terms, group.world.now)
    return certificate


def renamed(group: Parties, key: Ed25519PrivateKey) -> Policy:
    """Return the policy that names another key for the party whose token was lost."""
    signers = tuple(
        dataclasses.replace(entry, public_key=key.public_key().public_bytes_raw())
        if entry.id == f"party-{LOST}"
        else entry
        for entry in group.policy.signers
    )
    before = group.policy
    header = dataclasses.replace(before.header, deployment=group.world.deployment)
    return dataclasses.replace(before, header=header, number=2, previous=before.digest, signers=signers)


def accession(policy: Policy, now: int) -> PolicyRecord:
    return PolicyRecord(
        kind="policy",
        time=now,
        policy=policy.digest,
        number=2,
        effective=now,
        how=AccessionKind.LOOSENING,
        consents=(),
    )


def succeed(group: Parties, policy: Policy, key: Ed25519PrivateKey) -> None:
    """Bring the policy into force, and the lost party back: a new key, and a journal that begins under it."""
    now = group.world.now
    for party in group.all.values():
        party.pins = dataclasses.replace(party.pins, policies={**party.pins.policies, policy.digest: policy})
        if party.id != f"party-{LOST}":
            party.journal.apply(party.journal.encode(accession(policy, now)))
    group[LOST].key = key
    group[LOST].journal = group.world.make_journal(
        signer=f"party-{LOST}", policy=policy.digest, number=2, full=True, ceremony="ce" * 32
    )


def test_it_learns_what_its_own_earlier_key_gave_its_word_on_and_certifies_again(group: Parties) -> None:
    certificates = [sign(group, group.case(nonce)) for nonce in range(3)]
    key = Ed25519PrivateKey.generate()
    policy = renamed(group, key)
    succeed(group, policy, key)
    back, now = group[LOST], group.world.now
    for certificate in certificates:
        assert back.learn(certificate, now)
    assert back.journal.lane_digest(group.wallet.id) == group[1].journal.lane_digest(group.wallet.id)
    group.world.policy = policy
    with pytest.raises(RefusedError) as caught:
        back.reserve(group.case(3), now)
    assert caught.value.code is Refusal.DENIED
    # Its windows were full; once they have passed, it counts like any other.
    group.world.now += DAY + 1
    sign(group, group.case(3))


def test_nobody_takes_part_on_the_word_of_an_earlier_key(group: Parties) -> None:
    case = group.case()
    before = group.certificate(case, 1, 2, 3)
    key = Ed25519PrivateKey.generate()
    succeed(group, renamed(group, key), key)
    terms = group.terms(case, (1, 3))
    with pytest.raises(RefusedError) as caught:
        group[1].join(case, before, terms, group.world.now)
    assert caught.value.code is Refusal.CERTIFICATE


def test_an_earlier_key_puts_nothing_in_the_place_of_another_case(group: Parties) -> None:
    mine, words = group.case(), group.certificate(group.case(), 1, 2, 3)
    key = Ed25519PrivateKey.generate()
    policy = renamed(group, key)
    succeed(group, policy, key)
    group[1].journal = group.world.make_journal(signer="party-1")
    group[1].journal.apply(group[1].journal.encode(accession(policy, group.world.now)))
    group[1].reserve(mine, group.world.now)
    with pytest.raises(RefusedError) as caught:
        group[1].learn(words, group.world.now)
    assert caught.value.code is Refusal.CERTIFICATE


def test_words_that_name_a_policy_which_was_never_in_force_teach_nothing(group: Parties) -> None:
    case = group.case()
    words = group.certificate(case, 1, 2, 3).reservations
    key = Ed25519PrivateKey.generate()
    policy = renamed(group, key)
    for party in group.all.values():
        party.pins = dataclasses.replace(party.pins, policies={**party.pins.policies, policy.digest: policy})
    group[LOST].key = key
    strange = group[LOST].sign(dataclasses.replace(words[LOST - 1].document, newest=policy.digest))
    certificate = group.certificate(case, 1, 3)
    mixed = dataclasses.replace(certificate, reservations=(*certificate.reservations, strange))
    group[1].journal = group.world.make_journal(signer="party-1")
    with pytest.raises(RefusedError) as caught:
        group[1].learn(mixed, group.world.now)
    assert caught.value.code is Refusal.WRONG_POLICY
