"""What a transaction would do, run by a node on a named block before anybody is asked to consent.

At the web tier the outcome is a *claimed* fact: useful to show and to stop early, never a reason for a signer.
"""

from chains.simulation.effects import AssetDelta, Simulation
from chains.simulation.run import intent_simulate, transaction_simulate

__all__ = ["AssetDelta", "Simulation", "intent_simulate", "transaction_simulate"]
