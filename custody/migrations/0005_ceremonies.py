from __future__ import annotations

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

from audit.trigger_migrations import triggers_install
from custody.ceremony_triggers import POSTGRESQL, POSTGRESQL_DROP, SQLITE, SQLITE_DROP


class Migration(migrations.Migration):
    """Ceremonies, what signers did and said, and how often shares are refreshed."""

    dependencies = (("custody", "0004_keys"),)

    operations = (
        migrations.CreateModel(
            name="CeremonySchedule",
            fields=[
                (
                    "wallet",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="custody.wallet",
                    ),
                ),
                (
                    "refresh_days",
                    models.PositiveIntegerField(
                        default=90,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(3653),
                        ],
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="KeyCeremony",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("document", models.TextField(help_text="Canonical JSON: exactly the bytes that people consent to.")),
                ("policy_digest", models.CharField(max_length=64)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("key_generation", "key_generation"),
                            ("refresh", "refresh"),
                            ("restore", "restore"),
                            ("ban", "ban"),
                            ("journal_start", "journal_start"),
                            ("backup", "backup"),
                            ("drill", "drill"),
                            ("degraded", "degraded"),
                            ("destroy", "destroy"),
                            ("clone", "clone"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "wallet",
                    models.CharField(
                        blank=True, help_text="CAIP-10 account; empty while there is none yet.", max_length=100
                    ),
                ),
                ("epoch", models.BigIntegerField(default=0)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("drafted", "drafted"),
                            ("consenting", "consenting"),
                            ("ordered", "ordered"),
                            ("running", "running"),
                            ("done", "done"),
                            ("rejected", "rejected"),
                            ("failed", "failed"),
                            ("abandoned", "abandoned"),
                            ("expired", "expired"),
                        ],
                        default="drafted",
                        max_length=16,
                    ),
                ),
                (
                    "why",
                    models.CharField(
                        blank=True, help_text="Why it stands where it stands, in words.", max_length=400
                    ),
                ),
                (
                    "consents",
                    models.TextField(blank=True, help_text="The quorum's, canonical JSON, from when it is ordered."),
                ),
                ("drafted_by", models.CharField(max_length=64)),
                ("drafted_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("ordered_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("due_at", models.DateTimeField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
                ("fence", models.BigIntegerField(default=0)),
                ("trials", models.PositiveIntegerField(default=0)),
            ],
            options={
                "verbose_name": "ceremony",
                "verbose_name_plural": "ceremonies",
                "ordering": ("-pk",),
                "indexes": [models.Index(fields=["state", "due_at"], name="custody_ceremony_due")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    "drafted",
                                    "consenting",
                                    "ordered",
                                    "running",
                                    "done",
                                    "rejected",
                                    "failed",
                                    "abandoned",
                                    "expired",
                                ],
                            )
                        ),
                        name="ceremony_state_known",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(
                            ("state__in", ["consenting", "drafted"]), models.Q(("wallet", ""), _negated=True)
                        ),
                        fields=("kind", "wallet"),
                        name="one_open_ceremony_of_a_kind",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CeremonyProgress",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("signer", models.CharField(max_length=64)),
                ("step", models.CharField(max_length=16)),
                ("place", models.PositiveSmallIntegerField(help_text="Steps of one signer are done in this order.")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("done", "Done"),
                            ("refused", "Refused"),
                            ("away", "Away"),
                            ("missed", "Missed"),
                        ],
                        default="open",
                        max_length=8,
                    ),
                ),
                ("code", models.CharField(blank=True, max_length=64)),
                ("message", models.CharField(blank=True, max_length=400)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("asked_at", models.DateTimeField(null=True)),
                ("done_at", models.DateTimeField(null=True)),
                (
                    "due_at",
                    models.DateTimeField(help_text="When this signer is asked next; null: not by itself.", null=True),
                ),
                ("lease_until", models.DateTimeField(null=True)),
                ("fence", models.BigIntegerField(default=0)),
                (
                    "ceremony",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="progress", to="custody.keyceremony"
                    ),
                ),
            ],
            options={
                "ordering": ("place", "pk"),
                "indexes": [models.Index(fields=["due_at"], name="custody_progress_due")],
                "constraints": [
                    models.UniqueConstraint(fields=("ceremony", "signer", "step"), name="one_row_for_each_step")
                ],
            },
        ),
        migrations.CreateModel(
            name="CeremonyLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("who", models.CharField(help_text="A signer, a person, or a part of this system.", max_length=128)),
                ("what", models.CharField(help_text="A step, or an event of the ceremony.", max_length=32)),
                ("good", models.BooleanField()),
                ("words", models.CharField(blank=True, max_length=400)),
                (
                    "said",
                    models.TextField(blank=True, help_text="The very answer, canonical JSON, or only its beginning."),
                ),
                (
                    "said_digest",
                    models.CharField(blank=True, help_text="SHA-256 of the whole answer.", max_length=64),
                ),
                ("before", models.CharField(blank=True, max_length=64)),
                ("digest", models.CharField(max_length=64)),
                (
                    "ceremony",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="lines", to="custody.keyceremony"
                    ),
                ),
            ],
            options={
                "ordering": ("pk",),
                "constraints": [models.UniqueConstraint(fields=("ceremony", "before"), name="one_line_after_each")],
            },
        ),
        triggers_install(
            postgresql=POSTGRESQL,
            postgresql_drop=POSTGRESQL_DROP,
            sqlite=SQLITE,
            sqlite_drop=SQLITE_DROP,
        ),
    )
