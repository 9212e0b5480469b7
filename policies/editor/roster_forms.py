"""Forms for who takes part: people, API clients, signers, wallets, and the keys of outsiders."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django import forms

from core.documents.roster import Role, SignerRole, WalletKind
from core.evm import address_of
from core.names import account
from core.schema import write_struct
from policies.editor.book import spelt
from policies.editor.forms import RowForm, chain_field, label_field, mono, slug_field
from policies.errors import DescriptionError, RowValueError
from policies.genesis import enrolments_read

if TYPE_CHECKING:
    from policies.editor.body import Row

_HEX = re.compile(r"(?:0x)?([0-9a-fA-F]*)")


def hex_read(text: str, *, size: int, what: str) -> str:
    """Read bytes in hex into the policy's spelling.

    Raises:
        RowValueError: It is no hex of that length.
    """
    match = _HEX.fullmatch(text.strip())
    if match is None or len(match[1]) != 2 * size:
        raise RowValueError(f"{what}: {size} bytes in hex expected")
    return "0x" + match[1].lower()


def _keys(row: Row | None) -> list[dict[str, Any]]:
    listed = row.get("keys") if row is not None else None
    return [key for key in listed if isinstance(key, dict)] if isinstance(listed, list) else []


class PersonForm(RowForm):
    """A person of the roster. Keys come from enrolments made at the consent origin; nobody types one."""

    section = "people"
    id = slug_field("Id", "Names the person in rules and consents, for ever.")
    name = label_field("Name")
    roles = forms.MultipleChoiceField(
        label="Roles", choices=[(str(r), spelt(str(r))) for r in Role], widget=forms.CheckboxSelectMultiple,
        required=False, help_text="What this person's consent may count for.",
    )  # fmt: skip
    desk = slug_field("Desk")
    site = slug_field("Site", "Quorums can ask for people of several sites.")
    keep = forms.MultipleChoiceField(
        label="Consent keys", widget=forms.CheckboxSelectMultiple, required=False,
        help_text="Keys that stay. A key without its mark is removed when the row is saved.",
    )  # fmt: skip
    enrolment = forms.CharField(
        label="Add keys from enrolments", widget=mono(rows=4), required=False,
        help_text="Paste the enrolment that the consent page made for this person, or a list of them.",
    )  # fmt: skip

    def shown(self, row: Row) -> dict[str, Any]:
        """Keep all keys unless told otherwise."""
        return {**super().shown(row), "keep": [str(key.get("credential_id")) for key in _keys(row)]}

    def arrange(self) -> None:
        """List the keys that the person has."""
        super().arrange()
        self.choices("keep", tuple((str(k.get("credential_id")), _key_words(k)) for k in _keys(self.row)))
        if not _keys(self.row):
            del self.fields["keep"]

    def build(self) -> Row:
        """Return the person with the keys that stay and those that were enrolled."""
        data = self.cleaned_data
        kept = set(data.get("keep", []))
        keys = [key for key in _keys(self.row) if str(key.get("credential_id")) in kept]
        return {
            "id": data["id"], "name": data["name"], "roles": self.chosen("roles"), "desk": data["desk"],
            "site": data["site"], "keys": keys + self._enrolled(),
        }  # fmt: skip

    def _enrolled(self) -> list[dict[str, Any]]:
        text = self.cleaned_data["enrolment"].strip()
        if not text:
            return []
        try:
            enrolments = enrolments_read(raw=text.encode(errors="replace"), at="enrolment")
        except DescriptionError as error:
            raise RowValueError(str(error)) from error
        wrong = [e.person for e in enrolments if e.person != self.cleaned_data["id"]]
        if wrong:
            raise RowValueError(f"the enrolment is {wrong[0][:64]!r}'s, not {self.cleaned_data['id']!r}'s")
        return [write_struct(e.key, "enrolment") for e in enrolments]


def _key_words(key: dict[str, Any]) -> str:
    model = str(key.get("aaguid"))[:34]
    attested = "attested" if key.get("attestation") else "not attested"
    return f"{str(key.get('credential_id'))[:16]}… (model {model}, {attested})"


class ClientForm(RowForm):
    """A program that may ask and never consent."""

    section = "clients"
    id = slug_field("Id")
    name = label_field("Name")
    public_key = forms.CharField(label="Public key", widget=mono(), help_text="Ed25519, 32 bytes in hex.")
    desk = slug_field("Desk")
    responsible = forms.MultipleChoiceField(
        label="Responsible persons", widget=forms.CheckboxSelectMultiple,
        help_text="They count as initiators of all that it asks for, and so have no seat in it.",
    )  # fmt: skip

    def arrange(self) -> None:
        """Choose among the roster."""
        super().arrange()
        self.choices("responsible", self.book.people)

    def build(self) -> Row:
        """Return the client."""
        data = self.cleaned_data
        key = hex_read(data["public_key"], size=32, what="Public key")
        return {
            "id": data["id"], "name": data["name"], "public_key": key, "desk": data["desk"],
            "responsible": self.chosen("responsible"),
        }  # fmt: skip


class SignerForm(RowForm):
    """A signer and its failure domains."""

    section = "signers"
    id = slug_field("Id")
    role = forms.ChoiceField(label="Role", choices=[(str(r), str(r)) for r in SignerRole])
    public_key = forms.CharField(
        label="Own public key", widget=mono(), required=False, help_text="Ed25519 in hex, where its role has one."
    )
    host = slug_field("Host")
    site = slug_field("Site")
    administrator = slug_field("Administrator")
    vendor = slug_field("Vendor")

    def build(self) -> Row:
        """Return the signer."""
        data = self.cleaned_data
        key = hex_read(data["public_key"], size=32, what="Own public key") if data["public_key"] else None
        names = ("id", "role", "host", "site", "administrator", "vendor")
        return {**{name: data[name] for name in names}, "public_key": key}


class WalletForm(RowForm):
    """A wallet. Its address follows from its public key, so the two cannot contradict each other."""

    section = "wallets"
    label = label_field("Label")
    kind = forms.ChoiceField(label="Kind", choices=[(str(k), str(k)) for k in WalletKind])
    chain = chain_field()
    public_key = forms.CharField(
        label="Public key", widget=mono(), help_text="secp256k1, uncompressed: 65 bytes in hex. Its address follows."
    )
    signers = forms.MultipleChoiceField(label="Signers that hold it", widget=forms.CheckboxSelectMultiple)
    threshold = forms.IntegerField(label="Threshold", min_value=1, max_value=16, initial=1)
    clone = forms.CharField(
        label="Clone",
        required=False,
        widget=mono(),
        help_text="The digest of the ceremony that made an HSM's key with its clone: 64 hex digits. Else empty.",
    )

    def shown(self, row: Row) -> dict[str, Any]:
        """Take the chain out of the account."""
        return {**super().shown(row), "chain": str(row.get("id", "")).rpartition(":")[0]}

    def fresh(self) -> dict[str, Any]:
        """One signer is enough for an HSM."""
        return {"threshold": 1}

    def arrange(self) -> None:
        """Choose among the signers."""
        super().arrange()
        self.choices("signers", self.book.signers)

    def build(self) -> Row:
        """Return the wallet under the account that its key makes."""
        data = self.cleaned_data
        key = hex_read(data["public_key"], size=65, what="Public key")
        address = address_of(bytes.fromhex(key[2:]))
        row = {
            "id": account(data["chain"], address), "label": data["label"], "kind": data["kind"], "public_key": key,
            "signers": self.chosen("signers"), "threshold": data["threshold"],
        }  # fmt: skip
        return {**row, "clone": data["clone"]} if data["clone"] else row


class _NamedKeyForm(RowForm):
    """An Ed25519 key of somebody outside."""

    id = slug_field("Id")
    public_key = forms.CharField(label="Public key", widget=mono(), help_text="Ed25519, 32 bytes in hex.")
    host = slug_field("Host", "Where it is kept.")

    def build(self) -> Row:
        """Return the key."""
        data = self.cleaned_data
        key = hex_read(data["public_key"], size=32, what="Public key")
        return {"id": data["id"], "public_key": key, "host": data["host"]}


class WitnessForm(_NamedKeyForm):
    """A witness."""

    section = "witnesses"


class AttesterForm(_NamedKeyForm):
    """An attester."""

    section = "attesters"


class RecoveryForm(_NamedKeyForm):
    """An offline recovery key."""

    section = "recovery"
