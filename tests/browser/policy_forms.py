"""Writes a policy through the editor's forms in a browser, from the description that the demonstration uses."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

_DRAWN = "#row-form:not([aria-busy])"
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_AMOUNTS = re.compile(r"([0-9._]+) [A-Za-z]+")


@dataclasses.dataclass
class PolicyForms:
    """One draft in the editor. `assets`, `wallets` and `addresses` map a description's names to identifiers."""

    page: Page
    draft: str
    assets: dict[str, str]
    wallets: dict[str, str]
    addresses: dict[str, str]

    def open(self, section: str) -> None:
        """Open the form of a new row."""
        self.page.goto(f"{self.draft}{section}/add/")

    def save(self) -> None:
        """Save the row, and see that it was saved."""
        self.page.get_by_role("button", name="Save", exact=True).click()
        self.page.wait_for_url(lambda url: "/add/" not in url)
        self.page.locator(".messagelist .success").wait_for()

    def text(self, label: str, value: object) -> None:
        """Fill a box."""
        self.page.get_by_label(label, exact=True).fill(str(value))

    def asset(self, row: dict[str, Any]) -> None:
        """Add an asset."""
        self.open("assets")
        self.text("Symbol", row["symbol"])
        self.text("Name", row["name"])
        self.page.get_by_label("Token contract").fill(row.get("token", ""))
        self.text("Decimals", row["decimals"])
        self.save()

    def price(self, row: dict[str, Any]) -> None:
        """Add a price."""
        self.open("prices")
        self.page.get_by_label("Asset", exact=True).select_option(value=self.assets[row["asset"]])
        self.text("US dollars for one whole unit", row["usd"])
        self.text("Valid until", row["valid"])
        self.save()

    def address(self, row: dict[str, Any]) -> None:
        """Add a whitelist entry."""
        self.open("addresses")
        self.text("Id", row["id"])
        self.text("Label", row["label"])
        self.text("Address", row["address"])
        self.page.get_by_label("Reason").fill(row["reason"])
        self.text("Cool-down", row["cool_down"])
        self.text("Expires", row["valid"])
        self.page.get_by_label("Beneficiary").fill(row.get("beneficiary", ""))
        self.save()

    def rule(self, section: str, row: dict[str, Any]) -> None:
        """Add a guard, a grant or an escalation."""
        self.open(section)
        self.text("Id", row["id"])
        self.text("Label", row["label"])
        self.conditions(row["when"])
        if "quorum" in row:
            self.seats(row["quorum"])
        elif section == "grants":
            self.page.get_by_label("Then", exact=True).select_option(value="block")
        self.save()

    def limit(self, row: dict[str, Any]) -> None:
        """Add a limit."""
        self.open("limits")
        self.text("Id", row["id"])
        self.text("Label", row["label"])
        measure = row.get("measure", "asset")
        self.page.get_by_label("Counts", exact=True).select_option(value=measure)
        if measure == "asset":
            self.page.locator("#id_asset").select_option(value=self.assets[row["asset"]])
        self.text("At most", row["most"])
        named = row["window"] if row["window"] in {"transaction", "ever"} else "rolling"
        self.page.get_by_label("Counted", exact=True).select_option(value=named)
        if named == "rolling":
            self.page.locator("#id_length").fill(row["window"])
        for box in self.page.locator("input[name=per]").all():
            box.set_checked(box.get_attribute("value") in row["per"])
        if "when" in row:
            self.step("Add a condition")
            self.conditions(row["when"])
        if "quorum" in row:
            self.page.get_by_label("Beyond it").select_option(value="ask")
            self.seats(row["quorum"])
        self.save()

    def stated(self, row: dict[str, Any]) -> None:
        """Add a property that takes at least so many approvers."""
        self.open("properties")
        self.text("Id", row["id"])
        self.text("Label", row["label"])
        self.page.get_by_label("Whatever meets the conditions").select_option(value="demand")
        self.page.get_by_label("Distinct approvers").fill(str(row["approvers"]))
        self.conditions(row["when"])
        self.save()

    def step(self, name: str, nth: int = 0) -> None:
        """Press a button that draws the form anew in place."""
        self.page.get_by_role("button", name=name, exact=True).nth(nth).click()
        self.page.locator(_DRAWN).wait_for()

    def seats(self, quorum: dict[str, int]) -> None:
        """Fill seats in."""
        roles = [(role, count) for role, count in quorum.items() if role != "sites"]
        for place, (role, count) in enumerate(roles):
            if not self.page.locator(f"#quorum-{place}-role").count():
                self.step("More rows")
            self.page.locator(f"#quorum-{place}-role").select_option(value=role)
            self.page.locator(f"#quorum-{place}-count").fill(str(count))
        if "sites" in quorum:
            self.page.locator("#quorum-sites").fill(str(quorum["sites"]))

    def conditions(self, when: object) -> None:
        """Fill rows in: one comparison, a list of which all hold, or {any = […]} of such."""
        groups = when["any"] if isinstance(when, dict) and "any" in when else [when]
        for g, group in enumerate(groups):
            if g:
                self.step("Add a group (or)")
            plain = isinstance(group, dict) or isinstance(group[0], str)
            for r, row in enumerate([group] if plain else group):
                if r:
                    self.step("Add a row that holds as well", g)
                self.row(f"#when-{g}-{r}", row)

    def row(self, name: str, row: Any) -> None:  # noqa: ANN401 - a description's row
        """Fill one row in."""
        if isinstance(row, dict):
            self.page.locator(f"{name.replace('#', '[name=')}-not]").check()
            row = row["not"]
        field, op, *values = row
        self.page.locator(f"{name}-field").select_option(value=field)
        self.page.locator(_DRAWN).wait_for()
        operators = self.page.locator(f"{name}-op")
        if operators.input_value() != op:
            operators.select_option(value=op)
            self.page.locator(_DRAWN).wait_for()
        self.values(name, field, op, [self.spelt(field, value) for value in values])

    def spelt(self, field: str, value: object) -> str:
        """Return the identifier that a description's word means; amounts without their unit."""
        if isinstance(value, bool):
            return str(value).lower()
        names = {"asset": self.assets, "wallet": self.wallets, "destination": self.addresses}.get(field, {})
        found = names.get(str(value), str(value))
        amount = _AMOUNTS.fullmatch(found)
        return amount[1] if amount is not None else found

    def values(self, name: str, field: str, op: str, values: list[str]) -> None:
        """Choose or type a row's values."""
        if op == "within":
            zone, days, start, end = values
            self.page.locator(f"{name}-zone").select_option(value=zone)
            for day in days.split(","):
                self.page.locator(f"{name.replace('#', '[name=')}-days][value={day}]").check()
            self.page.locator(f"{name}-start").fill(start)
            self.page.locator(f"{name}-end").fill(end)
        elif self.page.locator(f"{name}-chosen").count():
            self.page.locator(f"{name}-chosen").select_option(value=values[0])
        elif self.page.locator(f"{name.replace('#', '[name=')}-chosen]").count():
            for value in values:
                self.page.locator(f"{name.replace('#', '[name=')}-chosen][value='{value}']").check()
        else:
            assert field
            self.page.locator(f"{name}-other").fill("\n".join(values))
