"""Pages on which admins bring a new consent key to its co-signatures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from rest_framework.exceptions import NotAuthenticated, ParseError
from rest_framework.response import Response
from rest_framework.views import APIView

from approvals.access import person_in_force
from approvals.enrolments import (
    FILE_MOST_BYTES,
    enrolment_consent,
    enrolment_cosigners,
    enrolment_document,
    enrolment_end,
    enrolment_file,
    enrolment_may_cosign,
    enrolment_propose,
)
from approvals.errors import EnrolmentRefusedError
from approvals.models import EnrolmentCase, EnrolmentStatus, User
from approvals.people_views import groups_of_four
from approvals.roles import Permission, api_needs, may, needs
from core.attestation import attestation_problem
from core.canonical import canonical, parse
from core.enrolments import COSIGNERS
from core.errors import EncodingError

if TYPE_CHECKING:
    from rest_framework.request import Request

PAGE_ROWS = 25
_UNPROCESSABLE = 422
_CONSENT_MOST = 64 * 1024


def _user(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise Http404
    return request.user


def _case(digest: str) -> EnrolmentCase:
    case = EnrolmentCase.objects.select_related("proposed_by").filter(digest=digest).first()
    if case is None:
        raise Http404("There is no such enrolment.")
    return case


@never_cache
@require_GET
@needs(Permission.SEE_ACCESS)
def enrolments(request: HttpRequest) -> HttpResponse:
    """List new consent keys and how far they are."""
    rows = EnrolmentCase.objects.select_related("proposed_by")
    page = Paginator(rows, PAGE_ROWS).get_page(request.GET.get("page"))
    cases = [(case, enrolment_cosigners(case=case)) for case in page.object_list]
    context = {
        "page": page,
        "cases": cases,
        "needed": COSIGNERS,
        "may_propose": may(request.user, Permission.MANAGE_PEOPLE),
    }
    return render(request, "approvals/enrolments.html", context)


@never_cache
@require_http_methods(["GET", "POST"])
@needs(Permission.MANAGE_PEOPLE)
def enrolment_new(request: HttpRequest) -> HttpResponse:
    """Take the file that a person made at the consent page."""
    text = request.POST.get("enrolment", "")
    if request.method != "POST":
        return render(
            request, "approvals/enrolment_new.html", {"consent_origin": settings.COUNTERSIGN_CONSENT_ORIGIN}
        )
    try:
        case = enrolment_propose(raw=text.encode(errors="replace"), by=_user(request), now=timezone.now())
    except EnrolmentRefusedError as error:
        context = {
            "wrong": str(error),
            "text": text[:FILE_MOST_BYTES],
            "consent_origin": settings.COUNTERSIGN_CONSENT_ORIGIN,
        }
        return render(request, "approvals/enrolment_new.html", context, status=_UNPROCESSABLE)
    messages.success(request, "Proposed. Two other admins compare the fingerprint with the person, and co-sign.")
    return redirect("approvals:enrolment", case.digest)


@never_cache
@require_GET
@needs(Permission.SEE_ACCESS)
def enrolment(request: HttpRequest, digest: str) -> HttpResponse:
    """Show a new key to whoever compares it."""
    case, me = _case(digest), _user(request)
    document = enrolment_document(case=case)
    may_cosign = may(request.user, Permission.COMPARE_KEYS) and enrolment_may_cosign(case=case, user=me)
    asked = {
        "v": 1,
        "subject_type": "enrolment",
        "document": document.to_json(),
        "decision": "review",
        "actor": me.person_id,
        "credentials": [],
        "return_origin": settings.COUNTERSIGN_WEB_ORIGIN,
        "claimed": {},
    }
    context = {
        "case": case,
        "person": person_in_force(person_id=case.person),
        "fingerprint": groups_of_four(case.fingerprint),
        "digest": groups_of_four(case.digest),
        "aaguid": document.key.aaguid.hex(),
        "attestation": attestation_problem(document.key) or "verifies",
        "cosigners": enrolment_cosigners(case=case),
        "needed": COSIGNERS,
        "may_cosign": may_cosign,
        "may_end": may(request.user, Permission.MANAGE_PEOPLE) and case.status != EnrolmentStatus.ENDED,
        "ready": case.status == EnrolmentStatus.READY,
        "consent_origin": settings.COUNTERSIGN_CONSENT_ORIGIN,
        "consent_request": json.dumps(asked, ensure_ascii=False, separators=(",", ":")),
        "submit": reverse("approvals:enrolment_consent", args=[case.digest]),
    }
    return render(request, "approvals/enrolment.html", context)


@never_cache
@require_GET
@needs(Permission.SEE_ACCESS)
def enrolment_download(request: HttpRequest, digest: str) -> HttpResponse:
    """Hand out the co-signed key for the next policy."""
    case = _case(digest)
    try:
        text = enrolment_file(case=case)
    except EnrolmentRefusedError as error:
        messages.error(request, str(error))
        return redirect("approvals:enrolment", case.digest)
    answer = HttpResponse(text, content_type="application/json")
    answer["Content-Disposition"] = f'attachment; filename="enrolment-{case.person}.json"'
    return answer


@require_POST
@needs(Permission.MANAGE_PEOPLE)
def enrolment_stop(request: HttpRequest, digest: str) -> HttpResponse:
    """End an enrolment."""
    case = _case(digest)
    enrolment_end(digest=case.digest, by=_user(request), now=timezone.now())
    messages.success(request, "The enrolment has ended.")
    return redirect("approvals:enrolment", case.digest)


class EnrolmentConsentView(APIView):
    """Takes an admin's word about a new key."""

    permission_classes = (api_needs(Permission.COMPARE_KEYS),)

    def post(self, request: Request, digest: str) -> Response:
        """Record it."""
        user = request.user
        if not isinstance(user, User):
            raise NotAuthenticated
        case = enrolment_consent(user=user, digest=digest, consent_raw=_consent_of(request), now=timezone.now())
        return Response({"next": reverse("approvals:enrolment", args=[case.digest]), "state": case.status})


def _consent_of(request: Request) -> bytes:
    """Read the body as documents are read: no floats, no duplicate names."""
    try:
        value = parse(request.body, max_bytes=_CONSENT_MOST)
    except EncodingError as error:
        raise ParseError(f"This cannot be read: {error}.") from error
    if not isinstance(value, dict) or "consent" not in value:
        raise ParseError("“consent” is missing.")
    return canonical(value["consent"])
