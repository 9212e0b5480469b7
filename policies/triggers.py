"""What the database itself refuses: changing what people signed, or what was decided."""

from __future__ import annotations

_VERSION_SAME = ("number", "digest", "document", "previous_id")

_PG_CHANGED = " OR ".join(f"NEW.{c} IS DISTINCT FROM OLD.{c}" for c in _VERSION_SAME)
_LITE_CHANGED = " OR ".join(f"NEW.{c} IS NOT OLD.{c}" for c in _VERSION_SAME)

VERSION_POSTGRESQL = (
    f"""
CREATE OR REPLACE FUNCTION policies_version_keep() RETURNS trigger LANGUAGE plpgsql AS $$
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
)
VERSION_POSTGRESQL_DROP = ("DROP TRIGGER policies_version_kept ON policies_version",)
POSTGRESQL = (
    *VERSION_POSTGRESQL,
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
VERSION_SQLITE = (
    f"""
CREATE TRIGGER policies_version_kept BEFORE UPDATE ON policies_version
WHEN {_LITE_CHANGED} OR (OLD.status <> 'proposed' AND NEW.consents IS NOT OLD.consents)
BEGIN SELECT RAISE(ABORT, 'a policy version is not edited'); END
""",
)
VERSION_SQLITE_DROP = ("DROP TRIGGER policies_version_kept",)
SQLITE = (
    *VERSION_SQLITE,
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

_STEPS = (
    ("proposed", "signed"),
    ("proposed", "ended"),
    ("signed", "active"),
    ("signed", "ended"),
    ("active", "retired"),
)
"""How a version's status moves; `policies.services.versions` walks the same steps."""
_STEP = " OR ".join(f"(OLD.status = '{before}' AND NEW.status = '{after}')" for before, after in _STEPS)
_VERSION_FIXED = (*_VERSION_SAME, "draft_id", "proposed_by_id", "stored_at", "expires_at")
_ONCE = ("signed_at", "activated_at", "retired_at", "ended_at")


def _version_broken(differs: str) -> str:
    fixed = " OR ".join(f"NEW.{c} {differs} OLD.{c}" for c in _VERSION_FIXED)
    once = " OR ".join(f"(OLD.{c} IS NOT NULL AND NEW.{c} {differs} OLD.{c})" for c in _ONCE)
    return (
        f"{fixed} OR {once} OR (OLD.status <> 'proposed' AND NEW.consents {differs} OLD.consents)"
        f" OR (OLD.ended_why <> '' AND NEW.ended_why <> OLD.ended_why)"
        f" OR (NEW.status <> OLD.status AND NOT ({_STEP}))"
    )


def _handover_broken(differs: str) -> str:
    fixed = " OR ".join(f"NEW.{c} {differs} OLD.{c}" for c in ("version_id", "signer"))
    answer = " OR ".join(f"NEW.{c} {differs} OLD.{c}" for c in ("state", "kind", "effective_at"))
    return f"{fixed} OR (OLD.state = 'accepted' AND ({answer}))"


PROPOSALS_POSTGRESQL = (
    f"""
CREATE OR REPLACE FUNCTION policies_version_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF {_version_broken("IS DISTINCT FROM")} THEN
        RAISE EXCEPTION 'a policy version is not edited' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
""",
    """
CREATE TRIGGER policies_version_kept BEFORE UPDATE ON policies_version
    FOR EACH ROW EXECUTE FUNCTION policies_version_keep()
""",
    f"""
CREATE FUNCTION policies_handover_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF {_handover_broken("IS DISTINCT FROM")} THEN
        RAISE EXCEPTION 'what a signer accepted is not edited' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
""",
    """
CREATE TRIGGER policies_handover_kept BEFORE UPDATE ON policies_handover
    FOR EACH ROW EXECUTE FUNCTION policies_handover_keep()
""",
)
PROPOSALS_POSTGRESQL_DROP = (
    "DROP TRIGGER policies_version_kept ON policies_version",
    "DROP TRIGGER policies_handover_kept ON policies_handover",
    "DROP FUNCTION policies_handover_keep()",
)
PROPOSALS_SQLITE = (
    f"""
CREATE TRIGGER policies_version_kept BEFORE UPDATE ON policies_version
WHEN {_version_broken("IS NOT")}
BEGIN SELECT RAISE(ABORT, 'a policy version is not edited'); END
""",
    f"""
CREATE TRIGGER policies_handover_kept BEFORE UPDATE ON policies_handover
WHEN {_handover_broken("IS NOT")}
BEGIN SELECT RAISE(ABORT, 'what a signer accepted is not edited'); END
""",
)
PROPOSALS_SQLITE_DROP = ("DROP TRIGGER policies_version_kept", "DROP TRIGGER policies_handover_kept")

_HOLD_KEPT = """NEW.decision_id <> OLD.decision_id OR OLD.state <> 'held'"""
HOLDS_POSTGRESQL = (
    f"""
CREATE FUNCTION policies_hold_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF {_HOLD_KEPT} THEN
        RAISE EXCEPTION 'a hold ends once' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
""",
    """
CREATE TRIGGER policies_hold_kept BEFORE UPDATE ON policies_hold
    FOR EACH ROW EXECUTE FUNCTION policies_hold_keep()
""",
)
HOLDS_POSTGRESQL_DROP = ("DROP TRIGGER policies_hold_kept ON policies_hold", "DROP FUNCTION policies_hold_keep()")
# On SQLite the new column rebuilt the table of decisions, which took its trigger with it.
HOLDS_SQLITE = (
    "DROP TRIGGER IF EXISTS policies_decision_kept",
    SQLITE[1],
    f"""
CREATE TRIGGER policies_hold_kept BEFORE UPDATE ON policies_hold
WHEN {_HOLD_KEPT}
BEGIN SELECT RAISE(ABORT, 'a hold ends once'); END
""",
)
HOLDS_SQLITE_DROP = ("DROP TRIGGER policies_hold_kept",)
