"""Where a draft stands on its way into force, as one line that leads to the next page."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from django.urls import NoReverseMatch, reverse

from core.documents.policy import EvidenceKind
from policies.models import PolicyReport, PolicyVersion, ReportState, VersionStatus
from policies.row_words import count_words

if TYPE_CHECKING:
    from policies.editor.opened import OpenDraft

_REPORT_WORDS = {
    ReportState.QUEUED.value: ("now", "waiting"),
    ReportState.RUNNING.value: ("now", "being made"),
    ReportState.FAILED.value: ("wrong", "failed"),
}
_SIGNED = (VersionStatus.SIGNED.value, VersionStatus.ACTIVE.value, VersionStatus.RETIRED.value)
_IN_FORCE = (VersionStatus.ACTIVE.value, VersionStatus.RETIRED.value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """One step. `state` is done, now, wrong or open; `url` is empty where there is no page for it."""

    title: str
    state: str
    words: str
    url: str


def page_url(name: str, draft_id: int) -> str:
    """Return the address of a draft's page, or nothing where that page is not served."""
    try:
        return reverse(f"admin:{name}", args=[draft_id])
    except NoReverseMatch:
        return ""


_PAGES = (
    ("editor", "Editor", "policies_draft_editor"),
    ("replay", "Replay", "policies_draft_replay"),
    ("proof", "Proof", "policies_draft_proof"),
    ("propose", "Proposal", "policies_draft_propose"),
    ("document", "Document", "policies_policydraft_change"),
)


def draft_tabs(draft_id: int) -> list[tuple[str, str, str]]:
    """Return the pages of a draft that are served: name, words, address."""
    tabs = ((name, words, page_url(view, draft_id)) for name, words, view in _PAGES)
    return [tab for tab in tabs if tab[2]]


def _report_step(opened: OpenDraft, kind: EvidenceKind, title: str) -> Step:
    url = page_url(f"policies_draft_{kind}", opened.draft.pk)
    policy = opened.reading.policy
    reports = PolicyReport.objects.filter(draft=opened.draft, kind=kind.value)
    report = None if policy is None else reports.filter(content=policy.content_digest).first()
    if report is None:
        words = "out of date" if reports.exists() else "not yet"
        return Step(title=title, state="open", words=words, url=url)
    if report.state == ReportState.DONE.value:
        state, words = ("done", "passed") if report.passed else ("wrong", "did not pass")
    else:
        state, words = _REPORT_WORDS[report.state]
    return Step(title=title, state=state, words=words, url=url)


def _version_steps(opened: OpenDraft) -> list[Step]:
    version = PolicyVersion.objects.filter(draft=opened.draft).first()
    url = page_url("policies_draft_propose", opened.draft.pk)
    if version is None:
        return [
            Step(title="Proposal", state="open", words="not yet", url=url),
            Step(title="Signatures", state="open", words="not yet", url=""),
            Step(title="Active", state="open", words="not yet", url=""),
        ]
    words = f"policy {version.number}, {version.status}"
    ended = version.status == VersionStatus.ENDED.value
    signed, active = version.status in _SIGNED, version.status in _IN_FORCE
    return [
        Step(title="Proposal", state="wrong" if ended else "done", words=words, url=url),
        Step(
            title="Signatures", state="done" if signed else "open", words="signed" if signed else "not yet", url=url
        ),
        Step(title="Active", state="done" if active else "open", words="in force" if active else "not yet", url=""),
    ]


def draft_steps(opened: OpenDraft) -> list[Step]:
    """Return the line from the draft to its activation."""
    number = len(opened.reading.problems)
    return [
        Step(title="Draft", state="done", words=opened.draft.updated_at.strftime("%Y-%m-%d %H:%M UTC"), url=""),
        Step(
            title="Checks",
            state="wrong" if number else "done",
            words=count_words(number, "problem") if number else "no problem",
            url="#problems" if number else "",
        ),
        _report_step(opened, EvidenceKind.REPLAY, "Replay"),
        _report_step(opened, EvidenceKind.PROOF, "Proof"),
        *_version_steps(opened),
    ]
