"""The page from which a wallet is emptied into a successor: by ordinary requests, at once or held for later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from approvals.roles import Permission, may, needs
from chains.errors import ChainsError
from custody.selectors import wallet_find
from oms.emptying import fee_most, plan_make, successors
from oms.holds import is_held
from oms.intents import amount_format
from oms.presenters import summary_list
from oms.selectors import requests_visible
from oms.views import page_context, page_user
from oms.wallet_facts import wallet_facts
from policies.selectors import policy_active

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from approvals.models import User
    from core.documents.policy import Policy
    from core.documents.roster import Wallet as RosterWallet
    from oms.emptying import Plan, Successor

_COIN_DECIMALS = 18


def _asked(plan: Plan, user: User) -> list[dict[str, object]]:
    """Return the open requests of the wallet that this person may see."""
    visible = requests_visible(user=user).filter(pk__in=[one.pk for one in plan.requests])
    return [
        {
            "row": row,
            "held": is_held(request=row.request),
            "fee": amount_format(fee_most(row.request), _COIN_DECIMALS),
        }
        for row in summary_list(requests=visible.order_by("pk"))
    ]


def _planned(request: HttpRequest, policy: Policy, entry: RosterWallet, found: list[Successor]) -> dict[str, object]:
    """Work out the transfers into the successor that was chosen, if any was."""
    into = request.GET.get("into", "")
    chosen = next((one for one in found if one.wallet.id == into and not one.problem), None)
    held = request.GET.get("held", "yes") == "yes"
    context: dict[str, object] = {"chosen": chosen, "held": held, "wrong": bool(into) and chosen is None}
    try:
        plan = plan_make(policy=policy, wallet=entry, held=held)
    except ChainsError as error:
        return context | {"problem": f"No node of this chain answers, so nothing can be worked out: {error}"}
    return context | {
        "plan": plan,
        "asked": _asked(plan, page_user(request)),
        "reserve": amount_format(plan.reserve, _COIN_DECIMALS),
    }


@never_cache
@require_GET
@needs(Permission.ASK, Permission.SEE_ALL)
def wallet_empty(request: HttpRequest, account: str) -> HttpResponse:
    """Show what it takes to empty a wallet."""
    wallet, policy = wallet_find(caip10=account), policy_active()
    if wallet is None:
        raise Http404
    entry = None if policy is None else next((one for one in policy.wallets if one.id == account), None)
    context: dict[str, object] = {
        "wallet": wallet,
        "facts": wallet_facts(wallet=wallet, now=timezone.now()),
        "named": entry is not None,
        "asks": may(request.user, Permission.ASK),
        "sees_wallets": may(request.user, Permission.SEE_ALL),
    }
    if policy is not None and entry is not None:
        found = successors(policy=policy, wallet=account, now=int(timezone.now().timestamp()))
        context |= {"successors": found, **_planned(request, policy, entry, found)}
    return render(request, "oms/wallet_empty.html", page_context(request, **context))
