"""The log's two tables. Rows are written by `audit.services` alone; triggers refuse every change."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

from django.db import models


class Severity(StrEnum):
    """How loud an entry is: an alarm is an entry with a severity above `info`."""

    INFO = "info"
    WARNING = "warning"
    ALARM = "alarm"
    CRITICAL = "critical"


class AuditEntry(models.Model):
    """One entry of the hash chain. `payload` is canonical JSON text (RFC 8785); times are microseconds, UTC."""

    seq = models.BigIntegerField(primary_key=True)
    at_us = models.BigIntegerField("time")
    actor = models.CharField(max_length=128)
    tag = models.CharField(max_length=96)
    subject = models.CharField(max_length=128, blank=True)
    severity = models.CharField(max_length=16, choices=[(s.value, s.value) for s in Severity])
    payload = models.TextField()
    prev_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        """Table name and indexes."""

        db_table = "audit_entry"
        ordering = ("-seq",)
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        indexes = (
            models.Index(fields=["subject", "seq"], name="audit_entry_subject"),
            models.Index(fields=["severity", "-seq"], name="audit_entry_severity"),
        )

    def __str__(self) -> str:
        """Return number and tag."""
        return f"{self.seq} {self.tag}"

    @property
    def at(self) -> dt.datetime:
        """When it was written, UTC."""
        return dt.datetime.fromtimestamp(self.at_us // 1_000_000, tz=dt.UTC).replace(
            microsecond=self.at_us % 1_000_000
        )


class AuditHead(models.Model):
    """The one row that writers lock: where the chain ends."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    seq = models.BigIntegerField()
    hash = models.CharField(max_length=64)

    class Meta:
        """Table name."""

        db_table = "audit_head"

    def __str__(self) -> str:
        """Return the last number."""
        return f"head at {self.seq}"
