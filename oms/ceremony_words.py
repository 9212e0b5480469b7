"""What pages say of ceremonies: states, steps and facts in words."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.ceremony_lifecycle import CEREMONY_FINAL, CEREMONY_GOING, CEREMONY_OPEN, STEPS, TAKE, VETO, CeremonyState
from core.documents.control import CeremonyKind
from custody.ceremony_selectors import ceremony_document, progress_list
from custody.models import ProgressState
from oms.ceremony_kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.documents.control import Ceremony
    from core.documents.policy import Policy
    from custody.models import CeremonyProgress, KeyCeremony

STATE_WORDS: dict[CeremonyState, tuple[str, str]] = {
    CeremonyState.DRAFTED: ("warn", "Waits for consents"),
    CeremonyState.CONSENTING: ("warn", "Waits for more consents"),
    CeremonyState.ORDERED: ("busy", "Ordered, on its way to signers"),
    CeremonyState.RUNNING: ("busy", "Under way"),
    CeremonyState.DONE: ("good", "Done"),
    CeremonyState.REJECTED: ("bad", "Rejected"),
    CeremonyState.FAILED: ("bad", "Failed"),
    CeremonyState.ABANDONED: ("", "Abandoned"),
    CeremonyState.EXPIRED: ("", "Expired"),
}
_STEP_WORDS = {
    TAKE: "checks it and takes it",
    VETO: "hears the rejection",
    "staged": "makes its new share",
    "activated": "uses its new share",
    "backed_up": "wraps its share",
    "drilled": "tries its backup",
    "restored": "gets its share back",
    "destroyed": "destroys what it holds",
    "abandoned": "gives it up",
    "draft": "drafted",
    "hear": "consented",
    "fill": "its quorum is there: ordered",
    "begin": "under way",
    "finish": "done",
    "reject": "rejected",
    "fail": "failed",
    "abandon": "abandoned",
    "expire": "its time is over",
    "batch": "asked parties",
    "run": "carried among parties",
}
_CELLS: dict[str, tuple[str, str]] = {
    ProgressState.OPEN.value: ("", "○ open"),
    ProgressState.DONE.value: ("good", "✓ done"),
    ProgressState.REFUSED.value: ("bad", "✕ refused"),
    ProgressState.AWAY.value: ("warn", "⚠ away"),
    ProgressState.MISSED.value: ("", "✕ not done"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """One signer and one step, as the table shows it."""

    row: CeremonyProgress | None
    tone: str
    words: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """One signer's row of the table."""

    signer: str
    cells: tuple[Cell, ...]
    trouble: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class CeremonyView:
    """A ceremony as pages show it."""

    row: KeyCeremony
    document: Ceremony
    title: str
    does: str
    tone: str
    state_words: str
    wallet_label: str
    is_open: bool
    is_going: bool
    is_final: bool
    console: bool


def view_of(*, ceremony: KeyCeremony, policy: Policy | None) -> CeremonyView:
    """Return what pages show of a ceremony."""
    state, kind = CeremonyState(ceremony.state), CeremonyKind(ceremony.kind)
    tone, words = STATE_WORDS[state]
    if kind is CeremonyKind.DEGRADED and state is CeremonyState.RUNNING:
        tone, words = "warn", "In force"
    wallets = {one.id: one.label for one in (policy.wallets if policy is not None else ())}
    form = KINDS[kind]
    return CeremonyView(
        row=ceremony,
        document=ceremony_document(ceremony=ceremony),
        title=form.title,
        does=form.does,
        tone=tone,
        state_words=words,
        wallet_label=wallets.get(ceremony.wallet, "a wallet that no policy names now") if ceremony.wallet else "",
        is_open=state in CEREMONY_OPEN,
        is_going=state in CEREMONY_GOING,
        is_final=state in CEREMONY_FINAL,
        console=form.console and bool(STEPS[kind]),
    )


def progress_table(*, ceremony: KeyCeremony) -> tuple[list[str], list[Line]]:
    """Return the table of progress: the words of its steps, and a line for each signer."""
    rows = progress_list(ceremony=ceremony)
    steps = list(dict.fromkeys(row.step for row in rows))
    signers = list(dict.fromkeys(row.signer for row in rows))
    found = {(row.signer, row.step): row for row in rows}
    lines = [
        Line(
            signer=signer,
            cells=tuple(_cell(found.get((signer, step))) for step in steps),
            trouble=_trouble(row for row in rows if row.signer == signer),
        )
        for signer in signers
    ]
    return [_STEP_WORDS.get(step, step.replace("_", " ")) for step in steps], lines


def _cell(row: CeremonyProgress | None) -> Cell:
    if row is None:
        return Cell(row=None, tone="", words="not asked")
    tone, words = _CELLS[row.state]
    return Cell(row=row, tone=tone, words=words)


def _trouble(rows: Iterable[CeremonyProgress]) -> str:
    troubled = (ProgressState.REFUSED.value, ProgressState.AWAY.value)
    said = [f"{row.code}: {row.message}" for row in rows if row.state in troubled and row.message]
    return "; ".join(dict.fromkeys(said))


def step_words(step: str) -> str:
    """Return a step or an event of a transcript in words."""
    return _STEP_WORDS.get(step, step.replace("_", " "))
