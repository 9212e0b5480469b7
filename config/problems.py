"""Errors at the edge: every refusal of the API is `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

from approvals.errors import ConsentRefusedError
from custody.errors import CeremonyMissingError, CeremonyRefusedError
from oms.errors import FormError, RequestMissingError, RequestRefusedError
from policies.errors import (
    DecisionConflictError,
    MandateRefusedError,
    NoPolicyError,
    ProposalMissingError,
    ProposalRefusedError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTENT_TYPE = "application/problem+json"

# What an app's error means over HTTP: (error, status), the first that fits. Apps do not know that HTTP exists.
# An error that stands in no row is a bug and becomes a 500 without details.
STATUS_BY_ERROR: tuple[tuple[type[Exception], HTTPStatus], ...] = (
    (RequestMissingError, HTTPStatus.NOT_FOUND),
    (RequestRefusedError, HTTPStatus.CONFLICT),
    (CeremonyMissingError, HTTPStatus.NOT_FOUND),
    (CeremonyRefusedError, HTTPStatus.CONFLICT),
    (FormError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (ConsentRefusedError, HTTPStatus.FORBIDDEN),
    (MandateRefusedError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (NoPolicyError, HTTPStatus.SERVICE_UNAVAILABLE),
    (DecisionConflictError, HTTPStatus.CONFLICT),
    (ProposalMissingError, HTTPStatus.NOT_FOUND),
    (ProposalRefusedError, HTTPStatus.CONFLICT),
)


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """Render an error for DRF.

    Args:
        error: What a view raised.
        context: DRF's: the view, its arguments and the request.

    Returns:
        The problem, or None for an error that nobody expected, which Django then logs and answers.
    """
    for kind, status in STATUS_BY_ERROR:
        if isinstance(error, kind):
            return _problem(status, detail=str(error))
    response = exception_handler(error, context)
    if response is None:
        return None
    status = HTTPStatus(response.status_code)
    if isinstance(error, ValidationError):
        problem = _problem(status, detail="Some fields cannot be accepted.", errors=response.data)
    else:
        detail = str(error.detail) if isinstance(error, APIException) else status.description
        problem = _problem(status, detail=detail)
    for header in ("Retry-After", "WWW-Authenticate", "Allow"):
        if response.has_header(header):
            problem[header] = response[header]
    return problem


def _problem(status: HTTPStatus, *, detail: str, **more: Mapping[str, object] | list[object]) -> Response:
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail, **more}
    return Response(body, status=status.value, content_type=CONTENT_TYPE)
