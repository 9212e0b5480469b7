"""One rule, enforced: nothing that can take seconds happens while a database transaction holds locks."""

from __future__ import annotations

from django.db import DEFAULT_DB_ALIAS, connections

from chains.errors import ChainsError


class InsideTransactionError(ChainsError):
    """A node or a signer would have been asked inside a database transaction."""


def outside_transaction(what: str) -> None:
    """Refuse inside a transaction. The one that Django's `TestCase` wraps around a test does not count.

    Args:
        what: What was about to happen, for the message.

    Raises:
        InsideTransactionError: Inside a transaction.
    """
    # As Django's own check for durable blocks does it; there is no public name for "opened by a TestCase".
    blocks = connections[DEFAULT_DB_ALIAS].atomic_blocks
    if any(not block._from_testcase for block in blocks):  # type: ignore[attr-defined]  # noqa: SLF001 - see above
        raise InsideTransactionError(f"{what} inside a database transaction")
