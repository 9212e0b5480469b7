"""Forms for what a policy has only once: its general part, and who agrees to what is not a payment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms

from core.documents.roster import DEMO_AAGUID
from policies.editor.forms import DurationField, MomentField, RowForm, label_field, mono
from policies.editor.roster_forms import hex_read
from policies.editor.seats import Seats
from policies.errors import RowValueError

if TYPE_CHECKING:
    from django.http import QueryDict

    from policies.editor.body import Row

QUORUMS = (
    ("succession", "A new version of the policy"),
    ("cancel", "Cancelling a transaction that was signed"),
    ("resume", "Resuming after a halt"),
    ("ceremony", "Key ceremonies"),
)
_DEMO = "demo"


class ControlsForm(RowForm):
    """Four quorums and two delays."""

    section = "controls"
    succession_delay = DurationField(
        label="Delay of a new version", help_text="What loosens anything waits this long, such as 24h."
    )
    recovery_delay = DurationField(
        label="Delay of a recovery", help_text="How long a roster change by recovery keys waits, such as 7d."
    )

    def draw(self, data: QueryDict | None) -> None:
        """Prepare the four quorums."""
        row = self.row or {}
        self.quorums = [
            Seats.posted(data, prefix=name, title=title)
            if data is not None
            else Seats.shown(row.get(name), prefix=name, title=title)
            for name, title in QUORUMS
        ]

    def blocks(self) -> None:
        """Read all four."""
        self.read: dict[str, object] = {}
        wrong: list[str] = []
        for quorum in self.quorums:
            try:
                self.read[quorum.prefix] = quorum.value()
            except RowValueError as error:
                wrong.extend(error.problems)
        if wrong:
            raise RowValueError(*wrong)

    def build(self) -> Row:
        """Return the quorums and delays."""
        delays = ("succession_delay", "recovery_delay")
        return {**self.read, **{name: self.cleaned_data[name] for name in delays}}


class GeneralForm(RowForm):
    """Whose policy it is, how long it holds, and where people consent to what."""

    section = "general"
    institution = label_field("Institution")
    expires = MomentField(
        label="Expires", help_text="A duration from now such as 365d, or a UTC time. Nothing is signed after it."
    )
    origin = forms.CharField(label="Consent origin", max_length=255, help_text="Where people consent.")
    rp_id = forms.CharField(label="Relying party id", max_length=253)
    models = forms.CharField(
        label="Authenticator models", widget=mono(rows=3),
        help_text="AAGUIDs whose keys may consent, one a line; 'demo' for the demonstration's software keys.",
    )  # fmt: skip
    witness_threshold = forms.IntegerField(label="Witnesses needed", min_value=0, max_value=64)
    attester_threshold = forms.IntegerField(label="Attesters needed", min_value=0, max_value=64)
    recovery_threshold = forms.IntegerField(label="Recovery keys needed", min_value=0, max_value=16)
    thresholds: ClassVar[tuple[str, ...]] = ("witness_threshold", "attester_threshold", "recovery_threshold")

    def shown(self, row: Row) -> dict[str, Any]:
        """Gather the fields from where the document has them."""
        header, consent = row.get("header"), row.get("consent")
        consent = consent if isinstance(consent, dict) else {}
        listed = consent.get("aaguids")
        models = [str(model) for model in listed] if isinstance(listed, list) else []
        return {
            **{name: row.get(name) for name in ("institution", *self.thresholds)},
            "expires": header.get("expires") if isinstance(header, dict) else None,
            "origin": consent.get("origin"),
            "rp_id": consent.get("rp_id"),
            "models": "\n".join(_DEMO if model == "0x" + DEMO_AAGUID.hex() else model for model in models),
        }

    def build(self) -> Row:
        """Return the fields, each under the name that the document has it by."""
        data = self.cleaned_data
        models = []
        for line in data["models"].split():
            hexed = DEMO_AAGUID.hex() if line == _DEMO else line.replace("-", "")
            models.append(hex_read(hexed, size=16, what=f"Authenticator models: {line[:40]}"))
        header = (self.row or {}).get("header")
        return {
            **{name: data[name] for name in ("institution", *self.thresholds)},
            "header": {**(header if isinstance(header, dict) else {}), "expires": self.moment("expires")},
            "consent": {"origin": data["origin"], "rp_id": data["rp_id"], "aaguids": models},
        }
