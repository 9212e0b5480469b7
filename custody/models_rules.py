"""How custody works on a chain: what is final there, when fees are raised, who alone is sent what trades."""

from __future__ import annotations

import datetime as dt

from django.core.exceptions import ValidationError
from django.db import models

from chains.amounts import AmountField
from chains.models import Chain, Node


class Finality(models.TextChoices):
    """What makes a block of a chain final, beside its depth."""

    DEPTH = "depth"
    SAFE = "safe"
    FINALIZED = "finalized"


class ChainRule(models.Model):
    """How custody works on a chain. A chain without a row works by the defaults of these fields."""

    chain = models.OneToOneField(Chain, on_delete=models.PROTECT, primary_key=True, related_name="custody_rule")
    finality = models.CharField(
        max_length=12,
        choices=Finality.choices,
        default=Finality.DEPTH,
        help_text="“safe” and “finalized” ask for that block of the chain as well as for the depth.",
    )
    raise_seconds = models.PositiveIntegerField(
        default=90, help_text="Seconds without inclusion after which fees are raised. 0: never by itself."
    )
    guard_seconds = models.PositiveIntegerField(
        default=86_400, help_text="Seconds for which a final transaction is still watched."
    )
    gas_low = AmountField(
        default=5 * 10**16, help_text="Base units of the coin below which a wallet's balance is too low for gas."
    )
    private_nodes = models.CharField(
        max_length=400,
        blank=True,
        help_text="Labels of the nodes, with commas, that alone are sent contract calls. Empty: all nodes.",
    )

    def __str__(self) -> str:
        """Name the chain."""
        return f"Rule of {self.chain_id}"

    def raise_at(self, now: dt.datetime) -> dt.datetime | None:
        """Return when fees are raised if nothing is mined until then; None: never by themselves."""
        return now + dt.timedelta(seconds=self.raise_seconds) if self.raise_seconds else None

    def clean(self) -> None:
        """Refuse private nodes that the chain does not have: what trades would reach nobody.

        Raises:
            ValidationError: For `private_nodes`.
        """
        have = set(Node.objects.filter(chain_id=self.chain_id).values_list("label", flat=True))
        strangers = sorted(self.private_labels - have)
        if strangers:
            raise ValidationError({"private_nodes": f"this chain has no node {', '.join(strangers)}"})

    @property
    def private_labels(self) -> frozenset[str]:
        """The labels of the nodes that alone are sent what trades."""
        return frozenset(part.strip() for part in self.private_nodes.split(",") if part.strip())
