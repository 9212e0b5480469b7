"""Cases that were asked under an earlier version while a newer one is in force: both have to allow them.

As in a signer (`core.verify`): each version decides with its own roster, rules and prices; whoever initiates under
either has no seat in either; and people or keys that any version in force or waiting has removed do not count.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.documents.bundle import Provenance
from core.errors import RefusedError
from core.facts import resolve_asker
from core.policy import decide
from core.quorum import EMPTY
from core.registry import REGISTRY
from policies.degraded import policy_counted
from policies.facts import facts_gather, snapshot_read
from policies.limits import HeldDraw, StoredTotals, counter_name
from policies.models import HandoverState, PolicyVersion, Reservation, ReservationState, VersionStatus
from policies.selectors import decision_find, policy_active, policy_find, version_policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.documents.mandate import Intent, Mandate
    from core.documents.policy import Limit, Policy, Quorum
    from core.limits import ScopeKey
    from core.registry import FactMap
    from policies.facts import FactValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewestWord:
    """What the version in force says about a case that was asked under an earlier one."""

    policy: Policy
    allowed: bool
    reasons: tuple[str, ...]
    required: Quorum
    asked: tuple[Quorum, ...]
    barred: frozenset[str]


class _OthersTotals(StoredTotals):
    """Totals without what one case holds itself: it does not count against itself twice."""

    def __init__(self, intent_digest: str) -> None:
        super().__init__()
        self._intent = intent_digest
        kept = Reservation.objects.select_related("counter").filter(decision__intent_digest=intent_digest)
        self._own = {
            (r.counter.limit_id, r.counter.scope_key, r.counter.measure, r.counter.asset): int(r.amount)
            for r in kept.exclude(state=ReservationState.RELEASED.value)
        }

    def draws(self) -> list[HeldDraw]:
        """Return the others' draws."""
        return [one for one in super().draws() if one.intent != self._intent]

    def used(self, limit: Limit, key: ScopeKey, *, now: int) -> int:
        """Return what the others hold in a limit's window."""
        if not self.is_counted(limit):
            return super().used(limit, key, now=now)
        return max(0, super().used(limit, key, now=now) - self._own.get(counter_name(limit, key), 0))


def newest_word(
    *,
    mandate: Mandate,
    intent: Intent,
    claims: Mapping[str, FactValue] | None,
    now: int,
    attested: Mapping[str, FactValue] | None = None,
    always: bool = False,
) -> NewestWord | None:
    """Decide a case again under the version in force; None where it was asked under that very version.

    Args:
        mandate: What people consented to.
        intent: Its transaction.
        claims: What this server knows under claimed fields now; None for what it knew at the decision.
        now: Unix seconds.
        attested: What attesters say now; None for what they had said at the decision.
        always: Decide again under that very version too: what is attested may have changed since.
    """
    newest = policy_active()
    if newest is None or (newest.digest == mandate.policy and not always):
        return None
    no = NewestWord(policy=newest, allowed=False, reasons=(), required=EMPTY, asked=(), barred=frozenset())
    first = policy_find(digest=mandate.policy)
    expired = next((one for one in (first, newest) if one is not None and now >= one.header.expires), None)
    if first is None or expired is not None:
        why = "the policy of this case is not known" if expired is None else f"policy {expired.number} has expired"
        return dataclasses.replace(no, reasons=(why,))
    try:
        who, before = resolve_asker(mandate, newest), resolve_asker(mandate, first)
    except RefusedError as error:
        return dataclasses.replace(no, reasons=(error.message,))
    if not any(wallet.id == intent.wallet for wallet in newest.wallets):
        return dataclasses.replace(no, reasons=("it knows no such wallet",))
    facts, draw = facts_gather(
        intent=intent,
        policy=newest,
        who=who,
        claims=_handed_in(intent, Provenance.CLAIMED) if claims is None else claims,
        attested=_handed_in(intent, Provenance.ATTESTED) if attested is None else attested,
        order=mandate.digest,
        now=now,
    )
    counted = policy_counted(policy=newest, wallet=intent.wallet, now=now)
    decided = decide(counted, facts, draw, _OthersTotals(intent.digest), now=now, enforce=False)
    return NewestWord(
        policy=newest,
        allowed=decided.allowed,
        reasons=tuple(decided.reasons),
        required=decided.required,
        asked=tuple(decided.asked),
        barred=who.persons | before.persons,
    )


def _handed_in(intent: Intent, how: Provenance) -> FactMap:
    """Return what this server claimed, or attesters had said, at the decision."""
    decision = decision_find(intent_digest=intent.digest)
    facts = {} if decision is None else snapshot_read(text=decision.facts)
    return {name: fact for name, fact in facts.items() if name in REGISTRY and REGISTRY[name].provenance is how}


def rosters_now() -> tuple[Policy, ...]:
    """Return the policies whose rosters all have to list somebody: the one in force, and one that signers took.

    A removal in a successor that waits bars at once; only a recovery bars nobody before it is in force.
    """
    waiting = PolicyVersion.objects.filter(
        status=VersionStatus.SIGNED.value, handovers__state=HandoverState.ACCEPTED.value
    ).exclude(handovers__kind="recovery")
    active = policy_active()
    found = () if active is None else (active,)
    return (*found, *(version_policy(version=version) for version in waiting.distinct()))


def is_listed(*, actor: str, credential: bytes, rosters: tuple[Policy, ...]) -> bool:
    """Whether every roster lists a person with this very key: the same credential, and the same public key."""
    found = [
        {
            key.public_key
            for person in one.people
            if person.id == actor
            for key in person.keys
            if key.credential_id == credential
        }
        for one in rosters
    ]
    return not found or bool(set.intersection(*found))
