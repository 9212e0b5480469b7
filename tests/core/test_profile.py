"""What the production profile refuses, and that it accepts what it should."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from fido2 import cbor

from core.documents.policy import ConsentOrigin
from core.documents.roster import DEMO_AAGUID, ConsentKey, KeyAttestation, Profile, WalletKind
from core.errors import Refusal, RefusedError
from core.policy_check import validate
from core.profile import TEST_AAGUIDS, attestation_problem, production_problems
from core.succession import check_genesis
from demo.softkey import SoftKey
from tests.factories.world import NOW, World

MODEL = bytes.fromhex("2fc0579f811347eab116bb5a8db9202a")
CLIENT_HASH = hashlib.sha256(b"registration").digest()
ATTESTER = ec.generate_private_key(ec.SECP256R1())


def certificate() -> bytes:
    """A packed attestation certificate as section 8.2.1 of WebAuthn wants it."""
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "SE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Maker"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Authenticator Attestation"),
            x509.NameAttribute(NameOID.COMMON_NAME, "Maker U2F"),
        ]
    )
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, ATTESTER.public_key(), 7, begin, begin + timedelta(days=9000))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    return builder.sign(ATTESTER, hashes.SHA256()).public_bytes(Encoding.DER)


def attest(key: SoftKey, *, by_itself: bool = False, public_key: bytes | None = None, **changes: Any) -> ConsentKey:  # noqa: ANN401
    """Register a key as a hardware key would, or as software pretends to."""
    cose = public_key or key.cose
    credential = key.aaguid + len(key.credential_id).to_bytes(2, "big") + key.credential_id + cose
    data = hashlib.sha256(b"consent.example.com").digest() + bytes([0x45]) + bytes(4) + credential
    signer = key.private_key if by_itself else ATTESTER
    statement = {"alg": -7, "sig": signer.sign(data + CLIENT_HASH, ec.ECDSA(hashes.SHA256()))}
    if not by_itself:
        statement["x5c"] = [certificate()]
    made = cbor.encode({"fmt": "packed", "attStmt": statement, "authData": data})
    attestation = KeyAttestation(object=made, client_data_hash=CLIENT_HASH)
    return dataclasses.replace(key.entry, attestation=attestation, **changes)


def hardware() -> SoftKey:
    return SoftKey.generate(aaguid=MODEL)


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


def production(**changes: Any) -> list[str]:  # noqa: ANN401 - Policy's fields
    """The standard institution under the production profile, all its keys attested, on a real chain."""
    world = World()
    people = tuple(dataclasses.replace(p, keys=(attest(hardware()),)) for p in world.policy.people)
    wallets = tuple(dataclasses.replace(w, id=w.id.replace("31337", "1")) for w in world.policy.wallets)
    origin = ConsentOrigin(origin="https://consent.example.com", rp_id="consent.example.com", aaguids=(MODEL,))
    fields: dict[str, Any] = {"people": people, "wallets": wallets, "consent": origin} | changes
    return list(production_problems(dataclasses.replace(world.policy, profile=Profile.PRODUCTION, **fields)))


def test_a_production_policy_can_be_without_problems() -> None:
    assert production() == []


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
    consent = ConsentOrigin(origin=origin, rp_id=rp_id, aaguids=(MODEL,))
    assert any(problem in line for line in production(consent=consent))


@pytest.mark.parametrize("aaguid", sorted(TEST_AAGUIDS))
def test_test_keys_are_named(aaguid: bytes) -> None:
    consent = ConsentOrigin(origin="https://consent.example.com", rp_id="example.com", aaguids=(MODEL, aaguid))
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
