"""The form for a new request. It only carries what was typed: `oms.intents` understands it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms

from oms.presenters import Listing, listing_of

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from core.documents.roster import AddressEntry
    from oms.errors import FormError

_STANDING = {
    Listing.COOLING: " (not usable yet)",
    Listing.EXPIRED: " (expired)",
}
_HELD = "yes"
_TYPED = ("destination", "amount", "purpose")


def _entry_words(entry: AddressEntry, now: int) -> str:
    return f"{entry.label} · {entry.address}{_STANDING.get(listing_of(entry, now=now), '')}"


class NewRequestForm(forms.Form):
    """What a trader types. Nothing is cleaned away, so nothing typed is lost."""

    wallet = forms.CharField(label="From", widget=forms.Select, strip=False, required=False)
    asset = forms.CharField(label="Asset", widget=forms.Select, strip=False, required=False)
    listed = forms.CharField(label="Destination", widget=forms.Select, strip=False, required=False)
    destination = forms.CharField(label="Or another address", max_length=200, strip=False, required=False)
    amount = forms.CharField(label="Amount", max_length=200, strip=False, required=False)
    purpose = forms.CharField(label="Purpose", max_length=1000, strip=False, required=False)
    held = forms.CharField(label="Once it is approved", widget=forms.Select, strip=False, required=False)

    def __init__(self, policy: Policy, data: object = None, *, now: int) -> None:
        """Offer what the policy names. `now` in Unix seconds."""
        super().__init__(data)  # type: ignore[arg-type]  # a QueryDict or None
        choices = {
            "wallet": [(w.id, f"{w.label} · {w.chain}") for w in policy.wallets],
            "asset": [(a.id, f"{a.symbol} · {a.name} · {a.id.partition('/')[0]}") for a in policy.assets],
            "listed": [
                ("", "Another address (typed below)"),
                *((e.address, _entry_words(e, now)) for e in policy.addresses),
            ],
            "held": [("", "To its signer at once"), (_HELD, "Held until an operator releases it (30 days at most)")],
        }
        for name, options in choices.items():
            widget = self.fields[name].widget
            if isinstance(widget, forms.Select):
                widget.choices = options
        for name, field in self.fields.items():
            field.widget.attrs |= {"autocomplete": "off", "aria-describedby": f"{name}-notes"}
        for name in _TYPED:
            self.fields[name].widget.attrs["spellcheck"] = "false"
        self.fields["destination"].widget.attrs["class"] = "mono"
        self.fields["amount"].widget.attrs["inputmode"] = "decimal"

    @property
    def wanted_destination(self) -> str:
        """The whitelisted address, or what was typed instead."""
        return self.cleaned_data["listed"] or str(self.cleaned_data["destination"])

    @property
    def wants_hold(self) -> bool:
        """Whether it waits for an operator once it is approved."""
        return bool(self.cleaned_data["held"] == _HELD)

    def contradicts_itself(self) -> bool:
        """Whether a whitelisted destination was chosen and another one typed."""
        listed, typed = self.cleaned_data["listed"], str(self.cleaned_data["destination"]).strip()
        return bool(listed and typed and listed != typed)

    def take_errors(self, error: FormError) -> None:
        """Put every message to its field."""
        for name, messages in error.errors.items():
            for message in messages:
                self.add_error(name if name in self.fields else None, message)
