"""Writing drafts. A draft binds nobody; still, who wrote what is recorded."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING

from django.db import transaction

from audit.services import entry_append
from audit.tags import AuditTag
from policies.drafts import successor_text
from policies.editor.body import body_empty, body_read, body_revision, body_write
from policies.errors import DraftConflictError
from policies.models import PolicyDraft
from policies.selectors import version_policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from approvals.models import User
    from policies.editor.body import Body
    from policies.models import PolicyVersion


def _actor(user: User) -> str:
    return f"user:{user.person_id}"


def _now() -> dt.datetime:
    return dt.datetime.now(tz=dt.UTC)


def draft_save(
    *, draft: PolicyDraft | None, title: str, body: str, by: User, change: str | None = None
) -> PolicyDraft:
    """Keep a draft's text as it was typed, new or over its earlier text.

    Args:
        draft: The draft; None for a new one.
        title: What people call it.
        body: The document.
        by: Who saves it.
        change: What was changed, in words, where the editor knows.
    """
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
            payload={
                "title": title,
                "sha256": hashlib.sha256(body.encode()).hexdigest(),
                "created": created,
                **({} if change is None else {"change": change}),
            },
        )
        return kept


def draft_start(*, version: PolicyVersion, by: User) -> PolicyDraft:
    """Start a draft that follows a version and says the same."""
    policy = version_policy(version=version)
    body = successor_text(active=policy, now=int(_now().timestamp()))
    return draft_save(draft=None, title=f"After policy {policy.number}", body=body, by=by)


def draft_start_empty(*, version: PolicyVersion, by: User) -> PolicyDraft:
    """Start a draft that follows a version and keeps its people, keys and quorums, and nothing that may be done."""
    policy = version_policy(version=version)
    text = successor_text(active=policy, now=int(_now().timestamp()))
    body = body_write(body_empty(body_read(text)))
    return draft_save(draft=None, title=f"After policy {policy.number}, from empty", body=body, by=by)


def draft_edit(*, draft_id: int, revision: str, edit: Callable[[Body], Body], by: User, change: str) -> PolicyDraft:
    """Change one part of a draft, if nobody else has saved it meanwhile.

    Args:
        draft_id: The draft.
        revision: The `body_revision` of the text that was looked at.
        edit: Makes the new document from the present one.
        by: Who changes it.
        change: What is changed, in words, for the log.

    Raises:
        DraftConflictError: The text is another one by now, or the draft is gone.
        DraftTextError: What would be written is too large or too deep, or the row is not there.
    """
    with transaction.atomic():
        kept = PolicyDraft.objects.select_for_update().filter(pk=draft_id).first()
        if kept is None:
            raise DraftConflictError("The draft was removed.")
        if body_revision(kept.body) != revision:
            raise DraftConflictError("Somebody saved the draft after this page was opened.")
        body = body_write(edit(body_read(kept.body)))
        return draft_save(draft=kept, title=kept.title, body=body, by=by, change=change)


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
