"""From a description that people write to the first policy that people sign."""

from __future__ import annotations

from policies.genesis.compile import Compiled, genesis_compile
from policies.genesis.enrolment import Enrolment, WalletKey, certificate_read, enrolments_read, wallet_key_read
from policies.genesis.text import description_parse

__all__ = [
    "Compiled",
    "Enrolment",
    "WalletKey",
    "certificate_read",
    "description_parse",
    "enrolments_read",
    "genesis_compile",
    "wallet_key_read",
]
