"""Installs an app's triggers on either kind of database: one operation for every app that keeps what it wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import migrations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.apps.registry import Apps
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def triggers_install(
    *,
    postgresql: Sequence[str],
    postgresql_drop: Sequence[str],
    sqlite: Sequence[str],
    sqlite_drop: Sequence[str],
) -> migrations.RunPython:
    """Return the operation. A later migration that rebuilds one of the tables on SQLite has to repeat it.

    Args:
        postgresql: What installs them there.
        postgresql_drop: What removes them again.
        sqlite: What installs them on SQLite.
        sqlite_drop: What removes them again.
    """

    def install(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        for statement in postgresql if schema_editor.connection.vendor == "postgresql" else sqlite:
            schema_editor.execute(statement, None)

    def remove(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        for statement in postgresql_drop if schema_editor.connection.vendor == "postgresql" else sqlite_drop:
            schema_editor.execute(statement, None)

    return migrations.RunPython(install, remove)
