"""Wallets name all who are asked, and how many of them sign; certificates of parties are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import django.db.models.deletion
from django.db import migrations, models

if TYPE_CHECKING:
    from django.apps.registry import Apps
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def _name_signers(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    wallets = apps.get_model("custody", "Wallet").objects.using(schema_editor.connection.alias)
    for wallet in wallets.all():
        wallet.signers = [wallet.signer]
        wallet.save(update_fields=["signers"])


def _name_signer(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    wallets = apps.get_model("custody", "Wallet").objects.using(schema_editor.connection.alias)
    for wallet in wallets.all():
        wallet.signer = wallet.signers[0]
        wallet.save(update_fields=["signer"])


class Migration(migrations.Migration):
    dependencies = [
        ("custody", "0002_versions_and_ledger"),
    ]

    operations = [
        migrations.AddField(
            model_name="wallet",
            name="signers",
            field=models.JSONField(
                default=list,
                help_text=(
                    "Who is asked, by roster id in the policy's order: the one signer, or every party of a shared key."
                ),
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="wallet",
            name="threshold",
            field=models.PositiveSmallIntegerField(default=1, help_text="How many of them sign together."),
        ),
        migrations.AlterField(
            model_name="wallet",
            name="signer",
            field=models.CharField(
                default="", help_text="The signer that is asked, by its roster id.", max_length=64
            ),
        ),
        migrations.RunPython(_name_signers, _name_signer),
        migrations.RemoveField(model_name="wallet", name="signer"),
        migrations.CreateModel(
            name="PartyCertificate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("nonce", models.BigIntegerField()),
                ("intent", models.CharField(max_length=64)),
                ("cancels", models.BooleanField(help_text="It reserves the nonce's cancel.")),
                ("signing_hash", models.CharField(max_length=64)),
                ("certificate", models.TextField(help_text="As the parties take it, canonical JSON.")),
                ("made_at", models.DateTimeField()),
                (
                    "wallet",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="certificates",
                        to="custody.wallet",
                    ),
                ),
            ],
            options={
                "ordering": ("pk",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("wallet", "signing_hash"), name="certificate_once_for_each_reservation"
                    )
                ],
            },
        ),
    ]
