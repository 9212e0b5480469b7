"""Ceremonies on their way: the document that people sign, what each signer did, and what each of them said."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from core.ceremony_lifecycle import CEREMONY_OPEN, CeremonyState
from core.documents.control import CeremonyKind

_DIGEST = 64
_NAME = 64
_CODE = 64
WORDS_MOST = 400
REFRESH_DAYS = 90
"""How often the shares of a threshold wallet are refreshed unless somebody sets another number."""
REFRESH_DAYS_MOST = 3_653


class KeyCeremony(models.Model):
    """One ceremony. Its document never changes; its state moves only through `custody.ceremony_transitions`."""

    digest = models.CharField(max_length=_DIGEST, unique=True)
    document = models.TextField(help_text="Canonical JSON: exactly the bytes that people consent to.")
    policy_digest = models.CharField(max_length=_DIGEST)
    kind = models.CharField(max_length=16, choices=[(kind.value, kind.value) for kind in CeremonyKind])
    wallet = models.CharField(max_length=100, blank=True, help_text="CAIP-10 account; empty while there is none yet.")
    epoch = models.BigIntegerField(default=0)
    state = models.CharField(
        max_length=16,
        choices=[(state.value, state.value) for state in CeremonyState],
        default=CeremonyState.DRAFTED.value,
    )
    why = models.CharField(max_length=WORDS_MOST, blank=True, help_text="Why it stands where it stands, in words.")
    consents = models.TextField(blank=True, help_text="The quorum's, canonical JSON, from when it is ordered.")
    drafted_by = models.CharField(max_length=_NAME)
    drafted_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ordered_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    # For whoever drives the steps that signers do together; what each is asked alone has a lease of its own.
    due_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    fence = models.BigIntegerField(default=0)
    trials = models.PositiveIntegerField(default=0)

    class Meta:
        """The newest first; one at a time of each kind and wallet waits for people."""

        ordering = ("-pk",)
        verbose_name = "ceremony"
        verbose_name_plural = "ceremonies"
        indexes = (models.Index(fields=["state", "due_at"], name="custody_ceremony_due"),)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(state__in=[state.value for state in CeremonyState]), name="ceremony_state_known"
            ),
            models.UniqueConstraint(
                fields=["kind", "wallet"],
                condition=models.Q(state__in=[state.value for state in sorted(CEREMONY_OPEN)]) & ~models.Q(wallet=""),
                name="one_open_ceremony_of_a_kind",
            ),
        )

    def __str__(self) -> str:
        """Name it."""
        return f"{self.kind} {self.digest[:8]} {self.state}"


class ProgressState(models.TextChoices):
    """Where one signer stands with one step."""

    OPEN = "open"
    DONE = "done"
    REFUSED = "refused"
    AWAY = "away"
    MISSED = "missed"


class CeremonyProgress(models.Model):
    """One signer and one step: whether it is done, what came back, and when it is asked again."""

    ceremony = models.ForeignKey(KeyCeremony, on_delete=models.PROTECT, related_name="progress")
    signer = models.CharField(max_length=_NAME)
    step = models.CharField(max_length=16)
    place = models.PositiveSmallIntegerField(help_text="Steps of one signer are done in this order.")
    state = models.CharField(max_length=8, choices=ProgressState.choices, default=ProgressState.OPEN)
    code = models.CharField(max_length=_CODE, blank=True)
    message = models.CharField(max_length=WORDS_MOST, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    asked_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True, help_text="When this signer is asked next; null: not by itself.")
    lease_until = models.DateTimeField(null=True)
    fence = models.BigIntegerField(default=0)

    class Meta:
        """In the order in which steps are done."""

        ordering = ("place", "pk")
        indexes = (models.Index(fields=["due_at"], name="custody_progress_due"),)
        constraints = (models.UniqueConstraint(fields=["ceremony", "signer", "step"], name="one_row_for_each_step"),)

    def __str__(self) -> str:
        """Name signer and step."""
        return f"{self.signer} {self.step}: {self.state}"


class CeremonyLine(models.Model):
    """One line of a ceremony's transcript. Append-only; each names the digest of the line before."""

    ceremony = models.ForeignKey(KeyCeremony, on_delete=models.PROTECT, related_name="lines")
    at = models.DateTimeField()
    who = models.CharField(max_length=128, help_text="A signer, a person, or a part of this system.")
    what = models.CharField(max_length=32, help_text="A step, or an event of the ceremony.")
    good = models.BooleanField()
    words = models.CharField(max_length=WORDS_MOST, blank=True)
    said = models.TextField(blank=True, help_text="The very answer, canonical JSON, or only its beginning.")
    said_digest = models.CharField(max_length=_DIGEST, blank=True, help_text="SHA-256 of the whole answer.")
    before = models.CharField(max_length=_DIGEST, blank=True)
    digest = models.CharField(max_length=_DIGEST)

    class Meta:
        """Oldest first."""

        ordering = ("pk",)
        constraints = (models.UniqueConstraint(fields=["ceremony", "before"], name="one_line_after_each"),)

    def __str__(self) -> str:
        """Name who and what."""
        return f"{self.who}: {self.what}"


class CeremonyPlan(models.Model):
    """The plan of a key that a ceremony makes: its document names it by its digest, and parties are shown it."""

    ceremony = models.OneToOneField(KeyCeremony, on_delete=models.PROTECT, primary_key=True, related_name="plan")
    plan = models.TextField(help_text="Canonical JSON.")

    def __str__(self) -> str:
        """Name the ceremony."""
        return f"plan of {self.ceremony_id}"


class CeremonySchedule(models.Model):
    """How often a wallet's shares are refreshed. A wallet without a row goes by the default."""

    wallet = models.OneToOneField("custody.Wallet", on_delete=models.CASCADE, primary_key=True, related_name="+")
    refresh_days = models.PositiveIntegerField(
        default=REFRESH_DAYS, validators=[MinValueValidator(1), MaxValueValidator(REFRESH_DAYS_MOST)]
    )

    def __str__(self) -> str:
        """Name wallet and days."""
        return f"{self.wallet_id}: every {self.refresh_days} days"
