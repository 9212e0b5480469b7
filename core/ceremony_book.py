"""What a signer remembers of ceremonies: those of the quorum that it knows, and how far it has come with each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.documents.control import CeremonyKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.records import CeremonyRecord, CeremonyStep, CeremonyStepRecord


class CeremonyBook:
    """The ceremonies of one journal, as a fold over its records, oldest first."""

    def __init__(self) -> None:
        """Start with none."""
        self._known: dict[str, CeremonyRecord] = {}
        self._steps: dict[str, dict[CeremonyStep, CeremonyStepRecord]] = {}

    def __contains__(self, digest: object) -> bool:
        """Whether a ceremony is known here."""
        return digest in self._known

    def learn(self, record: CeremonyRecord) -> None:
        """Take a ceremony into account.

        Raises:
            KeyError: If it is known already.
        """
        if record.ceremony in self._known:
            raise KeyError(record.ceremony)
        self._known[record.ceremony] = record
        self._steps[record.ceremony] = {}

    def step(self, record: CeremonyStepRecord) -> None:
        """Take a step into account.

        Raises:
            KeyError: If its ceremony is not known, or the step was done before.
        """
        steps = self._steps[record.ceremony]
        if record.step in steps:
            raise KeyError(record.step)
        steps[record.step] = record

    def find(self, digest: str) -> CeremonyRecord | None:
        """Return a ceremony by its document's digest."""
        return self._known.get(digest)

    def done(self, digest: str) -> dict[CeremonyStep, CeremonyStepRecord]:
        """Return the steps that were done for a ceremony, in their order."""
        return dict(self._steps.get(digest, {}))

    def about(self, wallet: str, *kinds: CeremonyKind) -> Iterator[CeremonyRecord]:
        """Yield the ceremonies of these kinds (none named: all) about a wallet, oldest first."""
        for record in self._known.values():
            if record.wallet == wallet and (not kinds or record.what in kinds):
                yield record

    def banned(self, wallet: str) -> frozenset[str]:
        """Return the parties that people have banned from a wallet, for ever."""
        return frozenset(name for record in self.about(wallet, CeremonyKind.BAN) for name in record.signers)
