"""Errors of the approvals app."""

from __future__ import annotations


class ApprovalsError(Exception):
    """Base of the approvals app's errors."""


class SignInRefusedError(ApprovalsError):
    """Whoever tries to sign in did not prove who they are. The message says what to do, and nothing else."""


class EnrolmentRefusedError(ApprovalsError):
    """The key cannot be enrolled."""


class ConsentRefusedError(ApprovalsError):
    """A consent does not hold, or was used before. `code` is one of `core.errors.Refusal`, or `repeated`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class PersonFixedError(ApprovalsError):
    """Somebody tried to give an account to another person."""
