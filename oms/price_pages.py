"""Pages about prices: what they are, what each feed said, how they went, and prices that people enter."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from approvals.roles import Permission, needs
from chains.errors import PriceError
from chains.models import FeedKind
from chains.price_services import price_enter
from chains.prices.consensus import PRICE_DECIMALS
from chains.selectors import asset_list_priced, feed_find, feed_list, price_history, price_now
from oms.errors import FormError
from oms.intents import amount_format, amount_parse
from oms.views import page_context, page_user

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from chains.models import Asset, PriceObservation

HISTORY = dt.timedelta(days=1)
POINTS_MOST = 1500
_UNPROCESSABLE = 422


class PriceForm(forms.Form):
    """A price that somebody enters."""

    price = forms.CharField(
        label="Price in US dollars", max_length=80, help_text="For one whole unit, such as 2500.25."
    )
    hours = forms.IntegerField(
        label="Counts for", min_value=1, max_value=168, initial=1, help_text="Hours, at most 168."
    )


def price_words(price: int | None) -> str:
    """Write a price for people; a dash where there is none."""
    return "–" if price is None else f"{amount_format(price, PRICE_DECIMALS)} USD"  # noqa: RUF001 - a dash on a page


def _chart(history: list[PriceObservation]) -> str:
    """Return the points of a chart, in 10^-8 US dollars as text: exact; only the page's script makes them rough."""
    step = -(-len(history) // POINTS_MOST) or 1
    shown = history[::step]
    values = [None if row.price is None else str(row.price) for row in shown]
    return json.dumps({"times": [int(row.at.timestamp()) for row in shown], "values": values})


def _shown(asset: Asset, now: dt.datetime) -> dict[str, object]:
    newest = price_now(asset=asset, now=now)
    history = list(price_history(asset=asset, since=now - HISTORY))
    told = {} if newest is None else json.loads(newest.readings)
    feeds = []
    for feed in feed_list(asset=asset):
        said = told.get(feed.name, {})
        price = said.get("price")
        feeds.append(
            {
                "feed": feed,
                "price": price_words(None if price is None else int(price)),
                "problem": said.get("problem", "") if said else "not asked yet",
                "manual": feed.kind == FeedKind.MANUAL,
            }
        )
    return {
        "asset": asset,
        "newest": newest,
        "price": price_words(None if newest is None else newest.price),
        "feeds": feeds,
        "chart": _chart(history) if history else "",
        "rows": [(row, price_words(row.price)) for row in reversed(history[-10:])],
    }


@never_cache
@require_GET
@needs(Permission.RUN)
def prices(request: HttpRequest) -> HttpResponse:
    """Show the prices and how they went."""
    now = timezone.now()
    shown = [_shown(asset, now) for asset in asset_list_priced()]
    return render(request, "oms/prices.html", page_context(request, shown=shown))


@never_cache
@require_http_methods(["GET", "POST"])
@needs(Permission.RUN)
def price_enter_page(request: HttpRequest, feed_id: int) -> HttpResponse:
    """Enter a price by hand."""
    feed = feed_find(feed_id=feed_id)
    if feed is None or feed.kind != FeedKind.MANUAL:
        raise Http404
    form, status = PriceForm(request.POST or None), 200
    if request.method == "POST":
        status = _UNPROCESSABLE
        if form.is_valid() and _enter(request, feed.pk, form):
            messages.success(request, "Entered. It counts with the next look at the feeds.")
            return redirect("oms:prices")
    return render(request, "oms/price_enter.html", page_context(request, form=form, feed=feed), status=status)


def _enter(request: HttpRequest, feed_id: int, form: PriceForm) -> bool:
    now = timezone.now()
    try:
        price_enter(
            actor=f"user:{page_user(request).get_username()}",
            feed_id=feed_id,
            price=amount_parse(form.cleaned_data["price"], PRICE_DECIMALS),
            expires_at=now + dt.timedelta(hours=form.cleaned_data["hours"]),
            now=now,
        )
    except (PriceError, ValidationError, FormError, ValueError) as error:
        words = error.messages if isinstance(error, ValidationError) else [str(error)]
        form.add_error("price", words)
        return False
    return True
