"""Talking to nodes: transport, one client for each node, and the order in which a chain's nodes are asked."""

from __future__ import annotations

import sys

_RECURSION = sys.getrecursionlimit()

import web3  # noqa: E402, F401 - only to undo, once and for all, what importing it does

# One of its dependencies raises the interpreter's recursion limit to 100,000 (measured). Deeply nested input to any
# parser of this process would then overflow the C stack instead of raising RecursionError.
sys.setrecursionlimit(_RECURSION)
