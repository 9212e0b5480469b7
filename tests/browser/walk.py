"""Every page that the table of addresses knows, for whoever is signed in, so that none is forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from playwright.sync_api import Page

# Whoever opens these is signed out, or downloads a file.
_NO_PAGES = frozenset({"admin:logout", "admin:jsi18n"})


def _names(resolver: URLResolver, space: str = "") -> Iterator[tuple[str, tuple[str, ...]]]:
    for part in resolver.url_patterns:
        if isinstance(part, URLResolver):
            inner = f"{space}{part.namespace}:" if part.namespace else space
            yield from _names(part, inner)
        elif isinstance(part, URLPattern) and part.name:
            # The admin's address of an app is the one that is a regular expression.
            yield f"{space}{part.name}", tuple(part.pattern.converters) or tuple(part.pattern.regex.groupindex)


def addresses(arguments: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return every address that can be written.

    Args:
        arguments: What to put in, by the beginning of the page's name ("" for all), then by parameter.
    """
    found: dict[str, None] = {}
    for name, parameters in _names(get_resolver()):
        if name in _NO_PAGES:
            continue
        known: dict[str, Any] = {}
        for start in sorted(arguments, key=len):
            if name.startswith(start):
                known |= arguments[start]
        if all(parameter in known for parameter in parameters):
            try:
                found[reverse(name, kwargs={one: known[one] for one in parameters})] = None
            except NoReverseMatch:
                continue
    return list(found)


def is_page(page: Page, address: str) -> bool:
    """Whether an address answers this person with a whole page. Asked beside the page, which notices nothing."""
    answer = page.request.get(address, max_redirects=0)
    html = answer.headers.get("content-type", "").startswith("text/html")
    return answer.status == 200 and html and answer.text().lstrip().lower().startswith("<!doctype")
