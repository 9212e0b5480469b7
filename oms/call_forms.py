"""The form for a contract call: its fields follow from the function's registered types; it only carries them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms

from oms.calls import registered_of

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from oms.calls import Registered
    from oms.errors import FormError

_TEXT_MOST = 300_000


class CallForm(forms.Form):
    """What a trader types. Nothing is cleaned away, so nothing typed is lost."""

    wallet = forms.CharField(label="From", widget=forms.Select, strip=False, required=False)
    function = forms.CharField(label="Function", widget=forms.HiddenInput, strip=False, required=False)
    value = forms.CharField(label="Coins sent along", max_length=200, strip=False, required=False)
    allowance = forms.CharField(
        label="Allow the contract to take exactly, before", max_length=200, strip=False, required=False
    )
    purpose = forms.CharField(label="Purpose", max_length=1000, strip=False, required=False)

    def __init__(
        self, policy: Policy, chosen: Registered | None, data: object = None, initial: object = None
    ) -> None:
        """Offer what the policy names, and a field for each argument of the chosen function."""
        super().__init__(data, initial=initial)  # type: ignore[arg-type]  # a QueryDict or None; a dict or None
        self.arguments: list[str] = []
        chain = None if chosen is None else chosen.contract.chain
        wallets = [(w.id, f"{w.label} · {w.chain}") for w in policy.wallets if chain in (None, w.chain)]
        widget = self.fields["wallet"].widget
        if isinstance(widget, forms.Select):
            widget.choices = wallets
        for leaf in chosen.leaves if chosen is not None else ():
            argument = forms.CharField(
                label=leaf.label, help_text=leaf.help, max_length=_TEXT_MOST, strip=False, required=False
            )
            argument.widget.attrs["class"] = "mono"
            if leaf.kind == "address":
                argument.widget.attrs["list"] = "places"
            self.fields[leaf.name] = argument
            self.arguments.append(leaf.name)
        for name, field in self.fields.items():
            field.widget.attrs |= {"autocomplete": "off", "spellcheck": "false", "aria-describedby": f"{name}-notes"}
        for name in ("value", "allowance"):
            self.fields[name].widget.attrs["inputmode"] = "decimal"

    @property
    def argument_fields(self) -> list[forms.BoundField]:
        """The fields of the function's arguments, in their order."""
        return [self[name] for name in self.arguments]

    @property
    def typed(self) -> dict[str, str]:
        """All that was typed, by field."""
        return {name: str(value) for name, value in self.cleaned_data.items()}

    def take_errors(self, error: FormError) -> None:
        """Put every message to its field."""
        for name, messages in error.errors.items():
            for message in messages:
                self.add_error(name if name in self.fields else None, message)


def function_choices(policy: Policy) -> list[tuple[str, str]]:
    """Return every function that can be asked for, by key, with what people call it."""
    return [(one.key, one.words) for one in registered_of(policy)]
