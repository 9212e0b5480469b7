"""Where a wallet's key stands in its life, what happened to it, and what is known of modules that hold keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from core.key_lifecycle import (
    KEY_IN_USE,
    PERIOD_DAYS,
    PERIOD_DAYS_MOST,
    KeyEvent,
    KeyState,
    period_end,
)

if TYPE_CHECKING:
    import datetime as dt

WHY_MOST = 400
EVIDENCE_MOST = 16_000
_DIGEST = 64
_NAME = 64


class WalletKey(models.Model):
    """A wallet's key. Its state moves only through `custody.key_transitions`; the database knows the table too."""

    wallet = models.OneToOneField("custody.Wallet", on_delete=models.PROTECT, primary_key=True, related_name="key")
    state = models.CharField(
        max_length=16, choices=[(state.value, state.value) for state in KeyState], default=KeyState.GENERATED.value
    )
    period_days = models.PositiveIntegerField(
        "cryptoperiod",
        default=PERIOD_DAYS,
        validators=[MinValueValidator(1), MaxValueValidator(PERIOD_DAYS_MOST)],
        help_text="Days from its activation for which the key is used.",
    )
    registered_at = models.DateTimeField(
        null=True, default=timezone.now, editable=False, help_text="Null: before that was written down."
    )
    activated_at = models.DateTimeField(null=True, editable=False)
    why = models.CharField(max_length=WHY_MOST, blank=True, editable=False, help_text="Why it stands where it does.")
    # Efficiency only: when it was last looked at whether its cryptoperiod ends.
    looked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        """States are the table's."""

        ordering = ("pk",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(state__in=[state.value for state in KeyState]), name="key_state_known"
            ),
            models.CheckConstraint(
                condition=models.Q(period_days__gte=1, period_days__lte=PERIOD_DAYS_MOST), name="key_period_within"
            ),
        )

    def __str__(self) -> str:
        """Name wallet and state."""
        return f"key of {self.wallet_id}: {self.state}"

    @property
    def period_ends(self) -> int | None:
        """When its cryptoperiod ends, Unix seconds; None while it does not run."""
        if self.activated_at is None or KeyState(self.state) not in KEY_IN_USE:
            return None
        return period_end(activated=int(self.activated_at.timestamp()), days=self.period_days)


class WalletKeyEvent(models.Model):
    """One step of a key's life. Append-only; the audit log holds the digest of what is attached."""

    key = models.ForeignKey(WalletKey, on_delete=models.PROTECT, related_name="events")
    at = models.DateTimeField()
    event = models.CharField(max_length=16, choices=[(event.value, event.value) for event in KeyEvent])
    before = models.CharField(max_length=16)
    after = models.CharField(max_length=16)
    actor = models.CharField(max_length=128)
    why = models.CharField(max_length=WHY_MOST, blank=True)
    evidence = models.TextField(blank=True, help_text="What a console printed, as it was handed in.")
    evidence_digest = models.CharField(max_length=_DIGEST, blank=True, help_text="SHA-256 of the evidence, hex.")

    class Meta:
        """Oldest first."""

        ordering = ("pk",)

    def __str__(self) -> str:
        """Say what happened."""
        return f"{self.event}: {self.before} → {self.after}"


class CertificateStatus(models.TextChoices):
    """Where a module's FIPS 140 certificate stands, as its programme (CMVP) lists it."""

    ACTIVE = "active", "active"
    HISTORICAL = "historical", "historical"
    REVOKED = "revoked", "revoked"
    NONE = "none", "no certificate"


class HsmModule(models.Model):
    """What somebody looked up about a kind of module. Matched by what a token says of itself, which is a claim."""

    manufacturer = models.CharField(max_length=_NAME, help_text="As the token says it, letter by letter.")
    model = models.CharField(max_length=_NAME, help_text="As the token says it.")
    firmware = models.CharField(max_length=_NAME, help_text="As the token says it, for instance 7.4.")
    certificate = models.CharField(max_length=_NAME, blank=True, help_text="Number of the FIPS 140 certificate.")
    level = models.CharField(max_length=_NAME, blank=True, help_text="Standard and level: FIPS 140-3, level 3.")
    status = models.CharField(max_length=16, choices=CertificateStatus.choices)
    sunset = models.DateField(null=True, blank=True, help_text="When the certificate moves to the historical list.")
    source = models.CharField(max_length=300, blank=True, help_text="Where it was looked up: an address.")
    looked_up = models.DateField(null=True, blank=True, help_text="When it was looked up.")

    class Meta:
        """One row for each version of a module."""

        ordering = ("manufacturer", "model", "firmware")
        verbose_name = "HSM module"
        constraints = (models.UniqueConstraint(fields=["manufacturer", "model", "firmware"], name="hsm_module_once"),)

    def __str__(self) -> str:
        """Name the module."""
        return f"{self.manufacturer} {self.model} {self.firmware}"

    def clean(self) -> None:
        """Refuse a certificate without a number, source or day, and a number without a certificate.

        Raises:
            ValidationError: For the fields that are wrong.
        """
        wanted = {"certificate": self.certificate, "source": self.source, "looked_up": self.looked_up}
        if self.status == CertificateStatus.NONE:
            if self.certificate:
                raise ValidationError({"certificate": "without a certificate there is no number"})
            return
        missing = dict.fromkeys(wanted, "needed for a certificate: people have to be able to check it")
        errors = {name: words for name, words in missing.items() if not wanted[name]}
        if errors:
            raise ValidationError(errors)

    def is_over(self, today: dt.date) -> bool:
        """Whether the day has come on which the certificate moves to the historical list."""
        return self.sunset is not None and today >= self.sunset
