"""The header of a session among parties: one name for one set of terms, and everybody's word on it.

Source: the project's threshold-signature notes (signed session header before the first round).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.canonical import canonical_of_codecs, tagged_digest
from core.documents.base import check_deployment, check_lifetime
from core.ed25519 import is_signed
from core.errors import Refusal, require
from core.schema import write_struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from core.documents.party import Hello, SessionTerms, SignedHello
    from core.journal import Journal

HELLO_SECONDS = 120
"""How long a hello may be answered: a session that has not begun by then never does."""


def session_id(terms: SessionTerms, deployment: str) -> bytes:
    """Return a session's name: 32 bytes that differ wherever any of its terms does."""
    named = {"deployment": deployment, "terms": write_struct(terms, "terms")}
    return bytes.fromhex(tagged_digest("session", canonical_of_codecs(named)))


def check_hellos(
    hellos: Iterable[SignedHello], own: Hello, keys: Mapping[str, bytes], *, now: int
) -> dict[str, Hello]:
    """Accept everybody's word on one session, this party's own among it.

    Args:
        hellos: One for each party of the quorum.
        own: What this party said itself.
        keys: The Ed25519 keys that the policy names for the quorum's parties.
        now: Unix seconds.

    Returns:
        The hellos by party.

    Raises:
        RefusedError: `session`, naming whose word differs; `expired`.
    """
    found: dict[str, Hello] = {}
    for signed in hellos:
        hello = signed.document
        check_deployment(hello, own.header.deployment)
        check_lifetime(hello, now=now)
        known = hello.party in keys and hello.party not in found
        require(known, Refusal.SESSION, f"{hello.party} is not in this session, or in it twice")
        genuine = is_signed(keys[hello.party], signed.signature, bytes.fromhex(hello.digest))
        require(genuine, Refusal.SESSION, f"the word on this session is not {hello.party}'s")
        require(hello.terms == own.terms, Refusal.SESSION, f"{hello.party} was told other terms")
        found[hello.party] = hello
    whole = set(found) == set(own.terms.quorum) and found.get(own.party) == own
    require(whole, Refusal.SESSION, "the word of everybody in the session is needed, this party's own unchanged")
    for name in ("exchange_key", "envelope_key"):
        distinct = len({getattr(hello, name) for hello in found.values()}) == len(found)
        require(distinct, Refusal.SESSION, "two parties named one key")
    return found


def check_partners(terms: SessionTerms, journal: Journal) -> None:
    """Refuse to go on with parties that people banned, or that were caught, since this party agreed to a session.

    Args:
        terms: The session's.
        journal: This party's memory as it is now.

    Raises:
        RefusedError: `frozen`.
    """
    if terms.wallet is None:
        return
    out = journal.ceremonies.banned(terms.wallet) | journal.sessions.frozen(terms.wallet, terms.epoch)
    gone = sorted(out & set(terms.quorum))
    require(not gone, Refusal.FROZEN, f"banned or caught since this session was joined: {', '.join(gone)}")
