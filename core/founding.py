"""The plan of a key that several parties make together, and the failure domains that none of them may share too much.

A plan is compared by two people at each party's console, as pins are: before the first policy there is no quorum that
could sign it. Later keys take a ceremony of the policy's quorum.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING

from core.canonical import canonical_of_codecs, tagged_digest
from core.documents.party import MOST_PARTIES, SessionKind, SessionTerms
from core.documents.roster import Profile
from core.ed25519 import check_public_key
from core.errors import EncodingError, PolicyError
from core.names import CHAIN, HASH32, LABEL, SLUG
from core.schema import Choice, Constant, Integer, Items, Struct, of, write_struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from core.documents.control import RecoveryKey
    from core.documents.roster import SignerEntry

KIND = "countersign.founding.v1"
_LEAST = 2
DOMAINS = {
    Profile.PRODUCTION: ("host", "site", "administrator", "vendor"),
    # Every token of a demonstration is SoftHSM.
    Profile.DEMO: ("host", "site", "administrator"),
}
"""What can fail, be robbed or be ordered to obey as one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FoundingParty:
    """A party with its Ed25519 key and its failure domains, as the policy will name it."""

    id: str = of(SLUG)
    public_key: bytes = of(HASH32)
    host: str = of(SLUG)
    site: str = of(SLUG)
    administrator: str = of(SLUG)
    vendor: str = of(SLUG)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FoundingPlan:
    """A key for one wallet: its chain (CAIP-2), t, the parties in the order of their indices, 32 bytes of chance."""

    kind: str = of(Constant(KIND))
    profile: Profile = of(Choice(Profile))
    label: str = of(LABEL)
    chain: str = of(CHAIN)
    threshold: int = of(Integer(least=_LEAST, most=MOST_PARTIES))
    parties: tuple[FoundingParty, ...] = of(Items(Struct(lambda: FoundingParty), least=_LEAST, most=MOST_PARTIES))
    nonce: bytes = of(HASH32)

    @cached_property
    def digest(self) -> str:
        """What people compare: 64 hex digits."""
        return tagged_digest("founding", canonical_of_codecs(write_struct(self, "plan")))

    @property
    def terms(self) -> SessionTerms:
        """The terms of the session that makes the key."""
        return SessionTerms(
            kind=SessionKind.KEY_GENERATION,
            wallet=None,
            public_key=None,
            epoch=0,
            threshold=self.threshold,
            quorum=tuple(party.id for party in self.parties),
            message_hash=bytes(32),
            subject=self.digest,
            nonce=self.nonce,
        )


def domain_problems(
    parties: Iterable[FoundingParty | SignerEntry | RecoveryKey], threshold: int, profile: Profile
) -> Iterator[str]:
    """Yield every failure domain that holds as many parties as a signature takes.

    Args:
        parties: Who holds a share.
        threshold: t.
        profile: Says which kinds of domain are looked at.
    """
    parties = tuple(parties)
    for domain in DOMAINS[profile]:
        held = Counter(str(getattr(party, domain)) for party in parties)
        for name, number in sorted(held.items()):
            if number >= threshold:
                yield f"{domain} {name} holds {number} shares: {threshold} of them sign"


def check_plan(plan: FoundingPlan) -> None:
    """Refuse a plan that no institution should follow.

    Raises:
        PolicyError: With every problem.
    """
    problems = []
    names = [party.id for party in plan.parties]
    keys = [party.public_key for party in plan.parties]
    if len(set(names)) < len(names) or len(set(keys)) < len(keys):
        problems.append("a party or a party's key is named twice")
    if plan.threshold > len(names):
        problems.append(f"{plan.threshold} of {len(names)} parties never sign")
    for party in plan.parties:
        try:
            check_public_key(party.public_key)
        except EncodingError as error:
            problems.append(f"{party.id}: {error}")
    problems += domain_problems(plan.parties, plan.threshold, plan.profile)
    if problems:
        raise PolicyError(problems)
