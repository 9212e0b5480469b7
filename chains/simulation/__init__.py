"""What transactions would do on top of a named block, by nodes that have to agree. Plain Python: so do attesters.

At the web tier the outcome is a *claimed* fact: useful to show and to stop early, never a reason for a signer.
"""

from chains.simulation.result import AllowanceChange, AssetDelta, Call, Frame, Method, Simulation
from chains.simulation.run import sequence_simulate, simulate_on

__all__ = [
    "AllowanceChange",
    "AssetDelta",
    "Call",
    "Frame",
    "Method",
    "Simulation",
    "sequence_simulate",
    "simulate_on",
]
