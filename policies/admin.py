"""Policies in the admin: drafts are written, versions and decisions are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from approvals.models import User
from core.errors import CoreError
from policies.difference import policy_difference
from policies.draft_pages import draft_paths
from policies.drafts import draft_read, successor_text
from policies.editor.body import body_revision
from policies.editor.steps import draft_tabs
from policies.errors import PolicyAppError
from policies.models import Decision, LimitCounter, PolicyDraft, PolicyVersion, Reservation, VersionStatus
from policies.selectors import decision_view, policy_active, version_policy
from policies.services import draft_remove, draft_save, draft_start
from policies.words import limit_words, rule_words

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern
    from django.utils.safestring import SafeString

    from core.documents.policy import Policy

_LONGEST_KEY = 19
"""Digits of a key: Python itself refuses to read a number of thousands of them."""


def _user(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        msg = "the admin is only for people who signed in"
        raise TypeError(msg)
    return request.user


def _sections(sections: list[tuple[str, list[str]]]) -> SafeString:
    return format_html_join(
        "",
        "<h4>{}</h4><ul>{}</ul>",
        ((title, format_html_join("", "<li>{}</li>", ((line,) for line in lines))) for title, lines in sections),
    )


class _ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # parametrised by its subclasses' registration
    """Shows; adding, changing and deleting are refused for everybody."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds by hand."""
        del request
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody changes."""
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody deletes."""
        del request, obj
        return False


def _policy_sections(policy: Policy) -> list[tuple[str, list[str]]]:
    return [
        ("People", [f"{p.name} ({p.id}): {', '.join(p.roles)}; {p.desk}, {p.site}" for p in policy.people]),
        ("Whitelist", [f"{entry.label}: {entry.address} on {entry.chain}" for entry in policy.addresses]),
        ("Guards", [f"{rule.label}: {rule_words(policy, rule)}" for rule in policy.guards]),
        ("Grants", [f"{r.label}: {rule_words(policy, r)}" for r in sorted(policy.grants, key=lambda r: r.order)]),
        ("Escalations", [f"{rule.label}: {rule_words(policy, rule, adds=True)}" for rule in policy.escalations]),
        ("Limits", [f"{limit.label}: {limit_words(policy, limit)}" for limit in policy.limits]),
    ]


@admin.register(PolicyVersion)
class PolicyVersionAdmin(_ReadOnlyAdmin):
    """Versions: nobody edits one; a draft is started from it."""

    list_display = ("number", "status", "short_digest", "activated_at", "retired_at")
    list_filter = ("status",)
    fields = (
        "number", "status", "digest", "in_words", "previous", "stored_at", "activated_at", "retired_at", "document",
        "consents",
    )  # fmt: skip
    readonly_fields = fields
    actions = ("start_draft",)

    @admin.display(description="digest")
    def short_digest(self, version: PolicyVersion) -> str:
        """Show the beginning of the digest."""
        return f"{version.digest[:16]}…"

    @admin.display(description="in words")
    def in_words(self, version: PolicyVersion) -> SafeString | str:
        """Show what it says."""
        try:
            return _sections(_policy_sections(version_policy(version=version)))
        except (PolicyAppError, CoreError) as error:
            return f"Cannot be read: {error}"

    @admin.action(description="Start a draft from the active version", permissions=["view"])
    def start_draft(self, request: HttpRequest, queryset: QuerySet[PolicyVersion]) -> None:
        """Start a draft that follows the active version."""
        version = queryset.filter(status=VersionStatus.ACTIVE.value).first()
        if version is None:
            self.message_user(request, "Choose the active version: a draft follows it.", messages.ERROR)
            return
        if not request.user.has_perm("policies.add_policydraft"):
            self.message_user(request, "You may not write drafts.", messages.ERROR)
            return
        draft = draft_start(version=version, by=_user(request))
        self.message_user(request, f"Draft '{draft.title}' was started.", messages.SUCCESS)


class PolicyDraftForm(forms.ModelForm[PolicyDraft]):
    """A draft: title and document. What is wrong is listed; what was typed stays."""

    revision = forms.CharField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = PolicyDraft
        fields = ("title", "body")
        widgets = {"body": forms.Textarea(attrs={"rows": 40, "cols": 110, "spellcheck": "false", "class": "mono"})}  # noqa: RUF012 - Django's convention

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Django's signature
        super().__init__(*args, **kwargs)
        self.kept = body_revision(self.instance.body) if self.instance.pk else ""
        self.initial["revision"] = self.kept

    def is_multipart(self) -> bool:
        """Send the document as it is: percent-encoded it would be up to three times as long."""
        return True

    def clean_revision(self) -> str:
        """Refuse to write over what somebody else saved meanwhile, once."""
        looked_at: str = self.cleaned_data["revision"]
        if looked_at and self.kept and looked_at != self.kept:
            # Whoever saves again has been told.
            self.data = {**self.data.dict(), "revision": self.kept} if isinstance(self.data, QueryDict) else self.data
            raise ValidationError(
                "Somebody saved the draft after you opened this page. What you typed is still here and not saved;"
                " saving again puts it over theirs."
            )
        return looked_at

    def clean_body(self) -> str:
        """List every problem of the document, each with its row."""
        body: str = self.cleaned_data["body"]
        problems = draft_read(text=body, active=policy_active()).problems
        if problems:
            raise ValidationError([ValidationError(problem, code="policy") for problem in problems])
        return body


class DraftList(ChangeList):
    """The list of drafts, leading to the editor."""

    def url_for_result(self, result: Model) -> str:
        """Return the draft's start page."""
        return reverse("admin:policies_draft_editor", args=[result.pk])


@admin.register(PolicyDraft)
class PolicyDraftAdmin(admin.ModelAdmin[PolicyDraft]):
    """Drafts. A new one starts from the active version."""

    form = PolicyDraftForm
    list_display = ("title", "author", "updated_at")
    list_select_related = ("author",)
    search_fields = ("title",)
    readonly_fields = ("author", "updated_at", "difference")
    fields = ("title", "body", "revision", "difference", "author", "updated_at")
    actions = None

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ANN401 - Django's signature
        """Lead to the editor."""
        del request, kwargs
        return DraftList

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the document, beside the draft's other pages."""
        is_number = object_id.isascii() and object_id.isdigit() and len(object_id) <= _LONGEST_KEY
        tabs = draft_tabs(int(object_id)) if is_number else []
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "draft_tabs": tabs})

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Start from the active version."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        active = policy_active()
        if active is not None:
            initial.setdefault("title", f"After policy {active.number}")
            initial.setdefault("body", successor_text(active=active, now=int(timezone.now().timestamp())))
        return initial

    def get_urls(self) -> list[URLPattern]:
        """Add the draft's own pages."""
        return [*draft_paths(self.admin_site.admin_view), *super().get_urls()]

    @admin.display(description="difference to the active version")
    def difference(self, draft: PolicyDraft) -> SafeString | str:
        """Say what would change, section by section."""
        active = policy_active()
        if draft.pk is None or active is None:
            return "Shown when the draft is saved." if active is not None else "No version is active yet."
        policy = draft_read(text=draft.body, active=active).policy
        if policy is None:
            return "The draft cannot be read as a policy."
        found = policy_difference(before=active, after=policy)
        if not found:
            return "None: it says the same."
        return _sections([(section.title, list(section.sentences)) for section in found])

    def save_model(
        self,
        request: HttpRequest,
        obj: PolicyDraft,
        form: forms.ModelForm[PolicyDraft],
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Keep it through the service, which records who wrote it."""
        del form, change
        draft_save(draft=obj, title=obj.title, body=obj.body, by=_user(request))

    def delete_model(self, request: HttpRequest, obj: PolicyDraft) -> None:
        """Remove it through the service."""
        draft_remove(draft=obj, by=_user(request))


@admin.register(Decision)
class DecisionAdmin(_ReadOnlyAdmin):
    """Decisions, with every rule's part in them."""

    list_display = ("intent_digest", "outcome", "grant", "asker", "decided_at")
    list_filter = ("outcome",)
    search_fields = ("=intent_digest", "=mandate_digest", "=asker")
    fields = (
        "intent_digest", "mandate_digest", "policy_digest", "asker", "decided_at", "outcome", "explained", "facts",
        "draw", "held",
    )  # fmt: skip
    readonly_fields = fields

    @admin.display(description="explained")
    def explained(self, decision: Decision) -> SafeString | str:
        """Show the one sentence, then every rule."""
        try:
            view = decision_view(decision=decision)
        except (PolicyAppError, CoreError) as error:
            return f"Cannot be explained: {error}"
        rows = (
            (part.section, rule.node.label, rule.sentence, " (web rule: no guarantee)" if rule.node.web_rule else "")
            for part in view.sections
            for rule in part.rules
        )
        said = " ".join(part for part in (view.summary, view.parts_words) if part)
        return format_html("<p>{}</p><ol>{}</ol>", said, format_html_join("", "<li>{}: {}. {}{}</li>", rows))

    @admin.display(description="held against limits")
    def held(self, decision: Decision) -> SafeString | str:
        """Show its reservations."""
        rows = decision.reservations.select_related("counter")
        listed = ((r.counter.limit_id, r.counter.scope_key, r.amount, r.state) for r in rows)
        return format_html_join("", "<p>{} {}: {} ({})</p>", listed) or "Nothing."


@admin.register(LimitCounter)
class LimitCounterAdmin(_ReadOnlyAdmin):
    """Counters, as of the last reservation."""

    list_display = ("limit_id", "scope_key", "measure", "asset", "drawn", "most")
    search_fields = ("=limit_id",)


@admin.register(Reservation)
class ReservationAdmin(_ReadOnlyAdmin):
    """Reservations."""

    list_display = ("decision", "counter", "amount", "state", "time")
    list_filter = ("state",)
    list_select_related = ("decision", "counter")
