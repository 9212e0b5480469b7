"""Requests that wait for an operator's word once people have approved them."""

from __future__ import annotations

from django.db import models


class RequestHold(models.Model):
    """Keeps an approved request from custody until somebody releases it.

    This server's own: people consented to the transaction itself, and no signer knows of a hold.
    """

    request = models.OneToOneField(
        "oms.TransactionRequest", on_delete=models.PROTECT, primary_key=True, related_name="hold"
    )
    placed_by = models.CharField(max_length=64)
    placed_at = models.DateTimeField()
    released_by = models.CharField(max_length=128, blank=True)
    released_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "oms_hold"
        ordering = ("pk",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(released_at__isnull=True, released_by="")
                | (models.Q(released_at__isnull=False) & ~models.Q(released_by="")),
                name="oms_hold_released_by_somebody",
            ),
        )

    def __str__(self) -> str:
        return f"hold of {self.request_id}: {'released' if self.released_at else 'holds'}"
