"""A draft in the editor, as the tests of its pages open, post and read it."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any

from django.urls import reverse

from policies.services import draft_save
from tests.policies.row_form import form_boxes

if TYPE_CHECKING:
    from django.test import Client
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

    from policies.models import PolicyDraft
    from tests.policies.row_form import Boxes

DRAFTS = "/admin/policies/policydraft/"


def url(name: str, draft: PolicyDraft, *arguments: object) -> str:
    return reverse(f"admin:policies_draft_{name}", args=[draft.pk, *arguments])


def page_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return html.unescape(answer.content.decode())


def body(draft: PolicyDraft) -> dict[str, Any]:
    draft.refresh_from_db()
    value: dict[str, Any] = json.loads(draft.body)
    return value


def put(draft: PolicyDraft, **sections: object) -> None:
    """Write sections into a draft, as an expert does in the document."""
    value = json.dumps(body(draft) | sections)
    draft_save(draft=draft, title=draft.title, body=value, by=draft.author)


def saved(answer: Response) -> bool:
    return answer.status_code == 302


def refused(answer: Response, *, why: str) -> Boxes:
    """Require that the form came back, saying why; return what stands in it."""
    assert answer.status_code == 200
    page = answer.content.decode()
    assert why in html.unescape(page)
    return form_boxes(page)
