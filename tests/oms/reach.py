"""Who reaches what: the permission table that the walk over all addresses is held to, literally."""

from __future__ import annotations

from core.documents.roster import Role

TRADER, MANAGER, RISK, SENIOR, CRO = (
    Role.TRADER,
    Role.PORTFOLIO_MANAGER,
    Role.RISK_OFFICER,
    Role.SENIOR_RISK_OFFICER,
    Role.CRO,
)
COMMITTEE, ADMIN, OPERATOR, AUDITOR = Role.SECURITY_COMMITTEE, Role.POLICY_ADMIN, Role.OPERATOR, Role.AUDITOR

ANYBODY = "anybody"
"""Without signing in."""
PEOPLE = frozenset(Role)
"""Whoever signed in, with whatever role."""
NOBODY: frozenset[Role] = frozenset()
DESK = frozenset({TRADER, MANAGER})
OFFICERS = frozenset({RISK, SENIOR, CRO, COMMITTEE, ADMIN})
QUEUE = OFFICERS | {MANAGER, OPERATOR, AUDITOR}
WATCHERS = OFFICERS | {OPERATOR, AUDITOR}
DECIDERS = OFFICERS | {MANAGER}
RUNNERS = frozenset({OPERATOR, COMMITTEE})
READERS = frozenset({CRO, COMMITTEE, AUDITOR})
SEES_PEOPLE = frozenset({CRO, COMMITTEE, ADMIN, AUDITOR})
MANAGES_PEOPLE = frozenset({COMMITTEE, ADMIN})

PAGES: dict[str, frozenset[Role] | str] = {
    "approvals:sign_in": ANYBODY,
    "approvals:sign_in_options": ANYBODY,
    "approvals:sign_in_verify": ANYBODY,
    "approvals:demo_key": ANYBODY,
    "approvals:enrol": ANYBODY,
    "approvals:enrol_options": ANYBODY,
    "approvals:enrol_verify": ANYBODY,
    "approvals:sign_out": PEOPLE,
    "approvals:step_up": PEOPLE,
    "approvals:step_up_options": PEOPLE,
    "approvals:step_up_verify": PEOPLE,
    "approvals:sessions": PEOPLE,
    "approvals:session_end": MANAGES_PEOPLE,  # the session here is somebody else's
    "approvals:access": SEES_PEOPLE,
    "approvals:enrolments": SEES_PEOPLE,
    "approvals:enrolment": SEES_PEOPLE,
    "approvals:enrolment_file": SEES_PEOPLE,
    "approvals:enrolment_new": MANAGES_PEOPLE,
    "approvals:enrolment_end": MANAGES_PEOPLE,
    "approvals:enrolment_consent": MANAGES_PEOPLE,
    "approvals:key_lock": MANAGES_PEOPLE,
    "approvals:key_confirm": MANAGES_PEOPLE,
    "approvals:person": SEES_PEOPLE,
    "approvals:person_link": MANAGES_PEOPLE,
    "approvals:person_lock": MANAGES_PEOPLE,
    "approvals:sessions_end": MANAGES_PEOPLE,
    "oms:home": PEOPLE,
    "oms:requests": DESK | WATCHERS,
    "oms:request_csv": DESK | WATCHERS,
    "oms:request_new": DESK,
    "oms:call_new": DESK,
    "oms:request": DESK | WATCHERS,
    "oms:cancel": DECIDERS | RUNNERS,
    "oms:cancel_consent": DECIDERS | RUNNERS,
    "oms:request_release": RUNNERS,
    "oms:case_log": DESK | WATCHERS,
    "oms:case": DESK | WATCHERS,
    "oms:case_attestations": DESK | WATCHERS,
    "oms:receipts": PEOPLE,
    "oms:receipt": READERS,  # the entry here is somebody else's
    "oms:hand_in": PEOPLE,
    "oms:alarms": WATCHERS,
    "oms:alarm_seen": WATCHERS,
    "oms:log": READERS,
    "oms:log_csv": READERS,
    "oms:log_evidence": READERS,
    "oms:nodes": RUNNERS,
    "oms:nodes_status": RUNNERS,
    "oms:node_new": RUNNERS,
    "oms:node_change_decide": RUNNERS,
    "oms:node_change": RUNNERS,
    "oms:wallets": WATCHERS,
    "oms:wallet": WATCHERS,
    "oms:wallet_key": RUNNERS,
    "oms:wallet_empty": DESK | WATCHERS,
    "oms:ceremonies": WATCHERS,
    "oms:ceremony": WATCHERS,
    "oms:ceremony_status": WATCHERS,
    "oms:ceremony_transcript": WATCHERS,
    "oms:ceremony_new": RUNNERS,
    "oms:ceremony_file": RUNNERS,
    "oms:ceremony_degraded": RUNNERS,
    "oms:ceremony_reminder": RUNNERS,
    "oms:ceremony_consent": DECIDERS | RUNNERS,
    "oms:prices": RUNNERS,
    "oms:price_enter": RUNNERS,
    "oms:request_by_intent": DESK | WATCHERS,
    "oms:notices": PEOPLE,
    "oms:queue": QUEUE,
    "oms:queue_status": QUEUE,
    "oms:queue_csv": QUEUE,
    "oms:reject": DECIDERS,
    "oms:policy": PEOPLE,
    "oms:policy_consent": PEOPLE - {AUDITOR},
    "oms:request_ask": DESK,
    "oms:request_consent": DESK | DECIDERS,
    "oms:request_status": DESK | WATCHERS,
    "oms:request_decision": DESK | WATCHERS,
}
"""Every address outside the admin, and who reaches it."""
OF_A_DESK = frozenset(
    {
        "oms:request",
        "oms:cancel",
        "oms:cancel_consent",
        "oms:case_log",
        "oms:case",
        "oms:case_attestations",
        "oms:request_by_intent",
        "oms:request_consent",
        "oms:request_status",
        "oms:request_decision",
    }
)
"""Addresses of one request: for a trader or portfolio manager of another desk there is no such thing (404)."""

STAFF = frozenset({COMMITTEE, ADMIN, OPERATOR, AUDITOR})
"""Who may open the admin at all."""
DRAFTS_SEEN = frozenset({ADMIN, AUDITOR})
_SEEN_BY: dict[str, frozenset[Role]] = {
    "approvals": frozenset({COMMITTEE, ADMIN, AUDITOR}),
    "audit": frozenset({COMMITTEE, AUDITOR}),
    "chains": frozenset({OPERATOR, AUDITOR}),
    "custody": frozenset({OPERATOR, AUDITOR}),
    "oms": frozenset({AUDITOR}),
    "policies": DRAFTS_SEEN,
}
"""Who sees an app's tables in the admin."""
_WRITTEN_BY: dict[tuple[str, str], frozenset[Role]] = {
    ("approvals_user", "add"): frozenset({ADMIN}),
    ("chains_chain", "add"): frozenset({OPERATOR}),
    ("chains_asset", "add"): frozenset({OPERATOR}),
    ("chains_pricefeed", "add"): frozenset({OPERATOR}),
    ("chains_pricerule", "add"): frozenset({OPERATOR}),
    ("custody_chainrule", "add"): frozenset({OPERATOR}),
    ("custody_hsmmodule", "add"): frozenset({OPERATOR}),
    ("policies_policydraft", "add"): frozenset({ADMIN}),
    ("policies_policydraft", "delete"): frozenset({ADMIN}),
}
"""Who adds and deletes rows there. Nobody else adds, and nothing else is deleted."""
ADMIN_PAGES: dict[str, frozenset[Role]] = {
    "admin:index": STAFF,
    "admin:app_list": STAFF,
    "admin:autocomplete": STAFF,
    "admin:jsi18n": STAFF,
    "admin:search": STAFF,
    "admin:view_on_site": STAFF,
    "admin:password_change": STAFF,
    "admin:password_change_done": STAFF,
    "admin:policies_draft_begin": frozenset({ADMIN}),
    "admin:policies_draft_editor": DRAFTS_SEEN,
    "admin:policies_draft_section": DRAFTS_SEEN,
    "admin:policies_draft_row": DRAFTS_SEEN,
    "admin:policies_draft_row_add": DRAFTS_SEEN,  # the form; sending it takes more, as the test of auditors shows
    "admin:policies_draft_replay": DRAFTS_SEEN,
    "admin:policies_draft_replay_status": DRAFTS_SEEN,
    "admin:policies_draft_proof": DRAFTS_SEEN,
    "admin:policies_draft_proof_status": DRAFTS_SEEN,
    "admin:policies_draft_propose": DRAFTS_SEEN,
    "admin:policies_draft_propose_status": DRAFTS_SEEN,
}
"""The admin's own addresses that belong to no table."""
SKIPPED = frozenset({"admin:login", "admin:logout", "admin:", ""})
"""Lead to the sign-in page, or are another spelling of an address that has a row."""


def allowed(name: str) -> frozenset[Role] | str:
    """Return who reaches an address.

    Raises:
        KeyError: It has no row: whoever adds an address says whom it is for.
    """
    if not name.startswith("admin:"):
        return PAGES[name]
    if name in ADMIN_PAGES:
        return ADMIN_PAGES[name]
    table, _, action = name.removeprefix("admin:").rpartition("_")
    seen = _SEEN_BY[table.partition("_")[0]]
    if action in ("add", "delete"):
        return _WRITTEN_BY.get((table, action), NOBODY)
    return {"changelist": seen, "change": seen, "history": seen}[action]
