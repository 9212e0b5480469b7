"""Writing drafts. A draft binds nobody; still, who wrote what is recorded."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING

from django.db import transaction

from audit.services import entry_append
from audit.tags import AuditTag
from policies.drafts import successor_text
from policies.models import PolicyDraft
from policies.selectors import version_policy

if TYPE_CHECKING:
    from approvals.models import User
    from policies.models import PolicyVersion


def _actor(user: User) -> str:
    return f"user:{user.person_id}"


def _now() -> dt.datetime:
    return dt.datetime.now(tz=dt.UTC)


def draft_save(*, draft: PolicyDraft | None, title: str, body: str, by: User) -> PolicyDraft:
    """Keep a draft's text as it was typed, new or over its earlier text."""
    with transaction.atomic():
        now = _now()
        kept = draft if draft is not None else PolicyDraft(author=by, created_at=now)
        created = kept.pk is None
        kept.title, kept.body, kept.updated_at = title, body, now
        if created:
            kept.author, kept.created_at = by, now
        kept.save()
        entry_append(
            actor=_actor(by),
            tag=AuditTag.POLICY_DRAFT_SAVED,
            subject=f"draft:{kept.pk}",
            payload={"title": title, "sha256": hashlib.sha256(body.encode()).hexdigest(), "created": created},
        )
        return kept


def draft_start(*, version: PolicyVersion, by: User) -> PolicyDraft:
    """Start a draft that follows a version and says the same."""
    policy = version_policy(version=version)
    body = successor_text(active=policy, now=int(_now().timestamp()))
    return draft_save(draft=None, title=f"After policy {policy.number}", body=body, by=by)


def draft_remove(*, draft: PolicyDraft, by: User) -> None:
    """Remove a draft; the log keeps that it was there."""
    with transaction.atomic():
        entry_append(
            actor=_actor(by),
            tag=AuditTag.POLICY_DRAFT_REMOVED,
            subject=f"draft:{draft.pk}",
            payload={"title": draft.title, "sha256": hashlib.sha256(draft.body.encode()).hexdigest()},
        )
        draft.delete()
