"""What attesters sign about a transaction, and what of it counts: facts that k of the policy's n keys agree on.

An attestation is about one intent, made on one block, and lasts minutes. What is wrong with one does not refuse the
case by itself: it does not count, so its facts stay unknown, and unknown blocks wherever a rule needs them. Those
that count must name the same block, come from k distinct attesters, and agree; of numbers for which it is plain what
is worse for us, the worse one counts.

Source: the architecture, *Facts and policy*; Ed25519 (RFC 8032) over the 32 bytes of the document's digest.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from core.documents.base import check_deployment, check_lifetime
from core.documents.bundle import FactValue, Provenance
from core.ed25519 import is_signed
from core.errors import DocumentError, RefusedError
from core.names import ASSET
from core.registry import REGISTRY, Fact, FactMap, FactType
from core.schema import UINT256_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from core.documents.bundle import Attestation, SignedAttestation
    from core.documents.policy import Policy

LIFETIME_MOST = 600
"""An attestation that would last longer does not count, seconds."""
QUOTES = "price.quotes"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,77}", re.ASCII)
_WORSE: dict[str, Callable[[Iterable[int]], int]] = {
    "effects.received": min,
    "effects.sent": max,
    "effects.allowances": max,
    "price.deviation_bps": max,
    "risk.score": max,
}
"""Numbers of which one direction is worse for us; any other has to be the same."""
_COUPLED = {"effects.received": "effects.received.asset", "effects.sent": "effects.sent.asset"}
"""An amount means nothing where attesters disagree on what it is an amount of."""


class _NotCountedError(Exception):
    """Why an attestation does not count."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attested:
    """What counts.

    Attributes:
        facts: Typed facts of attested fields; empty where fewer than k attesters said anything that counts.
        notes: For each attestation that does not count, and for what they disagree on: why.
        attesters: Who counts.
    """

    facts: FactMap
    notes: tuple[str, ...]
    attesters: tuple[str, ...]


NOTHING = Attested(facts={}, notes=(), attesters=())


def attested_facts(
    signed: Sequence[SignedAttestation], policy: Policy, *, intent: str, deployment: str, now: int
) -> Attested:
    """Return the facts that k attesters of a policy agree on.

    Args:
        signed: What the bundle brings.
        policy: Names the attesters, their Ed25519 keys, and how many must agree (k).
        intent: Digest of the transaction.
        deployment: The genesis digest.
        now: The verifier's own clock, Unix seconds.
    """
    if not policy.attester_threshold:
        # Whoever names no attesters believes none.
        return NOTHING
    notes: list[str] = []
    counted: list[tuple[Attestation, FactMap]] = []
    for one in signed:
        try:
            facts = _checked(one, policy, intent=intent, deployment=deployment, now=now)
        except _NotCountedError as error:
            notes.append(f"attester {one.document.attester}: {error}")
        else:
            counted.append((one.document, facts))
    blocks = {(document.block_number, document.block_hash) for document, _ in counted}
    if len(blocks) > 1:
        return Attested(facts={}, notes=(*notes, "the attestations name different blocks"), attesters=())
    names = sorted({document.attester for document, _ in counted})
    if len(names) < policy.attester_threshold:
        notes.append(f"{len(names)} of {policy.attester_threshold} attesters that are needed")
        return Attested(facts={}, notes=tuple(notes), attesters=tuple(names))
    said = [(document.attester, facts) for document, facts in counted]
    facts = _agreed(said, policy.attester_threshold, notes)
    return Attested(facts=facts, notes=tuple(notes), attesters=tuple(names))


def _checked(signed: SignedAttestation, policy: Policy, *, intent: str, deployment: str, now: int) -> FactMap:
    """Return what one attestation says, if it counts."""
    document = signed.document
    key = next((one.public_key for one in policy.attesters if one.id == document.attester), None)
    if key is None:
        raise _NotCountedError("the policy names no such attester")
    if document.intent != intent:
        raise _NotCountedError("is about another transaction")
    try:
        check_deployment(document, deployment)
        check_lifetime(document, now=now)
    except RefusedError as error:
        raise _NotCountedError(error.message) from error
    if document.header.expires - document.header.created > LIFETIME_MOST:
        raise _NotCountedError(f"would last longer than {LIFETIME_MOST} seconds")
    if not is_signed(key, signed.signature, bytes.fromhex(document.digest)):
        raise _NotCountedError("is not signed by its key")
    facts: FactMap = {}
    for fact in document.facts:
        if fact.field in facts:
            raise _NotCountedError(f"says {fact.field} twice")
        facts[fact.field] = fact_read(fact)
    return facts


def fact_read(fact: FactValue) -> Fact:
    """Read an attested fact by its field's type.

    Raises:
        _NotCountedError: If the field is none that attesters speak of, or the values are not of its type.
    """
    field = REGISTRY.get(fact.field)
    if field is None or field.provenance is not Provenance.ATTESTED:
        raise _NotCountedError(f"{fact.field} is nothing that can be attested")
    value = fact.values[0] if len(fact.values) == 1 else None
    if field.type is FactType.TEXTS:
        if fact.field == QUOTES:
            quotes_of(fact.values)
        return frozenset(fact.values)
    if field.type is FactType.FLAG and value in ("true", "false"):
        return value == "true"
    if field.type is FactType.NUMBER and value is not None and _NUMBER.fullmatch(value):
        number = int(value)
        if number <= UINT256_MAX:
            return number
    if field.type is FactType.TEXT and value:
        return value
    raise _NotCountedError(f"{fact.field} is not a {field.type.value}")


def fact_write(field: str, value: str | int | bool | frozenset[str]) -> FactValue:  # noqa: FBT001 - a fact's value
    """Write an attested fact.

    Args:
        field: A field of the registry.
        value: Of the field's type.

    Raises:
        ValueError: If nobody could read it back.
    """
    if isinstance(value, frozenset):
        written = FactValue(field=field, values=tuple(sorted(value)))
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        written = FactValue(field=field, values=(text,))
    try:
        back = fact_read(written)
    except _NotCountedError as error:
        raise ValueError(str(error)) from error
    if back != value or type(back) is not type(value):
        msg = f"{field} cannot be {value!r}"
        raise ValueError(msg)
    return written


def quotes_of(values: Iterable[str]) -> dict[str, int]:
    """Read quoted prices, ``CAIP-19 asset=10⁻⁸ US dollars for one unit``.

    Raises:
        _NotCountedError: If one is malformed, of nothing, or of an asset that was quoted already.
    """
    quotes: dict[str, int] = {}
    for text in values:
        asset, _, digits = text.rpartition("=")
        try:
            name = str(ASSET.read(asset, QUOTES))
        except DocumentError as error:
            raise _NotCountedError(f"{QUOTES} names no asset") from error
        if name in quotes or not _NUMBER.fullmatch(digits) or not 0 < int(digits) <= UINT256_MAX:
            raise _NotCountedError(f"{QUOTES} is no price for each asset")
        quotes[name] = int(digits)
    return quotes


def quoted(facts: Mapping[str, Fact]) -> dict[str, int]:
    """Return the prices among facts, 10⁻⁸ US dollars for one unit by CAIP-19 asset; empty if they are not sound."""
    value = facts.get(QUOTES)
    try:
        return quotes_of(value) if isinstance(value, frozenset) else {}
    except _NotCountedError:
        return {}


def _agreed(said: list[tuple[str, FactMap]], threshold: int, notes: list[str]) -> FactMap:
    facts: FactMap = {}
    for field in sorted({name for _, one in said for name in one}):
        if len({attester for attester, one in said if field in one}) < threshold:
            notes.append(f"{field}: said by fewer than {threshold}")
            continue
        values = [one[field] for _, one in said if field in one]
        if field == QUOTES:
            facts[field] = _dearest(said, threshold)
        elif field in _WORSE:
            facts[field] = _WORSE[field](value for value in values if isinstance(value, int))
        elif all(value == values[0] for value in values):
            facts[field] = values[0]
        else:
            notes.append(f"{field}: the attesters disagree")
    for amount, asset in _COUPLED.items():
        if asset not in facts and any(asset in one for _, one in said):
            facts.pop(amount, None)
    return facts


def _dearest(said: list[tuple[str, FactMap]], threshold: int) -> frozenset[str]:
    """Return each price that k attesters quote, the highest of them: more is worse for whoever pays."""
    prices: dict[str, list[tuple[str, int]]] = {}
    for attester, facts in said:
        for asset, price in quoted(facts).items():
            prices.setdefault(asset, []).append((attester, price))
    return frozenset(
        f"{asset}={max(price for _, price in quotes)}"
        for asset, quotes in prices.items()
        if len({attester for attester, _ in quotes}) >= threshold
    )
