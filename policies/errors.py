"""Errors of the policies app."""

from __future__ import annotations


class PolicyAppError(Exception):
    """Base of the policies app's errors."""


class NoPolicyError(PolicyAppError):
    """No policy is in force, or the one in force has expired: nothing can be decided."""


class StoredPolicyError(PolicyAppError):
    """What is stored of a policy contradicts itself: somebody changed the database."""


class MandateRefusedError(PolicyAppError):
    """The mandate cannot be decided. `code` is one of `core.errors.Refusal`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class DecisionConflictError(PolicyAppError):
    """The same intent was decided before, under another mandate or another policy."""


class CounterConflictError(PolicyAppError):
    """A counter changed although it was locked, or would exceed its cap: nothing was reserved."""


class DescriptionError(PolicyAppError):
    """A policy's description cannot be compiled; `problems` names every row that has to be mended."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class VersionRefusedError(PolicyAppError):
    """A signed policy cannot be stored; the message says why."""


class ReportRefusedError(PolicyAppError):
    """A report cannot be made; the message tells people why."""


class ReportLostError(PolicyAppError):
    """A report was given up, or its draft removed, while it was made."""


class DraftTextError(PolicyAppError):
    """A draft's text cannot be read or written as a document; the message says why."""


class DraftConflictError(PolicyAppError):
    """Somebody saved the draft after it was looked at: nothing was written."""


class RowValueError(PolicyAppError):
    """A row of a form cannot be read; the message says what is wrong with what was typed."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class ProposalRefusedError(PolicyAppError):
    """A draft cannot be proposed, or a proposal has moved on. `code` is for machines, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ProposalMissingError(PolicyAppError):
    """There is no such proposal."""
