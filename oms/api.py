"""What the pages' scripts send and poll. Errors are problem+json, mapped once, in `config.problems`."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from django.urls import reverse
from django.utils import timezone
from rest_framework.exceptions import NotAuthenticated, ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer, TemplateHTMLRenderer
from rest_framework.response import Response
from rest_framework.views import APIView

from approvals.roles import Permission, api_needs
from core.canonical import canonical, parse
from core.errors import EncodingError
from oms.log_services import case_note
from oms.presenters import detail_of
from oms.selectors import request_get
from oms.services import request_ask, request_consent
from policies.explanation import view_data
from policies.selectors import decision_find, decision_view

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rest_framework.request import Request

    from approvals.models import User

BODY_MOST_BYTES = 512 * 1024
_SEES = api_needs(Permission.SEE_DESK, Permission.SEE_ALL)
STOP_POLLING = 286
"""htmx's own status: show this answer, and ask no more."""


class StrictJsonParser(BaseParser):
    """JSON as documents are read: no floats, no duplicate names, nothing that two parsers read differently."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002 - as above
    ) -> dict[str, object]:
        """Read one JSON object.

        Raises:
            ParseError: For anything else.
        """
        try:
            value = parse(stream.read(BODY_MOST_BYTES + 1), max_bytes=BODY_MOST_BYTES)
        except EncodingError as error:
            raise ParseError(f"This cannot be read: {error}.") from error
        if not isinstance(value, dict):
            raise ParseError("A JSON object is expected.")
        return value


def request_part(request: Request, name: str) -> bytes:
    """Return one field of a request's body, canonical JSON.

    Raises:
        ParseError: If it is missing.
    """
    if name not in request.data:
        raise ParseError(f"“{name}” is missing.")
    return canonical(request.data[name])


def request_user(request: Request) -> User:
    """Return who asks."""
    # The permission class has seen to it; this says so to the type checker, and fails closed.
    if not request.user.is_authenticated:
        raise NotAuthenticated
    return request.user


class AskView(APIView):
    """Takes a mandate with its asker's consent."""

    parser_classes = (StrictJsonParser,)
    permission_classes = (api_needs(Permission.ASK),)

    def post(self, request: Request) -> Response:
        """Ask."""
        asked = request_ask(
            user=request_user(request),
            mandate_raw=request_part(request, "mandate"),
            consent_raw=request_part(request, "consent"),
            now=timezone.now(),
            held=request.query_params.get("held") == "yes",
        )
        return Response({"next": reverse("oms:request", args=[asked.reference]), "state": asked.state}, status=201)


class ConsentView(APIView):
    """Takes an approval, a rejection or a withdrawal."""

    parser_classes = (StrictJsonParser,)
    permission_classes = (api_needs(Permission.DECIDE, Permission.ASK),)

    def post(self, request: Request, reference: str) -> Response:
        """Record it."""
        decided = request_consent(
            user=request_user(request),
            reference=reference,
            consent_raw=request_part(request, "consent"),
            now=timezone.now(),
        )
        return Response({"next": reverse("oms:request", args=[decided.reference]), "state": decided.state})


class StatusView(APIView):
    """Where a request stands: JSON for programs, a fragment for the page that polls it."""

    renderer_classes = (JSONRenderer, TemplateHTMLRenderer)
    permission_classes = (_SEES,)

    def get(self, request: Request, reference: str) -> Response:
        """Answer, and tell the page when there is nothing more to wait for."""
        detail = detail_of(request=request_get(user=request_user(request), reference=reference))
        final = detail.summary.final
        if request.accepted_renderer.format == "html":
            status = STOP_POLLING if final else 200
            return Response({"detail": detail}, status=status, template_name="oms/_status.html")
        progress = detail.progress
        body = {
            "reference": reference,
            "state": detail.summary.request.state,
            "words": detail.summary.state_words,
            "why": detail.summary.request.sub_status,
            "waits": "" if progress is None else progress.message,
            "final": final,
            "transaction_hash": None if progress is None else progress.transaction_hash,
            "depth": 0 if progress is None else progress.depth,
            "decision": None if detail.decision is None else detail.decision.summary,
        }
        return Response(body)


class DecisionView(APIView):
    """Why a request was decided as it was: the whole tree, for programs."""

    permission_classes = (_SEES,)

    def get(self, request: Request, reference: str) -> Response:
        """Answer; null while nothing is decided."""
        user = request_user(request)
        found = request_get(user=user, reference=reference)
        case_note(user=user, request=found, shown="decision")
        decision = decision_find(intent_digest=found.intent_digest)
        body = None if decision is None else view_data(view=decision_view(decision=decision))
        return Response({"reference": reference, "decision": body})
