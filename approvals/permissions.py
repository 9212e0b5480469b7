"""What each role may do on this site, in one literal table.

The signed policy's roster is the source: it says who holds which role. Each role is a Django group of the same name,
with the permissions of `PERMISSIONS`; `approvals.access` puts people into the groups of their roster roles. None of
this moves money: a signer reads the roster itself and believes no group.
"""

from __future__ import annotations

from enum import StrEnum

from core.documents.roster import Role


class Permission(StrEnum):
    """What pages and API ask for. The admin asks for Django's own permissions of each table besides."""

    ASK = "approvals.ask_requests"
    SEE_DESK = "approvals.view_desk_requests"
    SEE_ALL = "approvals.view_all_requests"
    SEE_QUEUE = "approvals.view_queue"
    DECIDE = "approvals.decide_requests"
    SEE_ALARMS = "approvals.view_alarms"
    READ_POLICIES = "approvals.read_policies"
    CONSENT_POLICIES = "approvals.consent_policies"
    READ_LOG = "audit.view_auditentry"
    RUN = "approvals.run_operations"
    SEE_ACCESS = "approvals.view_access"
    MANAGE_PEOPLE = "approvals.manage_people"
    COMPARE_KEYS = "approvals.compare_keys"

    @property
    def codename(self) -> str:
        """The part that Django stores."""
        return self.value.partition(".")[2]


WORDS: dict[Permission, str] = {
    Permission.ASK: "Ask for transactions, and withdraw what one asked for",
    Permission.SEE_DESK: "See the requests of the own desk",
    Permission.SEE_ALL: "See the requests of every desk",
    Permission.SEE_QUEUE: "See the queue",
    Permission.DECIDE: "Hand in approvals, rejections and withdrawals of cases",
    Permission.SEE_ALARMS: "See alarms, which name people and cases of every desk",
    Permission.READ_POLICIES: "Read proposed policies",
    Permission.CONSENT_POLICIES: "Hand in consents to proposed policies, and rejections",
    Permission.READ_LOG: "Read and export the whole audit log",
    Permission.RUN: "Run what does not move money: lanes, cancels, nodes",
    Permission.SEE_ACCESS: "See who can do what, and everybody's keys",
    Permission.MANAGE_PEOPLE: "Hand out enrolment links, lock people and keys, end sessions",
    Permission.COMPARE_KEYS: "Compare other people's new keys with them, and co-sign",
}
OWN_PERMISSIONS = tuple((p.codename, WORDS[p]) for p in Permission if p.startswith("approvals."))
"""Those that this app's migrations create; the others are Django's own."""


def _tables(app: str, *models: str, may: tuple[str, ...] = ("view",)) -> frozenset[str]:
    """Name Django's permissions over tables; `*` stands for all tables of the app."""
    return frozenset(f"{app}.{action}_{model}" for model in models for action in may)


_OFFICER = frozenset(
    {
        Permission.SEE_ALL,
        Permission.SEE_QUEUE,
        Permission.DECIDE,
        Permission.SEE_ALARMS,
        Permission.READ_POLICIES,
        Permission.CONSENT_POLICIES,
    }
)
_DESK = frozenset({Permission.ASK, Permission.SEE_DESK, Permission.READ_POLICIES, Permission.CONSENT_POLICIES})
_PEOPLE = frozenset({Permission.SEE_ACCESS, Permission.MANAGE_PEOPLE, Permission.COMPARE_KEYS})
_SEE_PEOPLE = _tables("approvals", "user", "securitykey", "consentrecord")
_SEE_CASES = _tables("oms", "*")
_SEE_POLICIES = _tables("policies", "*")
_SEE_CUSTODY = _tables("custody", "*")
_SEE_CHAINS = _tables("chains", "*")

PERMISSIONS: dict[Role, frozenset[str]] = {
    Role.TRADER: _DESK,
    Role.PORTFOLIO_MANAGER: _DESK | {Permission.SEE_QUEUE, Permission.DECIDE},
    Role.RISK_OFFICER: _OFFICER,
    Role.SENIOR_RISK_OFFICER: _OFFICER,
    Role.CRO: _OFFICER | {Permission.READ_LOG, Permission.SEE_ACCESS},
    Role.SECURITY_COMMITTEE: _OFFICER | _PEOPLE | _SEE_PEOPLE | {Permission.READ_LOG, Permission.RUN},
    Role.POLICY_ADMIN: _OFFICER
    | _PEOPLE
    | _SEE_PEOPLE
    | _SEE_POLICIES
    | _tables("approvals", "user", may=("add", "change"))
    | _tables("policies", "policydraft", may=("add", "change", "delete")),
    Role.OPERATOR: frozenset(
        {
            Permission.SEE_ALL,
            Permission.SEE_QUEUE,
            Permission.SEE_ALARMS,
            Permission.READ_POLICIES,
            Permission.CONSENT_POLICIES,
            Permission.RUN,
        }
    )
    | _SEE_CHAINS
    | _SEE_CUSTODY
    | _tables("chains", "*", may=("add", "change"))
    | _tables("custody", "chainrule", "hsmmodule", may=("add", "change"))
    | _tables("custody", "walletkey", may=("change",)),
    Role.AUDITOR: frozenset(
        {
            Permission.SEE_ALL,
            Permission.SEE_QUEUE,
            Permission.SEE_ALARMS,
            Permission.READ_POLICIES,
            Permission.READ_LOG,
            Permission.SEE_ACCESS,
        }
    )
    | _SEE_PEOPLE
    | _SEE_CASES
    | _SEE_POLICIES
    | _SEE_CUSTODY
    | _SEE_CHAINS,
}
"""Least privilege: what is not named here, nobody may do by a role."""
ADMIN_ROLES = frozenset({Role.SECURITY_COMMITTEE, Role.POLICY_ADMIN, Role.OPERATOR, Role.AUDITOR})
"""Whose pages are partly in the admin: only they may open it."""
