"""Errors of the audit app."""


class AuditError(Exception):
    """Base of the audit app's errors."""


class NotInTransactionError(AuditError):
    """An entry commits together with what it records, or not at all: it was written outside a transaction."""


class HeadMissingError(AuditError):
    """There are entries, but no head record: the log was tampered with, and nothing more is written to it."""


class EntryRefusedError(AuditError):
    """The entry has no canonical form, or a field is too long."""
