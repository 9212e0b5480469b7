"""What the production profile refuses, and that it accepts what it should."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest
from fido2 import cbor

from core.attestation import attestation_problem
from core.documents.policy import ConsentOrigin
from core.documents.roster import DEMO_AAGUID, KeyAttestation, Profile, WalletKind
from core.errors import Refusal, RefusedError
from core.policy_check import validate
from core.profile import TEST_AAGUIDS, production_problems
from core.succession import check_genesis
from demo.forgeries.keepers import watched
from tests.factories.attested import ATTESTER, CLIENT_HASH, MODEL, ROOT, ROOT_KEY, attest, certificate, hardware
from tests.factories.world import NOW, World


def test_a_key_that_its_maker_attests_has_no_problem() -> None:
    assert attestation_problem(attest(hardware())) is None


def test_a_key_without_attestation_is_refused() -> None:
    assert attestation_problem(hardware().entry) == "has no attestation"


def test_a_software_key_that_attests_itself_as_hardware_is_refused() -> None:
    assert attestation_problem(attest(hardware(), by_itself=True)) == "attests itself, as any software can"


def test_an_attestation_of_kind_none_is_refused() -> None:
    key = hardware()
    made = attest(key)
    assert made.attestation is not None
    loose = cbor.decode(made.attestation.object)
    assert isinstance(loose, dict)
    none = cbor.encode({"fmt": "none", "attStmt": {}, "authData": loose["authData"]})
    entry = dataclasses.replace(made, attestation=dataclasses.replace(made.attestation, object=none))
    assert attestation_problem(entry) == "is not attested"


@pytest.mark.parametrize("field", ["credential_id", "aaguid", "public_key"])
def test_an_attestation_of_another_key_is_refused(field: str) -> None:
    other: dict[str, Any] = {"credential_id": b"other", "aaguid": bytes(range(16)), "public_key": hardware().cose}
    entry = attest(hardware(), **{field: other[field]})
    assert attestation_problem(entry) == "is not the key that was attested"


def test_a_key_hidden_behind_the_attested_one_is_refused() -> None:
    key, hidden = hardware(), hardware()
    numbers = key.private_key.public_key().public_numbers()
    # A COSE map whose last value is another whole key: its bytes end as the hidden key's do.
    x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
    carrier = cbor.encode({1: 2, 3: -7, -1: 1, -2: x, -3: y, -70000: hidden.cose})
    assert carrier.endswith(hidden.cose)
    pretended = dataclasses.replace(attest(key, public_key=carrier), public_key=hidden.cose)
    assert attestation_problem(pretended) == "is not the key that was attested"


@pytest.mark.parametrize("made", [b"", b"\xff", cbor.encode({}), cbor.encode({"fmt": "packed"}), b"\x81" * 3000])
def test_an_attestation_that_cannot_be_read_is_refused(made: bytes) -> None:
    entry = dataclasses.replace(
        hardware().entry, attestation=KeyAttestation(object=made, client_data_hash=CLIENT_HASH)
    )
    assert attestation_problem(entry) == "has an attestation that does not verify"


def test_an_attestation_over_another_registration_is_refused() -> None:
    entry = attest(hardware())
    assert entry.attestation is not None
    moved = dataclasses.replace(entry.attestation, client_data_hash=bytes(32))
    assert attestation_problem(dataclasses.replace(entry, attestation=moved)) is not None


def consent_at(origin: str, rp_id: str, **changes: Any) -> ConsentOrigin:  # noqa: ANN401 - ConsentOrigin's fields
    fields: dict[str, Any] = {"aaguids": (MODEL,), "attestation_roots": (ROOT,)} | changes
    return ConsentOrigin(origin=origin, rp_id=rp_id, **fields)


def production(**changes: Any) -> list[str]:  # noqa: ANN401 - Policy's fields
    """The standard institution under the production profile, all its keys attested, on a real chain."""
    world = World()
    people = tuple(dataclasses.replace(p, keys=(attest(hardware()), attest(hardware()))) for p in world.policy.people)
    wallets = tuple(dataclasses.replace(w, id=w.id.replace("31337", "1")) for w in world.policy.wallets)
    origin = consent_at("https://consent.example.com", "consent.example.com")
    kept = watched(world.policy.signers)
    fields: dict[str, Any] = {"people": people, "wallets": wallets, "consent": origin} | kept | changes
    return list(production_problems(dataclasses.replace(world.policy, profile=Profile.PRODUCTION, **fields)))


def test_a_production_policy_can_be_without_problems() -> None:
    assert production() == []


def test_production_takes_witnesses_and_a_log() -> None:
    problems = production(witnesses=(), witness_threshold=0)
    assert [line for line in problems if "leases of witnesses" in line]
    signers = World().policy.signers
    assert [line for line in production(signers=signers) if "no log's key" in line]
    nameless = tuple(dataclasses.replace(one, public_key=None) for one in watched(signers)["signers"])
    assert [line for line in production(signers=nameless) if "no log's key" in line]


@pytest.mark.parametrize(
    ("origin", "rp_id", "problem"),
    [
        ("http://consent.example.com", "consent.example.com", "https only"),
        ("https://localhost", "localhost", "localhost"),
        ("https://localhost:8443", "localhost", "localhost"),
        ("https://x.localhost", "x.localhost", "localhost"),
        ("https://127.0.0.1", "127.0.0.1", "bare address"),
        ("https://consent.example.com", "example.org", "rp_id"),
        ("https://consent.example.com", "onsent.example.com", "rp_id"),
        ("https://consent.example.com", "x.consent.example.com", "rp_id"),
    ],
)
def test_an_unsafe_consent_origin_is_named(origin: str, rp_id: str, problem: str) -> None:
    consent = consent_at(origin, rp_id)
    assert any(problem in line for line in production(consent=consent))


@pytest.mark.parametrize("aaguid", sorted(TEST_AAGUIDS))
def test_test_keys_are_named(aaguid: bytes) -> None:
    consent = consent_at("https://consent.example.com", "example.com", aaguids=(MODEL, aaguid))
    assert production(consent=consent) == [f"authenticator model {aaguid.hex()} is a test key's"]


def test_software_wallets_and_development_chains_are_named() -> None:
    wallets = tuple(dataclasses.replace(w, kind=WalletKind.SOFTWARE) for w in World().policy.wallets)
    problems = production(wallets=wallets)
    assert any("software keys are for the demo profile" in line for line in problems)
    assert any("development chain" in line for line in problems)


def test_a_demo_institution_is_refused_as_production_at_its_genesis() -> None:
    world = World(profile=Profile.PRODUCTION)
    assert any(DEMO_AAGUID.hex() in problem for problem in validate(world.policy))
    with pytest.raises(RefusedError) as caught:
        check_genesis(world.signed_policy, world.deployment, now=NOW)
    assert caught.value.code is Refusal.POLICY_INVALID


def test_production_takes_no_key_whose_makers_root_is_not_pinned() -> None:
    for roots in ((), (certificate("Other Root", ATTESTER, by=("Other Root", ATTESTER), ca=True),)):
        consent = consent_at("https://consent.example.com", "consent.example.com", attestation_roots=roots)
        problems = production(consent=consent)
        assert problems
        assert all("whose root is not pinned" in problem for problem in problems)


def test_a_first_policy_gives_everybody_two_keys_or_none() -> None:
    people = [dataclasses.replace(p, keys=(attest(hardware()), attest(hardware()))) for p in World().policy.people]
    one = dataclasses.replace(people[0], keys=people[0].keys[:1])
    assert production(people=(one, *people[1:])) == [
        f"person {one.id}: has one consent key; 2 are needed: nothing else recovers them"
    ]
    assert production(people=(dataclasses.replace(one, keys=()), *people[1:])) == []


def test_a_chain_has_to_hold_on_the_day_of_the_enrolment() -> None:
    old = certificate("Maker U2F", ATTESTER, by=("Maker Root", ROOT_KEY), end=datetime(2026, 1, 2, tzinfo=UTC))
    people = [dataclasses.replace(p, keys=(attest(hardware()), attest(hardware()))) for p in World().policy.people]
    late = dataclasses.replace(people[0], keys=(attest(hardware(), path=(old,)), people[0].keys[1]))
    assert production(people=(late, *people[1:])) == [
        f"person {late.id}: a consent key has a certificate that was not valid when the key was enrolled"
    ]
