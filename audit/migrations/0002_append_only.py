"""Append-only, also for the owner of the tables and for statements that bypass the ORM."""

from __future__ import annotations

from django.db import migrations

from audit.trigger_migrations import triggers_install
from audit.triggers import POSTGRESQL, POSTGRESQL_DROP, SQLITE, SQLITE_DROP


class Migration(migrations.Migration):
    """Triggers on the log's tables."""

    dependencies = (("audit", "0001_log"),)
    operations = (
        triggers_install(
            postgresql=POSTGRESQL,
            postgresql_drop=POSTGRESQL_DROP,
            sqlite=SQLITE,
            sqlite_drop=SQLITE_DROP,
        ),
    )
