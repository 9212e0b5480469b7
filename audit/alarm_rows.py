"""The rows of open alarms, written in the transaction of their entries, for `audit.services` and `audit.alarms`."""

from __future__ import annotations

import dataclasses
import re

from django.db import DEFAULT_DB_ALIAS, connections

from audit.models import Severity

MESSAGE_MOST = 400
# PostgreSQL stores no NUL, and a line break would let one message read like two.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
LOUD = frozenset({Severity.ALARM, Severity.CRITICAL})
"""An entry this loud opens an alarm by itself."""
_SAYS = ("message", "why", "note", "reason")
"""The words of a payload that say in a sentence what is wrong, the best first."""
_COLUMNS = (
    "tag, subject, severity, message, lasting, first_seq, last_seq, times, raised_us, last_us,"
    " acknowledged_by, closed_by, due_us"
)
_INSERT = (
    f"INSERT INTO audit_alarm ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, 1, %s, %s, '', '', %s)"  # noqa: S608 - names of our own columns
    " ON CONFLICT (tag, subject) WHERE closed_us IS NULL"
)
_OPEN = f"{_INSERT} DO NOTHING RETURNING id"
# What is louder than before is told again; what is only said again is not.
_AGAIN = (
    f"{_INSERT} DO UPDATE SET last_seq = excluded.last_seq, last_us = excluded.last_us,"
    " times = audit_alarm.times + 1,"
    " due_us = CASE WHEN audit_alarm.severity IN ('critical', excluded.severity) THEN audit_alarm.due_us"
    " ELSE excluded.due_us END,"
    " severity = CASE WHEN audit_alarm.severity = 'critical' THEN 'critical' ELSE excluded.severity END"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AlarmRow:
    """What a new alarm says. `at_us`: microseconds, UTC."""

    tag: str
    subject: str
    severity: Severity
    message: str
    lasting: bool
    seq: int
    at_us: int

    def values(self) -> list[str | int | bool]:
        """Return the values of the statement."""
        message = _CONTROL.sub(" ", self.message)[:MESSAGE_MOST]
        said: list[str | int | bool] = [self.tag, self.subject, self.severity.value, message, self.lasting]
        return [*said, self.seq, self.seq, self.at_us, self.at_us, self.at_us]


def message_of(payload: dict[str, object]) -> str:
    """Return the sentence of a payload that says what is wrong; empty if there is none."""
    return next((str(payload[name]) for name in _SAYS if isinstance(payload.get(name), str)), "")


def alarm_row_open(*, row: AlarmRow) -> bool:
    """Open an alarm; whether there was none of this cause."""
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(_OPEN, row.values())
        return cursor.fetchone() is not None


def alarm_row_note(*, row: AlarmRow) -> None:
    """Open an alarm, or count one more entry of one that is open."""
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(_AGAIN, row.values())
