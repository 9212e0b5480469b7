"""What a worker does about a row that cannot be read: it tells, and goes on with the others."""

from __future__ import annotations

import logging

from django.db import transaction

from audit.alarms import alarm_raise
from audit.models import Severity
from audit.tags import AuditTag
from core.errors import CoreError

UNREADABLE = (CoreError, ValueError, TypeError, LookupError, ArithmeticError)
"""What reading a row raises that somebody edited past the application."""
_logger = logging.getLogger(__name__)


def row_damaged(*, what: str, key: str, error: Exception) -> None:
    """Raise the alarm over a row that cannot be read, once. As pages name it (`oms.damage`).

    Args:
        what: What kind of row it is.
        key: What names it for people.
        error: What reading it raised.
    """
    _logger.error("%s %s cannot be read", what, key, exc_info=error)
    why = "".join(c if c.isprintable() else " " for c in f"{type(error).__name__}: {error}")[:200]
    with transaction.atomic():
        alarm_raise(
            tag=AuditTag.ROW_DAMAGED,
            severity=Severity.CRITICAL,
            subject=f"{what} {key}",
            message=f"the stored {what} {key} cannot be read: {why}",
            actor="system:workers",
        )
