"""Signing in and out, and enrolling a sign-in key with a ticket."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import django_otp
from django.conf import settings
from django.contrib import auth, messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from approvals import webauthn
from approvals.access import access_sync_user, policy_in_force
from approvals.addresses import address_of, browser_of
from approvals.errors import ApprovalsError, EnrolmentRefusedError, SignInRefusedError
from approvals.selectors import key_fingerprint_of, key_list_for_user
from approvals.services import key_enrol, ticket_get
from approvals.session_services import WORDS, EndedWhy, session_end, session_get, session_open
from approvals.sessions import WHY, session_begin
from approvals.sign_in import challenge_begin, key_prove
from approvals.software_keys import demo_keys_read
from core.canonical import parse
from core.errors import EncodingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from approvals.models import PersonSession

_SIGN_IN, _ENROL = "sign_in_state", "enrol_state"
_BACKEND = "django.contrib.auth.backends.ModelBackend"
_BODY_MOST = 64 * 1024


def body_of(request: HttpRequest) -> Mapping[str, Any]:
    """Read what a page's script sent.

    Raises:
        SignInRefusedError: It is no JSON object.
    """
    try:
        value = parse(request.body, max_bytes=_BODY_MOST)
    except EncodingError as error:
        raise SignInRefusedError("The browser's message cannot be read. Reload the page and try again.") from error
    if not isinstance(value, dict):
        raise SignInRefusedError("The browser's message cannot be read. Reload the page and try again.")
    return value


def problem(error: ApprovalsError, *, status: int = 403) -> JsonResponse:
    """Answer a page's script that something was refused (RFC 9457)."""
    body = {"type": "about:blank", "title": "Refused", "status": status, "detail": str(error)}
    return JsonResponse(body, status=status, content_type="application/problem+json")


def next_of(request: HttpRequest) -> str:
    """Return the address to go on to, if it is one of this site's."""
    wanted = request.GET.get("next", "")
    hosts = {request.get_host()}
    safe = url_has_allowed_host_and_scheme(wanted, allowed_hosts=hosts, require_https=request.is_secure())
    return wanted if safe else settings.LOGIN_REDIRECT_URL


@login_not_required
@never_cache
@require_GET
def sign_in(request: HttpRequest) -> HttpResponseBase:
    """Show the sign-in page."""
    if request.user.is_authenticated:
        return redirect(next_of(request))
    why = request.session.pop(WHY, None)
    context = {
        "demo_people": sorted(demo_keys_read()),
        "next": next_of(request),
        "ended": WORDS[EndedWhy(why)] if why in list(EndedWhy) else "",
    }
    return render(request, "approvals/sign_in.html", context)


@login_not_required
@never_cache
@require_POST
def sign_in_options(request: HttpRequest) -> HttpResponse:
    """Hand out a challenge; it is good once, and for five minutes."""
    try:
        options, state = challenge_begin(address=address_of(request), now=timezone.now())
    except SignInRefusedError as error:
        return problem(error)
    request.session[_SIGN_IN] = state
    return JsonResponse({"options": options, "rp_id": settings.COUNTERSIGN_RP_ID})


@login_not_required
@never_cache
@require_POST
def sign_in_verify(request: HttpRequest) -> HttpResponse:
    """Take the security key's answer, and open a session."""
    state = request.session.pop(_SIGN_IN, None)
    now = timezone.now()
    try:
        key = key_prove(state=state, response=body_of(request), address=address_of(request), now=now)
    except ApprovalsError as error:
        return problem(error)
    access_sync_user(user=key.user, policy=policy_in_force())
    auth.login(request, key.user, backend=_BACKEND)
    django_otp.login(request, key)
    session_begin(request, now=int(time.time()))
    request.session.save()
    ended = session_open(
        key=key,
        session_key=str(request.session.session_key),
        address=address_of(request),
        browser=browser_of(request),
        now=now,
    )
    if ended:
        messages.warning(request, _replaced(ended[0]))
    return JsonResponse({"next": next_of(request)})


def _replaced(session: PersonSession) -> str:
    since = session.opened_at.strftime("%d %b %H:%M UTC")
    return (
        f"You were signed in elsewhere since {since} (from {session.address}): that session has ended. If it was not "
        "yours, tell an administrator at once."
    )


@login_not_required
@never_cache
@require_GET
def demo_key(request: HttpRequest, person: str) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Give a demo person's private key to whoever asks. Exists in the demo only, and nowhere pretends otherwise."""
    key = demo_keys_read().get(person)
    if key is None:
        raise Http404
    return JsonResponse(key)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Close the session."""
    record = session_get(session_key=request.session.session_key)
    if request.user.is_authenticated and record is not None:
        actor = request.user.person_id
        session_end(session=record, why=EndedWhy.SIGNED_OUT, actor=actor, now=timezone.now())
    auth.logout(request)
    return redirect(settings.LOGIN_URL)


@login_not_required
@never_cache
@require_GET
def enrol(request: HttpRequest, token: str) -> HttpResponse:
    """Show the page behind an enrolment link."""
    try:
        ticket = ticket_get(token=token, now=timezone.now())
    except EnrolmentRefusedError as error:
        return render(request, "approvals/enrol.html", {"problem": str(error)}, status=410)
    return render(request, "approvals/enrol.html", {"person": ticket.user, "token": token})


@login_not_required
@never_cache
@require_POST
def enrol_options(request: HttpRequest, token: str) -> HttpResponse:
    """Hand out a challenge for a new key."""
    try:
        user = ticket_get(token=token, now=timezone.now()).user
    except EnrolmentRefusedError as error:
        return problem(error)
    known = [key.public_key for key in key_list_for_user(user=user)]
    options, state = webauthn.registration_begin(user_id=user.person_id.encode(), name=user.display_name, known=known)
    request.session[_ENROL] = state
    return JsonResponse({"options": options})


@login_not_required
@never_cache
@require_POST
def enrol_verify(request: HttpRequest, token: str) -> HttpResponse:
    """Take the new key."""
    state = request.session.pop(_ENROL, None)
    try:
        if state is None:
            raise EnrolmentRefusedError("This attempt was used already. Reload the page and try again.")
        key = key_enrol(token=token, state=state, response=body_of(request), now=timezone.now())
    except ApprovalsError as error:
        return problem(error)
    fingerprint = key_fingerprint_of(key=key)
    return JsonResponse({"next": settings.LOGIN_URL, "confirmed": key.confirmed, "fingerprint": fingerprint})
