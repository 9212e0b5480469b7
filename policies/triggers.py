"""What the database itself refuses: changing what people signed, or what was decided."""

from __future__ import annotations

_VERSION_SAME = ("number", "digest", "document", "previous_id")

_PG_CHANGED = " OR ".join(f"NEW.{c} IS DISTINCT FROM OLD.{c}" for c in _VERSION_SAME)
_LITE_CHANGED = " OR ".join(f"NEW.{c} IS NOT OLD.{c}" for c in _VERSION_SAME)

POSTGRESQL = (
    f"""
CREATE FUNCTION policies_version_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF {_PG_CHANGED} OR (OLD.status <> 'proposed' AND NEW.consents IS DISTINCT FROM OLD.consents) THEN
        RAISE EXCEPTION 'a policy version is not edited' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
""",
    """
CREATE TRIGGER policies_version_kept BEFORE UPDATE ON policies_version
    FOR EACH ROW EXECUTE FUNCTION policies_version_keep()
""",
    """
CREATE FUNCTION policies_decision_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a decision is not changed' USING ERRCODE = 'check_violation';
END $$
""",
    """
CREATE TRIGGER policies_decision_kept BEFORE UPDATE ON policies_decision
    FOR EACH STATEMENT EXECUTE FUNCTION policies_decision_keep()
""",
    """
CREATE FUNCTION policies_reservation_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'held' OR NEW.amount <> OLD.amount OR NEW.counter_id <> OLD.counter_id THEN
        RAISE EXCEPTION 'a reservation ends once and keeps its amount' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
""",
    """
CREATE TRIGGER policies_reservation_kept BEFORE UPDATE ON policies_reservation
    FOR EACH ROW EXECUTE FUNCTION policies_reservation_keep()
""",
)
POSTGRESQL_DROP = (
    "DROP TRIGGER policies_version_kept ON policies_version",
    "DROP FUNCTION policies_version_keep()",
    "DROP TRIGGER policies_decision_kept ON policies_decision",
    "DROP FUNCTION policies_decision_keep()",
    "DROP TRIGGER policies_reservation_kept ON policies_reservation",
    "DROP FUNCTION policies_reservation_keep()",
)
SQLITE = (
    f"""
CREATE TRIGGER policies_version_kept BEFORE UPDATE ON policies_version
WHEN {_LITE_CHANGED} OR (OLD.status <> 'proposed' AND NEW.consents IS NOT OLD.consents)
BEGIN SELECT RAISE(ABORT, 'a policy version is not edited'); END
""",
    """
CREATE TRIGGER policies_decision_kept BEFORE UPDATE ON policies_decision
BEGIN SELECT RAISE(ABORT, 'a decision is not changed'); END
""",
    """
CREATE TRIGGER policies_reservation_kept BEFORE UPDATE ON policies_reservation
WHEN OLD.state <> 'held' OR NEW.amount <> OLD.amount OR NEW.counter_id <> OLD.counter_id
BEGIN SELECT RAISE(ABORT, 'a reservation ends once and keeps its amount'); END
""",
)
SQLITE_DROP = (
    "DROP TRIGGER policies_version_kept",
    "DROP TRIGGER policies_decision_kept",
    "DROP TRIGGER policies_reservation_kept",
)
