"""Pages for traders and officers. Each reads selectors, or calls one service; visibility is the selectors'."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from approvals.roles import Permission, needs
from core.canonical import parse
from core.schema import write_struct
from oms.consent_standing import case_standing
from oms.degraded import degraded_list
from oms.errors import FormError, RequestMissingError, RequestRefusedError
from oms.forms import NewRequestForm
from oms.log_services import case_note
from oms.presenters import detail_of, digest_groups
from oms.selectors import (
    DESK_ROLES,
    can_approve,
    may_withdraw,
    person_of,
    request_get,
    requests_visible,
)
from oms.services import request_preview
from policies.selectors import policy_active, policy_find

if TYPE_CHECKING:
    from approvals.models import User
    from oms.models import TransactionRequest
    from oms.preview import Preview

_UNPROCESSABLE = 422


def page_user(request: HttpRequest) -> User:
    """Return who looks at a page."""
    # Every page is behind LoginRequiredMiddleware; this says so to the type checker, and fails closed.
    if not request.user.is_authenticated:
        raise Http404
    return request.user


def page_context(request: HttpRequest, **more: object) -> dict[str, Any]:
    """Return what every page shows around its own part."""
    person = person_of(user=page_user(request))
    roles = frozenset() if person is None else frozenset(person.roles)
    return {"person": person, "decides": bool(roles - DESK_ROLES), "demo": settings.COUNTERSIGN_DEMO, **more}


def _found(request: HttpRequest, reference: str) -> TransactionRequest:
    try:
        return request_get(user=page_user(request), reference=reference)
    except RequestMissingError as error:
        raise Http404(str(error)) from error


def consent_link(
    *, document: object, decision: str, actor: str, claimed: dict[str, str], standing: dict[str, object] | None = None
) -> str:
    """Return what the consent origin is asked for, as the page's script sends it.

    Args:
        document: What is to be signed, JSON.
        decision: What it is opened for.
        actor: Whose key is asked.
        claimed: What this server claims, shown as such.
        standing: Further fields of the request: who has spoken, which rules ask for people.
    """
    asked = {
        "v": 1,
        "subject_type": "mandate",
        "document": document,
        "decision": decision,
        "actor": actor,
        "credentials": [],
        "return_origin": settings.COUNTERSIGN_WEB_ORIGIN,
        "claimed": claimed,
        **(standing or {}),
    }
    return json.dumps(asked, ensure_ascii=False, separators=(",", ":"))


@never_cache
@require_http_methods(["GET", "POST"])
@needs(Permission.ASK)
def request_new(request: HttpRequest) -> HttpResponse:
    """Show the form; posted, preview what was typed. Nothing is stored before the asker has signed."""
    policy = policy_active()
    if policy is None:
        return render(request, "oms/no_policy.html", page_context(request), status=503)
    typed = request.POST if request.method == "POST" else None
    form = NewRequestForm(policy, typed, now=int(timezone.now().timestamp()))
    preview = None
    changes = "change" in request.POST
    if request.method == "POST" and not changes and form.is_valid():
        preview = _preview(request, form)
    if preview is None:
        status = _UNPROCESSABLE if form.is_bound and form.errors else 200
        degraded = degraded_list(policy=policy, now=timezone.now())
        context = page_context(request, form=form, policy=policy, degraded=degraded)
        return render(request, "oms/request_new.html", context, status=status)
    return render(request, "oms/request_preview.html", page_context(request, **_preview_context(form, preview)))


def _preview(request: HttpRequest, form: NewRequestForm) -> Preview | None:
    if form.contradicts_itself():
        form.add_error("destination", "Two destinations are given: clear this field, or choose “Another address”.")
        return None
    data = form.cleaned_data
    try:
        return request_preview(
            user=page_user(request),
            wallet=data["wallet"],
            asset=data["asset"],
            destination=form.wanted_destination,
            amount_text=data["amount"],
            purpose=data["purpose"],
            now=timezone.now(),
            held=form.wants_hold,
        )
    except FormError as error:
        form.take_errors(error)
    except RequestRefusedError as error:
        form.add_error(None, error.message)
    return None


def _preview_context(form: NewRequestForm, preview: Preview) -> dict[str, object]:
    simulation = preview.simulation
    claim = "missing" if simulation is None else f"{simulation.claim} at block {simulation.block_number}"
    return {
        "form": form,
        "preview": preview,
        "digest": digest_groups(preview.mandate.digest),
        "consent_origin": settings.COUNTERSIGN_CONSENT_ORIGIN,
        "consent_request": consent_link(
            document=preview.mandate.to_json(),
            decision="ask",
            actor=preview.mandate.asker.id,
            claimed={"simulation": claim},
            standing={"attestations": [write_struct(one, "attestation") for one in preview.evidence.attestations]},
        ),
        "submit": reverse("oms:request_ask") + ("?held=yes" if preview.draft.held else ""),
    }


@never_cache
@require_GET
@needs(Permission.SEE_DESK, Permission.SEE_ALL)
def request_detail(request: HttpRequest, reference: str) -> HttpResponse:
    """Show one request: what, where it stands, why, and who."""
    found = _found(request, reference)
    user = page_user(request)
    case_note(user=user, request=found, shown="request")
    context = page_context(
        request,
        detail=detail_of(request=found),
        may_withdraw=may_withdraw(user=user, request=found),
        is_asker=found.asker == user.person_id,
        may_decide=can_approve(user=user, request=found),
        consent_origin=settings.COUNTERSIGN_CONSENT_ORIGIN,
        submit=reverse("oms:request_consent", args=[found.reference]),
        consent_request=consent_link(
            document=parse(found.mandate_text.encode()), decision="withdraw", actor=user.person_id, claimed={}
        ),
    )
    return render(request, "oms/request_detail.html", context)


@never_cache
@require_GET
@needs(Permission.SEE_DESK, Permission.SEE_ALL)
def request_by_intent(request: HttpRequest, digest: str) -> HttpResponse:
    """Lead from an intent's digest, as reports name cases, to its request."""
    found = requests_visible(user=page_user(request)).filter(intent_digest=digest).first()
    if found is None:
        raise Http404("There is no such request, or it is another desk's.")
    return redirect("oms:request", found.reference)


@never_cache
@require_GET
@needs(Permission.SEE_DESK, Permission.SEE_ALL)
def case(request: HttpRequest, reference: str) -> HttpResponse:
    """Show a case to whoever has to decide on it."""
    found = _found(request, reference)
    user = page_user(request)
    case_note(user=user, request=found, shown="case")
    detail = detail_of(request=found)
    context = page_context(
        request,
        detail=detail,
        may_decide=can_approve(user=user, request=found),
        may_withdraw=may_withdraw(user=user, request=found),
        consent_origin=settings.COUNTERSIGN_CONSENT_ORIGIN,
        submit=reverse("oms:request_consent", args=[found.reference]),
        attestations=_attestations(found),
        consent_request=consent_link(
            document=parse(found.mandate_text.encode()),
            decision="review",
            actor=user.person_id,
            claimed={},
            standing=case_standing(request=found),
        ),
    )
    return render(request, "oms/case.html", context)


def _attestations(found: TransactionRequest) -> str:
    """Return where the attesters are asked before the case is opened for signing; empty where there are none."""
    policy = policy_find(digest=found.policy_digest)
    asked = policy is not None and policy.attester_threshold > 0
    return reverse("oms:case_attestations", args=[found.reference]) if asked else ""
