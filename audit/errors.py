"""Errors of the audit app."""


class AuditError(Exception):
    """Base of the audit app's errors."""


class NotInTransactionError(AuditError):
    """An entry commits together with what it records, or not at all: it was written outside a transaction."""


class TreeBrokenError(AuditError):
    """What the log's tree needs is missing or does not fit: the log was tampered with, and nothing gets a place."""


class ProofMissingError(AuditError):
    """An entry has no place in a checkpoint yet, or a stored hash that its proof needs is missing."""


class EntryRefusedError(AuditError):
    """The entry has no canonical form, or a field is too long or holds control characters."""


class EvidenceError(AuditError):
    """No evidence package can be made of this period, or not where it was to be written."""


class AlarmMissingError(AuditError):
    """There is no such open alarm: it is over, or somebody was quicker."""
