"""Which requests the page that is being made leaves aside, because their rows are damaged (see `oms.damage`)."""

from __future__ import annotations

from contextvars import ContextVar

_HIDDEN: ContextVar[frozenset[int]] = ContextVar("oms_hidden", default=frozenset())


def hidden_requests() -> frozenset[int]:
    """Return their primary keys."""
    return _HIDDEN.get()


def hide_requests(found: frozenset[int]) -> None:
    """Leave requests aside for the rest of this web request; an empty set: none."""
    _HIDDEN.set(found)
