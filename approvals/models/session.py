"""Who is signed in, from where, since when; and how often somebody failed to."""

from __future__ import annotations

from django.db import models


class PersonSession(models.Model):
    """One session of one person, opened by one key. Ended ones stay, with the reason."""

    user = models.ForeignKey("approvals.User", on_delete=models.PROTECT, related_name="+")
    key = models.ForeignKey("approvals.SecurityKey", on_delete=models.PROTECT, related_name="+")
    session_key = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=16, help_text="What the log calls it.")
    address = models.CharField(max_length=64)
    browser = models.CharField(max_length=200, blank=True)
    opened_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_why = models.CharField(max_length=16, blank=True)
    ended_by = models.CharField(max_length=80, blank=True)

    class Meta:
        db_table = "approvals_person_session"
        ordering = ("-pk",)
        indexes = (models.Index(fields=["user", "ended_at"], name="session_of_user"),)

    def __str__(self) -> str:
        """Return its name in the log."""
        return self.name


class SignInCounter(models.Model):
    """Failures within one window, of one address, key or person. `subject` is a digest: rows name nobody."""

    scope = models.CharField(max_length=16)
    subject = models.CharField(max_length=64)
    began_at = models.DateTimeField()
    count = models.PositiveIntegerField(default=0)
    locked_until = models.DateTimeField(null=True)

    class Meta:
        db_table = "approvals_sign_in_counter"
        constraints = (models.UniqueConstraint(fields=["scope", "subject"], name="counter_of_subject"),)
        indexes = (models.Index(fields=["began_at"], name="counter_by_age"),)

    def __str__(self) -> str:
        """Return what is counted."""
        return f"{self.scope}: {self.count}"


class UsedChallenge(models.Model):
    """A challenge that opened something. Two requests at once bring the same one; the database takes it once."""

    digest = models.CharField(max_length=64, primary_key=True)
    at = models.DateTimeField()

    class Meta:
        db_table = "approvals_used_challenge"
        indexes = (models.Index(fields=["at"], name="challenge_by_age"),)

    def __str__(self) -> str:
        """Return its digest."""
        return self.digest
