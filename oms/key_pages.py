"""Moving a wallet's key along its life, from the wallet's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from approvals.roles import Permission, needs
from core.key_lifecycle import KeyEvent, KeyLifecycleError
from custody.errors import KeyBusyError, KeyInputError
from custody.key_transitions import key_lock, key_move
from custody.models_keys import EVIDENCE_MOST, WHY_MOST
from custody.selectors import balances_latest, wallet_find
from oms.views import page_context, page_user
from oms.wallet_facts import key_facts

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from custody.models import Wallet
    from oms.wallet_facts import KeyFacts

_UNPROCESSABLE = 422


class KeyForm(forms.Form):
    """What happened to a key, why, and what shows it."""

    event = forms.ChoiceField(label="What happens")
    why = forms.CharField(
        label="Why", max_length=WHY_MOST, help_text="One line. The log keeps it, and this page shows it."
    )
    evidence = forms.CharField(
        label="Evidence",
        required=False,
        strip=False,
        max_length=2 * EVIDENCE_MOST,
        widget=forms.Textarea(attrs={"rows": 6, "class": "mono", "spellcheck": "false"}),
        help_text=(
            "For a destruction: what the console of each signer or party printed, or the digest of the ceremony's"
            " transcript. Its SHA-256 goes into the log."
        ),
    )
    abandons = forms.BooleanField(
        label="What this wallet still holds is lost with its key, and that is meant",
        required=False,
        help_text="Only for a destruction.",
    )

    def __init__(self, data: object, *, facts: KeyFacts, holds: bool) -> None:
        """Offer what can happen to a key in this state; `holds`: whether its wallet holds anything."""
        super().__init__(data)  # type: ignore[arg-type]  # a QueryDict or None
        self._holds = holds
        event = self.fields["event"]
        if isinstance(event, forms.ChoiceField):
            # Nothing is chosen before somebody chose: some of it does not come back.
            event.choices = [("", "Choose what happened"), *facts.actions]
        for name, field in self.fields.items():
            field.widget.attrs |= {"autocomplete": "off", "aria-describedby": f"{name}-notes"}

    def clean(self) -> dict[str, object]:
        """Ask once more before what a wallet holds is lost."""
        data: dict[str, object] = super().clean() or {}
        destroys = data.get("event") == KeyEvent.DESTROY
        if destroys and self._holds and not data.get("abandons"):
            self.add_error("abandons", "This wallet still holds something. Empty it first, or say that it is lost.")
        return data


def _move(form: KeyForm, wallet: Wallet, actor: str) -> str:
    """Move the key as the form says; return why not, or nothing."""
    data = form.cleaned_data
    # Browsers end lines of what is pasted their own way; what a console printed has one.
    evidence = data["evidence"].replace("\r\n", "\n")
    try:
        with transaction.atomic():
            key = key_lock(wallet=wallet.caip10)
            key_move(
                key=key,
                event=KeyEvent(data["event"]),
                actor=actor,
                now=timezone.now(),
                why=data["why"],
                evidence=evidence,
            )
    except (KeyLifecycleError, KeyBusyError, KeyInputError) as error:
        return f"Not done: {error}."
    return ""


@never_cache
@require_http_methods(["GET", "POST"])
@needs(Permission.RUN)
def wallet_key(request: HttpRequest, account: str) -> HttpResponse:
    """Show what can happen to a wallet's key, and write down what did."""
    wallet = wallet_find(caip10=account)
    if wallet is None:
        raise Http404
    facts = key_facts(wallet=wallet, now=timezone.now())
    holds = any(point.amount for point in balances_latest(wallet=wallet).values())
    form = KeyForm(request.POST if request.method == "POST" else None, facts=facts, holds=holds)
    if request.method == "POST" and form.is_valid():
        problem = _move(form, wallet, f"user:{page_user(request).get_username()}")
        if not problem:
            messages.success(request, "Written down.")
            return redirect("oms:wallet", wallet.caip10)
        form.add_error(None, problem)
    context = page_context(request, wallet=wallet, key=facts, form=form, holds=holds)
    status = _UNPROCESSABLE if form.is_bound else 200
    return render(request, "oms/wallet_key.html", context, status=status)
