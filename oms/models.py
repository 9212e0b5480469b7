"""Transaction requests and what happened to them."""

from __future__ import annotations

from django.db import models

from chains.amounts import AmountField
from core.lifecycle import Event, State
from oms.models_hold import RequestHold
from oms.models_watch import Notice, NoticeChoice, NoticeKind, NoticeState, SignerSighting

__all__ = [
    "CancelProposal",
    "Notice",
    "NoticeChoice",
    "NoticeKind",
    "NoticeState",
    "ProposalState",
    "RequestHold",
    "SignerSighting",
    "TransactionEvent",
    "TransactionRequest",
]

_DIGEST = 64


class TransactionRequest(models.Model):
    """One mandate on its way. Its documents never change; its state changes only through `oms.transitions`."""

    reference = models.CharField(max_length=32, unique=True, help_text="The mandate's 128-bit id.")
    state = models.CharField(max_length=16, choices=[(s.value, s.value) for s in State], default=State.REQUESTED)
    sub_status = models.CharField(max_length=400, blank=True, help_text="Why it stands where it stands, in words.")
    asker = models.CharField(max_length=64)
    desk = models.CharField(max_length=64)
    wallet = models.CharField(max_length=100)
    chain = models.CharField(max_length=32)
    asset = models.CharField(max_length=100)
    amount = AmountField(help_text="Base units of the asset.")
    destination = models.CharField(max_length=42)
    purpose = models.CharField(max_length=280, blank=True)
    policy_digest = models.CharField(max_length=_DIGEST)
    mandate_text = models.TextField(help_text="Canonical JSON: exactly the bytes that people consent to.")
    mandate_digest = models.CharField(max_length=_DIGEST, unique=True)
    intent_digest = models.CharField(max_length=_DIGEST, unique=True)
    simulated_block = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    moved_at = models.DateTimeField()
    # Efficiency only: two workers that check the same request again do no harm.
    lease_until = models.DateTimeField(null=True)

    class Meta:
        db_table = "oms_request"
        ordering = ("-created_at", "-pk")
        verbose_name = "transaction request"
        indexes = (
            models.Index(fields=["state", "expires_at"], name="oms_request_due"),
            models.Index(fields=["desk", "-created_at"], name="oms_request_desk"),
        )
        constraints = (
            models.CheckConstraint(
                condition=models.Q(state__in=[s.value for s in State]), name="oms_request_state_known"
            ),
        )

    def __str__(self) -> str:
        return f"{self.reference[:8]} ({self.state})"


class TransactionEvent(models.Model):
    """One step of a request, for its timeline. Append-only; the evidence is the audit log."""

    request = models.ForeignKey(TransactionRequest, on_delete=models.PROTECT, related_name="events")
    at = models.DateTimeField()
    event = models.CharField(max_length=16, choices=[(e.value, e.value) for e in Event])
    before = models.CharField(max_length=16)
    after = models.CharField(max_length=16)
    actor = models.CharField(max_length=64)
    note = models.CharField(max_length=400, blank=True)

    class Meta:
        db_table = "oms_event"
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.event}: {self.before} → {self.after}"


class ProposalState(models.TextChoices):
    """Where a proposed cancel stands."""

    OPEN = "open"
    ORDERED = "ordered"
    REJECTED = "rejected"
    EXPIRED = "expired"


class CancelProposal(models.Model):
    """A cancel of a request's nonce that somebody proposed, and people consent to. One open at a time."""

    request = models.ForeignKey(TransactionRequest, on_delete=models.PROTECT, related_name="cancel_proposals")
    digest = models.CharField(max_length=_DIGEST, unique=True)
    document = models.TextField(help_text="Canonical JSON: exactly the bytes that people consent to.")
    policy_digest = models.CharField(max_length=_DIGEST)
    state = models.CharField(max_length=8, choices=ProposalState.choices, default=ProposalState.OPEN)
    proposed_by = models.CharField(max_length=64)
    proposed_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "oms_cancel_proposal"
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(
                fields=["request"], condition=models.Q(state="open"), name="oms_one_open_cancel_proposal"
            ),
        )

    def __str__(self) -> str:
        return f"{self.digest[:8]} ({self.state})"


class LogAnchor(models.Model):
    """A checkpoint of the audit log that was asked to be put on chain, and what became of it."""

    request = models.OneToOneField(TransactionRequest, on_delete=models.PROTECT, related_name="anchor")
    size = models.BigIntegerField(help_text="Leaves of the log.")
    root = models.CharField(max_length=_DIGEST)
    asked_at = models.DateTimeField()
    transaction_hash = models.CharField(max_length=_DIGEST, blank=True)
    block_number = models.BigIntegerField(null=True)
    verified_at = models.DateTimeField(null=True, help_text="When it was read back from the chain and fitted.")
    problem = models.CharField(max_length=400, blank=True, help_text="Why it is none.")

    class Meta:
        db_table = "oms_anchor"
        ordering = ("-pk",)
        verbose_name = "anchor of the log"
        verbose_name_plural = "anchors of the log"
        indexes = (models.Index(fields=["verified_at"], name="oms_anchor_verified"),)

    def __str__(self) -> str:
        return f"anchor at {self.size}"
