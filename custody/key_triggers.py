"""The table of a key's life once more, in the database: also the owner of the tables moves no key beside it."""

from __future__ import annotations

from core.key_lifecycle import KEY_TRANSITIONS, KeyState

_MOVES = ", ".join(sorted({f"'{before}>{after}'" for (before, _), after in KEY_TRANSITIONS.items()}))

POSTGRESQL = (
    f"""
CREATE FUNCTION custody_key_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> '{KeyState.GENERATED}' THEN
            RAISE EXCEPTION 'a key begins as {KeyState.GENERATED}' USING ERRCODE = 'check_violation';
        END IF;
    ELSIF NEW.wallet_id <> OLD.wallet_id
        OR (OLD.activated_at IS NOT NULL AND NEW.activated_at IS DISTINCT FROM OLD.activated_at) THEN
        RAISE EXCEPTION 'a key stays with its wallet and its first day' USING ERRCODE = 'check_violation';
    ELSIF NEW.state <> OLD.state AND (OLD.state || '>' || NEW.state) NOT IN ({_MOVES}) THEN
        RAISE EXCEPTION 'no transition from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
""",
    """
CREATE TRIGGER custody_key_kept BEFORE INSERT OR UPDATE ON custody_walletkey
    FOR EACH ROW EXECUTE FUNCTION custody_key_keep()
""",
    """
CREATE FUNCTION custody_key_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$
""",
    """
CREATE TRIGGER custody_key_stays BEFORE DELETE OR TRUNCATE ON custody_walletkey
    FOR EACH STATEMENT EXECUTE FUNCTION custody_key_refuse()
""",
    """
CREATE TRIGGER custody_key_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON custody_walletkeyevent
    FOR EACH STATEMENT EXECUTE FUNCTION custody_key_refuse()
""",
)
POSTGRESQL_DROP = (
    "DROP TRIGGER custody_key_kept ON custody_walletkey",
    "DROP TRIGGER custody_key_stays ON custody_walletkey",
    "DROP TRIGGER custody_key_event_append_only ON custody_walletkeyevent",
    "DROP FUNCTION custody_key_keep()",
    "DROP FUNCTION custody_key_refuse()",
)
SQLITE = (
    f"""
CREATE TRIGGER custody_key_begins BEFORE INSERT ON custody_walletkey WHEN NEW.state <> '{KeyState.GENERATED}'
BEGIN SELECT RAISE(ABORT, 'a key begins as {KeyState.GENERATED}'); END
""",
    # SQLite's REPLACE deletes without firing the DELETE trigger.
    """
CREATE TRIGGER custody_key_not_replaced BEFORE INSERT ON custody_walletkey
WHEN EXISTS (SELECT 1 FROM custody_walletkey WHERE wallet_id = NEW.wallet_id)
BEGIN SELECT RAISE(ABORT, 'this wallet has its key already'); END
""",
    """
CREATE TRIGGER custody_key_kept BEFORE UPDATE ON custody_walletkey
WHEN NEW.wallet_id <> OLD.wallet_id OR (OLD.activated_at IS NOT NULL AND NEW.activated_at IS NOT OLD.activated_at)
BEGIN SELECT RAISE(ABORT, 'a key stays with its wallet and its first day'); END
""",
    f"""
CREATE TRIGGER custody_key_moves BEFORE UPDATE ON custody_walletkey
WHEN NEW.state <> OLD.state AND (OLD.state || '>' || NEW.state) NOT IN ({_MOVES})
BEGIN SELECT RAISE(ABORT, 'no such transition'); END
""",
    """
CREATE TRIGGER custody_key_stays BEFORE DELETE ON custody_walletkey
BEGIN SELECT RAISE(ABORT, 'a key is never deleted'); END
""",
    """
CREATE TRIGGER custody_key_event_no_update BEFORE UPDATE ON custody_walletkeyevent
BEGIN SELECT RAISE(ABORT, 'custody_walletkeyevent is append-only: UPDATE refused'); END
""",
    """
CREATE TRIGGER custody_key_event_no_delete BEFORE DELETE ON custody_walletkeyevent
BEGIN SELECT RAISE(ABORT, 'custody_walletkeyevent is append-only: DELETE refused'); END
""",
    """
CREATE TRIGGER custody_key_event_not_replaced BEFORE INSERT ON custody_walletkeyevent
WHEN EXISTS (SELECT 1 FROM custody_walletkeyevent WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'custody_walletkeyevent is append-only: REPLACE refused'); END
""",
)
SQLITE_DROP = (
    "DROP TRIGGER custody_key_begins",
    "DROP TRIGGER custody_key_not_replaced",
    "DROP TRIGGER custody_key_kept",
    "DROP TRIGGER custody_key_moves",
    "DROP TRIGGER custody_key_stays",
    "DROP TRIGGER custody_key_event_no_update",
    "DROP TRIGGER custody_key_event_no_delete",
    "DROP TRIGGER custody_key_event_not_replaced",
)
