"""Drafts with the reports that a proposal takes, proposals, and people who sign them at the consent origin."""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from core.canonical import canonical
from core.documents.consent import Consent, Decision, SubjectType
from core.documents.policy import EvidenceKind
from core.schema import write_struct
from policies.drafts import draft_text
from policies.models import PolicyHandover
from policies.services import draft_save
from policies.services.proposals import proposal_consent, proposal_make
from policies.services.reports import report_claim, report_finish, report_request
from policies.services.versions import version_activate, version_import
from tests.factories.documents import header
from tests.factories.succession import next_policy

if TYPE_CHECKING:
    from approvals.models import User
    from core.documents.policy import Policy
    from policies.models import PolicyDraft, PolicyVersion
    from tests.factories.world import World


def draft_of(policy: Policy, by: User) -> PolicyDraft:
    """Keep a policy as a draft."""
    return draft_save(draft=None, title=f"Policy {policy.number}", body=draft_text(policy=policy), by=by)


def report_make(draft: PolicyDraft, kind: EvidenceKind, *, passed: bool = True, **options: object) -> str:
    """Have a report made about a draft; returns its digest."""
    from policies.drafts import draft_read  # noqa: PLC0415 - beside its use
    from policies.selectors import policy_active  # noqa: PLC0415 - as above

    report = report_request(draft=draft, kind=kind, options=options, by=None, now=timezone.now())
    report_claim(now=timezone.now(), report_id=report.pk)
    policy = draft_read(text=draft.body, active=policy_active()).policy
    assert policy is not None
    said = {"type": kind.value, "content": policy.content_digest, "passed": passed, "unreadable": int(not passed)}
    body = canonical(said)
    return report_finish(report_id=report.pk, passed=passed, body=body, now=timezone.now()).digest


def reported(policy: Policy, by: User) -> PolicyDraft:
    """Keep a policy as a draft about which both reports passed."""
    draft = draft_of(policy, by)
    for kind in EvidenceKind:
        report_make(draft, kind)
    return draft


def proposed(world: World, by: User, **changes: Any) -> PolicyVersion:  # noqa: ANN401 - fields of Policy
    """Propose a successor of the world's policy."""
    return proposal_make(draft=reported(next_policy(world, **changes), by), by=by, now=timezone.now())


def word(
    world: World,
    version: PolicyVersion,
    actor: str,
    decision: Decision = Decision.APPROVE,
    **changes: Any,  # noqa: ANN401
) -> bytes:
    """Have a person sign about a proposal, as the consent page posts it; `changes` are fields of the consent."""
    assert version.previous is not None
    policy = world.policy
    fields: dict[str, Any] = {
        "header": header("consent", world.deployment, now=int(time.time())),
        "subject_type": SubjectType.POLICY,
        "subject": version.digest,
        "policy": version.previous.digest,
        "decision": decision,
        "actor": actor,
        "reason": "Not like this" if decision is Decision.REJECT else "",
    }
    place = {"origin": policy.consent.origin, "rp_id": policy.consent.rp_id}
    signed = world.keys[actor].consent(Consent(**(fields | changes)), **place)
    return json.dumps(write_struct(signed, "consent")).encode()


def signed_by(world: World, version: PolicyVersion, users: dict[str, User], *actors: str) -> PolicyVersion:
    """Have people approve a proposal."""
    for actor in actors:
        version = proposal_consent(
            user=users[actor], digest=version.digest, consent_raw=word(world, version, actor), now=timezone.now()
        )
    return version


def brought_into_force(world: World, policy: Policy, *, waits: bool = False) -> PolicyVersion:
    """Have both admins sign a successor, every signer take it, and (unless it `waits`) its time come."""
    at = timezone.now()
    signed = world.sign_policy(policy, "adam", "anna")
    version = version_import(signed=signed, actor="system:test", now=at)
    effective = at + dt.timedelta(days=1) if waits else at
    PolicyHandover.objects.filter(version=version).update(
        state="accepted", kind="loosening", effective_at=effective, due_at=None, tried_at=at
    )
    if not waits:
        version_activate(digest=version.digest, at=at, now=at)
    version.refresh_from_db()
    return version
