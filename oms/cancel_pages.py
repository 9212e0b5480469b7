"""The page on which a signed transaction is cancelled: what stands at its nonce, a proposal, and its consents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from rest_framework.response import Response
from rest_framework.views import APIView

from approvals.roles import Permission, api_needs, needs
from approvals.selectors import consent_list_for_subject
from core.canonical import parse
from core.documents.control import Cancel
from custody.lane_view import behind_words, gwei_words
from custody.selectors import cancel_of, job_find, job_progress, transmission_list
from oms.api import StrictJsonParser, request_part, request_user
from oms.cancels import cancel_consent, cancel_propose, cancel_seats, proposal_open, why_not
from oms.consent_standing import voices_of
from oms.errors import RequestMissingError, RequestRefusedError
from oms.presenters import detail_of, digest_groups
from oms.selectors import request_get
from oms.views import page_context, page_user
from policies.selectors import policy_active

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from rest_framework.request import Request

    from custody.models import Job
    from oms.models import CancelProposal, TransactionRequest

_UNPROCESSABLE = 422


def _link(proposal: CancelProposal, actor: str) -> str:
    asked = {
        "v": 1,
        "subject_type": "cancel",
        "document": parse(proposal.document.encode()),
        "decision": "review",
        "actor": actor,
        "credentials": [],
        "return_origin": settings.COUNTERSIGN_WEB_ORIGIN,
        "claimed": {},
        "consents": voices_of(subject=Cancel.from_bytes(proposal.document.encode()).digest),
    }
    return json.dumps(asked, ensure_ascii=False, separators=(",", ":"))


def _versions(job: Job | None) -> list[dict[str, object]]:
    return [
        {
            "row": row,
            "kind": row.kind,
            "most": gwei_words(row.max_fee_per_gas),
            "tip": gwei_words(row.max_priority_fee_per_gas),
        }
        for row in ([] if job is None else transmission_list(job=job))
    ]


def _proposal_context(request: HttpRequest, found: TransactionRequest) -> dict[str, object]:
    now, policy = timezone.now(), policy_active()
    proposal = proposal_open(request=found, now=now)
    if proposal is None or policy is None:
        return {"proposal": None, "may_sign": False}
    document = Cancel.from_bytes(proposal.document.encode())
    actor = page_user(request).person_id
    seats = cancel_seats(document=document, policy=policy, now=int(now.timestamp()))
    heard = {row.actor for row in consent_list_for_subject(subject=proposal.digest)}
    person = next((one for one in policy.people if one.id == actor), None)
    wanted = {seat.role for seat in policy.controls.cancel.seats}
    may_sign = person is not None and actor not in heard and not wanted.isdisjoint(person.roles)
    return {
        "proposal": proposal,
        "document": document,
        "most": gwei_words(document.max_fee_per_gas),
        "tip": gwei_words(document.max_priority_fee_per_gas),
        "seats": seats,
        "may_sign": may_sign,
        "digest": digest_groups(proposal.digest),
        "consent_origin": settings.COUNTERSIGN_CONSENT_ORIGIN,
        "consent_request": _link(proposal, actor) if may_sign else "",
        "submit": reverse("oms:cancel_consent", args=[found.reference]),
    }


@never_cache
@require_http_methods(["GET", "POST"])
@needs(Permission.RUN, Permission.DECIDE)
def cancel(request: HttpRequest, reference: str) -> HttpResponse:
    """Show what stands at a request's nonce; posted, propose to cancel it."""
    user, problem, status = page_user(request), "", 200
    try:
        found = request_get(user=user, reference=reference)
    except RequestMissingError as error:
        raise Http404(str(error)) from error
    reason = request.POST.get("reason", "")
    if request.method == "POST":
        try:
            cancel_propose(user=user, reference=reference, reason=reason, now=timezone.now())
        except RequestRefusedError as error:
            problem, status = error.message, _UNPROCESSABLE
        else:
            messages.success(request, "Proposed. Nothing happens until its quorum has consented.")
            return redirect("oms:cancel", reference)
    job = job_find(intent_digest=found.intent_digest)
    context = page_context(
        request,
        detail=detail_of(request=found),
        why_not=why_not(job=job),
        problem=problem,
        reason=reason,
        progress=job_progress(intent_digest=found.intent_digest),
        behind="" if job is None else behind_words(job=job),
        order=None if job is None else cancel_of(job=job),
        versions=_versions(job),
        **_proposal_context(request, found),
    )
    return render(request, "oms/cancel.html", context, status=status)


class CancelConsentView(APIView):
    """Takes a consent to a proposed cancel, or its rejection."""

    parser_classes = (StrictJsonParser,)
    permission_classes = (api_needs(Permission.RUN, Permission.DECIDE),)

    def post(self, request: Request, reference: str) -> Response:
        """Record it."""
        proposal = cancel_consent(
            user=request_user(request),
            reference=reference,
            consent_raw=request_part(request, "consent"),
            now=timezone.now(),
        )
        return Response({"next": reverse("oms:cancel", args=[reference]), "state": proposal.state})
