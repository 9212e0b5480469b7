"""Whether a contract still is what people reviewed: the facts ``code.unchanged`` and ``implementation.unchanged``.

What was reviewed stands in the signed policy: a contract's entry names its code hash. What a contract forwards to is
an entry of its own there, with its code hash and with every function that the forwarding one registers; so a contract
that was reviewed for something else does not pass as its implementation.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from chains.identity.read import ProxyKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chains.identity.read import Identity
    from core.documents.roster import ContractEntry


@dataclasses.dataclass(frozen=True, kw_only=True)
class Findings:
    """What was found. None: it cannot be said, which is no yes.

    Attributes:
        code_unchanged: The runtime code is the reviewed one.
        implementation_unchanged: What it forwards to is reviewed too; True for a contract that forwards nothing.
        reasons: One sentence for each thing that is not as reviewed.
    """

    code_unchanged: bool | None
    implementation_unchanged: bool | None
    reasons: tuple[str, ...]

    @property
    def is_reviewed(self) -> bool:
        """Whether everything is as it was reviewed."""
        return self.code_unchanged is True and self.implementation_unchanged is True


@dataclasses.dataclass(frozen=True, kw_only=True)
class Review:
    """What people reviewed at an address: its code, what they call it, and which functions they reviewed it for."""

    label: str
    code_hash: bytes | None
    functions: frozenset[bytes] = frozenset()


def reviews_of(contracts: Iterable[ContractEntry], *, chain: str) -> dict[str, Review]:
    """Return a policy's reviews of one chain, by EIP-55 address."""
    return {
        entry.address: Review(
            label=entry.label,
            code_hash=entry.code_hash,
            functions=frozenset(function.selector for function in entry.functions),
        )
        for entry in contracts
        if entry.chain == chain
    }


def _of_code(review: Review | None, identity: Identity, reasons: list[str]) -> bool | None:
    if review is None and not identity.has_code:
        # Where there is no code, none can have changed; what once was reviewed code is another matter.
        return True
    if review is None or review.code_hash is None:
        reasons.append(f"nobody named a reviewed code hash for {identity.address}")
        return None
    if review.code_hash != identity.code_hash:
        reasons.append(f"the code of {review.label} ({identity.address}) is not the reviewed one")
        return False
    return True


def _of_target(reviews: Mapping[str, Review], review: Review | None, identity: Identity, reasons: list[str]) -> bool:
    """Say whether what a contract forwards to is reviewed for what the contract is used for."""
    target = None if identity.implementation is None else reviews.get(identity.implementation)
    if target is None or target.code_hash is None:
        reasons.append(f"{identity.address} forwards to {identity.implementation}, which nobody reviewed")
        return False
    if target.code_hash != identity.implementation_hash:
        reasons.append(f"the code of {target.label}, which {identity.address} forwards to, is not the reviewed one")
        return False
    if review is not None and not review.functions <= target.functions:
        reasons.append(f"{target.label} was not reviewed for all functions of {review.label}")
        return False
    return True


def identity_compare(identity: Identity, *, reviews: Mapping[str, Review]) -> Findings:
    """Compare what stands at an address with what people reviewed.

    Args:
        identity: As it was read just now.
        reviews: What was reviewed on its chain, by EIP-55 address.
    """
    reasons = list[str]()
    review = reviews.get(identity.address)
    code = _of_code(review, identity, reasons)
    implementation: bool | None = code
    if identity.kind is not ProxyKind.NONE:
        implementation = _of_target(reviews, review, identity, reasons)
        if identity.beacon is not None:
            beacon = reviews.get(identity.beacon)
            if beacon is None or beacon.code_hash is None or beacon.code_hash != identity.beacon_hash:
                reasons.append(f"the beacon {identity.beacon} of {identity.address} is not a reviewed one")
                implementation = False
        if identity.behind is not None:
            behind = identity_compare(identity.behind, reviews=reviews)
            reasons += [reason for reason in behind.reasons if reason not in reasons]
            implementation = implementation and behind.is_reviewed
    return Findings(code_unchanged=code, implementation_unchanged=implementation, reasons=tuple(reasons))
