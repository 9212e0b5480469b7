"""Pages about wallets: what they hold over time, what stands in their lane, and what left them without us."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

from django.core.paginator import Paginator
from django.http import Http404
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from approvals.roles import Permission, may, needs
from chains.selectors import asset_list
from core.names import native_asset
from custody.lane_view import LaneView, lane_view
from custody.models import BalancePoint, LedgerCursor, StrangeOutflow, WalletKeyEvent
from custody.selectors import balances_latest, rule_of, wallet_find, wallet_list
from oms.degraded import degraded_notes
from oms.intents import amount_format
from oms.security_models import model_of, model_rows
from oms.views import page_context
from oms.wallet_facts import healths_now, wallet_facts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.http import HttpRequest, HttpResponse

    from chains.models import Asset
    from custody.models import Wallet
    from oms.dashboards import SignerHealth

PAGE_ROWS = 25
KEY_EVENTS = 10
CHART_DAYS = 30
COIN_DECIMALS = 18


def _assets(wallet: Wallet) -> dict[str, Asset]:
    return {asset.caip19: asset for asset in asset_list(chain=wallet.chain_id)}


def _amount(amount: int, name: str, assets: dict[str, Asset], wallet: Wallet) -> str:
    asset = assets.get(name)
    if asset is not None:
        return f"{amount_format(amount, asset.decimals)} {asset.symbol}"
    if name == native_asset(wallet.chain_id):
        return f"{amount_format(amount, COIN_DECIMALS)} {wallet.chain.native_symbol}"
    return f"{amount} base units of {name}"


def _row(wallet: Wallet, healths: dict[str, SignerHealth], now: dt.datetime) -> dict[str, object]:
    assets, cursor = _assets(wallet), LedgerCursor.objects.filter(wallet=wallet).first()
    return {
        "wallet": wallet,
        "cursor": cursor,
        "balances": [
            _amount(point.amount, name, assets, wallet) for name, point in balances_latest(wallet=wallet).items()
        ],
        "lane": lane_view(wallet=wallet),
        "strange": StrangeOutflow.objects.filter(wallet=wallet).count(),
        "facts": wallet_facts(wallet=wallet, now=now, healths=healths),
    }


@never_cache
@require_GET
@needs(Permission.SEE_ALL)
def wallets(request: HttpRequest) -> HttpResponse:
    """Show all wallets."""
    page = Paginator(wallet_list(), PAGE_ROWS).get_page(request.GET.get("page"))
    now, models = timezone.now(), model_rows(wallets=wallet_list())
    healths = healths_now(now=now)
    context = page_context(request, page=page, rows=[_row(wallet, healths, now) for wallet in page], models=models)
    return render(request, "oms/wallets.html", context)


def _chart(points: Iterable[BalancePoint], asset: Asset | None, decimals: int, symbol: str) -> dict[str, object]:
    """Prepare a balance over the last days: its last value of each day. Drawn in whole units, told exactly."""
    days: dict[dt.date, int] = {point.block_time.astimezone(dt.UTC).date(): point.amount for point in points}
    label = symbol if asset is None else asset.symbol
    times = [int(dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC).timestamp()) for day in days]
    data = {
        "unit": label,
        "times": times,
        # Whole units only: a picture needs no more, and base units do not fit into what a browser counts with.
        "series": [{"label": label, "values": [amount // 10**decimals for amount in days.values()]}],
    }
    rows = [(day.isoformat(), [amount_format(amount, decimals)]) for day, amount in days.items()]
    return {
        "none": not days,
        "data": json.dumps(data, separators=(",", ":")),
        "series": data["series"],
        "rows": rows,
        "unit": label,
    }


def _charts(wallet: Wallet, now: dt.datetime) -> list[dict[str, object]]:
    since, assets = now - dt.timedelta(days=CHART_DAYS), _assets(wallet)
    made: list[dict[str, object]] = []
    for name in balances_latest(wallet=wallet):
        points = BalancePoint.objects.filter(wallet=wallet, asset=name, block_time__gte=since).order_by("pk")
        asset = assets.get(name)
        decimals = COIN_DECIMALS if asset is None else asset.decimals
        chart = _chart(points, asset, decimals, wallet.chain.native_symbol)
        made.append({"title": f"{chart['unit']} held", "help": f"Last {CHART_DAYS} days", "chart": chart})
    return made


def _lane_words(view: LaneView) -> str:
    if view.next_nonce is None:
        return "This lane was never used: its first nonce is what a majority of the nodes says."
    return f"The next nonce is {view.next_nonce}."


@never_cache
@require_GET
@needs(Permission.SEE_ALL)
def wallet(request: HttpRequest, account: str) -> HttpResponse:
    """Show one wallet."""
    found = wallet_find(caip10=account)
    if found is None:
        raise Http404
    assets, view, now = _assets(found), lane_view(wallet=found), timezone.now()
    page = Paginator(StrangeOutflow.objects.filter(wallet=found), PAGE_ROWS).get_page(request.GET.get("page"))
    rule = rule_of(chain=found.chain_id)
    context = page_context(
        request,
        row=_row(found, healths_now(now=now), now),
        wallet=found,
        degraded=degraded_notes(wallet=found.pk, now=now),
        model=model_of(wallet=found),
        runs=may(request.user, Permission.RUN),
        key_events=WalletKeyEvent.objects.filter(key_id=found.pk).order_by("-pk")[:KEY_EVENTS],
        lane=view,
        lane_words=_lane_words(view),
        gas_low=_amount(rule.gas_low, native_asset(found.chain_id), assets, found),
        rule=rule,
        charts=_charts(found, now),
        page=page,
        strange=[
            {"row": row, "amount": _amount(row.amount, row.asset, assets, found) if row.asset else ""} for row in page
        ],
    )
    return render(request, "oms/wallet.html", context)
