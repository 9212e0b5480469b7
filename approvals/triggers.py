"""What the database itself refuses, whoever asks: an account that becomes another person's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.apps.registry import Apps
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor

_POSTGRESQL = (
    """
CREATE FUNCTION approvals_person_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'person_id is fixed' USING ERRCODE = 'integrity_constraint_violation';
END $$
""",
    """
CREATE TRIGGER approvals_person_fixed BEFORE UPDATE OF person_id ON approvals_user
    FOR EACH ROW WHEN (NEW.person_id <> OLD.person_id) EXECUTE FUNCTION approvals_person_refuse()
""",
)
_POSTGRESQL_DROP = (
    "DROP TRIGGER approvals_person_fixed ON approvals_user",
    "DROP FUNCTION approvals_person_refuse()",
)
_SQLITE = (
    """
CREATE TRIGGER approvals_person_fixed BEFORE UPDATE OF person_id ON approvals_user
WHEN NEW.person_id <> OLD.person_id
BEGIN SELECT RAISE(ABORT, 'person_id is fixed'); END
""",
)
_SQLITE_DROP = ("DROP TRIGGER approvals_person_fixed",)


def person_fixed_install(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 - Django's signature
    """Install the trigger.

    SQLite loses it when a later migration rebuilds the table: such a migration ends with this operation again,
    and tests/approvals/test_users.py notices one that does not.
    """
    _run(schema_editor, postgresql=_POSTGRESQL, sqlite=_SQLITE)


def person_fixed_remove(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001 - Django's signature
    """Remove the trigger."""
    _run(schema_editor, postgresql=_POSTGRESQL_DROP, sqlite=_SQLITE_DROP)


def _run(schema_editor: BaseDatabaseSchemaEditor, *, postgresql: tuple[str, ...], sqlite: tuple[str, ...]) -> None:
    by_vendor = {"postgresql": postgresql, "sqlite": sqlite}
    for statement in by_vendor[schema_editor.connection.vendor]:
        schema_editor.execute(statement)
