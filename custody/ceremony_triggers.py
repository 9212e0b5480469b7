"""The table of a ceremony's life once more, in the database: also the owner of the tables moves none beside it."""

from __future__ import annotations

from core.ceremony_lifecycle import CEREMONY_TRANSITIONS, CeremonyState

_SAME = ("digest", "document", "policy_digest", "kind", "wallet", "epoch", "drafted_by", "drafted_at", "expires_at")
_MOVES = ", ".join(sorted({f"'{before}>{after}'" for (before, _), after in CEREMONY_TRANSITIONS.items()}))
_PG_CHANGED = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in _SAME)
_LITE_CHANGED = " OR ".join(f"NEW.{column} IS NOT OLD.{column}" for column in _SAME)
_TABLES = ("custody_keyceremony", "custody_ceremonyprogress")

POSTGRESQL = (
    f"""
CREATE FUNCTION custody_ceremony_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> '{CeremonyState.DRAFTED}' THEN
            RAISE EXCEPTION 'a ceremony begins as {CeremonyState.DRAFTED}' USING ERRCODE = 'check_violation';
        END IF;
    ELSIF {_PG_CHANGED} OR (OLD.consents <> '' AND NEW.consents <> OLD.consents) THEN
        RAISE EXCEPTION 'a ceremony keeps what people consented to' USING ERRCODE = 'check_violation';
    ELSIF NEW.state <> OLD.state AND (OLD.state || '>' || NEW.state) NOT IN ({_MOVES}) THEN
        RAISE EXCEPTION 'no transition from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
""",
    """
CREATE TRIGGER custody_ceremony_kept BEFORE INSERT OR UPDATE ON custody_keyceremony
    FOR EACH ROW EXECUTE FUNCTION custody_ceremony_keep()
""",
    """
CREATE FUNCTION custody_progress_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'done' AND NEW.state <> 'done' THEN
        RAISE EXCEPTION 'what a signer has done stays done' USING ERRCODE = 'check_violation';
    ELSIF NEW.ceremony_id <> OLD.ceremony_id OR NEW.signer <> OLD.signer OR NEW.step <> OLD.step THEN
        RAISE EXCEPTION 'a step stays with its signer' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
""",
    """
CREATE TRIGGER custody_progress_kept BEFORE UPDATE ON custody_ceremonyprogress
    FOR EACH ROW EXECUTE FUNCTION custody_progress_keep()
""",
    """
CREATE FUNCTION custody_ceremony_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$
""",
    *(
        f"""
CREATE TRIGGER {table}_stays BEFORE DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION custody_ceremony_refuse()
"""
        for table in _TABLES
    ),
    """
CREATE TRIGGER custody_ceremonyline_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON custody_ceremonyline
    FOR EACH STATEMENT EXECUTE FUNCTION custody_ceremony_refuse()
""",
)
POSTGRESQL_DROP = (
    "DROP TRIGGER custody_ceremony_kept ON custody_keyceremony",
    "DROP TRIGGER custody_progress_kept ON custody_ceremonyprogress",
    *(f"DROP TRIGGER {table}_stays ON {table}" for table in _TABLES),
    "DROP TRIGGER custody_ceremonyline_append_only ON custody_ceremonyline",
    "DROP FUNCTION custody_ceremony_keep()",
    "DROP FUNCTION custody_progress_keep()",
    "DROP FUNCTION custody_ceremony_refuse()",
)
SQLITE = (
    f"""
CREATE TRIGGER custody_ceremony_begins BEFORE INSERT ON custody_keyceremony
WHEN NEW.state <> '{CeremonyState.DRAFTED}'
BEGIN SELECT RAISE(ABORT, 'a ceremony begins as {CeremonyState.DRAFTED}'); END
""",
    # SQLite's REPLACE deletes without firing the DELETE trigger.
    """
CREATE TRIGGER custody_ceremony_not_replaced BEFORE INSERT ON custody_keyceremony
WHEN EXISTS (SELECT 1 FROM custody_keyceremony WHERE digest = NEW.digest OR id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed: this ceremony is here already'); END
""",
    f"""
CREATE TRIGGER custody_ceremony_kept BEFORE UPDATE ON custody_keyceremony
WHEN {_LITE_CHANGED} OR (OLD.consents <> '' AND NEW.consents <> OLD.consents)
BEGIN SELECT RAISE(ABORT, 'a ceremony keeps what people consented to'); END
""",
    f"""
CREATE TRIGGER custody_ceremony_moves BEFORE UPDATE ON custody_keyceremony
WHEN NEW.state <> OLD.state AND (OLD.state || '>' || NEW.state) NOT IN ({_MOVES})
BEGIN SELECT RAISE(ABORT, 'no such transition'); END
""",
    """
CREATE TRIGGER custody_progress_kept BEFORE UPDATE ON custody_ceremonyprogress
WHEN (OLD.state = 'done' AND NEW.state <> 'done') OR NEW.ceremony_id <> OLD.ceremony_id
    OR NEW.signer <> OLD.signer OR NEW.step <> OLD.step
BEGIN SELECT RAISE(ABORT, 'what a signer has done stays done'); END
""",
    *(
        f"""
CREATE TRIGGER {table}_stays BEFORE DELETE ON {table}
BEGIN SELECT RAISE(ABORT, '{table}: DELETE refused'); END
"""
        for table in _TABLES
    ),
    """
CREATE TRIGGER custody_ceremonyline_no_update BEFORE UPDATE ON custody_ceremonyline
BEGIN SELECT RAISE(ABORT, 'custody_ceremonyline is append-only: UPDATE refused'); END
""",
    """
CREATE TRIGGER custody_ceremonyline_no_delete BEFORE DELETE ON custody_ceremonyline
BEGIN SELECT RAISE(ABORT, 'custody_ceremonyline is append-only: DELETE refused'); END
""",
    """
CREATE TRIGGER custody_ceremonyline_not_replaced BEFORE INSERT ON custody_ceremonyline
WHEN EXISTS (SELECT 1 FROM custody_ceremonyline WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'custody_ceremonyline is append-only: REPLACE refused'); END
""",
)
SQLITE_DROP = (
    "DROP TRIGGER custody_ceremony_begins",
    "DROP TRIGGER custody_ceremony_not_replaced",
    "DROP TRIGGER custody_ceremony_kept",
    "DROP TRIGGER custody_ceremony_moves",
    "DROP TRIGGER custody_progress_kept",
    *(f"DROP TRIGGER {table}_stays" for table in _TABLES),
    "DROP TRIGGER custody_ceremonyline_no_update",
    "DROP TRIGGER custody_ceremonyline_no_delete",
    "DROP TRIGGER custody_ceremonyline_not_replaced",
)
