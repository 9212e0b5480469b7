"""Where people of the roster read a proposed policy and are led to the consent origin to sign it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from rest_framework.response import Response
from rest_framework.views import APIView

from approvals.roles import Permission, api_needs, needs
from core.canonical import parse
from oms.api import StrictJsonParser, request_part, request_user
from oms.consent_standing import voices_of
from oms.selectors import person_of
from oms.views import page_context, page_user
from policies.difference import policy_difference
from policies.models import VersionStatus
from policies.proposals import proposal_find, proposal_reports, proposal_view
from policies.selectors import version_policy
from policies.services.proposals import proposal_consent

if TYPE_CHECKING:
    from rest_framework.request import Request

    from policies.models import PolicyVersion
    from policies.proposals import ProposalView


def policy_consent_link(*, version: PolicyVersion, actor: str, vetoes: bool = False) -> str:
    """Return what the consent origin is asked for: the document, the reports that it names, and who has spoken.

    Args:
        version: The policy.
        actor: Who is asked.
        vetoes: Ask for a rejection that people carry to the signers themselves: nothing comes back here.
    """
    asked = {
        "v": 1,
        "subject_type": "policy",
        "document": parse(version.document.encode()),
        "decision": "reject" if vetoes else "review",
        "actor": actor,
        "credentials": [],
        "return_origin": None if vetoes else settings.COUNTERSIGN_WEB_ORIGIN,
        "claimed": {},
        "reports": proposal_reports(version=version),
        "consents": voices_of(subject=version.digest),
    }
    return json.dumps(asked, ensure_ascii=False, separators=(",", ":"))


def _may_sign(view: ProposalView, actor: str) -> bool:
    heard = {consent.actor for consent in view.consents}
    return view.version.status == VersionStatus.PROPOSED and view.seats is not None and actor not in heard


@never_cache
@require_GET
@needs(Permission.READ_POLICIES)
def policy(request: HttpRequest, digest: str) -> HttpResponse:
    """Show a proposed policy to whoever is on the active roster."""
    user, version = page_user(request), proposal_find(digest=digest)
    if version is None or version.previous is None or person_of(user=user) is None:
        raise Http404
    view = proposal_view(version=version, now=int(timezone.now().timestamp()))
    may_sign = _may_sign(view, user.person_id)
    may_veto = version.status == VersionStatus.SIGNED
    link = policy_consent_link(version=version, actor=user.person_id, vetoes=may_veto)
    context = page_context(
        request,
        proposal=view,
        difference=policy_difference(
            before=version_policy(version=version.previous), after=version_policy(version=version)
        ),
        may_sign=may_sign,
        may_veto=may_veto,
        now=timezone.now(),
        consent_origin=settings.COUNTERSIGN_CONSENT_ORIGIN,
        consent_request=link if may_sign or may_veto else "",
        submit=reverse("oms:policy_consent", args=[digest]),
    )
    return render(request, "oms/policy.html", context)


class PolicyConsentView(APIView):
    """Takes an approval or a rejection of a proposed policy."""

    parser_classes = (StrictJsonParser,)
    permission_classes = (api_needs(Permission.CONSENT_POLICIES),)

    def post(self, request: Request, digest: str) -> Response:
        """Record it."""
        version = proposal_consent(
            user=request_user(request),
            digest=digest,
            consent_raw=request_part(request, "consent"),
            now=timezone.now(),
        )
        return Response({"next": reverse("oms:policy", args=[version.digest]), "state": version.status})
