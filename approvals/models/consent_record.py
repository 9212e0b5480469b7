"""What people said, kept byte for byte as they signed it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class ConsentRecord(models.Model):
    """One verified consent. The text is canonical JSON and is what a signer will be given."""

    nonce = models.CharField(max_length=32, unique=True)
    subject_type = models.CharField(max_length=16)
    subject = models.CharField(max_length=64)
    policy = models.CharField(max_length=64)
    decision = models.CharField(max_length=16)
    actor = models.CharField(max_length=64)
    reason = models.CharField(max_length=280, blank=True)
    credential_id = models.CharField(max_length=1400, blank=True)
    counter = models.BigIntegerField(default=0)
    text = models.TextField()
    recorded_by = models.ForeignKey("approvals.User", null=True, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField()

    class Meta:
        db_table = "approvals_consent_record"
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=["subject", "actor", "decision"], name="consent_once_per_person"),
            # A counter value serves one challenge. Keys that keep no counter always report 0.
            models.UniqueConstraint(
                fields=["credential_id", "counter"], condition=Q(counter__gt=0), name="consent_counter_once"
            ),
        )

    def __str__(self) -> str:
        """Return who decided what."""
        return f"{self.actor}: {self.decision} {self.subject[:8]}"
