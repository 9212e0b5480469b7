"""Certificates of parties, kept: a party that missed some is handed them before it is asked for more."""

from __future__ import annotations

from django.db import models

from core.documents.party import MOST_PARTIES
from core.errors import CoreError
from core.names import SLUG

_DIGEST = 64
_LEAST_SHARED = 2


def signers_problem(*, signers: object, threshold: int, shared: bool) -> str:
    """Return what is wrong with a wallet's signers, or nothing.

    Args:
        signers: Roster ids.
        threshold: How many of them sign together.
        shared: Whether they hold shares of one key.
    """
    if not isinstance(signers, list) or not 1 <= len(signers) <= MOST_PARTIES:
        return f"a list of 1 to {MOST_PARTIES} roster ids is expected"
    try:
        named = {SLUG.read(one, "signer") for one in signers}
    except CoreError as error:
        return str(error)
    if len(named) != len(signers):
        return "a signer is named twice"
    if not shared:
        return "" if (len(signers), threshold) == (1, 1) else "a key that is not shared has one signer, alone"
    fits = _LEAST_SHARED <= threshold <= len(signers)
    return "" if fits else f"of {len(signers)} parties, {_LEAST_SHARED} to {len(signers)} sign together"


class PartyCertificate(models.Model):
    """The word of enough parties on one reservation, written down before their session begins. Never changed."""

    wallet = models.ForeignKey("custody.Wallet", on_delete=models.PROTECT, related_name="certificates")
    nonce = models.BigIntegerField()
    intent = models.CharField(max_length=_DIGEST)
    cancels = models.BooleanField(help_text="It reserves the nonce's cancel.")
    signing_hash = models.CharField(max_length=_DIGEST)
    certificate = models.TextField(help_text="As the parties take it, canonical JSON.")
    made_at = models.DateTimeField()

    class Meta:
        """Oldest first; one for each reservation."""

        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=["wallet", "signing_hash"], name="certificate_once_for_each_reservation"),
        )

    def __str__(self) -> str:
        """Name what is reserved."""
        return f"{self.wallet_id} #{self.nonce}{' cancel' if self.cancels else ''}"
