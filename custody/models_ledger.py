"""What reconciliation knows of wallets: how far it got, balances over time, and outflows that nobody here made."""

from __future__ import annotations

from django.db import models

from chains.amounts import AmountField

_DIGEST = 64


class LedgerCursor(models.Model):
    """How far a wallet is reconciled: the newest block that was looked at, and the one that was final by then.

    If the newest block leaves the chain, everything after the final one is looked at again.
    """

    wallet = models.OneToOneField(
        "custody.Wallet", on_delete=models.PROTECT, primary_key=True, related_name="ledger_cursor"
    )
    block_number = models.BigIntegerField()
    block_hash = models.CharField(max_length=_DIGEST)
    nonce = models.BigIntegerField(help_text="Nonces consumed at that block.")
    final_number = models.BigIntegerField()
    final_hash = models.CharField(max_length=_DIGEST)
    final_nonce = models.BigIntegerField()
    gas_low = models.BooleanField(default=False)
    problem = models.CharField(max_length=400, blank=True, help_text="Why it is not going on, in words.")
    looked_at = models.DateTimeField()

    def __str__(self) -> str:
        """Name wallet and block."""
        return f"{self.wallet_id} to block {self.block_number}"


class BalancePoint(models.Model):
    """A balance at a block: kept when it changed, and now and then where it did not."""

    wallet = models.ForeignKey("custody.Wallet", on_delete=models.PROTECT, related_name="balances")
    asset = models.CharField(max_length=90, help_text="CAIP-19 name.")
    block_number = models.BigIntegerField()
    block_hash = models.CharField(max_length=_DIGEST)
    block_time = models.DateTimeField()
    amount = AmountField(help_text="Base units.")

    class Meta:
        """Oldest first; one for each block."""

        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=["wallet", "asset", "block_number"], name="balance_once_per_block"),
        )

    def __str__(self) -> str:
        """Name asset, block and amount."""
        return f"{self.asset} at {self.block_number}: {self.amount}"


class StrangeOutflow(models.Model):
    """Something left one of our wallets, or one of its nonces was consumed, and nothing of ours explains it."""

    wallet = models.ForeignKey("custody.Wallet", on_delete=models.PROTECT, related_name="strange_outflows")
    asset = models.CharField(max_length=90, blank=True, help_text="CAIP-19 name; empty for a nonce.")
    amount = AmountField(help_text="Base units that are missing; 0 for a nonce.")
    block_number = models.BigIntegerField()
    block_hash = models.CharField(max_length=_DIGEST)
    transaction_hash = models.CharField(max_length=_DIGEST, blank=True)
    words = models.CharField(max_length=400)
    found_at = models.DateTimeField()

    class Meta:
        """Newest first; the same finding once, however often its block is looked at."""

        ordering = ("-pk",)
        constraints = (
            models.UniqueConstraint(
                fields=["wallet", "asset", "block_hash", "transaction_hash"], name="strange_outflow_once"
            ),
        )

    def __str__(self) -> str:
        """Say it."""
        return self.words
