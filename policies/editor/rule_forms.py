"""Forms for rules, limits and properties: a few plain fields, conditions as rows, seats as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms

from core.documents.policy import Dimension, Effect, Measure
from policies.editor.book import spelt
from policies.editor.conditions import Conditions
from policies.editor.forms import DurationField, RowForm, UnitsField, label_field, slug_field
from policies.editor.seats import Seats
from policies.editor.typed import plain_units
from policies.errors import RowValueError
from policies.units import NATIVE_DECIMALS, USD_DECIMALS

if TYPE_CHECKING:
    from django.http import QueryDict

    from policies.editor.body import Row

_WINDOWS = (("transaction", "in one transaction"), ("rolling", "within a rolling window of"), ("ever", "for ever"))


class _ConditionedForm(RowForm):
    """A row that has conditions, and perhaps a quorum."""

    needs_conditions: ClassVar[bool] = True
    quorum_title: ClassVar[str] = ""

    def draw(self, data: QueryDict | None) -> None:
        """Prepare the conditions and the seats."""
        row = self.row or {}
        if data is not None:
            self.conditions = Conditions.posted(data, self.book)
        else:
            self.conditions = Conditions.shown(row.get("when"), self.book, start_with_row=self.needs_conditions)
        if self.quorum_title:
            self.quorums = [
                Seats.posted(data, prefix="quorum", title=self.quorum_title)
                if data is not None
                else Seats.shown(self.quorum_of(row), prefix="quorum", title=self.quorum_title)
            ]

    def quorum_of(self, row: Row) -> object:
        """Return the row's quorum."""
        return row.get("quorum")

    def blocks(self) -> None:
        """Read conditions and seats, and gather what is wrong with both."""
        wrong: list[str] = []
        self.when: object = None
        self.quorum: dict[str, object] = {"seats": [], "sites": 0}
        try:
            self.when = self.conditions.value() if self.conditions is not None else None
            if self.when is None and self.needs_conditions:
                wrong.append("add at least one condition")
        except RowValueError as error:
            wrong.extend(error.problems)
        for quorum in self.quorums:
            try:
                self.quorum = quorum.value()
            except RowValueError as error:
                wrong.extend(error.problems)
        if wrong:
            raise RowValueError(*wrong)


class _RuleForm(_ConditionedForm):
    """A rule of any section."""

    id = slug_field("Id", "Names the rule in every decision.")
    label = label_field("Label", "What people read.")
    order = forms.IntegerField(
        label="Place",
        min_value=0,
        max_value=10**6,
        help_text="Rules are asked in this order; each has its own place.",
    )

    def rule(self, effect: str, quorum: dict[str, object] | None) -> Row:
        """Return the rule."""
        data = self.cleaned_data
        return {
            "id": data["id"], "label": data["label"], "order": data["order"], "when": self.when, "effect": effect,
            "quorum": quorum,
        }  # fmt: skip


class GuardForm(_RuleForm):
    """A guard: it blocks, whatever else is said."""

    section = "guards"

    def build(self) -> Row:
        """Return the guard."""
        return self.rule(str(Effect.BLOCK), None)


class GrantForm(_RuleForm):
    """A grant: the first that matches decides."""

    section = "grants"
    quorum_title = "Who has to approve"
    effect = forms.ChoiceField(
        label="Then",
        choices=[("allow", "allow, when these people approve"), ("block", "deny")],
        help_text="Allowed without any seat: nobody has to approve.",
    )

    def build(self) -> Row:
        """Return the grant."""
        allows = self.cleaned_data["effect"] == Effect.ALLOW
        if not allows and not self.quorums[0].is_empty:
            raise RowValueError("a grant that denies asks nobody: empty its seats, or have it allow")
        return self.rule(str(self.cleaned_data["effect"]), self.quorum if allows else None)


class EscalationForm(_RuleForm):
    """An escalation: it asks for more people."""

    section = "escalations"
    quorum_title = "Who has to approve as well"

    def build(self) -> Row:
        """Return the escalation."""
        if self.quorums[0].is_empty:
            raise RowValueError("an escalation names the people that it asks for: fill in a seat")
        return self.rule(str(Effect.ALLOW), self.quorum)


class LimitForm(_ConditionedForm):
    """A limit on what is moved, spent or done."""

    section = "limits"
    needs_conditions = False
    quorum_title = "Who has to approve what goes beyond"
    id = slug_field("Id", "Names the limit in every decision.")
    label = label_field("Label", "What people read.")
    order = forms.IntegerField(label="Place", min_value=0, max_value=10**6, help_text="Each limit has its own place.")
    measure = forms.ChoiceField(
        label="Counts",
        choices=[
            (str(Measure.ASSET), "units of one asset"),
            (str(Measure.USD), "US dollars"),
            (str(Measure.COUNT), "transactions"),
            (str(Measure.FEE), "fees, in the native coin"),
        ],
    )
    asset = forms.ChoiceField(label="Asset", required=False, help_text="Only where units of one asset are counted.")
    most = UnitsField(label="At most", help_text="In whole units of what is counted, for instance 20 or 0.5.")
    window = forms.ChoiceField(label="Counted", choices=_WINDOWS)
    length = DurationField(
        label="Window", required=False, help_text="For a rolling window: a duration such as 1h, 24h or 7d."
    )
    per = forms.MultipleChoiceField(
        label="For each",
        choices=[(str(d), spelt(str(d))) for d in Dimension],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Counted separately for each of these; together for all where none is marked.",
    )
    beyond = forms.ChoiceField(
        label="Beyond it", choices=[("deny", "deny"), ("ask", "ask for the people below as well")]
    )

    def shown(self, row: Row) -> dict[str, Any]:
        """Show whole units, and the window as what it means."""
        window, most = row.get("window"), str(row.get("most", ""))
        named = "ever" if window is None else "rolling" if window else "transaction"
        places = self._places(str(row.get("measure")), row.get("asset"))
        return {
            **super().shown(row),
            "window": named,
            "length": window if named == "rolling" else None,
            "most": plain_units(int(most), places) if most.isdigit() and places is not None else most,
            "beyond": "deny" if row.get("quorum") is None else "ask",
        }

    def fresh(self) -> dict[str, Any]:
        """A day is the usual window."""
        return {"window": "rolling", "length": 86_400, "per": [str(Dimension.WALLET)]}

    def arrange(self) -> None:
        """Choose among the assets."""
        super().arrange()
        self.choices("asset", self.book.assets, empty="None")

    def _places(self, measure: str, asset: object) -> int | None:
        unit = self.book.unit(asset if isinstance(asset, str) else None)
        asset_places = None if unit is None else unit.decimals
        known = {Measure.USD: USD_DECIMALS, Measure.FEE: NATIVE_DECIMALS, Measure.COUNT: 0}
        return known[Measure(measure)] if measure in set(map(str, known)) else asset_places

    def build(self) -> Row:
        """Return the limit."""
        data = self.cleaned_data
        counts_asset = data["measure"] == Measure.ASSET
        if counts_asset != bool(data["asset"]):
            raise RowValueError("choose an asset where units of one asset are counted, and none elsewhere")
        places = self._places(data["measure"], data["asset"])
        if places is None:
            raise RowValueError("the asset is not in this draft")
        most = self.units("most", places)
        if not most:
            raise RowValueError("At most: must be greater than 0")
        asks = data["beyond"] == "ask"
        if asks == self.quorums[0].is_empty:
            raise RowValueError(
                "name the people that it asks for, or have it deny"
                if asks
                else "a limit that denies asks nobody: empty its seats, or have it ask for them"
            )
        return {
            "id": data["id"], "label": data["label"], "order": data["order"], "when": self.when,
            "per": self.chosen("per"), "measure": data["measure"], "asset": data["asset"] or None,
            "window": self._window(), "most": str(most), "quorum": self.quorum if asks else None,
        }  # fmt: skip

    def _window(self) -> int | None:
        length = self.cleaned_data["length"]
        if self.cleaned_data["window"] != "rolling":
            return None if self.cleaned_data["window"] == "ever" else 0
        if not length:
            raise RowValueError("a rolling window needs a duration greater than 0, such as 24h")
        return int(length)


class PropertyForm(_ConditionedForm):
    """A property that the institution states about its own policy, and that is proven before people sign."""

    section = "properties"
    quorum_title = "Seats among them"
    id = slug_field("Id")
    label = label_field(
        "Label", "For instance: nothing above 1,000,000 USD to a stranger with fewer than two people."
    )
    then = forms.ChoiceField(
        label="Whatever meets the conditions",
        choices=[("deny", "is always denied"), ("demand", "takes at least")],
    )
    approvers = forms.IntegerField(label="Distinct approvers", min_value=1, max_value=16, required=False)
    sites = forms.IntegerField(label="Distinct sites", min_value=0, max_value=16, required=False)

    def quorum_of(self, row: Row) -> object:
        """Return the seats that the property demands."""
        demand = row.get("demand")
        return {"seats": demand.get("seats"), "sites": 0} if isinstance(demand, dict) else None

    def shown(self, row: Row) -> dict[str, Any]:
        """Show the demand's numbers."""
        demand = row.get("demand")
        numbers = demand if isinstance(demand, dict) else {}
        return {
            **super().shown(row),
            "then": "demand" if numbers else "deny",
            "approvers": numbers.get("approvers"),
            "sites": numbers.get("sites"),
        }

    def draw(self, data: QueryDict | None) -> None:
        """A demand's sites are a field of their own."""
        super().draw(data)
        self.quorums[0].asks_sites = False

    def build(self) -> Row:
        """Return the property."""
        data = self.cleaned_data
        demands = data["then"] == "demand"
        if demands and not data["approvers"]:
            raise RowValueError("Distinct approvers: say how many, at least 1")
        if not demands and (data["approvers"] or data["sites"] or not self.quorums[0].is_empty):
            raise RowValueError("what is always denied asks nobody: empty approvers, sites and seats")
        demand = {"approvers": data["approvers"], "sites": data["sites"] or 0, "seats": self.quorum["seats"]}
        return {
            "id": data["id"], "label": data["label"], "when": self.when, "demand": demand if demands else None
        }  # fmt: skip
