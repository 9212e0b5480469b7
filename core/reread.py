"""A recorded case as another policy reads it: what follows from a policy's lists is derived again from that policy.

Whether an address is listed, what a call means, what an amount is worth and who asks are not in the transaction but
in the policy. Where the policy of the record and the one under test have the same lists, the recorded facts are
exactly what would be derived; where they differ, the facts are derived again from the mandate, as of the time of the
decision, and what was attested or claimed then is laid over.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.documents.bundle import Provenance
from core.documents.mandate import Mandate, SingleOrder
from core.documents.policy import Policy
from core.errors import RefusedError
from core.facts import derive_facts, resolve_asker
from core.registry import REGISTRY
from core.replay import Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.limits import Draw
    from core.registry import FactMap

_NO_SOURCE = frozenset(
    {
        "header", "number", "previous", "consent", "signers", "guards", "grants", "escalations", "limits", "controls",
        "witnesses", "witness_threshold", "attesters", "recovery", "recovery_threshold", "properties", "evidence",
    }
)  # fmt: skip
"""Fields of a policy from which no fact is derived. Any other counts as a source, also one that comes later."""
_SOURCES = tuple(field.name for field in dataclasses.fields(Policy) if field.name not in _NO_SOURCE)
_NOT_DERIVED = frozenset(n for n, field in REGISTRY.items() if field.provenance is not Provenance.DERIVED)


def same_sources(one: Policy, other: Policy) -> bool:
    """Whether two policies derive the same facts from every case."""
    return all(getattr(one, name) == getattr(other, name) for name in _SOURCES)


class Reader:
    """Reads recorded cases as one policy does."""

    def __init__(self, policy: Policy, recorded: Mapping[str, Policy]) -> None:
        """Compare the policy with those that decided.

        Args:
            policy: The policy under test.
            recorded: Every policy that decided something, by digest.
        """
        self._policy = policy
        self._wallets = {wallet.id for wallet in policy.wallets}
        self._as_recorded = {digest for digest, other in recorded.items() if same_sources(policy, other)}

    def is_as_recorded(self, policy: str) -> bool:
        """Whether records of a policy, by digest, read the same under this one."""
        return policy in self._as_recorded

    def derive(self, mandate: Mandate, recorded: FactMap, draw: Draw) -> Reading:
        """Derive a case's facts again, as of the time of its draw.

        Args:
            mandate: What was decided.
            recorded: The facts as they were recorded.
            draw: The draw as it was recorded.

        Returns:
            The case as this policy reads it; with a refusal where a signer under it refuses whatever the rules say.
        """
        if not isinstance(mandate.order, SingleOrder):
            return Reading(recorded, draw, "parent orders are not decided yet")
        intent = mandate.order.intent
        if intent.wallet not in self._wallets:
            return Reading(recorded, draw, "the policy knows no such wallet")
        try:
            who = resolve_asker(mandate, self._policy)
        except RefusedError as error:
            return Reading(recorded, draw, error.message)
        laid = {name: value for name, value in recorded.items() if name in _NOT_DERIVED}
        facts, own = derive_facts(intent, self._policy, who, order=mandate.digest, now=draw.time, attested=laid)
        return Reading(facts | laid, own)
