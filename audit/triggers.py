"""What the database itself refuses: accidents. Evidence is the chain, the tree, and checkpoints that others keep."""

from __future__ import annotations

_KEPT = ("audit_entry", "audit_leaf", "audit_tile", "audit_checkpoint", "audit_signature")
"""Nothing in these is ever changed or taken out."""
_SAME_KEY = {
    "audit_entry": "seq = NEW.seq",
    "audit_leaf": '"index" = NEW."index" OR entry_id = NEW.entry_id',
    "audit_tile": 'level = NEW.level AND "index" = NEW."index"',
    "audit_checkpoint": "size = NEW.size",
    "audit_signature": "id = NEW.id OR (checkpoint_id = NEW.checkpoint_id AND name = NEW.name)",
}
"""SQLite's REPLACE deletes without firing the DELETE trigger, so an insertion over a kept row is refused too."""

_POSTGRESQL_REFUSE = """
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$
"""
_POSTGRESQL_QUEUE = (
    # As its owner: whoever may write an entry needs no right of its own to the queue.
    """
CREATE FUNCTION audit_entry_queue() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO audit_pending (entry_id) SELECT seq FROM added;
    RETURN NULL;
END $$
""",
    """
CREATE TRIGGER audit_entry_queued AFTER INSERT ON audit_entry
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_queue()
""",
    """
CREATE FUNCTION audit_pending_placed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM gone WHERE NOT EXISTS (SELECT 1 FROM audit_leaf l WHERE l.entry_id = gone.entry_id)) THEN
        RAISE EXCEPTION 'audit_pending: an entry without a place in the log stays' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$
""",
    """
CREATE TRIGGER audit_pending_leaves AFTER DELETE ON audit_pending
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION audit_pending_placed()
""",
    """
CREATE TRIGGER audit_pending_kept BEFORE UPDATE OR TRUNCATE ON audit_pending
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()
""",
    """
CREATE FUNCTION audit_tree_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id <> OLD.id OR NEW.size <= OLD.size THEN
        RAISE EXCEPTION 'audit_tree: the log only grows' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
""",
    """
CREATE TRIGGER audit_tree_grows BEFORE UPDATE ON audit_tree
    FOR EACH ROW EXECUTE FUNCTION audit_tree_grow()
""",
    """
CREATE TRIGGER audit_tree_kept BEFORE DELETE OR TRUNCATE ON audit_tree
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()
""",
)
POSTGRESQL = (
    _POSTGRESQL_REFUSE,
    *(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()"
        for table in _KEPT
    ),
    *_POSTGRESQL_QUEUE,
)
POSTGRESQL_DROP = (
    *(f"DROP TRIGGER {table}_append_only ON {table}" for table in _KEPT),
    "DROP TRIGGER audit_entry_queued ON audit_entry",
    "DROP TRIGGER audit_pending_leaves ON audit_pending",
    "DROP TRIGGER audit_pending_kept ON audit_pending",
    "DROP TRIGGER audit_tree_grows ON audit_tree",
    "DROP TRIGGER audit_tree_kept ON audit_tree",
    "DROP FUNCTION audit_entry_queue()",
    "DROP FUNCTION audit_pending_placed()",
    "DROP FUNCTION audit_tree_grow()",
    "DROP FUNCTION audit_refuse()",
)


def _sqlite_refusal(table: str, event: str) -> str:
    return (
        f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table}"
        f" BEGIN SELECT RAISE(ABORT, '{table} is append-only: {event} refused'); END"
    )


_SQLITE_QUEUE = (
    """
CREATE TRIGGER audit_entry_queued AFTER INSERT ON audit_entry
BEGIN INSERT INTO audit_pending (entry_id) VALUES (NEW.seq); END
""",
    """
CREATE TRIGGER audit_pending_leaves BEFORE DELETE ON audit_pending
WHEN NOT EXISTS (SELECT 1 FROM audit_leaf WHERE entry_id = OLD.entry_id)
BEGIN SELECT RAISE(ABORT, 'audit_pending: an entry without a place in the log stays'); END
""",
    """
CREATE TRIGGER audit_tree_grows BEFORE UPDATE ON audit_tree WHEN NEW.id <> OLD.id OR NEW.size <= OLD.size
BEGIN SELECT RAISE(ABORT, 'audit_tree: the log only grows'); END
""",
    """
CREATE TRIGGER audit_tree_not_replaced BEFORE INSERT ON audit_tree
WHEN EXISTS (SELECT 1 FROM audit_tree WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'audit_tree: there is one already'); END
""",
)
SQLITE = (
    *(_sqlite_refusal(table, event) for table in _KEPT for event in ("UPDATE", "DELETE")),
    *(
        f"CREATE TRIGGER {table}_not_replaced BEFORE INSERT ON {table}"  # noqa: S608 - our own tables
        f" WHEN EXISTS (SELECT 1 FROM {table} WHERE {same})"
        f" BEGIN SELECT RAISE(ABORT, '{table} is append-only: REPLACE refused'); END"
        for table, same in _SAME_KEY.items()
    ),
    _sqlite_refusal("audit_pending", "UPDATE"),
    _sqlite_refusal("audit_tree", "DELETE"),
    *_SQLITE_QUEUE,
)
SQLITE_DROP = (
    *(f"DROP TRIGGER {table}_no_{event}" for table in _KEPT for event in ("update", "delete")),
    *(f"DROP TRIGGER {table}_not_replaced" for table in _SAME_KEY),
    "DROP TRIGGER audit_pending_no_update",
    "DROP TRIGGER audit_tree_no_delete",
    "DROP TRIGGER audit_entry_queued",
    "DROP TRIGGER audit_pending_leaves",
    "DROP TRIGGER audit_tree_grows",
    "DROP TRIGGER audit_tree_not_replaced",
)
