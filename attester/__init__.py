"""An attester: a process on a host of its own that repeats simulations with its own nodes and signs what it saw.

It knows `core` and the node and simulation code, no database and no web tier; whoever names its key in a policy has
signers believe its word on effects, prices and code, and nobody else's.
"""
