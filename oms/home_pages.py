"""The overview: what each role has to know first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from approvals.roles import Permission, may, needs
from audit.alarms import alarms_open
from oms import dashboards
from oms.ceremony_due import due_context
from oms.presenters import summary_list
from oms.views import page_context, page_user
from policies.proposals import proposals_waiting

if TYPE_CHECKING:
    import datetime as dt

    from django.http import HttpRequest, HttpResponse

    from approvals.models import User

ALARM_ROWS = 5


def _chart(found: dict[str, object] | None) -> dict[str, object] | None:
    """Put a chart's numbers beside it as text, for the script that draws it."""
    if found is None:
        return None
    drawn = {name: found[name] for name in ("unit", "times", "series")}
    return {**found, "data": json.dumps(drawn, separators=(",", ":"))}


def _officer(user: User, now: dt.datetime) -> dict[str, object]:
    waits = dashboards.waiting(user=user)
    return {
        "waits": summary_list(requests=waits[: dashboards.ROWS]),
        "waits_count": len(waits),
        **due_context(user=user, now=now),
        "proposals": proposals_waiting(person=user.person_id, now=int(now.timestamp())),
        "expiring": dashboards.expiring(user=user, now=now),
        "refused": dashboards.refused(user=user, now=now),
        "limits": dashboards.limit_uses(now=now),
        "signers": dashboards.signer_healths(now=now),
        "limit_chart": _chart(dashboards.limit_chart(now=now)),
    }


@never_cache
@require_GET
@needs()
def home(request: HttpRequest) -> HttpResponse:
    """Show what is whose: a trader's requests, an officer's cases, an administrator's policy."""
    user, now = page_user(request), timezone.now()
    sees = {
        "asks": may(user, Permission.ASK),
        "decides_here": may(user, Permission.SEE_QUEUE),
        "keeps": user.is_staff and user.has_perm("policies.view_policyversion"),
        "reads_alarms": may(user, Permission.SEE_ALARMS),
    }
    context = page_context(request, **sees)
    if sees["asks"]:
        context["mine"] = dashboards.mine(user=user)
    if sees["decides_here"]:
        context |= _officer(user, now)
    if sees["reads_alarms"]:
        context["open_alarms"] = list(alarms_open()[:ALARM_ROWS])
    if sees["keeps"]:
        context["keeper"] = dashboards.admin_view()
    if may(user, Permission.SEE_DESK, Permission.SEE_ALL):
        context["volume"] = _chart(dashboards.volume_chart(user=user, now=now))
    return render(request, "oms/home.html", context)
