"""What the database itself refuses: accidents. Evidence is the chain, and a head that is kept elsewhere."""

from __future__ import annotations

POSTGRESQL = (
    """
CREATE FUNCTION audit_entry_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_entry is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$
""",
    """
CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_refuse()
""",
    """
CREATE FUNCTION audit_entry_continue() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last record;
BEGIN
    SELECT seq, hash INTO last FROM audit_head WHERE id = 1;
    IF last IS NULL OR NEW.seq <> last.seq + 1 OR NEW.prev_hash <> last.hash THEN
        RAISE EXCEPTION 'audit_entry % does not continue the chain', NEW.seq USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
""",
    """
CREATE TRIGGER audit_entry_continues BEFORE INSERT ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_entry_continue()
""",
)
POSTGRESQL_DROP = (
    "DROP TRIGGER audit_entry_append_only ON audit_entry",
    "DROP TRIGGER audit_entry_continues ON audit_entry",
    "DROP FUNCTION audit_entry_refuse()",
    "DROP FUNCTION audit_entry_continue()",
)
SQLITE = (
    """
CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'audit_entry is append-only: UPDATE refused'); END
""",
    """
CREATE TRIGGER audit_entry_no_delete BEFORE DELETE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'audit_entry is append-only: DELETE refused'); END
""",
    # REPLACE deletes without firing the DELETE trigger, so an insertion has to continue the chain.
    """
CREATE TRIGGER audit_entry_continues BEFORE INSERT ON audit_entry
WHEN NOT EXISTS (SELECT 1 FROM audit_head WHERE id = 1 AND NEW.seq = seq + 1 AND NEW.prev_hash = hash)
BEGIN SELECT RAISE(ABORT, 'audit_entry does not continue the chain'); END
""",
)
SQLITE_DROP = (
    "DROP TRIGGER audit_entry_no_update",
    "DROP TRIGGER audit_entry_no_delete",
    "DROP TRIGGER audit_entry_continues",
)
