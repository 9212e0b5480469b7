"""Errors of the oms app."""

from __future__ import annotations


class OmsError(Exception):
    """Base of every error of this app."""


class FormError(OmsError):
    """What was typed cannot become a request. Every wrong field has its own messages; nothing typed is lost."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        """Keep the messages by field; the empty name stands for the form as a whole.

        Args:
            errors: Messages for each field.
        """
        super().__init__("; ".join(message for messages in errors.values() for message in messages))
        self.errors = errors


class RequestRefusedError(OmsError):
    """The action is not possible on this request; the message says what to do. `code` is for machines."""

    def __init__(self, code: str, message: str) -> None:
        """Keep a code for machines beside the sentence for people."""
        super().__init__(message)
        self.code = code
        self.message = message


class RequestMissingError(OmsError):
    """There is no such request, or not for this person: the two are told apart by nobody outside."""
