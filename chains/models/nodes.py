"""How nodes do, what they contradicted each other about, and changes to them that wait for a second person."""

from __future__ import annotations

from django.db import models

from chains.models.base import Chain, Node


class NodeHealth(models.Model):
    """What was last known of a node, by whichever process looked last. For people, and for other processes' start."""

    node = models.OneToOneField(Node, on_delete=models.CASCADE, primary_key=True, related_name="health")
    checked_at = models.DateTimeField()
    head_number = models.BigIntegerField(null=True)
    head_hash = models.CharField(max_length=64, blank=True)
    head_at = models.DateTimeField(null=True, help_text="The newest block's own time.")
    latency_ms = models.PositiveIntegerField(null=True)
    calls = models.PositiveIntegerField(default=0)
    errors = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0, help_text="In a row, up to the last look.")
    disagreements = models.PositiveIntegerField(default=0)
    breaker = models.CharField(max_length=8)
    pause_seconds = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=280, blank=True)
    version = models.CharField(max_length=80, blank=True)
    missing = models.CharField(max_length=200, blank=True, help_text="What the node cannot do, as it was probed.")
    probed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        """Name it."""
        return f"{self.node_id}: {self.breaker}"


class NodeDisagreement(models.Model):
    """A contradiction between nodes, with what each of them said. Never changed."""

    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="disagreements")
    found_at = models.DateTimeField(db_index=True)
    question = models.CharField(max_length=200)
    number = models.BigIntegerField(help_text="The block's height.")
    answers = models.TextField(help_text="Canonical JSON: each node's label and its answer.")
    liars = models.CharField(max_length=400, blank=True, help_text="Labels of those that were quarantined.")

    class Meta:
        """Newest first."""

        ordering = ("-found_at", "-pk")

    def __str__(self) -> str:
        """Name it."""
        return f"{self.question} at block {self.number}"


class ChangeStatus(models.TextChoices):
    """Where a proposed change stands."""

    PROPOSED = "proposed", "waits for a second person"
    CONFIRMED = "confirmed", "confirmed"
    WITHDRAWN = "withdrawn", "withdrawn"


class NodeChange(models.Model):
    """A change to a node that one person proposed. It takes another person to make it hold."""

    node = models.ForeignKey(Node, on_delete=models.PROTECT, null=True, related_name="changes")
    label = models.SlugField(max_length=64)
    fields = models.TextField(help_text="Canonical JSON of all of the node's settings after the change.")
    restarts = models.BooleanField(default=False, help_text="Uses a stopped node again.")
    status = models.CharField(max_length=10, choices=ChangeStatus.choices, default=ChangeStatus.PROPOSED)
    proposed_by = models.CharField(max_length=128)
    proposed_at = models.DateTimeField()
    decided_by = models.CharField(max_length=128, blank=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        """Newest first; the second person is another one, whoever writes the row."""

        ordering = ("-proposed_at", "-pk")
        constraints = (
            models.CheckConstraint(
                condition=~models.Q(status="confirmed", decided_by=models.F("proposed_by")),
                name="node_change_by_two",
            ),
        )

    def __str__(self) -> str:
        """Name it."""
        return f"{self.label}: {self.status}"
