"""Real signatures of real keys, made in the wrong place, in the wrong way, for another purpose or at another time."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from core.documents.consent import Decision, SubjectType, WebAuthnProof
from core.errors import Refusal
from demo.forgeries.catalogue import Attack, forgery, sign
from demo.softkey import BACKED_UP, BACKUP_ELIGIBLE, USER_PRESENT, USER_VERIFIED

if TYPE_CHECKING:
    from core.documents.consent import SignedConsent
    from demo.forgeries.case import Case
    from demo.softkey import SoftKey

_OTHER_DIGEST = "ab" * 32


def _honest_signs(case: Case, **how: Any) -> Attack:  # noqa: ANN401 - SoftKey.assertion's
    """The honest approver's own key signs the right statement, but in the wrong way."""
    mandate = case.mandate()
    wrong = case.sign(case.statement(mandate.digest, case.cast.honest), **how)
    consents = (case.ask(mandate), wrong, case.consent(mandate.digest, case.cast.accomplice))
    return Attack(forged=sign(case.bundle(mandate, consents=consents)), control=sign(case.bundle()))


@forgery("assertion-made-at-the-web-origin", Refusal.ASSERTION, why="The web server's page cannot ask for consent.")
def _web_origin(case: Case) -> Attack:
    return _honest_signs(case, origin="http://localhost:8000")


@forgery("assertion-made-at-a-look-alike-origin", Refusal.ASSERTION, why="Origins are compared whole.")
def _look_alike(case: Case) -> Attack:
    return _honest_signs(case, origin=case.policy.consent.origin + ".example.org")


@forgery("assertion-made-cross-origin", Refusal.ASSERTION, why="A frame inside somebody else's page shows nothing.")
def _cross_origin(case: Case) -> Attack:
    return _honest_signs(case, cross_origin=True)


@forgery("assertion-for-another-relying-party", Refusal.ASSERTION, why="Made for another site altogether.")
def _relying_party(case: Case) -> Attack:
    return _honest_signs(case, rp_id="example.org")


@forgery("assertion-of-a-registration", Refusal.ASSERTION, why="Making a key is not consenting.")
def _registration(case: Case) -> Attack:
    return _honest_signs(case, kind="webauthn.create")


@forgery("assertion-without-user-verification", Refusal.ASSERTION, why="A stolen key does not know its PIN.")
def _no_verification(case: Case) -> Attack:
    return _honest_signs(case, flags=USER_PRESENT)


@forgery("assertion-without-a-touch", Refusal.ASSERTION, why="Malware can talk to a key that nobody touches.")
def _no_presence(case: Case) -> Attack:
    return _honest_signs(case, flags=USER_VERIFIED)


@forgery("assertion-of-a-backup-eligible-key", Refusal.ASSERTION, why="A key that syncs is wherever the account is.")
def _backup_eligible(case: Case) -> Attack:
    return _honest_signs(case, flags=USER_PRESENT | USER_VERIFIED | BACKUP_ELIGIBLE)


@forgery("assertion-of-a-backed-up-key", Refusal.ASSERTION, why="There is a copy of it somewhere.")
def _backed_up(case: Case) -> Attack:
    return _honest_signs(case, flags=USER_PRESENT | USER_VERIFIED | BACKUP_ELIGIBLE | BACKED_UP)


def assertion_over(key: SoftKey, client_data: bytes, data: bytes) -> WebAuthnProof:
    """Sign any client data and authenticator data, as malware beside a key without a screen can."""
    signature = key.private_key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
    return WebAuthnProof(
        kind="webauthn",
        credential_id=key.credential_id,
        authenticator_data=data,
        client_data_json=client_data,
        signature=signature,
    )


def _client_data(case: Case, edit: Any) -> Attack:  # noqa: ANN401 - a function over JSON text
    """The honest key signs client data that a browser would not write."""
    mandate = case.mandate()
    statement = case.statement(mandate.digest, case.cast.honest)
    proof = case.sign(statement).proof
    if not isinstance(proof, WebAuthnProof):
        raise TypeError(proof)
    forged = assertion_over(case.keys[case.cast.honest], edit(proof.client_data_json), proof.authenticator_data)
    wrong = dataclasses.replace(case.sign(statement), proof=forged)
    consents = (case.ask(mandate), wrong, case.consent(mandate.digest, case.cast.accomplice))
    return Attack(forged=sign(case.bundle(mandate, consents=consents)), control=sign(case.bundle()))


@forgery("client-data-with-a-top-origin", Refusal.ASSERTION, why="Only frames have one.")
def _top_origin(case: Case) -> Attack:
    return _client_data(
        case, lambda raw: json.dumps(json.loads(raw) | {"topOrigin": "http://localhost:8000"}).encode()
    )


@forgery("client-data-with-two-origins", Refusal.ASSERTION, why="Two parsers would read two origins.")
def _two_origins(case: Case) -> Attack:
    return _client_data(case, lambda raw: raw[:-1] + b',"origin":"http://localhost:8000"}')


@forgery("client-data-that-hides-cross-origin", Refusal.ASSERTION, why="Only `false` is false.")
def _cross_origin_zero(case: Case) -> Attack:
    return _client_data(case, lambda raw: raw.replace(b'"crossOrigin":false', b'"crossOrigin":0'))


@forgery("challenge-with-padding", Refusal.ASSERTION, why="A challenge has one spelling.")
def _padded(case: Case) -> Attack:
    def pad(raw: bytes) -> bytes:
        data = json.loads(raw)
        return json.dumps(data | {"challenge": data["challenge"] + "="}, separators=(",", ":")).encode()

    return _client_data(case, pad)


@forgery("challenge-that-is-the-mandate-itself", Refusal.ASSERTION, why="Purpose and person are in the challenge.")
def _bare_challenge(case: Case) -> Attack:
    mandate = case.mandate()
    bare = base64.urlsafe_b64encode(bytes.fromhex(mandate.digest)).rstrip(b"=").decode()

    def swap(raw: bytes) -> bytes:
        return json.dumps(json.loads(raw) | {"challenge": bare}, separators=(",", ":")).encode()

    return _client_data(case, swap)


def _instead(case: Case, change: Any) -> Attack:  # noqa: ANN401 - a function from mandate digest to a consent
    """Put something else in the place of the honest approval."""
    mandate = case.mandate()
    consents = (case.ask(mandate), change(mandate.digest), case.consent(mandate.digest, case.cast.accomplice))
    return Attack(forged=sign(case.bundle(mandate, consents=consents)), control=sign(case.bundle()))


def _restated(signed: SignedConsent, **changes: Any) -> SignedConsent:  # noqa: ANN401 - Consent's fields
    """Rewrite what an assertion claims to be about."""
    return dataclasses.replace(signed, statement=dataclasses.replace(signed.statement, **changes))


@forgery("ask-used-as-approval", Refusal.ASSERTION, why="The decision is in the challenge.")
def _ask_as_approval(case: Case) -> Attack:
    return _instead(
        case,
        lambda digest: _restated(case.consent(digest, case.cast.honest, Decision.ASK), decision=Decision.APPROVE),
    )


@forgery("rejection-used-as-approval", Refusal.ASSERTION, why="The decision is in the challenge.")
def _rejection_as_approval(case: Case) -> Attack:
    return _instead(
        case,
        lambda digest: _restated(case.consent(digest, case.cast.honest, Decision.REJECT), decision=Decision.APPROVE),
    )


@forgery("approval-of-another-mandate", Refusal.CONSENT_MISMATCH, why="A consent names what it is about.")
def _other_mandate(case: Case) -> Attack:
    other = case.mandate()
    return _instead(case, lambda _: case.consent(other.digest, case.cast.honest))


@forgery("approval-of-a-policy-used-for-a-mandate", Refusal.CONSENT_MISMATCH, why="The purpose is in the statement.")
def _policy_purpose(case: Case) -> Attack:
    return _instead(case, lambda digest: case.consent(digest, case.cast.honest, subject_type=SubjectType.POLICY))


@forgery("approval-of-a-cancel-used-for-a-mandate", Refusal.ASSERTION, why="The purpose is in the challenge.")
def _cancel_purpose(case: Case) -> Attack:
    return _instead(
        case,
        lambda digest: _restated(
            case.consent(digest, case.cast.honest, subject_type=SubjectType.CANCEL), subject_type=SubjectType.MANDATE
        ),
    )


@forgery("approval-under-another-policy", Refusal.CONSENT_MISMATCH, why="People consent under the policy they see.")
def _other_policy(case: Case) -> Attack:
    return _instead(case, lambda digest: case.consent(digest, case.cast.honest, policy=_OTHER_DIGEST))


@forgery("approval-from-another-deployment", Refusal.WRONG_DEPLOYMENT, why="The test system's consents stay there.")
def _other_deployment(case: Case) -> Attack:
    header = case.header("consent", deployment=_OTHER_DIGEST)
    return _instead(case, lambda digest: case.consent(digest, case.cast.honest, header=header))


@forgery("approval-that-has-expired", Refusal.EXPIRED, why="Old consents are not kept for a better moment.")
def _expired(case: Case) -> Attack:
    header = case.header("consent", created=case.now - 600, expires=case.now - 1)
    return _instead(case, lambda digest: case.consent(digest, case.cast.honest, header=header))


@forgery("expired-approval-with-its-life-prolonged", Refusal.ASSERTION, why="The expiry is in the challenge.")
def _prolonged(case: Case) -> Attack:
    old = case.header("consent", created=case.now - 600, expires=case.now - 1)
    new = dataclasses.replace(old, expires=case.now + 3600)
    return _instead(case, lambda digest: _restated(case.consent(digest, case.cast.honest, header=old), header=new))


@forgery("approval-from-the-future", Refusal.NOT_YET_VALID, why="Stockpiled for later.")
def _future(case: Case) -> Attack:
    header = case.header("consent", created=case.now + 3600, expires=case.now + 7200)
    return _instead(case, lambda digest: case.consent(digest, case.cast.honest, header=header))


@forgery("signature-by-another-key", Refusal.ASSERTION, why="A signature is checked with the roster's key.")
def _other_key(case: Case) -> Attack:
    def forge(digest: str) -> SignedConsent:
        signed = case.consent(digest, case.cast.honest)
        proof = signed.proof
        if not isinstance(proof, WebAuthnProof):
            raise TypeError(proof)
        stolen = assertion_over(case.keys[case.cast.accomplice], proof.client_data_json, proof.authenticator_data)
        claimed = dataclasses.replace(stolen, credential_id=proof.credential_id)
        return dataclasses.replace(signed, proof=claimed)

    return _instead(case, forge)


@forgery("consent-nonce-used-again", Refusal.CONSENT_REPLAYED, why="A statement's id is used once.")
def _nonce_again(case: Case) -> Attack:
    first = case.bundle()
    used = next(one for one in first.consents if one.statement.actor == case.cast.accomplice).statement.header
    mandate = case.mandate()
    again = case.consent(mandate.digest, case.cast.accomplice, header=used)
    consents = (case.ask(mandate), case.consent(mandate.digest, case.cast.honest), again)
    following = case.attempt(case.nonce + 1)
    return Attack(
        before=(sign(first),),
        forged=sign(case.bundle(mandate, consents=consents, attempt=following)),
        control=sign(case.bundle(attempt=following)),
    )


@forgery("counter-seen-under-another-challenge", Refusal.COUNTER, why="Two keys with one counter: one is a clone.")
def _counter(case: Case) -> Attack:
    original = case.keys[case.cast.accomplice]
    clone, counting = dataclasses.replace(original, counter=7), dataclasses.replace(original, counter=8)

    def signed(key: SoftKey, nonce: int) -> Any:  # noqa: ANN401 - a Step
        using = dataclasses.replace(case, keys=dict(case.keys) | {case.cast.accomplice: key})
        return sign(using.bundle(attempt=case.attempt(nonce)))

    return Attack(
        before=(signed(clone, case.nonce),),
        forged=signed(clone, case.nonce + 1),
        control=signed(counting, case.nonce + 1),
    )
