"""Policy versions and drafts, decisions, and what they hold against limits.

The text of a version is the canonical text that people signed; nothing here is ever a second source of it.
"""

from __future__ import annotations

from enum import StrEnum

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from chains.amounts import AmountField
from core.documents.policy import EvidenceKind, Measure

_DIGEST = 64
_RULE_ID = 64


class VersionStatus(StrEnum):
    """A version's life: proposed, signed by its quorum, active, then retired by its successor; or ended before."""

    PROPOSED = "proposed"
    SIGNED = "signed"
    ACTIVE = "active"
    RETIRED = "retired"
    ENDED = "ended"


OPEN_STATUSES = (VersionStatus.PROPOSED.value, VersionStatus.SIGNED.value)
"""A proposal that may still come into force; at most one is proposed, and one is signed and waits."""
IN_FORCE_STATUSES = (VersionStatus.ACTIVE.value, VersionStatus.RETIRED.value)
"""What was ever in force: the chain."""


class PolicyVersion(models.Model):
    """One version of the policy. A trigger refuses every change of what people signed.

    `proposed_by` and `draft` are null for what was signed elsewhere: the genesis, a recovery. `ended_why` says in
    words why a proposal came to nothing.
    """

    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=_DIGEST, unique=True)
    document = models.TextField(help_text="Canonical JSON: exactly the bytes that the digest names.")
    consents = models.TextField(help_text="The signed consents, canonical JSON.")
    status = models.CharField(max_length=16, choices=[(s.value, s.value) for s in VersionStatus])
    previous = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="successors")
    draft = models.ForeignKey("PolicyDraft", null=True, on_delete=models.PROTECT, related_name="versions")
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    stored_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, help_text="A proposal that its quorum has not signed by then ends.")
    signed_at = models.DateTimeField(null=True)
    activated_at = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_why = models.CharField(max_length=400, blank=True)

    class Meta:
        db_table = "policies_version"
        ordering = ("-number", "-pk")
        verbose_name = "policy version"
        constraints = (
            models.CheckConstraint(
                condition=Q(status__in=[s.value for s in VersionStatus]), name="version_status_known"
            ),
            models.CheckConstraint(
                condition=Q(number=1, previous__isnull=True) | Q(number__gt=1, previous__isnull=False),
                name="version_only_first_has_no_previous",
            ),
            models.UniqueConstraint(fields=["status"], condition=Q(status="active"), name="version_one_active"),
            models.UniqueConstraint(
                fields=["number"], condition=Q(status__in=IN_FORCE_STATUSES), name="version_one_in_force_per_number"
            ),
            # Two that compete for one number could split the signers: whoever hears of which first.
            models.UniqueConstraint(fields=["previous"], condition=Q(status="proposed"), name="version_one_proposed"),
            models.UniqueConstraint(fields=["previous"], condition=Q(status="signed"), name="version_one_signed"),
            models.CheckConstraint(
                condition=~Q(status="proposed") | Q(proposed_by__isnull=False, expires_at__isnull=False),
                name="version_proposed_by_somebody",
            ),
            models.CheckConstraint(
                condition=~Q(status="ended") | (Q(ended_at__isnull=False) & ~Q(ended_why="")),
                name="version_ended_says_why",
            ),
        )

    def __str__(self) -> str:
        return f"policy {self.number} ({self.status})"


class HandoverState(StrEnum):
    """Where one signer stands with one version."""

    WAITING = "waiting"
    AWAY = "away"
    REFUSED = "refused"
    ACCEPTED = "accepted"


class PolicyHandover(models.Model):
    """One signed version on its way to one signer, until the signer has taken it.

    `kind` and `effective_at` are the signer's own answer. A refusal is tried again too: it may be about the moment.
    """

    version = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="handovers")
    signer = models.CharField(max_length=64)
    state = models.CharField(
        max_length=16, choices=[(s.value, s.value) for s in HandoverState], default=HandoverState.WAITING.value
    )
    kind = models.CharField(max_length=16, blank=True)
    effective_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=64, blank=True)
    error = models.CharField(max_length=400, blank=True)
    trials = models.PositiveIntegerField(default=0)
    tried_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    fence = models.BigIntegerField(default=0)

    class Meta:
        db_table = "policies_handover"
        ordering = ("version", "signer")
        verbose_name = "policy handover"
        indexes = (models.Index(fields=["due_at"], name="policies_handover_due"),)
        constraints = (
            models.UniqueConstraint(fields=["version", "signer"], name="handover_once_per_signer"),
            models.CheckConstraint(
                condition=Q(state__in=[s.value for s in HandoverState]), name="handover_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state="accepted", effective_at__isnull=False, due_at__isnull=True) & ~Q(kind="")
                | ~Q(state="accepted") & Q(effective_at__isnull=True, kind=""),
                name="handover_accepted_is_whole",
            ),
        )

    def __str__(self) -> str:
        return f"{self.signer}: {self.state}"


class PolicyDraft(models.Model):
    """A policy in the making. It binds nobody until it is proposed and signed."""

    title = models.CharField(max_length=120)
    body = models.TextField(help_text="The policy document, JSON.")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "policies_draft"
        ordering = ("-updated_at",)
        verbose_name = "policy draft"

    def __str__(self) -> str:
        return self.title


class ReportState(StrEnum):
    """A report's life: asked for, being made, then made or failed."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class PolicyReport(models.Model):
    """A replay or a proof about a draft. It speaks of exactly the policy whose content it names."""

    draft = models.ForeignKey(PolicyDraft, on_delete=models.CASCADE, related_name="reports")
    kind = models.CharField(max_length=16, choices=[(k.value, k.value) for k in EvidenceKind])
    content = models.CharField(max_length=_DIGEST, help_text="The policy's digest without its evidence.")
    options = models.TextField(default="{}", help_text="What was asked for, canonical JSON.")
    state = models.CharField(
        max_length=16, choices=[(s.value, s.value) for s in ReportState], default=ReportState.QUEUED.value
    )
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(default=0)
    passed = models.BooleanField(null=True)
    body = models.TextField(blank=True, help_text="The report, canonical JSON: exactly the bytes of its digest.")
    digest = models.CharField(max_length=_DIGEST, blank=True)
    error = models.TextField(blank=True)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "policies_report"
        ordering = ("-pk",)
        verbose_name = "policy report"
        indexes = (models.Index(fields=["draft", "kind"], name="policies_report_draft_kind"),)
        constraints = (
            models.CheckConstraint(condition=Q(state__in=[s.value for s in ReportState]), name="report_state_known"),
            # Only what was made whole says whether it passed, and under which digest.
            models.CheckConstraint(
                condition=Q(state="done", passed__isnull=False) & ~Q(digest="")
                | ~Q(state="done") & Q(passed__isnull=True, digest=""),
                name="report_done_is_whole",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} of {self.content[:16]}"


class Outcome(StrEnum):
    """What a decision came to. Allowed still means: under the quorum that it names."""

    ALLOWED = "allowed"
    DENIED = "denied"


class Decision(models.Model):
    """What was decided about one intent, with all that it was decided from. Never changed."""

    intent_digest = models.CharField(max_length=_DIGEST, unique=True)
    mandate_digest = models.CharField(max_length=_DIGEST)
    policy_digest = models.CharField(max_length=_DIGEST)
    asker = models.CharField(max_length=64)
    decided_at = models.DateTimeField()
    facts = models.TextField(help_text="Fact snapshot, canonical JSON.")
    draw = models.TextField(help_text="What the transaction draws in limits, canonical JSON.")
    results = models.TextField(help_text="Every rule's result in order, canonical JSON.")
    outcome = models.CharField(max_length=16, choices=[(o.value, o.value) for o in Outcome])
    grant = models.CharField(max_length=_RULE_ID, blank=True)
    required = models.TextField(help_text="The quorum that has to consent, canonical JSON.")
    asked = models.TextField(help_text="Every quorum that is joined in it, canonical JSON: each is filled by itself.")
    reasons = models.TextField(help_text="Why not, canonical JSON; empty when allowed.")
    mandate = models.TextField(
        default="", help_text="What was decided, canonical JSON: a replay derives the facts again from it."
    )

    class Meta:
        db_table = "policies_decision"
        ordering = ("-pk",)
        indexes = (models.Index(fields=["policy_digest"], name="policies_decision_policy"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(outcome__in=[o.value for o in Outcome]), name="decision_outcome_known"
            ),
            # Fail closed in the table too: what is allowed names the grant that allows it and no reason against it.
            models.CheckConstraint(
                condition=Q(outcome="denied") | (~Q(grant="") & Q(reasons="[]")), name="decision_allowed_by_grant"
            ),
        )

    def __str__(self) -> str:
        return f"{self.outcome} {self.intent_digest[:16]}"


class LimitCounter(models.Model):
    """The row that is locked to count against a limit in one scope.

    The truth is the sum of reservations. `drawn` is what the window held when the last of them was added and `most`
    the hard cap then (null: exceeding it asks for more people), so that the database itself refuses to go over.
    """

    limit_id = models.CharField(max_length=_RULE_ID)
    scope_key = models.TextField(help_text="What is counted separately, canonical JSON.")
    measure = models.CharField(max_length=16, choices=[(m.value, m.value) for m in Measure])
    asset = models.CharField(max_length=100, blank=True)
    drawn = AmountField(default=0)
    most = AmountField(null=True)
    revision = models.BigIntegerField(default=0)

    class Meta:
        db_table = "policies_limit_counter"
        ordering = ("limit_id", "scope_key", "measure", "asset")
        constraints = (
            models.UniqueConstraint(
                fields=["limit_id", "scope_key", "measure", "asset"], name="counter_one_per_scope"
            ),
            models.CheckConstraint(
                condition=Q(most__isnull=True) | Q(drawn__lte=F("most")), name="counter_within_its_cap"
            ),
        )

    def __str__(self) -> str:
        return f"{self.limit_id} {self.scope_key}"


class ReservationState(StrEnum):
    """Held at the decision; then spent by a signature, or released, once."""

    HELD = "held"
    SPENT = "spent"
    RELEASED = "released"


class Reservation(models.Model):
    """What one allowed decision holds in one counter. Units are the limit's; unknown counts as 2^256 - 1."""

    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="reservations")
    counter = models.ForeignKey(LimitCounter, on_delete=models.PROTECT, related_name="reservations")
    amount = AmountField()
    time = models.BigIntegerField(help_text="Unix seconds: where it stands in the limit's window.")
    state = models.CharField(
        max_length=16,
        choices=[(s.value, s.value) for s in ReservationState],
        default=ReservationState.HELD.value,
    )

    class Meta:
        db_table = "policies_reservation"
        ordering = ("pk",)
        indexes = (models.Index(fields=["counter", "time"], name="policies_reservation_window"),)
        constraints = (
            # A counter is a limit and a key, so this is: once for each decision, limit and key.
            models.UniqueConstraint(fields=["decision", "counter"], name="reservation_once"),
            models.CheckConstraint(
                condition=Q(state__in=[s.value for s in ReservationState]), name="reservation_state_known"
            ),
        )

    def __str__(self) -> str:
        return f"{self.state} {self.amount}"


class Hold(models.Model):
    """That one allowed decision draws on limits, and until when: the truth that reservations only index.

    Each limit counts it, also one that a later policy adds. While held it counts however old it is.
    """

    decision = models.OneToOneField(Decision, on_delete=models.PROTECT, related_name="hold")
    state = models.CharField(
        max_length=16,
        choices=[(s.value, s.value) for s in ReservationState],
        default=ReservationState.HELD.value,
    )
    time = models.BigIntegerField(help_text="Unix seconds: of the decision, then of the signature.")
    ended_after = models.BigIntegerField(
        null=True, help_text="The last decision that was made before it was spent or released; null while it is held."
    )

    class Meta:
        db_table = "policies_hold"
        ordering = ("decision",)
        constraints = (
            models.CheckConstraint(
                condition=Q(state=ReservationState.HELD.value, ended_after__isnull=True)
                | Q(
                    state__in=[ReservationState.SPENT.value, ReservationState.RELEASED.value],
                    ended_after__isnull=False,
                ),
                name="hold_ends_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.state} since {self.time}"


class CountedLimit(models.Model):
    """A limit, by what it counts, whose counters hold all of history; from then on each decision adds its share."""

    limit_id = models.CharField(max_length=_RULE_ID)
    per = models.CharField(max_length=200, help_text="What is counted separately, in order, separated by commas.")
    measure = models.CharField(max_length=16, choices=[(m.value, m.value) for m in Measure])
    asset = models.CharField(max_length=100, blank=True)
    counted_at = models.DateTimeField()

    class Meta:
        db_table = "policies_counted_limit"
        constraints = (
            models.UniqueConstraint(fields=["limit_id", "per", "measure", "asset"], name="counted_limit_once"),
        )

    def __str__(self) -> str:
        return f"{self.limit_id} ({self.measure})"
