"""The sections of a policy as the editor shows them: in which order, in which words, with which form."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from policies.editor.body import GENERAL
from policies.editor.book_forms import AddressEntryForm, AssetForm, ContractForm, PriceForm, ZoneForm
from policies.editor.general_forms import ControlsForm, GeneralForm
from policies.editor.roster_forms import (
    AttesterForm,
    ClientForm,
    PersonForm,
    RecoveryForm,
    SignerForm,
    WalletForm,
    WitnessForm,
)
from policies.editor.rule_forms import EscalationForm, GrantForm, GuardForm, LimitForm, PropertyForm

if TYPE_CHECKING:
    from policies.editor.forms import RowForm


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
    """A section. `one`: what a row of it is called. `single`: there are no rows, only one form."""

    key: str
    title: str
    one: str
    help: str
    empty: str
    form: type[RowForm]
    single: bool = False
    ordered: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """Sections that belong together."""

    title: str
    sections: tuple[Section, ...]


_WHO = Part(
    title="Who takes part",
    sections=(
        Section(
            key="people", title="People", one="person", form=PersonForm,
            help="The roster: whose security keys may consent, and what their consent counts for.",
            empty="Nobody is on the roster yet.",
        ),
        Section(
            key="clients", title="API clients", one="API client", form=ClientForm,
            help="Programs that may ask and never consent. Their responsible persons count as initiators.",
            empty="No program may ask.",
        ),
        Section(
            key="signers", title="Signers", one="signer", form=SignerForm,
            help="The processes that hold keys, and whom each of them depends on.",
            empty="No signer is named yet.",
        ),
        Section(
            key="wallets", title="Wallets", one="wallet", form=WalletForm,
            help="Accounts that the institution pays from, by the public key that a signer made.",
            empty="There is no wallet yet.",
        ),
    ),
)  # fmt: skip
_WHAT = Part(
    title="What is known",
    sections=(
        Section(
            key="assets", title="Assets", one="asset", form=AssetForm,
            help="A transfer of an asset that is not named here counts as a call to some contract.",
            empty="No asset is known: nothing can be counted or valued. Add the chain's coin first.",
        ),
        Section(
            key="prices", title="Reference prices", one="price", form=PriceForm,
            help="What people agreed an asset is worth. Expired or missing, it counts as above every threshold.",
            empty="No asset has a price: everything counts as above every threshold in dollars.",
        ),
        Section(
            key="addresses", title="Whitelist", one="address", form=AddressEntryForm,
            help="Destinations that rules may treat as known, from the end of their cool-down until they expire.",
            empty="No destination is on the whitelist.",
        ),
        Section(
            key="contracts", title="Contracts", one="contract", form=ContractForm,
            help="Reviewed contracts and the functions whose calldata is decoded. Any other call is unknown.",
            empty="No contract was reviewed: no call but a plain transfer is understood.",
        ),
        Section(
            key="zones", title="Time zones", one="time zone", form=ZoneForm,
            help="Zones for time windows, as data: offsets until the policy ends. UTC needs no row.",
            empty="Only UTC is known.",
        ),
    ),
)  # fmt: skip
_RULES = Part(
    title="What may be done",
    sections=(
        Section(
            key="guards", title="Guards", one="guard", form=GuardForm, ordered=True,
            help="All are asked. One that matches blocks, and so does one that cannot be answered.",
            empty="Nothing is blocked whatever the grants say.",
        ),
        Section(
            key="grants", title="Grants", one="grant", form=GrantForm, ordered=True,
            help="Asked in this order: the first that matches decides. What no grant matches is denied.",
            empty="No grant: every transaction is denied.",
        ),
        Section(
            key="escalations", title="Escalations", one="escalation", form=EscalationForm, ordered=True,
            help="All are asked. Each that matches, or cannot be answered, asks for its people as well.",
            empty="Nothing asks for more people than its grant.",
        ),
        Section(
            key="limits", title="Limits", one="limit", form=LimitForm, ordered=True,
            help="All count every transaction, whichever grant it matched.",
            empty="Nothing is limited.",
        ),
    ),
)  # fmt: skip
_CONTROL = Part(
    title="Who agrees to what is not a payment",
    sections=(
        Section(
            key="controls", title="Control quorums", one="quorums", form=ControlsForm, single=True,
            help="Who agrees to a new policy, a cancellation, a resumption and a key ceremony, and what has to wait.",
            empty="",
        ),
        Section(
            key="witnesses", title="Witnesses", one="witness", form=WitnessForm,
            help="Outsiders who cosign the log. How many of them are needed stands under General.",
            empty="There is no witness.",
        ),
        Section(
            key="attesters", title="Attesters", one="attester", form=AttesterForm,
            help="Keys on other hosts that sign prices, effects and the like.",
            empty="Nobody attests anything: rules on attested facts cannot be answered.",
        ),
        Section(
            key="recovery", title="Recovery keys", one="recovery key", form=RecoveryForm,
            help="Offline keys whose only power is a slow roster change that any person can veto.",
            empty="There is no recovery key: a lost quorum would stay lost.",
        ),
        Section(
            key="properties", title="Properties", one="property", form=PropertyForm,
            help="What the institution states about this policy; it is proven before people sign it.",
            empty="Nothing is stated, so nothing beyond the standard checks is proven.",
        ),
        Section(
            key=GENERAL, title="General", one="general part", form=GeneralForm, single=True,
            help="Whose policy it is, how long it holds, and where people consent.",
            empty="",
        ),
    ),
)  # fmt: skip
PARTS: tuple[Part, ...] = (_RULES, _WHAT, _WHO, _CONTROL)
SECTIONS: dict[str, Section] = {section.key: section for part in PARTS for section in part.sections}
