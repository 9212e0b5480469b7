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
    from collections.abc import Iterable

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


def _entry(contracts: Iterable[ContractEntry], chain: str, address: str) -> ContractEntry | None:
    return next((entry for entry in contracts if (entry.chain, entry.address) == (chain, address)), None)


def _selectors(entry: ContractEntry) -> frozenset[bytes]:
    return frozenset(function.selector for function in entry.functions)


def _of_code(entry: ContractEntry | None, identity: Identity, reasons: list[str]) -> bool | None:
    if not identity.has_code:
        reasons.append(f"{identity.address} holds no code")
        return False
    if entry is None or entry.code_hash is None:
        reasons.append(f"the policy names no code hash for {identity.address}")
        return None
    if entry.code_hash != identity.code_hash:
        reasons.append(f"the code of {entry.label} ({identity.address}) is not the reviewed one")
        return False
    return True


def _of_target(
    contracts: tuple[ContractEntry, ...],
    chain: str,
    entry: ContractEntry | None,
    identity: Identity,
    reasons: list[str],
) -> bool:
    """Say whether what a contract forwards to is reviewed for what the contract is used for."""
    target = None if identity.implementation is None else _entry(contracts, chain, identity.implementation)
    if target is None or target.code_hash is None:
        reasons.append(f"{identity.address} forwards to {identity.implementation}, which nobody reviewed")
        return False
    if target.code_hash != identity.implementation_hash:
        reasons.append(f"the code of {target.label}, which {identity.address} forwards to, is not the reviewed one")
        return False
    if entry is not None and not _selectors(entry) <= _selectors(target):
        reasons.append(f"{target.label} was not reviewed for all functions of {entry.label}")
        return False
    return True


def identity_compare(identity: Identity, *, chain: str, contracts: Iterable[ContractEntry]) -> Findings:
    """Compare what stands at an address with what people reviewed.

    Args:
        identity: As it was read just now.
        chain: CAIP-2 name.
        contracts: The policy's contracts.
    """
    known, reasons = tuple(contracts), list[str]()
    entry = _entry(known, chain, identity.address)
    code = _of_code(entry, identity, reasons)
    implementation: bool | None = code
    if identity.kind is not ProxyKind.NONE:
        implementation = _of_target(known, chain, entry, identity, reasons)
        if identity.beacon is not None:
            beacon = _entry(known, chain, identity.beacon)
            if beacon is None or beacon.code_hash is None or beacon.code_hash != identity.beacon_hash:
                reasons.append(f"the beacon {identity.beacon} of {identity.address} is not a reviewed one")
                implementation = False
        if identity.behind is not None:
            behind = identity_compare(identity.behind, chain=chain, contracts=known)
            reasons += [reason for reason in behind.reasons if reason not in reasons]
            implementation = implementation and behind.is_reviewed
    return Findings(code_unchanged=code, implementation_unchanged=implementation, reasons=tuple(reasons))
