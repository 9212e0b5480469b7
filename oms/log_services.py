"""What reading the log leaves in it, and the files that come out of it."""

from __future__ import annotations

import csv
import datetime as dt
import io
import zipfile
from typing import TYPE_CHECKING

from django.db import transaction

from audit.evidence import evidence_files
from audit.models import Severity
from audit.search import entry_stream
from audit.services import entry_append
from audit.tags import AuditTag
from oms.log_selectors import time_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from approvals.models import User
    from audit.evidence import Evidence
    from audit.search import Filter, Placed
    from oms.models import TransactionRequest

CSV_ROWS = 50_000
EVIDENCE_LEAVES = 200_000
"""So much the site streams; more is for `manage.py audit_evidence`."""
_COLUMNS = ("leaf", "time (UTC)", "severity", "tag", "actor", "subject", "session", "payload", "seq")
# What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}")
_FORMULA_WIDE = ("\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")


def log_note(*, user: User, tag: AuditTag, said: dict[str, object], severity: Severity = Severity.INFO) -> None:
    """Leave in the log that somebody read it, or took something out of it.

    Args:
        user: Who.
        tag: What they did.
        said: What they asked for.
        severity: Above `info` it is an alarm.
    """
    with transaction.atomic():
        entry_append(actor=user.person_id, tag=tag, subject="", payload=said, severity=severity)


def case_note(*, user: User, request: TransactionRequest, shown: str) -> None:
    """Leave in the log that somebody looked at a case.

    Args:
        user: Who.
        request: Which.
        shown: Where: `request`, `case`, `decision` or `admin`.
    """
    with transaction.atomic():
        entry_append(
            actor=user.person_id, tag=AuditTag.CASE_VIEWED, subject=request.reference, payload={"shown": shown}
        )


def csv_cell(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.lstrip(" \n").startswith(_FORMULA + _FORMULA_WIDE) else text


def _cells(one: Placed) -> list[str]:
    entry = one.entry
    time = time_of(entry=entry)
    at = "" if time is None else time.isoformat(sep=" ", timespec="microseconds").replace("+00:00", "")
    place = "" if one.index is None else str(one.index)
    texts = (place, at, entry.severity, entry.tag, entry.actor, entry.subject, entry.session, entry.payload)
    return [csv_cell(text) for text in (*texts, str(entry.pk))]


def csv_lines(*, wanted: Filter, most: int = CSV_ROWS) -> Iterator[str]:
    """Yield the rows that match as CSV, the newest first; one that was cut says so in its last line."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(_COLUMNS)
    for number, one in enumerate(entry_stream(wanted=wanted, most=most + 1)):
        if number == most:
            writer.writerow([f"cut after {most} rows: ask for less at once"])
        else:
            writer.writerow(_cells(one))
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


class _Sink(io.RawIOBase):
    """Takes what a ZIP writer writes, until it is sent on."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """It is there to be written to."""
        return True

    def write(self, data: object) -> int:
        """Keep a part."""
        part = bytes(data)  # type: ignore[call-overload]  # any buffer; io's own signature needs a newer Python
        self._parts.append(part)
        return len(part)

    def drain(self) -> bytes:
        """Hand over what was written since."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def evidence_zip(*, evidence: Evidence, now: dt.datetime) -> Iterator[bytes]:
    """Yield an evidence package as a ZIP. One that breaks off has no directory, and no program opens it.

    Raises:
        TreeBrokenError: While reading, if what is stored is not what was signed.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, parts in evidence_files(evidence=evidence):
            info = zipfile.ZipInfo(f"evidence/{name}", date_time=now.astimezone(dt.UTC).timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w") as file:
                for part in parts:
                    file.write(part)
                    yield sink.drain()
    yield sink.drain()
