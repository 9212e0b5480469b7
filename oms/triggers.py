"""The lifecycle table once more, in the database: also the owner of the tables moves no state beside it."""

from __future__ import annotations

from core.lifecycle import TRANSITIONS, State

_SAME = ("reference", "mandate_text", "mandate_digest", "intent_digest", "asker", "amount", "destination", "wallet")
_MOVES = ", ".join(sorted({f"'{before}>{after}'" for (before, _), after in TRANSITIONS.items()}))
_PG_CHANGED = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in _SAME)
_LITE_CHANGED = " OR ".join(f"NEW.{column} IS NOT OLD.{column}" for column in _SAME)

POSTGRESQL = (
    f"""
CREATE FUNCTION oms_request_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> '{State.REQUESTED}' THEN
            RAISE EXCEPTION 'a request begins as {State.REQUESTED}' USING ERRCODE = 'check_violation';
        END IF;
    ELSIF {_PG_CHANGED} THEN
        RAISE EXCEPTION 'a request keeps what people consented to' USING ERRCODE = 'check_violation';
    ELSIF NEW.state <> OLD.state AND (OLD.state || '>' || NEW.state) NOT IN ({_MOVES}) THEN
        RAISE EXCEPTION 'no transition from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
""",
    """
CREATE TRIGGER oms_request_kept BEFORE INSERT OR UPDATE ON oms_request
    FOR EACH ROW EXECUTE FUNCTION oms_request_keep()
""",
    """
CREATE FUNCTION oms_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$
""",
    """
CREATE TRIGGER oms_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON oms_event
    FOR EACH STATEMENT EXECUTE FUNCTION oms_refuse()
""",
    """
CREATE TRIGGER oms_request_stays BEFORE DELETE ON oms_request
    FOR EACH STATEMENT EXECUTE FUNCTION oms_refuse()
""",
)
POSTGRESQL_DROP = (
    "DROP TRIGGER oms_request_kept ON oms_request",
    "DROP TRIGGER oms_event_append_only ON oms_event",
    "DROP TRIGGER oms_request_stays ON oms_request",
    "DROP FUNCTION oms_request_keep()",
    "DROP FUNCTION oms_refuse()",
)
SQLITE = (
    f"""
CREATE TRIGGER oms_request_begins BEFORE INSERT ON oms_request WHEN NEW.state <> '{State.REQUESTED}'
BEGIN SELECT RAISE(ABORT, 'a request begins as {State.REQUESTED}'); END
""",
    f"""
CREATE TRIGGER oms_request_kept BEFORE UPDATE ON oms_request WHEN {_LITE_CHANGED}
BEGIN SELECT RAISE(ABORT, 'a request keeps what people consented to'); END
""",
    f"""
CREATE TRIGGER oms_request_moves BEFORE UPDATE ON oms_request
WHEN NEW.state <> OLD.state AND (OLD.state || '>' || NEW.state) NOT IN ({_MOVES})
BEGIN SELECT RAISE(ABORT, 'no such transition'); END
""",
    """
CREATE TRIGGER oms_request_stays BEFORE DELETE ON oms_request
BEGIN SELECT RAISE(ABORT, 'a request is never deleted'); END
""",
    """
CREATE TRIGGER oms_event_no_update BEFORE UPDATE ON oms_event
BEGIN SELECT RAISE(ABORT, 'oms_event is append-only: UPDATE refused'); END
""",
    """
CREATE TRIGGER oms_event_no_delete BEFORE DELETE ON oms_event
BEGIN SELECT RAISE(ABORT, 'oms_event is append-only: DELETE refused'); END
""",
)
SQLITE_DROP = (
    "DROP TRIGGER oms_request_begins",
    "DROP TRIGGER oms_request_kept",
    "DROP TRIGGER oms_request_moves",
    "DROP TRIGGER oms_request_stays",
    "DROP TRIGGER oms_event_no_update",
    "DROP TRIGGER oms_event_no_delete",
)
