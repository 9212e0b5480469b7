"""Triggers: what people signed and what was decided is not edited."""

from __future__ import annotations

from django.db import migrations

from audit.trigger_migrations import triggers_install
from policies.triggers import POSTGRESQL, POSTGRESQL_DROP, SQLITE, SQLITE_DROP


class Migration(migrations.Migration):
    """Triggers on versions, decisions and reservations."""

    dependencies = (("policies", "0001_policies"),)
    operations = (
        triggers_install(
            postgresql=POSTGRESQL,
            postgresql_drop=POSTGRESQL_DROP,
            sqlite=SQLITE,
            sqlite_drop=SQLITE_DROP,
        ),
    )
