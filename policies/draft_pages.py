"""The pages of a draft beside its form: each part names its own, and the admin serves them under the draft."""

from __future__ import annotations

from typing import TYPE_CHECKING

from policies.editor.row_pages import editor_paths
from policies.proof.pages import proof_paths
from policies.proposal_pages import propose_paths
from policies.replay.pages import replay_paths

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpResponseBase
    from django.urls import URLPattern

    View = Callable[..., HttpResponseBase]


def draft_paths(wrap: Callable[[View], View]) -> list[URLPattern]:
    """Return the paths under ``policydraft/<int:pk>/…``.

    Args:
        wrap: The admin's own `admin_view`, so that each page is for staff who signed in.
    """
    return [*editor_paths(wrap), *replay_paths(wrap), *proof_paths(wrap), *propose_paths(wrap)]
