"""The log's tables: `audit.services` writes entries, `audit.sequencer` places them, triggers refuse the rest."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

from django.db import models

_HASH = 64


class Severity(StrEnum):
    """How loud an entry is: an alarm is an entry with a severity above `info`."""

    INFO = "info"
    WARNING = "warning"
    ALARM = "alarm"
    CRITICAL = "critical"


class AuditEntry(models.Model):
    """One entry, written in the transaction of what it records. Times are microseconds, UTC.

    `seq` is the order of insertion, not of commits, and may have gaps: an entry's place in the log is its leaf.
    """

    seq = models.BigAutoField(primary_key=True)
    at_us = models.BigIntegerField("time")
    actor = models.CharField(max_length=128)
    session = models.CharField(max_length=64, blank=True)
    tag = models.CharField(max_length=96)
    subject = models.CharField(max_length=128, blank=True)
    severity = models.CharField(max_length=16, choices=[(s.value, s.value) for s in Severity])
    payload = models.TextField(help_text="Canonical JSON (RFC 8785).")
    mac = models.CharField(max_length=_HASH, help_text="HMAC-SHA256 with a key outside the database, hex.")

    class Meta:
        """Table name and indexes."""

        db_table = "audit_entry"
        ordering = ("-seq",)
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        indexes = (
            models.Index(fields=["subject", "seq"], name="audit_entry_subject"),
            models.Index(fields=["severity", "-seq"], name="audit_entry_severity"),
            # Searched by time, in pages. At its right edge: it costs a writer little.
            models.Index(fields=["at_us", "seq"], name="audit_entry_time"),
            # Partial: only consents pay for it. The tag is `audit.tags.CONSENT_RECORDED`.
            models.Index(
                fields=["actor", "-seq"],
                condition=models.Q(tag="approvals:consent:recorded"),
                name="audit_entry_consents",
            ),
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


class AuditPending(models.Model):
    """An entry that waits for its place. A trigger writes it with the entry; the sequencer takes it away."""

    entry = models.OneToOneField(
        AuditEntry, on_delete=models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="pending"
    )

    class Meta:
        """Table name."""

        db_table = "audit_pending"

    def __str__(self) -> str:
        """Return the entry's number."""
        return f"entry {self.pk} waits"


class AuditLeaf(models.Model):
    """An entry's place in the log. `leaf` and `chain` are hashes, lower-case hex."""

    index = models.BigIntegerField(primary_key=True)
    # No constraint of the database: a tampered log must still be readable, by whoever looks for what is missing.
    entry = models.OneToOneField(AuditEntry, on_delete=models.DO_NOTHING, db_constraint=False, related_name="leaf")
    leaf = models.CharField(max_length=_HASH)
    chain = models.CharField(max_length=_HASH)

    class Meta:
        """Table name."""

        db_table = "audit_leaf"
        ordering = ("index",)

    def __str__(self) -> str:
        """Return the index."""
        return f"leaf {self.index}"


class AuditTile(models.Model):
    """The 256 hashes of a complete stretch of one level, so that a proof reads a few rows (C2SP tlog-tiles).

    Level `n` holds subtrees of ``256**n`` leaves; the hashes are concatenated, 32 bytes each.
    """

    level = models.PositiveSmallIntegerField()
    index = models.BigIntegerField()
    hashes = models.BinaryField()

    class Meta:
        """Table name."""

        db_table = "audit_tile"
        constraints = (models.UniqueConstraint(fields=["level", "index"], name="audit_tile_once"),)

    def __str__(self) -> str:
        """Return the place."""
        return f"tile {self.index} of level {self.level}"


class AuditTree(models.Model):
    """The one row that the sequencer locks: how many leaves there are, the last link, and the tree's right edge."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    size = models.BigIntegerField()
    chain = models.CharField(max_length=_HASH)
    edge = models.TextField(help_text="Hashes of the complete subtrees, the largest first, hex, one a line.")
    at_us = models.BigIntegerField(help_text="The latest time of an entry in the last batch.")

    class Meta:
        """Table name."""

        db_table = "audit_tree"

    def __str__(self) -> str:
        """Return the size."""
        return f"{self.size} leaves"


class AuditCheckpoint(models.Model):
    """The root of the log at one size, and the chain's link there."""

    size = models.BigIntegerField(primary_key=True)
    root = models.CharField(max_length=_HASH)
    chain = models.CharField(max_length=_HASH)
    at_us = models.BigIntegerField("time")

    class Meta:
        """Table name."""

        db_table = "audit_checkpoint"
        ordering = ("-size",)

    def __str__(self) -> str:
        """Return the size."""
        return f"checkpoint at {self.size}"


class AuditSignature(models.Model):
    """A line under a checkpoint: the log's own signature, or a witness's (C2SP signed-note, tlog-cosignature)."""

    checkpoint = models.ForeignKey(AuditCheckpoint, on_delete=models.DO_NOTHING, related_name="signatures")
    name = models.CharField(max_length=201)
    line = models.TextField()
    at_us = models.BigIntegerField("time")

    class Meta:
        """Table name."""

        db_table = "audit_signature"
        ordering = ("pk",)
        constraints = (models.UniqueConstraint(fields=["checkpoint", "name"], name="audit_signature_once"),)

    def __str__(self) -> str:
        """Return whose it is."""
        return f"{self.name} on {self.checkpoint_id}"


class AuditAlarm(models.Model):
    """One cause that somebody has to look at: open from its first entry until it is over. Times: microseconds, UTC.

    The entries are the evidence; this row only says which of them still matter, and who was told. `lasting`: the
    machine notices when it is over; otherwise a person's acknowledgement ends it.
    """

    tag = models.CharField(max_length=96)
    subject = models.CharField(max_length=128, blank=True)
    severity = models.CharField(max_length=16, choices=[(s.value, s.value) for s in Severity])
    message = models.CharField(max_length=400, blank=True)
    lasting = models.BooleanField()
    first_seq = models.BigIntegerField()
    last_seq = models.BigIntegerField()
    times = models.BigIntegerField(help_text="Entries of this cause while it is open.")
    raised_us = models.BigIntegerField()
    last_us = models.BigIntegerField()
    acknowledged_us = models.BigIntegerField(null=True)
    acknowledged_by = models.CharField(max_length=128, blank=True)
    closed_us = models.BigIntegerField(null=True)
    closed_by = models.CharField(max_length=128, blank=True)
    due_us = models.BigIntegerField(null=True, help_text="When ports are to be told; nothing: they know.")

    class Meta:
        """Table name, and one open alarm for each cause."""

        db_table = "audit_alarm"
        ordering = ("-pk",)
        constraints = (
            models.UniqueConstraint(
                fields=["tag", "subject"], condition=models.Q(closed_us__isnull=True), name="audit_alarm_open_once"
            ),
        )
        indexes = (models.Index(fields=["due_us"], condition=models.Q(due_us__isnull=False), name="audit_alarm_due"),)

    def __str__(self) -> str:
        """Return what it is about."""
        return f"{self.severity}: {self.tag} {self.subject}".rstrip()


class AuditAlarmDelivery(models.Model):
    """That a port was told. `what`: `raised:<severity>` or `cleared`."""

    alarm = models.ForeignKey(AuditAlarm, on_delete=models.CASCADE, related_name="deliveries")
    port = models.CharField(max_length=200)
    what = models.CharField(max_length=32)
    at_us = models.BigIntegerField()

    class Meta:
        """Table name; told once."""

        db_table = "audit_alarm_delivery"
        constraints = (models.UniqueConstraint(fields=["alarm", "port", "what"], name="audit_alarm_told_once"),)

    def __str__(self) -> str:
        """Return who was told what."""
        return f"{self.port}: {self.what}"


class AuditRound(models.Model):
    """When something periodic was done last, and where it goes on: workers share one pace over this row."""

    name = models.CharField(max_length=64, primary_key=True)
    at_us = models.BigIntegerField()
    place = models.BigIntegerField(default=0)

    class Meta:
        """Table name."""

        db_table = "audit_round"

    def __str__(self) -> str:
        """Return the name."""
        return self.name
