"""What the production profile refuses, wherever a policy comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fido2.attestation.base import Attestation
from fido2.webauthn import AttestationObject

from core.documents.roster import DEMO_AAGUID, ConsentKey, WalletKind
from core.names import chain_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.documents.policy import Policy

DEVELOPMENT_CHAINS = frozenset({1337, 31337})
"""Chain ids that development nodes use by default."""
TEST_AAGUIDS = frozenset(
    {DEMO_AAGUID, b"\0" * 16, bytes.fromhex("01020304050607080102030405060708")},
)
"""The demo's software keys, keys that hide their model, and Chromium's virtual authenticator."""


def attestation_problem(key: ConsentKey) -> str | None:
    """Say why a key's attestation does not speak for this key, or None.

    Its statement must verify and must name this credential, public key and model. Which manufacturers' roots are
    trusted is not checked here (see the threat model).
    """
    if key.attestation is None:
        return "has no attestation"
    try:
        attested = AttestationObject(key.attestation.object)
        credential = attested.auth_data.credential_data
        if credential is None or attested.fmt == "none":
            return "is not attested"
        verifier = Attestation.for_type(attested.fmt)()
        result = verifier.verify(attested.att_stmt, attested.auth_data, key.attestation.client_data_hash)
        raw = bytes(credential)
    except Exception:  # noqa: BLE001 - hostile CBOR raises many kinds, and each of them means no
        return "has an attestation that does not verify"
    if not result.trust_path:
        return "attests itself, as any software can"
    # All of the attested credential data, so that nothing can be hidden in front of the key (WebAuthn, 6.5.1).
    length = len(key.credential_id).to_bytes(2, "big")
    same = raw == key.aaguid + length + key.credential_id + key.public_key
    return None if same else "is not the key that was attested"


def production_problems(policy: Policy) -> Iterator[str]:
    """Yield what the production profile refuses: test and unattested keys, unsafe origins, development chains."""
    origin, rp_id = policy.consent.origin, policy.consent.rp_id
    host = origin.removeprefix("https://").partition(":")[0]
    if not origin.startswith("https://"):
        yield "consent origin: production takes https only"
    if host == "localhost" or host.endswith(".localhost") or host.replace(".", "").isdigit():
        yield "consent origin: production takes no localhost and no bare address"
    if rp_id != host and not host.endswith("." + rp_id):
        yield "consent origin: rp_id does not belong to it"
    yield from (f"authenticator model {a.hex()} is a test key's" for a in policy.consent.aaguids if a in TEST_AAGUIDS)
    for wallet in policy.wallets:
        if wallet.kind is WalletKind.SOFTWARE:
            yield f"wallet {wallet.label}: software keys are for the demo profile"
        if chain_number(wallet.chain) in DEVELOPMENT_CHAINS:
            yield f"wallet {wallet.label}: {wallet.chain} is a development chain"
    for person in policy.people:
        for key in person.keys:
            problem = attestation_problem(key)
            if problem is not None:
                yield f"person {person.id}: a consent key {problem}"
