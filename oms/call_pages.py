"""Pages for a contract call: choose a registered function, type its arguments, see what it does before asking."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.conf import settings
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from approvals.roles import Permission, needs
from core.abi import selector_of
from core.schema import write_struct
from oms.call_forms import CallForm, function_choices
from oms.call_values import Reader
from oms.calls import APPROVE, registered_find
from oms.degraded import degraded_list
from oms.errors import FormError, RequestRefusedError
from oms.intents import amount_format
from oms.presenters import digest_groups
from oms.services import call_preview
from oms.views import consent_link, page_context, page_user
from policies.selectors import policy_active

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from core.documents.policy import Policy
    from oms.calls import CallPreview, Registered

_UNPROCESSABLE = 422
_NATIVE_DECIMALS = 18


@never_cache
@require_http_methods(["GET", "POST"])
@needs(Permission.ASK)
def call_new(request: HttpRequest) -> HttpResponse:
    """Show the form of a function; posted, preview the call. Nothing is stored before the asker has signed."""
    policy = policy_active()
    if policy is None:
        return render(request, "oms/no_policy.html", page_context(request), status=503)
    posted = request.method == "POST"
    asked = request.POST if posted else request.GET
    chosen = registered_find(policy, str(asked.get("function", "")))
    form = CallForm(policy, chosen, request.POST if posted else None, initial=dict(request.GET.items()))
    if posted and chosen is None:
        form.add_error(None, "Choose one of the functions that the policy registers.")
    if posted and chosen is not None and "change" not in request.POST and form.is_valid():
        preview = _preview(request, form)
        if preview is not None:
            context = page_context(request, **_preview_context(form, preview, policy))
            return render(request, "oms/call_preview.html", context)
    status = _UNPROCESSABLE if form.is_bound and form.errors else 200
    return render(
        request, "oms/call_new.html", page_context(request, **_form_context(form, policy, chosen)), status=status
    )


def _form_context(form: CallForm, policy: Policy, chosen: Registered | None) -> dict[str, object]:
    chain = "" if chosen is None else chosen.contract.chain
    return {
        "form": form,
        "policy": policy,
        "degraded": degraded_list(policy=policy, now=timezone.now()),
        "chosen": chosen,
        "functions": function_choices(policy),
        "places": Reader(policy, chain, now=0).names if chosen is not None else [],
    }


def _preview(request: HttpRequest, form: CallForm) -> CallPreview | None:
    typed = form.typed
    try:
        return call_preview(
            user=page_user(request),
            wallet=typed["wallet"],
            function=typed["function"],
            typed=typed,
            now=timezone.now(),
        )
    except FormError as error:
        form.take_errors(error)
    except RequestRefusedError as error:
        form.add_error(None, error.message)
    return None


def _approve_link(preview: CallPreview, policy: Policy) -> str:
    """Return the form of the exact allowance that goes before; empty where the policy registers no such function."""
    if preview.draft.allowance is None:
        return ""
    token, amount = preview.draft.allowance
    key = f"{preview.draft.wallet.chain}:{token}:0x{selector_of(APPROVE).hex()}"
    if registered_find(policy, key) is None:
        return ""
    contract = preview.draft.registered.contract.address
    query = {"function": key, "wallet": preview.draft.wallet.id, "arg-0": contract, "arg-1": str(amount)}
    return f"{reverse('oms:call_new')}?{urlencode(query)}"


def _preview_context(form: CallForm, preview: CallPreview, policy: Policy) -> dict[str, object]:
    simulation = preview.evidence.simulation
    claim = "missing" if simulation is None else f"{simulation.claim} at block {simulation.block_number}"
    assets = {asset.id: asset for asset in policy.assets}
    shown = preview.simulation
    deltas = [
        {
            "account": delta.account,
            "own": delta.account == preview.draft.wallet.address,
            "asset": assets[delta.asset].symbol if delta.asset in assets else delta.asset,
            "change": _signed(delta.change, assets[delta.asset].decimals if delta.asset in assets else None),
        }
        for delta in (shown.deltas if shown is not None else ())
    ]
    return {
        "form": form,
        "preview": preview,
        "deltas": deltas,
        "value": amount_format(preview.draft.value, _NATIVE_DECIMALS),
        "approve_link": _approve_link(preview, policy),
        "digest": digest_groups(preview.mandate.digest),
        "consent_origin": settings.COUNTERSIGN_CONSENT_ORIGIN,
        "consent_request": consent_link(
            document=preview.mandate.to_json(),
            decision="ask",
            actor=preview.mandate.asker.id,
            claimed={"simulation": claim},
            standing={"attestations": [write_struct(one, "attestation") for one in preview.evidence.attestations]},
        ),
        "submit": reverse("oms:request_ask"),
    }


def _signed(change: int, decimals: int | None) -> str:
    sign = "+" if change >= 0 else "\N{MINUS SIGN}"
    words = f"{abs(change)} base units" if decimals is None else amount_format(abs(change), decimals)
    return f"{sign}{words}"
