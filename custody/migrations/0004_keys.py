from __future__ import annotations

from typing import TYPE_CHECKING

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from audit.trigger_migrations import triggers_install
from custody.key_triggers import POSTGRESQL, POSTGRESQL_DROP, SQLITE, SQLITE_DROP

if TYPE_CHECKING:
    from django.apps.registry import Apps
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def _keys_begin(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Give the wallets that are here a key whose beginning nobody wrote down."""
    wallets = apps.get_model("custody", "Wallet").objects.values_list("pk", flat=True)
    key = apps.get_model("custody", "WalletKey")
    key.objects.bulk_create([key(wallet_id=wallet, registered_at=None) for wallet in wallets])


class Migration(migrations.Migration):
    """Keys' lives and what is known of modules; the database knows the table of states too."""

    dependencies = (("custody", "0003_parties"),)

    operations = (
        migrations.CreateModel(
            name="HsmModule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "manufacturer",
                    models.CharField(help_text="As the token says it, letter by letter.", max_length=64),
                ),
                ("model", models.CharField(help_text="As the token says it.", max_length=64)),
                ("firmware", models.CharField(help_text="As the token says it, for instance 7.4.", max_length=64)),
                (
                    "certificate",
                    models.CharField(blank=True, help_text="Number of the FIPS 140 certificate.", max_length=64),
                ),
                (
                    "level",
                    models.CharField(blank=True, help_text="Standard and level: FIPS 140-3, level 3.", max_length=64),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("active", "active"),
                            ("historical", "historical"),
                            ("revoked", "revoked"),
                            ("none", "no certificate"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "sunset",
                    models.DateField(
                        blank=True, help_text="When the certificate moves to the historical list.", null=True
                    ),
                ),
                (
                    "source",
                    models.CharField(blank=True, help_text="Where it was looked up: an address.", max_length=300),
                ),
                ("looked_up", models.DateField(blank=True, help_text="When it was looked up.", null=True)),
            ],
            options={
                "verbose_name": "HSM module",
                "ordering": ("manufacturer", "model", "firmware"),
                "constraints": [
                    models.UniqueConstraint(fields=("manufacturer", "model", "firmware"), name="hsm_module_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="WalletKey",
            fields=[
                (
                    "wallet",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="key",
                        serialize=False,
                        to="custody.wallet",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("generated", "generated"),
                            ("active", "active"),
                            ("suspended", "suspended"),
                            ("retired", "retired"),
                            ("destroyed", "destroyed"),
                        ],
                        default="generated",
                        max_length=16,
                    ),
                ),
                (
                    "period_days",
                    models.PositiveIntegerField(
                        default=365,
                        help_text="Days from its activation for which the key is used.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(3653),
                        ],
                        verbose_name="cryptoperiod",
                    ),
                ),
                (
                    "registered_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now,
                        editable=False,
                        help_text="Null: before that was written down.",
                        null=True,
                    ),
                ),
                ("activated_at", models.DateTimeField(editable=False, null=True)),
                (
                    "why",
                    models.CharField(
                        blank=True, editable=False, help_text="Why it stands where it does.", max_length=400
                    ),
                ),
                ("looked_at", models.DateTimeField(editable=False, null=True)),
            ],
            options={
                "ordering": ("pk",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["generated", "active", "suspended", "retired", "destroyed"])
                        ),
                        name="key_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("period_days__gte", 1), ("period_days__lte", 3653)),
                        name="key_period_within",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="WalletKeyEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                (
                    "event",
                    models.CharField(
                        choices=[
                            ("activate", "activate"),
                            ("suspend", "suspend"),
                            ("resume", "resume"),
                            ("retire", "retire"),
                            ("compromise", "compromise"),
                            ("destroy", "destroy"),
                        ],
                        max_length=16,
                    ),
                ),
                ("before", models.CharField(max_length=16)),
                ("after", models.CharField(max_length=16)),
                ("actor", models.CharField(max_length=128)),
                ("why", models.CharField(blank=True, max_length=400)),
                ("evidence", models.TextField(blank=True, help_text="What a console printed, as it was handed in.")),
                (
                    "evidence_digest",
                    models.CharField(blank=True, help_text="SHA-256 of the evidence, hex.", max_length=64),
                ),
                (
                    "key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="events", to="custody.walletkey"
                    ),
                ),
            ],
            options={
                "ordering": ("pk",),
            },
        ),
        triggers_install(
            postgresql=POSTGRESQL,
            postgresql_drop=POSTGRESQL_DROP,
            sqlite=SQLITE,
            sqlite_drop=SQLITE_DROP,
        ),
        # Last: PostgreSQL makes no trigger on a table that has rows to be checked at the end of the transaction.
        migrations.RunPython(_keys_begin, migrations.RunPython.noop),
    )
