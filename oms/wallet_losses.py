"""What would be lost, or in other hands, if one thing failed: sentences that follow from a wallet's own numbers."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING

from core.certificate import certificate_size
from core.documents.roster import WalletKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from core.documents.policy import Policy
    from core.documents.roster import SignerEntry, Wallet

DOMAINS = ("host", "site", "administrator", "vendor")
"""What can fail, be robbed or be ordered to obey as one."""
_WHOLE_KEY = "Whoever has it in hand, and what opens it, signs whatever they like."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Domain:
    """One kind of failure domain: how many of a wallet's signers each of its members holds."""

    kind: str
    held: tuple[tuple[str, int], ...]
    enough: tuple[str, ...]

    @property
    def most(self) -> int:
        """The most that one of them holds."""
        return max((number for _, number in self.held), default=0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loss:
    """One thing that may fail. `stops`: what no longer works; `gains`: what a thief of it has."""

    what: str
    stops: str
    gains: str
    tone: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Size:
    """How many hold a wallet's key: n, the t that sign, and the q whose word a signature takes."""

    held: int
    sign: int
    certify: int

    @classmethod
    def of(cls, wallet: Wallet) -> Size:
        """Read it off a policy's entry."""
        held, sign = len(wallet.signers), wallet.threshold
        shared = wallet.kind is WalletKind.MPC
        return cls(held=held, sign=sign, certify=certificate_size(held, sign) if shared else 1)


def domains_of(entries: Sequence[SignerEntry], threshold: int) -> tuple[Domain, ...]:
    """Count a wallet's signers by what they would fail together with.

    Args:
        entries: The policy's entries of its signers.
        threshold: How many of them sign.
    """
    found = []
    for kind in DOMAINS:
        held = Counter(str(getattr(entry, kind)) for entry in entries)
        rows = tuple(sorted(held.items(), key=lambda one: (-one[1], one[0])))
        found.append(Domain(kind=kind, held=rows, enough=tuple(name for name, n in rows if n >= threshold)))
    return tuple(found)


def _left(size: Size, gone: int, *, copies: str) -> tuple[str, str]:
    """Say what still works once so many signers are gone, and how bad that is."""
    left = size.held - gone
    if left >= size.certify:
        return (
            f"Nothing stops: {left} of {size.held} are left, {size.certify} give their word and {size.sign} sign.",
            "",
        )
    if left >= size.sign:
        words = (
            f"Cases wait: {left} are left, and a case takes the word of {size.certify}. Two people can open the"
            f" degraded mode, and {size.sign} can still empty the wallet."
        )
        return words, "warn"
    return f"The key is gone: {left} of {size.held} are left, and {size.sign} sign. {copies}", "bad"


def _taken(size: Size, taken: int) -> str:
    if taken >= size.sign:
        if size.held == 1:
            return _WHOLE_KEY
        return f"Enough to sign: it holds {taken}, and {size.sign} sign without asking anybody else."
    return f"Nothing of the key: {taken} of {size.held} say nothing about it, and do not sign."


def losses_of(*, wallet: Wallet, policy: Policy, domains: Iterable[Domain], copies: str) -> tuple[Loss, ...]:
    """Return what would be lost if one thing failed, from the numbers of the policy in force.

    Args:
        wallet: The policy's entry.
        policy: The policy in force.
        domains: From `domains_of`.
        copies: What is known here of backups or clones, as a sentence.
    """
    size = Size.of(wallet)
    rows = [_row(what, size, gone, copies) for gone, what in _alike(size, domains)]
    if size.held > 1:
        rows.append(_row(f"Any {size.sign} of its parties", size, size.sign, copies))
    return (*rows, _web_tier(wallet, policy), _witness(policy))


def _alike(size: Size, domains: Iterable[Domain]) -> list[tuple[int, str]]:
    """Put together what takes equally many signers along, the least first; a name only where others take fewer."""
    groups: dict[int, list[str]] = {1: ["token"]}
    for domain in domains:
        if domain.held:
            alone = domain.most in (1, size.held) or len(domain.held) == 1
            words = domain.kind if alone else f"{domain.kind} (at worst {domain.held[0][0]})"
            groups.setdefault(domain.most, []).append(words)
    return [
        (gone, "One " + (f"{', '.join(words[:-1])} or {words[-1]}" if words[1:] else words[0]))
        for gone, words in sorted(groups.items())
    ]


def _row(what: str, size: Size, gone: int, copies: str) -> Loss:
    stops, tone = _left(size, gone, copies=copies)
    return Loss(what=what, stops=stops, gains=_taken(size, gone), tone=tone)


def _web_tier(wallet: Wallet, policy: Policy) -> Loss:
    if wallet.kind is WalletKind.SOFTWARE:
        gains = "Perhaps the key: it is software, and nothing here says on which machine."
    else:
        gains = (
            f"No key. {'Each party checks' if len(wallet.signers) > 1 else 'Its signer checks'} policy"
            f" {policy.number} and everybody's consents itself, and people read what they sign at"
            f" {policy.consent.origin}. It can keep cases back, and show people other things than are so."
        )
    stops = "Nothing of the key. Nothing new is asked or sent until this server is back from its backup."
    return Loss(what="The web tier", stops=stops, gains=gains, tone="warn")


def _witness(policy: Policy) -> Loss:
    named, needed = len(policy.witnesses), policy.witness_threshold
    what = "One witness"
    if not needed:
        return Loss(
            what=what,
            stops=f"Nothing stops: policy {policy.number} asks for no lease of a witness.",
            gains="Whoever brings a signer's disk back to an older state is not noticed by a witness.",
            tone="warn",
        )
    left = named - 1
    stops = (
        f"Nothing stops: {left} of {named} are left, and a lease takes {needed}."
        if left >= needed
        else f"Every signer stops when its lease ends: {left} of {named} are left, and a lease takes {needed}."
    )
    gains = "No key and no signature: it can lie about which log and journals are the newest" + (
        f", together with {needed - 1} more." if needed > 1 else ", alone."
    )
    return Loss(what=what, stops=stops, gains=gains, tone="" if left >= needed else "warn")
