"""The page where people hand what they signed to witnesses, without waiting for anybody here to pass it on.

What is handed in proves itself: the witness verifies it against the signed policy and believes nothing that this page
says. Whoever does not trust this server either uses the command that the page shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from audit.models import Severity
from audit.tags import AuditTag
from core.canonical import canonical, parse
from core.errors import CoreError
from custody.witness_desk import MOST_BYTES, document_hand_in
from oms.log_selectors import reads_log
from oms.log_services import log_note
from oms.selectors import person_of
from oms.views import page_context, page_user

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest, HttpResponse

    from approvals.models import User
    from custody.witness_desk import Handed

_UNPROCESSABLE = 422
_ALL = ""
_KEYS = ({"policy", "consents"}, {"statement", "proof"}, {"ceremony", "consents"})


class HandForm(forms.Form):
    """A document, pasted or as a file, and for whom it is."""

    text = forms.CharField(
        label="The signed document",
        required=False,
        strip=True,
        max_length=MOST_BYTES,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
        help_text="As the consent page saved it: a policy with its consents, a halt, a resume, a veto, a rejection.",
    )
    file = forms.FileField(
        label="… or its file", required=False, allow_empty_file=False, help_text="JSON, at most 1 MiB."
    )
    witness = forms.ChoiceField(label="For", required=False, help_text="Each checks it for itself.")

    def __init__(self, witnesses: Mapping[str, str], data: object = None, files: object = None) -> None:
        """Offer the witnesses that this site knows."""
        super().__init__(data, files)  # type: ignore[arg-type]  # a QueryDict and its files, or None
        choices = [(_ALL, "Every witness"), *((name, name) for name in witnesses)]
        self.fields["witness"].choices = choices  # type: ignore[attr-defined]  # a ChoiceField
        for name, field in self.fields.items():
            field.widget.attrs |= {"autocomplete": "off", "aria-describedby": f"{name}-notes"}

    def clean(self) -> dict[str, object]:
        """Read the document; what it proves is for the witness."""
        text, file = self.cleaned_data.get("text"), self.cleaned_data.get("file")
        if self.errors:
            return self.cleaned_data
        if bool(text) == bool(file):
            raise forms.ValidationError("Paste the document or choose its file: one of the two.")
        if file is not None and file.size > MOST_BYTES:
            raise forms.ValidationError("This file is larger than any document.")
        try:
            raw = file.read() if file is not None else str(text).encode()
            value = parse(raw, max_bytes=MOST_BYTES)
        except (CoreError, UnicodeEncodeError) as error:
            raise forms.ValidationError(f"This is no document: {str(error)[:200]}.") from error
        if not isinstance(value, dict) or not ("kind" in value or set(value) in _KEYS):
            raise forms.ValidationError("This is no signed policy, halt, resume, veto or rejection.")
        self.cleaned_data["document"] = canonical(value)
        return self.cleaned_data


def hands_in(*, user: User) -> bool:
    """Whether somebody is offered the page: people of the roster, and who reads the log."""
    return person_of(user=user) is not None or reads_log(user=user)


def _hand(form: HandForm, witnesses: Mapping[str, str]) -> list[Handed]:
    chosen = form.cleaned_data["witness"]
    return [
        document_hand_in(witness=name, url=url, raw=form.cleaned_data["document"])
        for name, url in witnesses.items()
        if chosen in {_ALL, name}
    ]


@never_cache
@require_http_methods(["GET", "POST"])
def hand_in(request: HttpRequest) -> HttpResponse:
    """Pass a signed document on to witnesses and show what each of them said."""
    user = page_user(request)
    if not hands_in(user=user):
        raise PermissionDenied
    witnesses: Mapping[str, str] = settings.COUNTERSIGN_WITNESSES
    results: list[Handed] = []
    posted = request.method == "POST"
    form = HandForm(witnesses, *((request.POST, request.FILES) if posted else ()))
    if posted and form.is_valid():
        results = _hand(form, witnesses)
        said: dict[str, object] = {one.witness: one.told for one in results}
        away = [one.witness for one in results if not one.taken]
        severity = Severity.WARNING if away or not results else Severity.INFO
        log_note(user=user, tag=AuditTag.DOCUMENT_HANDED, said={"told": said, "not_taken": away}, severity=severity)
    context = page_context(request, form=form, results=results, witnesses=witnesses)
    return render(request, "oms/hand_in.html", context, status=_UNPROCESSABLE if form.errors else 200)
