"""What pages know beside requests: where each signer stood when it was last asked, and who is to be told what."""

from __future__ import annotations

from django.db import models

_ID = 64


class SignerSighting(models.Model):
    """A signer's own words about itself. For people: no decision rests on it, and nothing in it is proof."""

    signer = models.CharField(max_length=_ID, primary_key=True)
    asked_at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=300, blank=True, help_text="Why it did not answer; empty if it did.")
    policy = models.CharField(max_length=64, blank=True)
    number = models.BigIntegerField(null=True)
    halted = models.BooleanField(default=False)
    leases_needed = models.PositiveIntegerField(default=0)
    leases_live = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    head = models.CharField(max_length=64, blank=True)
    token = models.JSONField(default=dict, help_text="What its token says of itself: manufacturer, model, firmware.")
    epochs = models.JSONField(default=dict, help_text="By wallet: its share's epoch, and since when it was seen.")

    class Meta:
        db_table = "oms_signer_sighting"
        ordering = ("signer",)

    def __str__(self) -> str:
        return f"{self.signer} at {self.asked_at:%H:%M:%S}"


class NoticeKind(models.TextChoices):
    """What people can be told of. The words are those of the preferences page."""

    CASE_WAITS = "case_waits", "A case or a ceremony waits for my consent, or for my work at a console"
    CASE_EXPIRES = "case_expires", "A case or a ceremony that waits for me is about to expire"
    MINE_MOVED = "mine_moved", "A request or a ceremony of mine was decided, refused, done or failed"
    ALARM = "alarm", "An alarm was raised or is over (officers only)"


class NoticeChoice(models.Model):
    """How one person is told. Without a row nobody is told anything."""

    user = models.OneToOneField("approvals.User", on_delete=models.CASCADE, primary_key=True, related_name="+")
    kinds = models.CharField(max_length=120, blank=True, help_text="Comma-separated.")
    email = models.EmailField(max_length=254, blank=True)
    webhook = models.CharField(max_length=500, blank=True)
    webhook_key = models.CharField(max_length=64, blank=True, help_text="Hex; signs what the webhook receives.")
    looked_at = models.DateTimeField(null=True, help_text="When it was last looked what there is to tell.")

    class Meta:
        db_table = "oms_notice_choice"

    def __str__(self) -> str:
        return f"notices of {self.user_id}"


class NoticeState(models.TextChoices):
    """Where a notice stands."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


class Notice(models.Model):
    """One thing to tell one person by one way, until it was told or given up. It survives every restart."""

    user = models.ForeignKey("approvals.User", on_delete=models.CASCADE, related_name="+")
    way = models.CharField(max_length=8, choices=[("email", "email"), ("webhook", "webhook")])
    kind = models.CharField(max_length=16, choices=NoticeKind.choices)
    cause = models.CharField(max_length=128, help_text="What it is about: nobody is told the same twice.")
    title = models.CharField(max_length=160)
    text = models.CharField(max_length=600)
    state = models.CharField(max_length=8, choices=NoticeState.choices, default=NoticeState.WAITING)
    trials = models.PositiveIntegerField(default=0)
    problem = models.CharField(max_length=300, blank=True)
    made_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "oms_notice"
        ordering = ("pk",)
        indexes = (models.Index(fields=["due_at"], name="oms_notice_due"),)
        constraints = (models.UniqueConstraint(fields=["user", "way", "cause"], name="oms_notice_once"),)

    def __str__(self) -> str:
        return f"{self.kind} to {self.user_id}: {self.state}"
