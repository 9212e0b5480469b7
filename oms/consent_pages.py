"""Asks the attesters anew for whoever is about to read a case on the consent page: their word lasts minutes."""

from __future__ import annotations

from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from approvals.roles import Permission, needs
from chains.attesters import attestations_ask
from core.documents.mandate import Mandate, SingleOrder
from core.schema import write_struct
from oms.errors import RequestMissingError
from oms.selectors import request_get
from oms.views import page_user
from policies.selectors import policy_find


@never_cache
@require_GET
@needs(Permission.SEE_DESK, Permission.SEE_ALL)
def case_attestations(request: HttpRequest, reference: str) -> JsonResponse:
    """Answer with what attesters sign now, for the consent page to check."""
    try:
        found = request_get(user=page_user(request), reference=reference)
    except RequestMissingError as error:
        raise Http404(str(error)) from error
    policy, mandate = policy_find(digest=found.policy_digest), Mandate.from_bytes(found.mandate_text.encode())
    if policy is None or not policy.attester_threshold or not isinstance(mandate.order, SingleOrder):
        return JsonResponse({"attestations": []})
    word = attestations_ask(intent=mandate.order.intent)
    return JsonResponse({"attestations": [write_struct(one, "attestation") for one in word.signed]})
