"""The forgery suite: what an attacker sends who owns everything but the signer, the consent host and honest keys."""

from __future__ import annotations

from demo.forgeries import (
    assertions,
    attested,
    calls,
    consented,
    lanes,
    leased,
    payloads,
    people,
    policies,
    recovery,
    succession,
)
from demo.forgeries.case import Case, Cast
from demo.forgeries.catalogue import CATALOGUE, Attack, Forgery, Op, Setting, Step

__all__ = ["CATALOGUE", "MODULES", "Attack", "Case", "Cast", "Forgery", "Op", "Setting", "Step"]

MODULES = (assertions, attested, calls, consented, lanes, leased, payloads, people, policies, recovery, succession)
"""Importing them registers their forgeries."""
