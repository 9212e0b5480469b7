"""Keys that open the web site. They never consent to anything: that takes a consent key, at another origin."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django_otp.models import Device


class SecurityKey(Device):
    """A sign-in key of one person, made at the web origin. `software`: the demo's key that lives in the page."""

    # django-otp's own manager would answer with Any.
    objects: ClassVar[models.Manager[SecurityKey]] = models.Manager()  # type: ignore[assignment]

    credential_id = models.CharField(max_length=1400, unique=True, help_text="base64url")
    public_key = models.TextField(help_text="attested credential data, base64url")
    aaguid = models.CharField(max_length=32)
    sign_count = models.BigIntegerField(default=0)
    software = models.BooleanField(default=False)
    locked = models.BooleanField(default=False, help_text="For good: lost, or its counter went back.")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "approvals_security_key"
        verbose_name = "sign-in key"

    def __str__(self) -> str:
        """Return the key's name and its first characters."""
        return f"{self.name} ({self.credential_id[:8]}…)"


class EnrolmentTicket(models.Model):
    """A one-time permission to enrol a sign-in key. Only its digest is stored.

    One that was handed out at the console (`by` is null) enrols a key that may be used at once. Any other enrols one
    that two other admins confirm first.
    """

    by = models.ForeignKey("approvals.User", null=True, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey("approvals.User", on_delete=models.PROTECT, related_name="+")
    token_digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "approvals_enrolment_ticket"

    def __str__(self) -> str:
        """Return whose ticket it is."""
        return f"ticket for {self.user_id}"
