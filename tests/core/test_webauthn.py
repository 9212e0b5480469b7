"""One assertion against one roster key: every flag, origin, type, party, algorithm and spelling."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from fido2 import cbor
from hypothesis import given
from hypothesis import strategies as st

from core.documents.consent import Decision, Ed25519Proof, SignedConsent, WebAuthnProof
from core.errors import CoreError, EncodingError, Refusal, RefusedError
from core.webauthn import check_assertion, check_client_signature, parse_public_key
from demo.softkey import SoftKey, b64url
from tests.factories.world import ORIGIN, RP_ID, World
from tests.soak import bounded

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.documents.roster import ConsentKey

WORLD = World()
KEY = WORLD.keys["rita"]
STATEMENT = WORLD.statement("ab" * 32, "rita")
UP, UV, BE, BS, AT, ED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
POINT = KEY.private_key.public_key().public_numbers()
X, Y = POINT.x.to_bytes(32, "big"), POINT.y.to_bytes(32, "big")


def assertion(
    *,
    flags: int = UP | UV,
    tail: bytes = b"",
    rp_id: str = RP_ID,
    counter: int = 0,
    client: Callable[[dict[str, Any]], object] = lambda data: data,
    raw_client: bytes | None = None,
) -> SignedConsent:
    """Sign whatever an authenticator or a browser could be made to say, with the honest key."""
    data: dict[str, Any] = {
        "type": "webauthn.get",
        "challenge": b64url(STATEMENT.challenge),
        "origin": ORIGIN,
        "crossOrigin": False,
    }
    client_data = raw_client if raw_client is not None else json.dumps(client(data)).encode()
    authenticator = hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + counter.to_bytes(4, "big") + tail
    message = authenticator + hashlib.sha256(client_data).digest()
    proof = WebAuthnProof(
        kind="webauthn",
        credential_id=KEY.credential_id,
        authenticator_data=authenticator,
        client_data_json=client_data,
        signature=KEY.private_key.sign(message, ec.ECDSA(hashes.SHA256())),
    )
    return SignedConsent(statement=STATEMENT, proof=proof)


def proof_of(signed: SignedConsent) -> WebAuthnProof:
    assert isinstance(signed.proof, WebAuthnProof)
    return signed.proof


def edited(**fields: bytes) -> SignedConsent:
    """A proper assertion with bytes of its proof replaced afterwards."""
    signed = assertion()
    whole: dict[str, Any] = dataclasses.asdict(proof_of(signed))
    return dataclasses.replace(signed, proof=WebAuthnProof(**(whole | fields)))


def check(signed: SignedConsent, key: ConsentKey = KEY.entry) -> int:
    return check_assertion(signed, key, origin=ORIGIN, rp_id=RP_ID)


def refused(signed: SignedConsent, key: ConsentKey = KEY.entry) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        check(signed, key)
    return caught.value.code


def test_a_proper_assertion_is_accepted_and_tells_its_counter() -> None:
    assert check(assertion(counter=2**32 - 1)) == 2**32 - 1
    assert check(assertion()) == 0


def test_client_data_with_fields_that_browsers_add_is_accepted() -> None:
    assert check(assertion(client=lambda d: d | {"other_keys_can_be_added_here": "see the specification"})) == 0
    assert check(assertion(client=lambda d: {k: v for k, v in d.items() if k != "crossOrigin"})) == 0


@pytest.mark.parametrize("flags", range(64))
def test_present_verified_and_never_backed_up_in_every_combination(flags: int) -> None:
    signed = assertion(flags=flags)
    if flags & UP and flags & UV and not flags & (BE | BS):
        assert check(signed) == 0
    else:
        assert refused(signed) is Refusal.ASSERTION


def test_an_assertion_that_carries_a_credential_is_refused() -> None:
    attested = bytes(16) + (32).to_bytes(2, "big") + KEY.credential_id + KEY.cose
    assert refused(assertion(flags=UP | UV | AT, tail=attested)) is Refusal.ASSERTION


def test_extensions_are_read_and_change_nothing() -> None:
    assert check(assertion(flags=UP | UV | ED, tail=cbor.encode({"credProtect": 3}))) == 0


@pytest.mark.parametrize("tail", [b"", b"\xa1", b"\x9f" * 2000, cbor.encode({}) + b"\0"])
def test_extensions_that_cannot_be_read_are_refused(tail: bytes) -> None:
    assert refused(assertion(flags=UP | UV | ED, tail=tail)) is Refusal.ASSERTION


def test_a_tail_without_a_flag_is_refused() -> None:
    assert refused(assertion(tail=b"\0")) is Refusal.ASSERTION


CLIENT_DATA: dict[str, Callable[[dict[str, Any]], object]] = {
    "another origin": lambda d: d | {"origin": "http://localhost:8000"},
    "origin in capitals": lambda d: d | {"origin": ORIGIN.upper()},
    "origin with a slash": lambda d: d | {"origin": ORIGIN + "/"},
    "origin with a longer port": lambda d: d | {"origin": ORIGIN + "1"},
    "https instead": lambda d: d | {"origin": ORIGIN.replace("http", "https")},
    "no origin": lambda d: {k: v for k, v in d.items() if k != "origin"},
    "origin list": lambda d: d | {"origin": [ORIGIN]},
    "cross-origin": lambda d: d | {"crossOrigin": True},
    "cross-origin null": lambda d: d | {"crossOrigin": None},
    "cross-origin zero": lambda d: d | {"crossOrigin": 0},
    "cross-origin text": lambda d: d | {"crossOrigin": "false"},
    "top origin": lambda d: d | {"topOrigin": ORIGIN},
    "top origin null": lambda d: d | {"topOrigin": None},
    "a registration": lambda d: d | {"type": "webauthn.create"},
    "a payment": lambda d: d | {"type": "payment.get"},
    "no type": lambda d: {k: v for k, v in d.items() if k != "type"},
    "another challenge": lambda d: d | {"challenge": b64url(bytes(32))},
    "a padded challenge": lambda d: d | {"challenge": d["challenge"] + "="},
    "a challenge in hex": lambda d: d | {"challenge": STATEMENT.digest},
    "an empty challenge": lambda d: d | {"challenge": ""},
    "no challenge": lambda d: {k: v for k, v in d.items() if k != "challenge"},
    "a float": lambda d: d | {"x": 1.5},
    "a list": lambda d: [d],
    "a text": lambda _: "webauthn.get",
    "null": lambda _: None,
}


@pytest.mark.parametrize("change", CLIENT_DATA.values(), ids=CLIENT_DATA)
def test_client_data_that_a_browser_at_the_consent_origin_would_not_write(
    change: Callable[[dict[str, Any]], object],
) -> None:
    assert refused(assertion(client=change)) is Refusal.ASSERTION


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b"{",
        b'{"type":"webauthn.get","type":"webauthn.get"}',
        b"\xef\xbb\xbf{}",
        b"[" * 4000,
    ],
)
def test_client_data_that_is_not_strict_json_is_refused(raw: bytes) -> None:
    assert refused(assertion(raw_client=raw)) is Refusal.ASSERTION


def test_another_relying_party_is_refused() -> None:
    assert refused(assertion(rp_id="example.org")) is Refusal.ASSERTION


@pytest.mark.parametrize("length", [0, 36, 37])
def test_short_authenticator_data_is_refused(length: int) -> None:
    assert refused(edited(authenticator_data=bytes(length))) is Refusal.ASSERTION


@bounded(60)
@given(st.sampled_from(["authenticator_data", "client_data_json", "signature"]), st.integers(0, 10_000))
def test_any_flipped_bit_of_a_proof_is_refused(field: str, place: int) -> None:
    value = bytearray(getattr(proof_of(assertion()), field))
    value[place // 8 % len(value)] ^= 1 << place % 8
    with pytest.raises(RefusedError):
        check(edited(**{field: bytes(value)}))


@bounded(60)
@given(st.binary(max_size=80))
def test_any_signature_bytes_are_refused_and_nothing_else_escapes(signature: bytes) -> None:
    assert refused(edited(signature=signature)) is Refusal.ASSERTION


def test_the_roster_s_credential_counts_and_no_other() -> None:
    assert refused(assertion(), WORLD.keys["ravi"].entry) is Refusal.UNKNOWN_KEY
    other = dataclasses.replace(WORLD.keys["ravi"].entry, credential_id=KEY.credential_id)
    assert refused(assertion(), other) is Refusal.ASSERTION


def test_a_person_does_not_consent_with_a_clients_signature() -> None:
    proof = Ed25519Proof(kind="ed25519", signature=WORLD.client_key.sign(STATEMENT.challenge))
    assert refused(SignedConsent(statement=STATEMENT, proof=proof)) is Refusal.ASSERTION


def _cose(value: Any) -> bytes:  # noqa: ANN401 - anything CBOR
    return bytes(cbor.encode(value))


ED_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x01" * 32).public_key().public_bytes_raw()
IDENTITY = (1).to_bytes(32, "little")
"""The neutral element: OpenSSL accepts a signature over anything under it."""
NOT_KEYS = {
    "empty": b"",
    "not CBOR": b"\xff",
    "a number": _cose(1),
    "a list": _cose([1, 2]),
    "deep nesting": b"\x81" * 1500,
    "RS256": _cose({1: 3, 3: -257, -1: b"\1" * 256, -2: b"\1\0\1"}),
    "ES384": _cose({1: 2, 3: -35, -1: 2, -2: X, -3: Y}),
    "ES256K": _cose({1: 2, 3: -47, -1: 8, -2: X, -3: Y}),
    "no algorithm": _cose({1: 2, -1: 1, -2: X, -3: Y}),
    "another curve": _cose({1: 2, 3: -7, -1: 2, -2: X, -3: Y}),
    "another key type": _cose({1: 1, 3: -7, -1: 1, -2: X, -3: Y}),
    "key type true": _cose({1: True, 3: -8, -1: 6, -2: ED_KEY}),
    "curve true": _cose({1: 2, 3: -7, -1: True, -2: X, -3: Y}),
    "a leading zero before x": _cose({1: 2, 3: -7, -1: 1, -2: b"\0" + X, -3: Y}),
    "a further field": _cose({1: 2, 3: -7, -1: 1, -2: X, -3: Y, 2: b"kid"}),
    "a field of our own": _cose({1: 2, 3: -7, -1: 1, -2: X, -3: Y, -70000: 1}),
    "compressed y": _cose({1: 2, 3: -7, -1: 1, -2: X, -3: True}),
    "no y": _cose({1: 2, 3: -7, -1: 1, -2: X}),
    "not on the curve": _cose({1: 2, 3: -7, -1: 1, -2: X, -3: X}),
    "trailing byte": KEY.cose + b"\0",
    "fields out of order": b"\xa5" + KEY.cose[3:5] + KEY.cose[1:3] + KEY.cose[5:],
    "a long length": b"\xb8\x05" + KEY.cose[1:],
    "Ed25519 with a y": _cose({1: 1, 3: -8, -1: 6, -2: ED_KEY, -3: ED_KEY}),
    "Ed25519 of 31 bytes": _cose({1: 1, 3: -8, -1: 6, -2: ED_KEY[1:]}),
    "Ed25519 identity": _cose({1: 1, 3: -8, -1: 6, -2: IDENTITY}),
    "Ed25519 zero": _cose({1: 1, 3: -8, -1: 6, -2: bytes(32)}),
    "Ed25519 identity, other sign": _cose({1: 1, 3: -8, -1: 6, -2: IDENTITY[:-1] + b"\x80"}),
}


@pytest.mark.parametrize("cose", NOT_KEYS.values(), ids=NOT_KEYS)
def test_a_key_has_one_spelling_and_one_owner(cose: bytes) -> None:
    with pytest.raises(EncodingError):
        parse_public_key(cose)


@bounded(150)
@given(st.binary(max_size=100))
def test_any_bytes_end_as_a_key_or_an_error_of_ours(cose: bytes) -> None:
    with pytest.raises(CoreError):
        parse_public_key(cose)


def test_es256_and_eddsa_keys_are_read() -> None:
    assert parse_public_key(KEY.cose)[3] == -7
    assert parse_public_key(_cose({1: 1, 3: -8, -1: 6, -2: ED_KEY}))[3] == -8


def test_an_eddsa_security_key_consents() -> None:
    private = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
    entry = dataclasses.replace(KEY.entry, public_key=_cose({1: 1, 3: -8, -1: 6, -2: ED_KEY}))
    signed = assertion()
    proof = proof_of(signed)
    message = proof.authenticator_data + hashlib.sha256(proof.client_data_json).digest()
    own = dataclasses.replace(signed, proof=dataclasses.replace(proof, signature=private.sign(message)))
    assert check(own, entry) == 0
    assert refused(signed, entry) is Refusal.ASSERTION


def test_a_client_signs_with_its_own_key_only() -> None:
    statement = WORLD.statement("ab" * 32, "bot-1", Decision.ASK)
    public = WORLD.client_key.public_key().public_bytes_raw()
    good = SignedConsent(
        statement=statement, proof=Ed25519Proof(kind="ed25519", signature=WORLD.client_key.sign(statement.challenge))
    )
    check_client_signature(good, public)
    for wrong in (bytes(32), ED_KEY, public[::-1]):
        with pytest.raises(RefusedError):
            check_client_signature(good, wrong)
    with pytest.raises(RefusedError, match="Ed25519"):
        check_client_signature(assertion(), public)


def test_a_soft_key_answers_as_a_real_one_does() -> None:
    fresh = SoftKey.generate()
    signed = fresh.consent(STATEMENT, origin=ORIGIN, rp_id=RP_ID)
    assert check(signed, fresh.entry) == 0
