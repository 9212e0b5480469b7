from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """The plans of keys that ceremonies make."""

    dependencies = (("custody", "0005_ceremonies"),)

    operations = (
        migrations.CreateModel(
            name="CeremonyPlan",
            fields=[
                (
                    "ceremony",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="plan",
                        serialize=False,
                        to="custody.keyceremony",
                    ),
                ),
                ("plan", models.TextField(help_text="Canonical JSON.")),
            ],
        ),
    )
