"""Forms of ceremonies: each has only the fields that its kind takes, with defaults from the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from core.ceremony_lifecycle import CEREMONY_FINAL, CEREMONY_GOING, CEREMONY_OPEN
from custody.models_ceremonies import REFRESH_DAYS_MOST
from oms.ceremonies import PLAN_MOST, Wanted, epoch_default
from oms.ceremony_kinds import KINDS, Choice, Epoch, signers_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.db.models import QuerySet

    from core.documents.control import CeremonyKind
    from core.documents.policy import Policy
    from core.documents.roster import Wallet
    from custody.models import KeyCeremony
    from oms.errors import FormError

_EPOCH_MOST = 10**6
_RECOVERY_MOST = 64 * 1024
_STANDS = {"open": CEREMONY_OPEN, "going": CEREMONY_GOING, "over": CEREMONY_FINAL}
_STANDS_WORDS = [("", "Any"), ("open", "Waits for people"), ("going", "Under way"), ("over", "Over")]


class CeremonyForm(forms.Form):
    """What is chosen and typed for one kind about one wallet. `oms.ceremonies` makes a document of it."""

    def __init__(
        self,
        kind: CeremonyKind,
        wallet: Wallet | None,
        policy: Policy,
        data: Mapping[str, Any] | None = None,
        *,
        chosen: Iterable[str] = (),
    ) -> None:
        """Offer what the policy names. `chosen`: the signers that are ticked before anybody has typed."""
        super().__init__(data)
        self.kind, self.wallet, self.about = kind, wallet, KINDS[kind]
        self._add_signers(policy, tuple(chosen))
        if self.about.choice is Choice.PLANNED:
            self.fields["plan"] = forms.CharField(
                label="Plan",
                max_length=PLAN_MOST,
                widget=forms.Textarea(attrs={"rows": 8, "class": "mono", "spellcheck": "false"}),
                help_text="The plan's file, JSON: label, chain, threshold, the parties with their keys and places.",
            )
        if self.about.epoch is not Epoch.NONE and wallet is not None:
            self.fields["epoch"] = forms.IntegerField(
                label="New epoch" if self.about.epoch is Epoch.NEXT else "Epoch of the shares",
                min_value=0,
                max_value=_EPOCH_MOST,
                initial=epoch_default(kind=kind, wallet=wallet.id),
                help_text="As far as ceremonies done here tell; 0 for an HSM's key, and before any refresh.",
            )
        if self.about.keyed:
            self.fields["recovery"] = forms.CharField(
                label="Keys",
                max_length=_RECOVERY_MOST,
                widget=forms.Textarea(attrs={"rows": 6, "class": "mono", "spellcheck": "false"}),
                help_text="One JSON object for each of the signers, as its holder's console printed it.",
            )
        self.fields["reason"] = forms.CharField(
            label="Reason", max_length=280, help_text="In one line. Those who consent read it, and sign it."
        )
        self.fields["hours"] = forms.IntegerField(
            label="Lasts, in hours",
            min_value=1,
            max_value=self.about.hours_most,
            initial=self.about.hours,
            help_text="People consent and everything is done within this time.",
        )
        for name, field in self.fields.items():
            field.widget.attrs |= {"aria-describedby": f"{name}-notes"}
            if name != "signers":
                field.widget.attrs |= {"autocomplete": "off"}

    def _add_signers(self, policy: Policy, chosen: tuple[str, ...]) -> None:
        offered = signers_for(wallet=self.wallet, policy=policy)
        names = [name for name, _ in offered]
        label = self.about.signers_label
        if self.about.choice in (Choice.ALL, Choice.PLANNED):
            return
        if self.about.choice is Choice.ONE:
            first = next((name for name in chosen if name in names), names[0] if names else "")
            self.fields["signers"] = forms.ChoiceField(label=label, choices=offered, initial=first)
            return
        ticked = [name for name in names if name in chosen] if chosen else self._usual(names)
        self.fields["signers"] = forms.MultipleChoiceField(
            label=label,
            choices=offered,
            initial=ticked,
            widget=forms.CheckboxSelectMultiple,
            error_messages={"required": "Choose at least one signer."},
        )

    def _usual(self, names: list[str]) -> list[str]:
        """Return what is ticked unless a link says otherwise: all, or nobody where each is a choice of its own."""
        return [] if self.about.shared and not self.about.console else names

    def wanted(self) -> Wanted:
        """Return what was chosen, after `is_valid`."""
        data = self.cleaned_data
        signers = data.get("signers", ())
        return Wanted(
            kind=self.kind,
            wallet="" if self.wallet is None else self.wallet.id,
            signers=(signers,) if isinstance(signers, str) else tuple(signers),
            epoch=data.get("epoch", 0),
            plan=data.get("plan", ""),
            recovery=data.get("recovery", ""),
            reason=data["reason"],
            hours=data["hours"],
        )

    def take_errors(self, error: FormError) -> None:
        """Put every message to its field."""
        for name, messages in error.errors.items():
            for message in messages:
                self.add_error(name if name in self.fields else None, message)


class CeremonyFilter(forms.Form):
    """What the list is narrowed to. An empty field narrows nothing."""

    kind = forms.ChoiceField(required=False)
    wallet = forms.ChoiceField(required=False)
    stands = forms.ChoiceField(required=False, label="State", choices=_STANDS_WORDS)

    def __init__(self, policy: Policy | None, typed: Mapping[str, Any]) -> None:
        """Offer what the policy names."""
        super().__init__(typed, auto_id="filter_%s")
        kinds = [("", "Any"), *((kind.value, form.title) for kind, form in KINDS.items())]
        wallets = [("", "Any"), *((one.id, one.label) for one in (policy.wallets if policy else ()))]
        for name, choices in (("kind", kinds), ("wallet", wallets)):
            field = self.fields[name]
            if isinstance(field, forms.ChoiceField):
                field.choices = choices

    def narrowed(self, rows: QuerySet[KeyCeremony]) -> QuerySet[KeyCeremony]:
        """Narrow a list; to nothing, if what was typed is none of what is offered."""
        if not self.is_valid():
            return rows.none()
        for name in ("kind", "wallet"):
            if self.cleaned_data[name]:
                rows = rows.filter(**{name: self.cleaned_data[name]})
        if self.cleaned_data["stands"]:
            rows = rows.filter(state__in=[state.value for state in _STANDS[self.cleaned_data["stands"]]])
        return rows

    def typed(self) -> dict[str, str]:
        """Return what was typed and is not empty, for links."""
        return {name: value for name in self.fields if (value := str(self.data.get(name, ""))[:100])}


class AbandonForm(forms.Form):
    """Why a ceremony is not asked for any more."""

    why = forms.CharField(label="Reason", max_length=280, help_text="The log keeps it.")


class ReminderForm(forms.Form):
    """How often a wallet's shares are refreshed."""

    wallet = forms.CharField(max_length=100)
    days = forms.IntegerField(min_value=1, max_value=REFRESH_DAYS_MOST)
