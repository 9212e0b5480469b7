"""What an attester says no with."""

from __future__ import annotations


class AttesterError(Exception):
    """Base of every error of an attester."""


class ConfigError(AttesterError):
    """The settings are wrong: it does not start."""


class NotAttestedError(AttesterError):
    """Nothing is signed. `status` is the HTTP status: 400 a wrong question, 503 no sound answer now."""

    def __init__(self, status: int, message: str) -> None:
        """Say why.

        Args:
            status: 400, 404 or 503.
            message: In one sentence, without addresses of nodes.
        """
        super().__init__(message)
        self.status = status
