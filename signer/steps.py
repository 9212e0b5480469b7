"""Steps of ceremonies, as a signer writes them down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.records import CeremonyStepRecord

if TYPE_CHECKING:
    from core.records import CeremonyRecord, CeremonyStep
    from signer.store import JournalStore


def note_step(
    store: JournalStore, ceremony: CeremonyRecord, step: CeremonyStep, evidence: str | None, *, now: int
) -> None:
    """Journal a step that was done, durably.

    Args:
        store: The journal.
        ceremony: The ceremony, known there.
        step: What was done, for the first time.
        evidence: The digest of what shows it.
        now: Unix seconds.

    Raises:
        JournalWriteError: If the disk refuses.
        HsmUnavailableError: If the token is away. The step counts all the same.
    """
    store.failpoint("signer.before_step")
    store.append(
        CeremonyStepRecord(
            kind="ceremony_step", time=now, ceremony=ceremony.ceremony, step=step, evidence=evidence, consents=()
        )
    )
