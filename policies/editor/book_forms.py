"""Forms for what the policy knows: assets, prices, contracts, whitelisted addresses, time zones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from core.keccak import keccak256
from core.names import native_asset, token_asset
from policies.editor.forms import (
    AddressField,
    MomentField,
    RowForm,
    UnitsField,
    chain_field,
    label_field,
    mono,
    slug_field,
)
from policies.editor.roster_forms import hex_read
from policies.editor.typed import plain_units
from policies.editor.zones import zone_names, zone_offsets
from policies.errors import RowValueError
from policies.units import USD_DECIMALS

if TYPE_CHECKING:
    from policies.editor.body import Row

_ERC20 = "erc20:"


class AssetForm(RowForm):
    """An asset: the chain's own coin, or a token."""

    section = "assets"
    symbol = label_field("Symbol", most=16)
    name = label_field("Name")
    chain = chain_field()
    token = AddressField(label="Token contract", required=False, help_text="Empty for the chain's own coin.")
    decimals = forms.IntegerField(
        label="Decimals", min_value=0, max_value=77, help_text="Decimal places of one whole unit: 18 for ether."
    )

    def shown(self, row: Row) -> dict[str, Any]:
        """Take the CAIP-19 name apart."""
        chain, _, rest = str(row.get("id", "")).partition("/")
        token = rest.removeprefix(_ERC20) if rest.startswith(_ERC20) else ""
        return {**super().shown(row), "chain": chain, "token": token}

    def build(self) -> Row:
        """Return the asset under its CAIP-19 name."""
        data = self.cleaned_data
        name = token_asset(data["chain"], data["token"]) if data["token"] else native_asset(data["chain"])
        return {"id": name, "symbol": data["symbol"], "name": data["name"], "decimals": data["decimals"]}


class PriceForm(RowForm):
    """A reference price. Expired, it counts as above every threshold."""

    section = "prices"
    asset = forms.ChoiceField(label="Asset")
    usd = UnitsField(label="US dollars for one whole unit", help_text="Up to 8 decimal places.")
    expires = MomentField(label="Valid until", help_text="A duration from now such as 30d, or a UTC time.")

    def shown(self, row: Row) -> dict[str, Any]:
        """Show dollars."""
        price = str(row.get("usd_e8", ""))
        return {**super().shown(row), "usd": plain_units(int(price), USD_DECIMALS) if price.isdigit() else price}

    def fresh(self) -> dict[str, Any]:
        """A month is a long time for a price."""
        return {"expires": "30d"}

    def arrange(self) -> None:
        """Choose among the assets."""
        super().arrange()
        self.choices("asset", self.book.assets, empty="Choose an asset")

    def build(self) -> Row:
        """Return the price."""
        data = self.cleaned_data
        price = self.units("usd", USD_DECIMALS)
        return {"asset": data["asset"], "usd_e8": str(price), "expires": self.moment("expires")}


class AddressEntryForm(RowForm):
    """A whitelisted destination."""

    section = "addresses"
    id = slug_field("Id", "Rules name the entry by it.")
    label = label_field("Label")
    chain = chain_field()
    address = AddressField(label="Address")
    reason = label_field("Reason", "Why it may be paid, and who checked it.", most=280, required=False)
    usable_from = MomentField(
        label="Cool-down", help_text="How long from now until it can be used, such as 24h; or a UTC time."
    )
    expires = MomentField(label="Expires", help_text="A duration from now such as 90d, or a UTC time.")
    beneficiary = slug_field(
        "Beneficiary", "Addresses of one beneficiary count together where a limit says so.", required=False
    )

    def fresh(self) -> dict[str, Any]:
        """A day to notice what should not have been added."""
        return {"usable_from": "24h", "expires": "90d"}

    def build(self) -> Row:
        """Return the entry."""
        data = self.cleaned_data
        names = ("id", "chain", "address", "label", "reason")
        return {
            **{name: data[name] for name in names},
            "usable_from": self.moment("usable_from"),
            "expires": self.moment("expires"),
            "beneficiary": data["beneficiary"] or None,
        }


def selector_of(signature: str) -> str:
    """Return the first four bytes of a function's calldata, 0x hex (Solidity ABI: Keccak-256 of its signature)."""
    return "0x" + keccak256(signature.encode("ascii")).hex()[:8]


class ContractForm(RowForm):
    """A reviewed contract and what may be called on it."""

    section = "contracts"
    label = label_field("Label")
    chain = chain_field()
    address = AddressField(label="Address")
    protocol = slug_field(
        "Protocol", "Contracts of one protocol count together where a limit says so.", required=False
    )
    code_hash = forms.CharField(
        label="Code hash", widget=mono(), required=False, help_text="What was reviewed: Keccak-256 in hex."
    )
    signatures = forms.CharField(
        label="Functions", widget=mono(rows=6), required=False,
        help_text="One signature a line, for instance transfer(address,uint256). Selectors are computed.",
    )  # fmt: skip

    def shown(self, row: Row) -> dict[str, Any]:
        """Show one function a line."""
        listed = row.get("functions")
        functions = [f for f in listed if isinstance(f, dict)] if isinstance(listed, list) else []
        return {**super().shown(row), "signatures": "\n".join(str(f.get("signature", "")) for f in functions)}

    def build(self) -> Row:
        """Return the contract with its functions' selectors."""
        data = self.cleaned_data
        signatures = ["".join(line.split()) for line in data["signatures"].splitlines() if line.strip()]
        odd = [signature for signature in signatures if not signature.isascii()]
        if odd:
            raise RowValueError(f"{odd[0][:60]!r} is no function signature")
        return {
            "chain": data["chain"], "address": data["address"], "label": data["label"],
            "code_hash": hex_read(data["code_hash"], size=32, what="Code hash") if data["code_hash"] else None,
            "functions": [{"selector": selector_of(line), "signature": line} for line in signatures],
            "protocol": data["protocol"] or None,
        }  # fmt: skip


class ZoneForm(RowForm):
    """A time zone. Its offsets are computed from the IANA database, until the policy ends."""

    section = "zones"
    name = forms.ChoiceField(
        label="Time zone",
        help_text="Offsets until the policy expires are computed when the row is saved, so that all hosts agree.",
    )

    def arrange(self) -> None:
        """List the places of the IANA database."""
        super().arrange()
        self.choices("name", tuple((name, name) for name in zone_names()), empty="Choose a place")

    def build(self) -> Row:
        """Return the zone with its offsets for the policy's life."""
        name = self.cleaned_data["name"]
        start = min(self.now, self.book.created or self.now)
        return {"name": name, "offsets": zone_offsets(name, start=start, end=self.book.expires or self.now)}
