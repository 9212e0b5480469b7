"""Forms for what a policy has only once: its general part, and who agrees to what is not a payment."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms

from core.documents.roster import DEMO_AAGUID
from policies.editor.forms import DurationField, MomentField, RowForm, label_field, mono
from policies.editor.roster_forms import hex_read
from policies.editor.seats import Seats
from policies.errors import RowValueError
from policies.genesis import certificate_read

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
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_PEM_LINE = 64


def _pem(text: str) -> str:
    """Show a certificate as people know it; as it stands where the draft holds none."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return text
    body = base64.b64encode(raw).decode()
    lines = [body[at : at + _PEM_LINE] for at in range(0, len(body), _PEM_LINE)]
    return "\n".join(("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----"))


def _roots(text: str) -> list[str]:
    """Read certificates into the document's spelling.

    Raises:
        RowValueError: Something else is there.
    """
    if _PEM.sub("", text).strip():
        raise RowValueError("Makers' root certificates: PEM expected, and nothing else beside it")
    found = (certificate_read(one) for one in _PEM.findall(text))
    return [base64.urlsafe_b64encode(raw).rstrip(b"=").decode() for raw in found]


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
    roots = forms.CharField(
        label="Makers' root certificates", widget=mono(rows=4), required=False,
        help_text="PEM, one after the other. In production each consent key has to lead to one of them.",
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
        roots = consent.get("attestation_roots")
        return {
            **{name: row.get(name) for name in ("institution", *self.thresholds)},
            "expires": header.get("expires") if isinstance(header, dict) else None,
            "origin": consent.get("origin"),
            "rp_id": consent.get("rp_id"),
            "roots": "\n".join(_pem(str(one)) for one in roots) if isinstance(roots, list) else "",
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
            "consent": {
                "origin": data["origin"],
                "rp_id": data["rp_id"],
                "aaguids": models,
                "attestation_roots": _roots(data["roots"]),
            },
        }
