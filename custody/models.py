"""Wallets (public half), signing jobs, nonces, signed bytes, and what became of them.

The job row is the outbox: all work can be reconstructed from here, whatever a broker loses.
"""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models

from chains.amounts import AmountField
from chains.models import Chain
from core.custody_lifecycle import JobState
from core.documents.roster import Wallet as RosterWallet
from core.documents.roster import WalletKind
from custody.machine import Kind
from custody.models_ceremonies import (
    CeremonyLine,
    CeremonyPlan,
    CeremonyProgress,
    CeremonySchedule,
    KeyCeremony,
    ProgressState,
)
from custody.models_keys import HsmModule, WalletKey, WalletKeyEvent
from custody.models_ledger import BalancePoint, LedgerCursor, StrangeOutflow
from custody.models_parties import PartyCertificate, signers_problem
from custody.models_rules import ChainRule, Finality

__all__ = [
    "BalancePoint",
    "BroadcastAttempt",
    "BroadcastOutcome",
    "CancelOrder",
    "CancelState",
    "CeremonyLine",
    "CeremonyPlan",
    "CeremonyProgress",
    "CeremonySchedule",
    "ChainRule",
    "Confirmation",
    "ConfirmationStatus",
    "Finality",
    "HsmModule",
    "Job",
    "KeyCeremony",
    "LedgerCursor",
    "NonceAssignment",
    "NonceLane",
    "PartyCertificate",
    "ProgressState",
    "StrangeOutflow",
    "Transmission",
    "Wallet",
    "WalletKey",
    "WalletKeyEvent",
]

_DIGEST = 64
_ERROR_MOST = 400


class Wallet(models.Model):
    """A wallet: the public half of a key that only its signer can use, or enough of its parties together."""

    caip10 = models.CharField("CAIP-10 account", max_length=80, primary_key=True)
    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="wallets")
    label = models.CharField(max_length=80)
    kind = models.CharField(max_length=16, choices=[(kind.value, kind.value) for kind in WalletKind])
    public_key = models.CharField(max_length=130, help_text="Uncompressed secp256k1, hex.")
    signers = models.JSONField(
        help_text="Who is asked, by roster id in the policy's order: the one signer, or every party of a shared key."
    )
    threshold = models.PositiveSmallIntegerField(default=1, help_text="How many of them sign together.")

    class Meta:
        """Sorted for people."""

        ordering = ("chain", "label")

    def __str__(self) -> str:
        """Name the wallet."""
        return f"{self.label} ({self.caip10})"

    @property
    def address(self) -> str:
        """EIP-55 address."""
        return self.caip10.rpartition(":")[2]

    @property
    def is_shared(self) -> bool:
        """Whether parties hold shares of the key: then no one of them signs alone."""
        return self.kind == WalletKind.MPC.value

    @property
    def asked(self) -> tuple[str, ...]:
        """Who is asked, in the policy's order; nobody where the row does not say it properly."""
        problem = signers_problem(signers=self.signers, threshold=self.threshold, shared=self.is_shared)
        return () if problem else tuple(self.signers)

    @property
    def roster(self) -> RosterWallet:
        """The wallet as a policy names it."""
        return RosterWallet(
            id=self.caip10,
            label=self.label,
            kind=WalletKind(self.kind),
            public_key=bytes.fromhex(self.public_key),
            signers=self.asked,
            threshold=self.threshold,
        )

    def clean(self) -> None:
        """Refuse signers that do not fit the wallet's kind.

        Raises:
            ValidationError: For `signers`.
        """
        problem = signers_problem(signers=self.signers, threshold=self.threshold, shared=self.is_shared)
        if problem:
            raise ValidationError({"signers": problem})


class Job(models.Model):
    """One intent on its way from consents to finality. The documents are kept as the exact text that was signed."""

    intent_digest = models.CharField(max_length=_DIGEST, unique=True)
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="jobs")
    policy_digest = models.CharField(max_length=_DIGEST)
    mandate = models.TextField()
    intent = models.TextField()
    consents = models.TextField()
    state = models.CharField(
        max_length=16, choices=[(state.value, state.value) for state in JobState], default=JobState.QUEUED.value
    )
    bundle = models.TextField(blank=True, help_text="The bundle that was answered with the stored signature.")
    signed_at = models.DateTimeField(null=True)
    # Fees of the attempt that is being asked for, written down before the signer is: killed in between, the same
    # attempt is asked for again, whatever nodes suggest by then.
    attempt_most = AmountField(null=True)
    attempt_tip = AmountField(null=True)
    raise_at = models.DateTimeField(null=True, help_text="When fees are raised if nothing is mined; null: never.")
    error_code = models.CharField(max_length=64, blank=True)
    error = models.CharField(max_length=_ERROR_MOST, blank=True)
    trials = models.PositiveIntegerField(default=0, help_text="Steps in a row that led nowhere.")
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True, help_text="When the next step is due; null: never.")
    lease_until = models.DateTimeField(null=True)
    fence = models.BigIntegerField(default=0)

    class Meta:
        """States are the table's; what is due is found by index."""

        constraints = (
            models.CheckConstraint(
                condition=models.Q(state__in=[state.value for state in JobState]), name="job_state_known"
            ),
        )
        indexes = (models.Index(fields=["due_at"], name="custody_job_due"),)

    def __str__(self) -> str:
        """Name the job by its intent."""
        return f"{self.intent_digest[:16]} {self.state}"


class NonceLane(models.Model):
    """The row that is locked to hand out a nonce. Nonces are dense: each next one is one more."""

    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="+")
    address = models.CharField(max_length=42)
    next_nonce = models.BigIntegerField()

    class Meta:
        """One lane for each chain and address."""

        constraints = (
            models.UniqueConstraint(fields=["chain", "address"], name="lane_unique"),
            models.CheckConstraint(condition=models.Q(next_nonce__gte=0), name="lane_nonce_not_negative"),
        )

    def __str__(self) -> str:
        """Name the lane."""
        return f"{self.chain_id}:{self.address} next {self.next_nonce}"


class NonceAssignment(models.Model):
    """One intent, one nonce. Released only where the signer itself says that it holds nothing at that nonce."""

    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="assignments")
    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="+")
    sender = models.CharField(max_length=42)
    nonce = models.BigIntegerField()
    assigned_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True)

    class Meta:
        """The database refuses a second holder of a nonce, and a second nonce for an intent."""

        constraints = (
            models.UniqueConstraint(
                fields=["chain", "sender", "nonce"],
                condition=models.Q(released_at__isnull=True),
                name="nonce_held_once",
            ),
            models.UniqueConstraint(
                fields=["job"], condition=models.Q(released_at__isnull=True), name="intent_holds_one_nonce"
            ),
        )

    def __str__(self) -> str:
        """Name the nonce."""
        return f"{self.chain_id}:{self.sender} #{self.nonce}"


class Transmission(models.Model):
    """Signed bytes, stored before they were first sent. Any of an intent's transmissions may be the one mined."""

    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="transmissions")
    transaction_hash = models.CharField(max_length=_DIGEST, unique=True)
    kind = models.CharField(
        max_length=8, choices=[(kind.value, kind.value) for kind in Kind], default=Kind.PAYMENT.value
    )
    raw = models.BinaryField()
    bundle = models.TextField(blank=True, help_text="The case that these bytes were signed for.")
    nonce = models.BigIntegerField()
    max_fee_per_gas = AmountField()
    max_priority_fee_per_gas = AmountField()
    stored_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, help_text="Last time it was handed to nodes.")

    class Meta:
        """Oldest first."""

        ordering = ("pk",)

    def __str__(self) -> str:
        """Name the transaction."""
        return f"0x{self.transaction_hash}"


class BroadcastOutcome(models.TextChoices):
    """What came of one send to one node. `STARTED` that stays is a crash: as ambiguous as a time-out."""

    STARTED = "started"
    ACCEPTED = "accepted"
    KNOWN = "known"
    REFUSED = "refused"
    AMBIGUOUS = "ambiguous"
    DOWN = "down"
    WRONG_CHAIN = "wrong_chain"


class BroadcastAttempt(models.Model):
    """One send of a transmission to one node."""

    transmission = models.ForeignKey(Transmission, on_delete=models.PROTECT, related_name="attempts")
    node = models.CharField(max_length=64)
    outcome = models.CharField(max_length=16, choices=BroadcastOutcome.choices, default=BroadcastOutcome.STARTED)
    message = models.CharField(max_length=_ERROR_MOST, blank=True)
    started_at = models.DateTimeField()

    class Meta:
        """Oldest first."""

        ordering = ("pk",)

    def __str__(self) -> str:
        """Name node and outcome."""
        return f"{self.node}: {self.outcome}"


class ConfirmationStatus(models.TextChoices):
    """What a sighting in a block is worth."""

    INCLUDED = "included"
    REORGED = "reorged"
    FINAL = "final"
    CONTRADICTED = "contradicted"


class Confirmation(models.Model):
    """A sighting of a transmission in a block. Kept when the block goes away: that it was seen is evidence too."""

    transmission = models.ForeignKey(Transmission, on_delete=models.PROTECT, related_name="confirmations")
    block_number = models.BigIntegerField()
    block_hash = models.CharField(max_length=_DIGEST)
    succeeded = models.BooleanField()
    gas_used = models.BigIntegerField()
    gas_price = AmountField()
    depth = models.PositiveIntegerField(default=1, help_text="Blocks on top, its own included, when last looked at.")
    status = models.CharField(max_length=16, choices=ConfirmationStatus.choices, default=ConfirmationStatus.INCLUDED)
    seen_at = models.DateTimeField()
    final_at = models.DateTimeField(null=True)
    evidence = models.TextField(blank=True, help_text="What proves it against the block's header, canonical JSON.")

    class Meta:
        """Oldest first; at most one sighting counts at a time."""

        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(
                fields=["transmission"],
                condition=~models.Q(status="reorged"),
                name="one_sighting_counts",
            ),
        )

    def __str__(self) -> str:
        """Name block and status."""
        return f"block {self.block_number}: {self.status}"


class CancelState(models.TextChoices):
    """Where a cancel stands that people consented to. What becomes of its bytes is the job's story."""

    ORDERED = "ordered"
    SIGNED = "signed"
    FAILED = "failed"


class CancelOrder(models.Model):
    """A cancel with the consents of its quorum, as the signer will be given it. One at a time for each job."""

    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="cancels")
    digest = models.CharField(max_length=_DIGEST, unique=True)
    document = models.TextField()
    consents = models.TextField()
    state = models.CharField(max_length=8, choices=CancelState.choices, default=CancelState.ORDERED)
    error = models.CharField(max_length=_ERROR_MOST, blank=True)
    ordered_at = models.DateTimeField()
    retry_at = models.DateTimeField(help_text="When the signer is asked (again).")

    class Meta:
        """The signer takes one cancel for each nonce, so a second one while the first may be signed is refused."""

        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=["job"], condition=~models.Q(state="failed"), name="one_cancel_at_a_time"),
        )

    def __str__(self) -> str:
        """Name it by its document."""
        return f"{self.digest[:16]} {self.state}"
