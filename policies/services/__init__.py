"""Writing: decisions and what they reserve, versions, drafts."""

from __future__ import annotations

from policies.services.decisions import decision_make, decision_preview
from policies.services.drafts import draft_edit, draft_remove, draft_save, draft_start, draft_start_empty
from policies.services.reservations import reservation_release, reservation_settle
from policies.services.versions import genesis_store

__all__ = [
    "decision_make",
    "decision_preview",
    "draft_edit",
    "draft_remove",
    "draft_save",
    "draft_start",
    "draft_start_empty",
    "genesis_store",
    "reservation_release",
    "reservation_settle",
]
