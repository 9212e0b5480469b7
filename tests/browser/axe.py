"""axe-core, put into a page by the test alone: the page's own content policy lets no script in."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

_FILE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
_LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_RUN = """async ([levels, rules]) => {
  const options = rules.length ? {runOnly: {type: "rule", values: rules}} : {runOnly: {type: "tag", values: levels}};
  const found = await axe.run(document, {...options, resultTypes: ["violations"]});
  return found.violations.map((one) => `${one.id}: ${one.help}: ` + one.nodes.slice(0, 4).map(
    (node) => node.html.slice(0, 160) + " " + (node.any[0]?.message ?? "")).join(" | "));
}"""


@cache
def _source() -> str:
    return _FILE.read_text("utf-8")


def violations(page: Page, *rules: str) -> list[str]:
    """Return what breaks WCAG 2.2 AA on the page as it stands; of `rules` only, if any are named."""
    # Chromium's debugger evaluates it, which no content policy forbids.
    page.evaluate(_source())
    found: Any = page.evaluate(_RUN, [_LEVELS, list(rules)])
    return [str(one) for one in found]
