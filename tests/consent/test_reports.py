"""What the reports came to that a policy names, as the consent page says it in a real Chromium."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from core.canonical import tagged_digest
from core.documents.policy import Evidence, EvidenceKind
from tests.consent.test_successor import open_policy, report
from tests.factories.succession import next_policy

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.consent.house import House, Picture
    from tests.factories.world import World

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("console_guard")]


def test_what_the_reports_came_to_is_said(page: Page, house: House, world: World, picture: Picture) -> None:
    policy = next_policy(world)
    changes = {"newly_allowed": 1, "newly_denied": 22, "other_quorum": 3, "other_grant": 4}
    windows = [
        {"windows": name, "allowed_before": 40, "allowed_after": 19, "changes": changes, "examples": []}
        for name in ("recorded", "counterfactual")
    ]
    check = {"id": "usable", "title": "Can it be \u202eused?", "state": "proven", "answer": "Yes.", "findings": []}
    failed = {"id": "p", "title": "Property p.", "state": "constructor", "answer": "<b>No</b>", "findings": []}
    stated: dict[str, dict[str, Any]] = {
        "replay": {
            "active": world.policy.digest,
            "decisions": 60,
            "unreadable_intents": [],
            "period": {"since": None, "until": None},
            "windows": windows,
        },
        "proof": {"passed": True, "previous": "ab" * 32, "checks": [check, failed]},
    }
    bodies = {kind: report(policy, kind.value, **stated[kind.value]) for kind in EvidenceKind}
    rows = tuple(Evidence(kind=kind, digest=tagged_digest("report", body.encode())) for kind, body in bodies.items())
    offered = [{"kind": kind.value, "body": body} for kind, body in bodies.items()]
    open_policy(page, house, dataclasses.replace(policy, evidence=rows), offered)
    page.locator("#approve:enabled").wait_for()
    replay, proof = (page.locator(f"[data-report={kind}]").inner_text() for kind in ("replay", "proof"))
    for windows_of in ("recorded", "counterfactual"):
        assert f"With {windows_of} windows" in replay
    assert (
        "newly allowed: 1, newly denied: 22, other grant: 4, other quorum: 3. Allowed: 40 before, 19 after" in replay
    )
    assert "60" in replay
    # The pinned policy's digest is above already; another one is not kept back.
    assert world.policy.digest not in replay
    assert "ab" * 32 in proof
    assert "Can it be \ufffdused?" in proof
    assert "✓ proven: Yes." in proof
    assert "? constructor: <b>No</b>" in proof
    picture(page, "reports")
