"""Facts that nobody attested, or not enough of those whom the policy names, or not about this transaction."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.attested import LIFETIME_MOST, QUOTES
from core.documents.bundle import Attestation, FactValue, SignedAttestation
from core.documents.roster import NamedKey
from core.errors import Refusal
from core.names import native_asset
from demo.forgeries.catalogue import Attack, Setting, forgery, sign

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.documents.mandate import Intent
    from demo.forgeries.case import Case

ATTESTERS = ("oracle-north", "oracle-south", "oracle-owned")
"""Two honest attesters, and one whose key the attacker owns."""
NORTH, SOUTH, OWNED = ATTESTERS
THRESHOLD = 2
SLIPPAGE_MOST = 100
"""The institution's guard: a price further than this from the quorum is refused, basis points."""
_DAY = 86_400
_STRANGER = "oracle-stranger"
_WHY_K = "One attester can be bought; the policy asks for two."


def attester_key(name: str) -> Ed25519PrivateKey:
    """Return an attester's key; the same for the same name."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode("ascii")).digest())


def attester_keys() -> tuple[NamedKey, ...]:
    """Return what a policy names."""
    return tuple(
        NamedKey(id=name, public_key=attester_key(name).public_key().public_bytes_raw(), host=f"{name}.example")
        for name in ATTESTERS
    )


def facts_of(**changes: str | tuple[str, ...] | None) -> tuple[FactValue, ...]:
    """Write what an honest attester says of an ordinary payment; `__` in a name is a point, None leaves one out."""
    values: dict[str, Any] = {"simulation.success": "true", "effects.allowances": "0", "price.deviation_bps": "20"}
    values |= {name.replace("__", "."): value for name, value in changes.items()}
    return tuple(
        FactValue(field=name, values=value if isinstance(value, tuple) else (value,))
        for name, value in values.items()
        if value is not None
    )


def attest(
    case: Case,
    about: Intent,
    by: str,
    *,
    facts: tuple[FactValue, ...] | None = None,
    key: str | None = None,
    **changes: Any,  # noqa: ANN401 - Attestation's fields
) -> SignedAttestation:
    """Have an attester sign; `key`: with whose key, if not with their own."""
    fields: dict[str, Any] = {
        "header": case.header("attestation", lifetime=300),
        "attester": by,
        "intent": about.digest,
        "block_number": 19_000_000,
        "block_hash": b"\x33" * 32,
        "facts": facts_of() if facts is None else facts,
    }
    document = Attestation(**(fields | changes))
    signature = attester_key(key or by).sign(bytes.fromhex(document.digest))
    return SignedAttestation(document=document, signature=signature)


def _instead(case: Case, forged: Callable[[Intent], tuple[SignedAttestation, ...]]) -> Attack:
    """Deliver a whole case that everybody signed, with these attestations; the control has those of both honest ones.

    People's consents are the same in both: only the attestations differ.
    """
    intent = case.intent()
    mandate = case.mandate(intent)
    honest = (attest(case, intent, NORTH), attest(case, intent, SOUTH))
    bundle = case.bundle(mandate, attestations=honest)
    return Attack(forged=sign(dataclasses.replace(bundle, attestations=forged(intent))), control=sign(bundle))


def _beside(case: Case, **how: Any) -> Attack:  # noqa: ANN401 - attest's
    """Put one wrong attestation beside an honest one."""
    by = how.pop("by", SOUTH)
    return _instead(case, lambda intent: (attest(case, intent, NORTH), attest(case, intent, by, **how)))


@forgery("attestation-left-out", Refusal.DENIED, setting=Setting.ATTESTED, why="What nobody attests is unknown.")
def _left_out(case: Case) -> Attack:
    return _instead(case, lambda _: ())


@forgery("attestation-of-another-transaction", Refusal.DENIED, setting=Setting.ATTESTED, why="It names its intent.")
def _another(case: Case) -> Attack:
    return _beside(case, intent=case.intent().digest)


@forgery("attestation-that-has-expired", Refusal.DENIED, setting=Setting.ATTESTED, why="Chains move on.")
def _expired(case: Case) -> Attack:
    return _beside(case, header=case.header("attestation", created=case.now - 400, expires=case.now))


@forgery("attestation-from-the-future", Refusal.DENIED, setting=Setting.ATTESTED, why="Stockpiled for later.")
def _future(case: Case) -> Attack:
    return _beside(case, header=case.header("attestation", created=case.now + 3600, expires=case.now + 3900))


@forgery(
    "attestation-that-lasts-for-a-day", Refusal.DENIED, setting=Setting.ATTESTED, why="An old price can be chosen."
)
def _lasting(case: Case) -> Attack:
    long = case.header("attestation", created=case.now, expires=case.now + LIFETIME_MOST + 1)
    return _beside(case, header=long)


@forgery("attestation-from-another-deployment", Refusal.DENIED, setting=Setting.ATTESTED, why="The test system's.")
def _deployment(case: Case) -> Attack:
    return _beside(case, header=case.header("attestation", lifetime=300, deployment="ab" * 32))


@forgery(
    "attester-whom-nobody-named", Refusal.DENIED, setting=Setting.ATTESTED, why="The policy names its attesters."
)
def _unlisted(case: Case) -> Attack:
    return _beside(case, by=_STRANGER)


@forgery("attester-with-a-name-that-is-not-its-own", Refusal.DENIED, setting=Setting.ATTESTED, why="Keys count.")
def _borrowed(case: Case) -> Attack:
    return _beside(case, key=OWNED)


@forgery("one-attester-of-two", Refusal.DENIED, setting=Setting.ATTESTED, why=_WHY_K)
def _too_few(case: Case) -> Attack:
    return _instead(case, lambda intent: (attest(case, intent, OWNED),))


@forgery("the-same-attester-twice", Refusal.DENIED, setting=Setting.ATTESTED, why="One attester has one voice.")
def _twice(case: Case) -> Attack:
    return _instead(case, lambda intent: (attest(case, intent, OWNED), attest(case, intent, OWNED)))


@forgery("attestation-edited-after-it-was-signed", Refusal.DENIED, setting=Setting.ATTESTED, why="The digest moves.")
def _edited(case: Case) -> Attack:
    def edit(intent: Intent) -> tuple[SignedAttestation, ...]:
        failed = attest(case, intent, SOUTH, facts=facts_of(simulation__success="false"))
        better = dataclasses.replace(failed.document, facts=facts_of())
        return attest(case, intent, NORTH), dataclasses.replace(failed, document=better)

    return _instead(case, edit)


@forgery("attested-flag-that-is-a-word", Refusal.DENIED, setting=Setting.ATTESTED, why="A flag is true or false.")
def _word(case: Case) -> Attack:
    return _beside(case, facts=facts_of(simulation__success="yes"))


@forgery("attested-number-below-zero", Refusal.DENIED, setting=Setting.ATTESTED, why="No distance is less than none.")
def _negative(case: Case) -> Attack:
    return _beside(case, facts=facts_of(price__deviation_bps="-1"))


@forgery("claim-dressed-as-attested", Refusal.DENIED, setting=Setting.ATTESTED, why="Attesters attest, not claim.")
def _claimed(case: Case) -> Attack:
    return _beside(case, facts=facts_of(web__simulation="ok"))


@forgery(
    "derived-fact-dressed-as-attested", Refusal.DENIED, setting=Setting.ATTESTED, why="Signers derive for themselves."
)
def _derived(case: Case) -> Attack:
    return _beside(case, facts=facts_of(destination__listed="true"))


@forgery(
    "attestation-that-says-both", Refusal.DENIED, setting=Setting.ATTESTED, why="The first or the last? Neither."
)
def _both(case: Case) -> Attack:
    return _beside(case, facts=(*facts_of(), *facts_of()[:1]))


@forgery("attestations-of-two-blocks", Refusal.DENIED, setting=Setting.ATTESTED, why="Half from before, half after.")
def _blocks(case: Case) -> Attack:
    return _beside(case, block_hash=b"\x44" * 32)


@forgery("attester-that-contradicts-another", Refusal.DENIED, setting=Setting.ATTESTED, why=_WHY_K)
def _contradicted(case: Case) -> Attack:
    def one_says_no(intent: Intent) -> tuple[SignedAttestation, ...]:
        no = attest(case, intent, NORTH, facts=facts_of(simulation__success="false"))
        return no, attest(case, intent, OWNED)

    return _instead(case, one_says_no)


@forgery(
    "slippage-that-one-attester-plays-down", Refusal.DENIED, setting=Setting.ATTESTED, why="The worse one counts."
)
def _played_down(case: Case) -> Attack:
    def worse(intent: Intent) -> tuple[SignedAttestation, ...]:
        far = attest(case, intent, NORTH, facts=facts_of(price__deviation_bps="298"))
        return far, attest(case, intent, OWNED, facts=facts_of(price__deviation_bps="1"))

    return _instead(case, worse)


@forgery(
    "value-above-a-limit-by-the-attested-price", Refusal.DENIED, setting=Setting.ATTESTED,
    why="The worse for us of attested price and reference price.",
)  # fmt: skip
def _dear(case: Case) -> Attack:
    dear = facts_of(**{QUOTES.replace(".", "__"): (f"{native_asset(case.chain)}={10**30}",)})
    return _instead(case, lambda intent: tuple(attest(case, intent, name, facts=dear) for name in (NORTH, SOUTH)))
