"""Prices: which feeds an asset has, what makes a price of them, and what it was."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from chains.amounts import AmountField
from chains.models.base import FILE_VALIDATOR, Asset, address_check

_SLUG = RegexValidator(r"\A[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?\Z", "Lower-case letters, digits, . _ - only.")
_ADDRESS = RegexValidator(r"\A0x[0-9a-fA-F]{40}\Z", "An address of 0x and 40 hex digits is expected.")
_KEY = RegexValidator(r"\A[0-9a-f]{64}\Z", "64 lower-case hex digits are expected.")
_BPS = (MinValueValidator(1), MaxValueValidator(10_000))


class FeedKind(models.TextChoices):
    """Where a feed's prices come from."""

    AGGREGATOR = "aggregator", "contract on the asset's chain"
    SIGNED = "signed", "signed HTTP feed"
    MANUAL = "manual", "entered by a person"


class PriceFeed(models.Model):
    """A source of prices for an asset. Feeds of one family have one vote."""

    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="feeds")
    name = models.CharField(max_length=64, unique=True, validators=[_SLUG])
    family = models.CharField(
        max_length=64, validators=[_SLUG], help_text="Who is behind it: feeds of one family have one vote."
    )
    kind = models.CharField(max_length=12, choices=FeedKind.choices)
    heartbeat = models.PositiveIntegerField(
        default=3600, validators=[MinValueValidator(1)], help_text="Seconds for which an answer is fresh."
    )
    enabled = models.BooleanField(default=True)
    contract = models.CharField(
        max_length=42, blank=True, validators=[_ADDRESS], help_text="The aggregator's address."
    )
    url = models.CharField(max_length=400, blank=True, help_text="The signed feed's address.")
    public_key = models.CharField(max_length=64, blank=True, validators=[_KEY], help_text="Its Ed25519 key, hex.")
    headers_file = models.CharField(max_length=64, blank=True, validators=[FILE_VALIDATOR])
    price = AmountField(null=True, blank=True, help_text="Entered: 10⁻⁸ US dollars for one unit.")
    entered_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Sorted for people."""

        ordering = ("asset", "family", "name")

    def __str__(self) -> str:
        """Name the feed, not its address."""
        return self.name

    def clean(self) -> None:
        """Ask for what the kind needs.

        Raises:
            ValidationError: Naming what is missing.
        """
        if self.kind == FeedKind.AGGREGATOR and not self.contract:
            raise ValidationError({"contract": "Such a feed needs its contract's address."})
        if self.kind == FeedKind.SIGNED:
            if not self.public_key:
                raise ValidationError({"public_key": "Such a feed needs its key."})
            address_check(self.url)


class PriceRule(models.Model):
    """What makes a price of an asset's feeds."""

    asset = models.OneToOneField(Asset, on_delete=models.PROTECT, primary_key=True, related_name="price_rule")
    families_least = models.PositiveSmallIntegerField(
        default=2,
        validators=[MinValueValidator(1)],
        help_text="Independent families that have to give a fresh price.",
    )
    deviation_most_bps = models.PositiveIntegerField(
        default=200, validators=_BPS, help_text="How far a family may be from the middle, basis points."
    )
    jump_most_bps = models.PositiveIntegerField(
        default=2000, validators=_BPS, help_text="How far the price may be from the last one, basis points."
    )
    jump_seconds = models.PositiveIntegerField(default=3600, help_text="For how long after the last price.")

    def __str__(self) -> str:
        """Name it."""
        return f"price of {self.asset_id}"


class PriceObservation(models.Model):
    """What the price was at a moment, or why there was none, with what each feed said. Never changed."""

    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="prices")
    at = models.DateTimeField(db_index=True)
    price = AmountField(null=True)
    reason = models.CharField(max_length=280, blank=True)
    families = models.CharField(max_length=400, blank=True)
    readings = models.TextField(help_text="Canonical JSON: what each feed said, or why it said nothing.")

    class Meta:
        """Newest first."""

        ordering = ("-at", "-pk")
        indexes = (models.Index(fields=("asset", "-at"), name="price_by_asset"),)

    def __str__(self) -> str:
        """Name it."""
        return f"{self.asset_id}: {self.price if self.price is not None else self.reason}"
