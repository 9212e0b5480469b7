"""What a contract is: its code, what it forwards to, and who may change that. Plain Python, proven."""

from chains.identity.compare import Findings, Review, identity_compare, reviews_of
from chains.identity.read import Identity, ProxyKind, identity_read

__all__ = ["Findings", "Identity", "ProxyKind", "Review", "identity_compare", "identity_read", "reviews_of"]
