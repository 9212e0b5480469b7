"""Pages of ceremonies: the list, the draft of one, and one on its way with its progress and transcript."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from rest_framework.response import Response
from rest_framework.views import APIView

from approvals.roles import Permission, api_needs, may, needs
from approvals.selectors import consent_list_for_subject
from core.canonical import canonical, parse
from core.documents.control import CeremonyKind
from custody.ceremony_export import EXPORT_NAME, ceremony_export, transcript_data
from custody.ceremony_schedule import refresh_days_set
from custody.ceremony_selectors import (
    ceremonies_waiting,
    ceremony_get,
    ceremony_list,
    ceremony_seats,
    transcript,
    transcript_holds,
)
from custody.ceremony_services import ceremony_abandon
from custody.errors import CeremonyMissingError, CeremonyRefusedError
from oms.api import STOP_POLLING, StrictJsonParser, request_part, request_user
from oms.ceremonies import ceremony_propose, ceremony_said
from oms.ceremony_commands import commands_of
from oms.ceremony_forms import AbandonForm, CeremonyFilter, CeremonyForm, ReminderForm
from oms.ceremony_kinds import KINDS, Choice, kind_read, needed_words, wallets_for
from oms.ceremony_watch import parties_up, refresh_rows
from oms.ceremony_words import progress_table, step_words, view_of
from oms.consent_standing import voices_of
from oms.errors import FormError
from oms.presenters import digest_groups
from oms.views import page_context, page_user
from policies.selectors import policy_active, policy_chain

if TYPE_CHECKING:
    from django.http import HttpRequest
    from rest_framework.request import Request

    from core.documents.policy import Policy
    from core.documents.roster import Wallet
    from custody.models import KeyCeremony

PAGE_ROWS = 25
LINES_SHOWN = 40
_UNPROCESSABLE = 422


def _found(digest: str) -> KeyCeremony:
    try:
        return ceremony_get(digest=digest)
    except CeremonyMissingError as error:
        raise Http404(str(error)) from error


@never_cache
@require_GET
@needs(Permission.SEE_ALL)
def ceremonies(request: HttpRequest) -> HttpResponse:
    """List ceremonies, those that wait for the reader first of all, and when shares are refreshed next."""
    policy, now, user = policy_active(), timezone.now(), page_user(request)
    form = CeremonyFilter(policy, request.GET)
    page = Paginator(form.narrowed(ceremony_list()), PAGE_ROWS).get_page(request.GET.get("page"))
    mine = [] if policy is None else ceremonies_waiting(person=user.person_id, policy=policy, now=now)
    context = page_context(
        request,
        form=form,
        page=page,
        rows=[view_of(ceremony=one, policy=policy) for one in page],
        mine=[view_of(ceremony=one, policy=policy) for one in mine],
        narrowed=bool(form.typed()),
        query=urlencode(form.typed()),
        refreshes=[] if policy is None else refresh_rows(policy=policy, now=now),
        may_run=may(user, Permission.RUN),
    )
    return render(request, "oms/ceremonies.html", context)


def _chosen(request: HttpRequest, policy: Policy) -> tuple[CeremonyKind | None, list[Wallet], Wallet | None]:
    """Return what a form is for: its kind, the wallets that it can be about, and which one it is."""
    typed = request.POST if request.method == "POST" else request.GET
    kind = kind_read(typed.get("kind", ""))
    if kind is None:
        return None, [], None
    fitting = wallets_for(kind=kind, policies=[signed.policy for signed in policy_chain()] or [policy])
    named = typed.get("wallet", "")
    wallet = next((one for one in fitting if one.id == named), None)
    if wallet is None and len(fitting) == 1 and not named:
        wallet = fitting[0]
    return kind, fitting, wallet


@never_cache
@require_http_methods(["GET", "POST"])
@needs(Permission.RUN)
def ceremony_new(request: HttpRequest) -> HttpResponse:
    """Choose a kind, then a wallet; then only the fields that the kind takes. Posted: draft it."""
    policy = policy_active()
    if policy is None:
        return render(request, "oms/no_policy.html", page_context(request), status=503)
    kind, fitting, wallet = _chosen(request, policy)
    offered = {one: form for one, form in KINDS.items() if form.built}
    context = page_context(request, kinds=offered, kind=kind, wallets=fitting, wallet=wallet)
    if kind is None:
        return render(request, "oms/ceremony_kind.html", context)
    context["about"] = KINDS[kind]
    if wallet is None and KINDS[kind].choice is not Choice.PLANNED:
        return render(request, "oms/ceremony_kind.html", context)
    posted = request.method == "POST"
    form = CeremonyForm(kind, wallet, policy, request.POST if posted else None, chosen=request.GET.getlist("signer"))
    made = _draft(request, form) if posted and form.is_valid() else None
    if made is not None:
        messages.success(request, "Drafted. Nothing happens until its quorum has consented.")
        return redirect("oms:ceremony", made.digest)
    context |= {"form": form, "needed": needed_words(wallet=wallet) if wallet and len(wallet.signers) > 1 else ""}
    return render(request, "oms/ceremony_new.html", context, status=_UNPROCESSABLE if posted else 200)


@never_cache
@require_GET
@needs(Permission.RUN)
def ceremony_degraded(request: HttpRequest, account: str) -> HttpResponse:
    """Lead to the draft of a degraded mode in which the parties are chosen that answered lately."""
    del request
    policy = policy_active()
    wallet = None if policy is None else next((one for one in policy.wallets if one.id == account), None)
    if wallet is None:
        raise Http404("The policy in force names no such wallet.")
    up = parties_up(wallet=wallet, now=timezone.now())
    asked = [("kind", CeremonyKind.DEGRADED.value), ("wallet", wallet.id), *(("signer", name) for name in up)]
    return redirect(f"{reverse('oms:ceremony_new')}?{urlencode(asked)}")


def _draft(request: HttpRequest, form: CeremonyForm) -> KeyCeremony | None:
    try:
        return ceremony_propose(user=page_user(request), wanted=form.wanted(), now=timezone.now())
    except FormError as error:
        form.take_errors(error)
        return None


def _link(ceremony: KeyCeremony, actor: str) -> str:
    asked = {
        "v": 1,
        "subject_type": "ceremony",
        "document": parse(ceremony.document.encode()),
        "decision": "review",
        "actor": actor,
        "credentials": [],
        "return_origin": settings.COUNTERSIGN_WEB_ORIGIN,
        "claimed": {},
        "consents": voices_of(subject=ceremony.digest),
    }
    return json.dumps(asked, ensure_ascii=False, separators=(",", ":"))


def _consent_context(request: HttpRequest, ceremony: KeyCeremony, policy: Policy | None) -> dict[str, Any]:
    user, now = page_user(request), timezone.now()
    context: dict[str, Any] = {"may_sign": False, "seats": None}
    if policy is None or policy.digest != ceremony.policy_digest:
        return context
    shown = view_of(ceremony=ceremony, policy=policy)
    context["seats"] = ceremony_seats(document=shown.document, policy=policy, now=int(now.timestamp()))
    waiting = ceremonies_waiting(person=user.person_id, policy=policy, now=now)
    heard = {row.actor for row in consent_list_for_subject(subject=ceremony.digest) if row.decision == "reject"}
    rejectable = shown.is_going and user.person_id not in heard and may(user, Permission.DECIDE, Permission.RUN)
    if ceremony not in waiting and not rejectable:
        return context
    return context | {
        "may_sign": True,
        "only_reject": rejectable,
        "consent_origin": settings.COUNTERSIGN_CONSENT_ORIGIN,
        "consent_request": _link(ceremony, user.person_id),
        "submit": reverse("oms:ceremony_consent", args=[ceremony.digest]),
    }


def _progress_context(ceremony: KeyCeremony, policy: Policy | None) -> dict[str, Any]:
    steps, lines = progress_table(ceremony=ceremony)
    return {"view": view_of(ceremony=ceremony, policy=policy), "steps": steps, "lines": lines}


@never_cache
@require_http_methods(["GET", "POST"])
@needs(Permission.SEE_ALL)
def ceremony(request: HttpRequest, ceremony: str) -> HttpResponse:
    """Show one ceremony; posted by whoever may run operations, abandon it."""
    found, policy = _found(ceremony), policy_active()
    posted, user = request.method == "POST", page_user(request)
    runs = may(user, Permission.RUN)
    if posted and not runs:
        return HttpResponse(status=403)
    form = AbandonForm(request.POST if posted else None)
    if posted and form.is_valid():
        try:
            why = form.cleaned_data["why"]
            ceremony_abandon(digest=found.digest, person=user.person_id, why=why, now=timezone.now())
        except CeremonyRefusedError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, "Abandoned. Nobody is asked for it any more.")
            return redirect("oms:ceremony", found.digest)
    told = transcript(ceremony=found)
    context = page_context(
        request,
        **_progress_context(found, policy),
        **_consent_context(request, found, policy),
        told=[{"line": line, "what": step_words(line.what)} for line in told[-LINES_SHOWN:]],
        told_more=max(0, len(told) - LINES_SHOWN),
        told_holds=transcript_holds(lines=told),
        digest=digest_groups(found.digest),
        commands=commands_of(ceremony=found),
        consents=consent_list_for_subject(subject=found.digest),
        abandon=form,
        may_run=runs,
    )
    return render(request, "oms/ceremony.html", context, status=_UNPROCESSABLE if posted else 200)


@never_cache
@require_GET
@needs(Permission.SEE_ALL)
def ceremony_status(request: HttpRequest, ceremony: str) -> HttpResponse:
    """Answer the polling of a ceremony's page, until there is nothing more to wait for."""
    found = _found(ceremony)
    context = _progress_context(found, policy_active())
    status = STOP_POLLING if context["view"].is_final else 200
    return render(request, "oms/_ceremony_progress.html", context, status=status)


@never_cache
@require_GET
@needs(Permission.SEE_ALL)
def ceremony_transcript(request: HttpRequest, ceremony: str) -> HttpResponse:
    """Hand out the whole transcript, JSON: every line with its digest, so that a missing one is seen."""
    del request
    found = _found(ceremony)
    answer = JsonResponse(transcript_data(ceremony=found), json_dumps_params={"indent": 1})
    answer["Content-Disposition"] = f'attachment; filename="transcript-{found.digest[:16]}.json"'
    return answer


@never_cache
@require_GET
@needs(Permission.RUN)
def ceremony_file(request: HttpRequest, ceremony: str) -> HttpResponse:
    """Hand out the ordered ceremony with its consents, as consoles take it."""
    found = _found(ceremony)
    try:
        signed = ceremony_export(ceremony=found, actor=page_user(request).person_id)
    except CeremonyRefusedError as error:
        raise Http404(error.message) from error
    answer = HttpResponse(canonical(signed), content_type="application/json")
    answer["Content-Disposition"] = f'attachment; filename="{EXPORT_NAME.format(digest=found.digest[:8])}"'
    return answer


@never_cache
@require_POST
@needs(Permission.RUN)
def ceremony_reminder(request: HttpRequest) -> HttpResponse:
    """Set how often a wallet's shares are refreshed."""
    form = ReminderForm(request.POST)
    if form.is_valid():
        try:
            refresh_days_set(
                actor=page_user(request).person_id,
                wallet=form.cleaned_data["wallet"],
                days=form.cleaned_data["days"],
            )
        except CeremonyMissingError as error:
            messages.error(request, f"Not done: {error}")
        else:
            messages.success(request, f"A refresh is due every {form.cleaned_data['days']} days.")
    else:
        messages.error(request, "Not done: a number of days from 1 to 3,653 is expected, for one of our wallets.")
    return redirect("oms:ceremonies")


class CeremonyConsentView(APIView):
    """Takes a consent to a ceremony, or its rejection."""

    parser_classes = (StrictJsonParser,)
    permission_classes = (api_needs(Permission.RUN, Permission.DECIDE),)

    def post(self, request: Request, ceremony: str) -> Response:
        """Record it."""
        kept = ceremony_said(
            user=request_user(request),
            digest=ceremony,
            consent_raw=request_part(request, "consent"),
            now=timezone.now(),
        )
        return Response({"next": reverse("oms:ceremony", args=[kept.digest]), "state": kept.state})
