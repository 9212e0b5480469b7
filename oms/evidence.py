"""What a case would do: this server's own simulation, and what attesters sign about it.

The simulation is a claim of this server. What attesters say counts where `core.attested` lets it count, and exactly
that is what a signer goes by later.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from chains.attesters import attestations_ask
from chains.errors import ChainsError
from chains.simulating import intent_simulate
from core.attested import NOTHING, attested_facts

if TYPE_CHECKING:
    from chains.simulation import Simulation
    from core.attested import Attested
    from core.documents.bundle import SignedAttestation
    from core.documents.mandate import Intent
    from core.documents.policy import Policy
    from core.registry import Fact


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known about a case now.

    Attributes:
        simulation: This server's own; None where there is none.
        problem: Why there is none.
        attestations: What attesters signed, whether it counts or not.
        attested: What of it counts under the policy.
        missing: Why the policy's attesters say nothing that counts; empty if they do, or it names none.
    """

    simulation: Simulation | None
    problem: str
    attestations: tuple[SignedAttestation, ...] = ()
    attested: Attested = NOTHING
    missing: str = ""

    def claims(self, *, first_use: bool) -> dict[str, Fact]:
        """Return what this server claims about the case; rules over it are web rules."""
        claim = "missing" if self.simulation is None else self.simulation.claim
        return {"web.simulation": claim, "web.first_use": first_use}


def evidence_gather(*, intent: Intent, policy: Policy | None, now: int) -> Evidence:
    """Simulate an intent and ask the attesters of a policy. Asks nodes, so not inside a database transaction.

    Args:
        intent: The exact transaction.
        policy: Whose attesters count; None where there is no policy.
        now: Unix seconds.
    """
    simulation, problem = None, ""
    try:
        simulation = intent_simulate(intent=intent)
    except ChainsError as error:
        problem = str(error)
    if policy is None or not policy.attester_threshold:
        return Evidence(simulation=simulation, problem=problem)
    word = attestations_ask(intent=intent)
    attested = attested_facts(word.signed, policy, intent=intent.digest, deployment=policy.deployment, now=now)
    reasons = "; ".join((*attested.notes, *word.problems)) or "no attester is configured"
    return Evidence(
        simulation=simulation,
        problem=problem,
        attestations=word.signed,
        attested=attested,
        missing="" if attested.facts else f"The attesters say nothing that counts: {reasons}",
    )
