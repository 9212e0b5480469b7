"""Pages about people: who can do what, their keys and sessions, links, and shutting somebody out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from approvals.access import KEYS_EACH, access_rows
from approvals.addresses import address_of
from approvals.errors import ApprovalsError, EnrolmentRefusedError, SignInRefusedError
from approvals.models import PersonSession, SecurityKey, User
from approvals.people_services import key_confirm as confirm
from approvals.people_services import person_lock as lock_person
from approvals.roles import Permission, may, needs
from approvals.selectors import key_fingerprint_of, key_list_for_user
from approvals.services import TICKET_LIFETIME, ticket_create
from approvals.services import key_lock as lock_key
from approvals.session_services import EndedWhy, session_list, sessions_end
from approvals.session_services import session_end as end_session
from approvals.sessions import PROVED
from approvals.sign_in import challenge_begin, key_prove
from approvals.step_up import proved_recently
from approvals.views import body_of, next_of, problem
from audit.context import session_name
from audit.services import entry_append
from audit.tags import AuditTag

if TYPE_CHECKING:
    from django.http import HttpResponseBase

    from approvals.access import AccessRow

PAGE_ROWS = 25
SESSION_ROWS = 20
_STEP_UP = "step_up_state"


def _me(request: HttpRequest) -> User:
    # LoginRequiredMiddleware has seen to it; this says so to the type checker, and fails closed.
    if not isinstance(request.user, User):
        raise Http404
    return request.user


def groups_of_four(text: str) -> str:
    """Write a digest as people read it to each other."""
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


@never_cache
@require_GET
@needs(Permission.SEE_ACCESS)
def access(request: HttpRequest) -> HttpResponse:
    """Show who can do what, and whether policy and site agree."""
    found = access_rows()
    only = request.GET.get("show", "")
    rows = [row for row in found.rows if _shown(row, only)]
    page = Paginator(rows, PAGE_ROWS).get_page(request.GET.get("page"))
    context = {"access": found, "page": page, "only": only, "keys_each": KEYS_EACH}
    return render(request, "approvals/access.html", context)


def _shown(row: AccessRow, only: str) -> bool:
    if only == "disagreeing":
        return bool(row.disagreements)
    return row.short_of_keys if only == "keys" else True


@never_cache
@require_GET
@needs(Permission.SEE_ACCESS)
def person(request: HttpRequest, person_id: str) -> HttpResponse:
    """Show one person: permissions, keys, sessions, and what can be done about them."""
    row = next((row for row in access_rows().rows if row.id == person_id), None)
    if row is None:
        raise Http404("There is no such person.")
    keys = [] if row.user is None else list(key_list_for_user(user=row.user).prefetch_related("confirmations__by"))
    context = {
        "row": row,
        "keys": [(key, groups_of_four(_fingerprint(key)), [c.by for c in key.confirmations.all()]) for key in keys],
        "sessions": [] if row.user is None else session_list(user=row.user, most=SESSION_ROWS),
        "manages": may(request.user, Permission.MANAGE_PEOPLE),
        "compares": may(request.user, Permission.COMPARE_KEYS),
        "self": row.id == _me(request).person_id,
        "link": request.session.pop("enrolment_link", None),
        "keys_each": KEYS_EACH,
    }
    return render(request, "approvals/person.html", context)


def _fingerprint(key: SecurityKey) -> str:
    try:
        return key_fingerprint_of(key=key)
    except ValueError:
        return ""


def _account(person_id: str) -> User:
    return get_object_or_404(User, person_id=person_id)


def _back(request: HttpRequest, person_id: str, said: str) -> HttpResponse:
    messages.success(request, said)
    return redirect("approvals:person", person_id)


def _refused(request: HttpRequest, person_id: str, error: ApprovalsError) -> HttpResponse:
    messages.error(request, str(error))
    return redirect("approvals:person", person_id)


@require_POST
@needs(Permission.MANAGE_PEOPLE)
def person_link(request: HttpRequest, person_id: str) -> HttpResponse:
    """Hand out a link with which somebody enrols a sign-in key."""
    user, me = _account(person_id), _me(request)
    try:
        token = ticket_create(user=user, actor=me.person_id, now=timezone.now(), by=me)
    except EnrolmentRefusedError as error:
        return _refused(request, person_id, error)
    request.session["enrolment_link"] = settings.COUNTERSIGN_WEB_ORIGIN + reverse("approvals:enrol", args=[token])
    minutes = TICKET_LIFETIME.seconds // 60
    return _back(request, person_id, f"Hand the link over in person. It is good once, for {minutes} minutes.")


@require_POST
@needs(Permission.MANAGE_PEOPLE)
def person_lock(request: HttpRequest, person_id: str) -> HttpResponse:
    """Shut somebody out at once."""
    user = _account(person_id)
    try:
        ended = lock_person(user=user, by=_me(request), why=request.POST.get("why", ""), now=timezone.now())
    except EnrolmentRefusedError as error:
        return _refused(request, person_id, error)
    said = f"Shut out: {ended} sessions ended, all sign-in keys locked. Now remove the person from the policy."
    return _back(request, person_id, said)


@require_POST
@needs(Permission.MANAGE_PEOPLE)
def key_lock(request: HttpRequest, key_id: int) -> HttpResponse:
    """Lock a sign-in key for good."""
    key = get_object_or_404(SecurityKey, pk=key_id)
    lock_key(key_id=key.pk, actor=_me(request).person_id, now=timezone.now())
    return _back(request, key.user.person_id, "The key is locked, and the sessions that it opened have ended.")


@require_POST
@needs(Permission.COMPARE_KEYS)
def key_confirm(request: HttpRequest, key_id: int) -> HttpResponse:
    """Say that a new sign-in key was compared with its owner."""
    key = get_object_or_404(SecurityKey, pk=key_id)
    try:
        key = confirm(key_id=key.pk, by=_me(request), now=timezone.now())
    except EnrolmentRefusedError as error:
        return _refused(request, key.user.person_id, error)
    said = "The key may be used now." if key.confirmed else "Noted. Another administrator has to compare it as well."
    return _back(request, key.user.person_id, said)


@never_cache
@require_GET
@needs()
def sessions(request: HttpRequest) -> HttpResponse:
    """List one's own sessions and sign-in keys."""
    me = _me(request)
    context = {
        "rows": session_list(user=me, most=SESSION_ROWS),
        "here": session_name(request.session.session_key or ""),
        "keys": [(key, groups_of_four(_fingerprint(key))) for key in key_list_for_user(user=me)],
        "keys_each": KEYS_EACH,
        "idle_minutes": settings.COUNTERSIGN_SESSION_IDLE_SECONDS // 60,
        "most_hours": settings.COUNTERSIGN_SESSION_MOST_SECONDS // 3600,
    }
    return render(request, "approvals/sessions.html", context)


@require_POST
@needs()
def session_end(request: HttpRequest, session_id: int) -> HttpResponse:
    """End one of one's own sessions, or somebody else's if one manages people."""
    me = _me(request)
    found = PersonSession.objects.select_related("user").filter(pk=session_id).first()
    others = may(request.user, Permission.MANAGE_PEOPLE)
    if found is None or not (found.user_id == me.pk or others):
        raise Http404("There is no such session, or it is somebody else's.")
    end_session(session=found, why=EndedWhy.REVOKED, actor=me.person_id, now=timezone.now())
    messages.success(request, "The session has ended.")
    if found.user_id == me.pk:
        return redirect("approvals:sessions")
    return redirect("approvals:person", found.user.person_id)


@require_POST
@needs(Permission.MANAGE_PEOPLE)
def sessions_end_all(request: HttpRequest, person_id: str) -> HttpResponse:
    """End all of somebody's sessions."""
    ended = sessions_end(
        user=_account(person_id), why=EndedWhy.REVOKED, actor=_me(request).person_id, now=timezone.now()
    )
    return _back(request, person_id, f"{ended} sessions ended.")


@never_cache
@require_GET
@needs()
def step_up(request: HttpRequest) -> HttpResponseBase:
    """Ask for a fresh touch of one's key."""
    if proved_recently(request, now=int(time.time())):
        return redirect(next_of(request))
    keys = key_list_for_user(user=_me(request))
    return render(
        request, "approvals/step_up.html", {"next": next_of(request), "software": keys.filter(software=True)}
    )


@never_cache
@require_POST
@needs()
def step_up_options(request: HttpRequest) -> HttpResponse:
    """Hand out a challenge to this person's own keys."""
    try:
        options, state = challenge_begin(address=address_of(request), now=timezone.now(), user=_me(request))
    except SignInRefusedError as error:
        return problem(error)
    request.session[_STEP_UP] = state
    return JsonResponse({"options": options, "rp_id": settings.COUNTERSIGN_RP_ID})


@never_cache
@require_POST
@needs()
def step_up_verify(request: HttpRequest) -> HttpResponse:
    """Take the key's answer; what is sensitive is open for a few minutes."""
    state, me, now = request.session.pop(_STEP_UP, None), _me(request), timezone.now()
    try:
        key = key_prove(state=state, response=body_of(request), address=address_of(request), now=now, user=me)
    except ApprovalsError as error:
        return problem(error)
    request.session[PROVED] = int(now.timestamp())
    with transaction.atomic():
        payload: dict[str, object] = {"credential": key.credential_id}
        entry_append(actor=me.person_id, tag=AuditTag.SESSION_PROVED, subject=me.person_id, payload=payload)
    return JsonResponse({"next": next_of(request)})
