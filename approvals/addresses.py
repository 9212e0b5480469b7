"""From where somebody comes, as far as proxies of ours say so."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from django.http import HttpRequest

UNKNOWN = "unknown"
_V6_PREFIX = 64
"""Whoever has an IPv6 address usually has all of its /64: they count as one."""


def address_of(request: HttpRequest) -> str:
    """Return a visitor's address; of IPv6 the /64 network.

    Behind n proxies of ours (`COUNTERSIGN_PROXIES`) the n-th last of X-Forwarded-For counts: what stands before it
    was written by the visitor.
    """
    hops: int = settings.COUNTERSIGN_PROXIES
    given = request.META.get("REMOTE_ADDR", "")
    if hops:
        named = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        given = named[-hops] if len(named) >= hops else ""
    try:
        address = ipaddress.ip_address(given)
    except ValueError:
        return UNKNOWN
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((address, _V6_PREFIX), strict=False))
    return str(address)


def browser_of(request: HttpRequest) -> str:
    """Return what a browser calls itself, cut and without control characters. It proves nothing."""
    text = request.META.get("HTTP_USER_AGENT", "")
    return "".join(one for one in text if one.isprintable())[:200]
