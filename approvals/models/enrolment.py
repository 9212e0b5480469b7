"""New consent keys on their way into a policy, and who confirmed new sign-in keys."""

from __future__ import annotations

from django.db import models


class EnrolmentStatus(models.TextChoices):
    """How far it is."""

    OPEN = "open", "waits for co-signatures"
    READY = "ready", "co-signed: goes into the next policy"
    ENDED = "ended", "ended"


class EnrolmentCase(models.Model):
    """One key of one person that admins compare and co-sign. The document is what they sign, byte for byte."""

    digest = models.CharField(max_length=64, unique=True)
    person = models.CharField(max_length=64)
    policy = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=64)
    document = models.TextField()
    status = models.CharField(max_length=8, choices=EnrolmentStatus.choices, default=EnrolmentStatus.OPEN)
    proposed_by = models.ForeignKey("approvals.User", on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_why = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "approvals_enrolment_case"
        ordering = ("-pk",)

    def __str__(self) -> str:
        """Return whose key it is."""
        return f"{self.person}: {self.fingerprint[:8]}"


class KeyConfirmation(models.Model):
    """An admin compared a new sign-in key's fingerprint with its owner."""

    key = models.ForeignKey("approvals.SecurityKey", on_delete=models.PROTECT, related_name="confirmations")
    by = models.ForeignKey("approvals.User", on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        db_table = "approvals_key_confirmation"
        constraints = (models.UniqueConstraint(fields=["key", "by"], name="confirmation_once"),)

    def __str__(self) -> str:
        """Return whose word it is."""
        return f"{self.by_id} on {self.key_id}"
