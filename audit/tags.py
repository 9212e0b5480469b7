"""Every event that the log knows, as `source:subject:action`. Tags are append-only: never renamed, never reused."""

from __future__ import annotations

from enum import StrEnum


class AuditTag(StrEnum):
    """What happened."""

    # People and sessions
    SESSION_OPENED = "approvals:session:opened"
    SESSION_CLOSED = "approvals:session:closed"
    SESSION_EXPIRED = "approvals:session:expired"
    SESSION_REFUSED = "approvals:session:refused"
    KEY_ENROLLED = "approvals:key:enrolled"
    KEY_CONFIRMED = "approvals:key:confirmed"
    KEY_LOCKED = "approvals:key:locked"
    KEY_REMOVED = "approvals:key:removed"
    TICKET_CREATED = "approvals:ticket:created"
    USER_CHANGED = "approvals:user:changed"
    CONSENT_RECORDED = "approvals:consent:recorded"
    CONSENT_REFUSED = "approvals:consent:refused"

    # Policy
    POLICY_DRAFT_SAVED = "policies:draft:saved"
    POLICY_DRAFT_REMOVED = "policies:draft:removed"
    POLICY_COMPILED = "policies:version:compiled"
    POLICY_PROPOSED = "policies:version:proposed"
    POLICY_SIGNED = "policies:version:signed"
    POLICY_IMPORTED = "policies:version:imported"
    POLICY_ENDED = "policies:version:ended"
    POLICY_ACCEPTED = "policies:handover:accepted"
    POLICY_NOT_TAKEN = "policies:handover:not_taken"
    POLICY_ACTIVATED = "policies:version:activated"
    POLICY_RETIRED = "policies:version:retired"
    DECISION_MADE = "policies:decision:made"
    LIMIT_RESERVED = "policies:limit:reserved"
    LIMIT_SPENT = "policies:limit:spent"
    LIMIT_RELEASED = "policies:limit:released"
    LIMIT_REFUSED = "policies:limit:refused"
    LIMIT_RECONCILED = "policies:limit:reconciled"
    LIMIT_MISMATCH = "policies:limit:mismatch"
    REPORT_ASKED = "policies:report:asked"
    REPORT_FINISHED = "policies:report:finished"

    # Orders
    REQUEST_PREPARED = "oms:request:prepared"
    REQUEST_DISCARDED = "oms:request:discarded"
    REQUEST_ASKED = "oms:request:asked"
    REQUEST_MOVED = "oms:request:moved"
    REQUEST_RECHECKED = "oms:request:rechecked"
    REQUEST_STUCK = "oms:request:stuck"
    CASE_EXPORTED = "oms:case:exported"

    # Custody and chains
    JOB_CREATED = "custody:job:created"
    JOB_DISPATCHED = "custody:job:dispatched"
    JOB_SIGNED = "custody:job:signed"
    JOB_REFUSED = "custody:job:refused"
    JOB_WAITS = "custody:job:waits"
    JOB_SUPERSEDED = "custody:job:superseded"
    LANE_OPENED = "custody:lane:opened"
    NONCE_ASSIGNED = "custody:nonce:assigned"
    NONCE_RELEASED = "custody:nonce:released"
    ATTEMPT_STORED = "custody:attempt:stored"
    ATTEMPT_SENT = "custody:attempt:sent"
    ATTEMPT_INCLUDED = "custody:attempt:included"
    ATTEMPT_REORGED = "custody:attempt:reorged"
    ATTEMPT_FINAL = "custody:attempt:final"
    WALLET_CHANGED = "custody:wallet:changed"
    BALANCE_MISMATCH = "custody:balance:mismatch"
    NODE_WRONG_CHAIN = "chains:node:wrong_chain"
    NODE_CHANGED = "chains:node:changed"
    CHAIN_CHANGED = "chains:chain:changed"
    ASSET_CHANGED = "chains:asset:changed"

    # The log itself
    LOG_EXPORTED = "audit:log:exported"
    LOG_VIEWED = "audit:log:viewed"
    RECEIPT_ISSUED = "audit:receipt:issued"
    RECEIPT_FAILED = "audit:receipt:failed"
    LOG_FORGED = "audit:log:forged"
    LOG_CLOCK = "audit:log:clock"
    LOG_UNSIGNED = "audit:log:unsigned"
    LOG_UNWITNESSED = "audit:log:unwitnessed"
