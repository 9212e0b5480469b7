"""The lifecycle table in the database, on both kinds of it."""

from __future__ import annotations

from django.db import migrations

from audit.trigger_migrations import triggers_install
from oms.triggers import POSTGRESQL, POSTGRESQL_DROP, SQLITE, SQLITE_DROP


class Migration(migrations.Migration):
    """Triggers on requests and their events."""

    dependencies = (("oms", "0001_requests"),)
    operations = (
        triggers_install(
            postgresql=POSTGRESQL,
            postgresql_drop=POSTGRESQL_DROP,
            sqlite=SQLITE,
            sqlite_drop=SQLITE_DROP,
        ),
    )
