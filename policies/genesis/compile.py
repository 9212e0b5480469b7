"""Compiles a description, enrolled keys and wallet keys into the first policy. Pure: no clock, no files."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

from core.abi import argument_types, selector_of
from core.documents.base import GENESIS_DEPLOYMENT, VERSION, Header
from core.documents.policy import ConsentOrigin, ControlQuorums, Limit, Policy, Rule, Zone, ZoneOffset
from core.documents.roster import (
    DEMO_AAGUID,
    AbiFunction,
    AddressEntry,
    ApiClient,
    AssetEntry,
    ContractEntry,
    NamedKey,
    Person,
    Profile,
    ReferencePrice,
    Role,
    SignerEntry,
    SignerRole,
    Wallet,
    WalletKind,
)
from core.errors import CoreError
from core.names import account, native_asset, token_asset
from core.policy_check import validate, warnings
from policies.editor.zones import zone_offsets
from policies.errors import DescriptionError, RowValueError
from policies.genesis.enrolment import certificate_read
from policies.genesis.row import Row, RowError, Sections
from policies.genesis.rules import Names, limit_read, property_read, quorum_read, rule_read, zones_named
from policies.units import USD_DECIMALS, units_read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.documents.policy import Condition
    from policies.genesis.enrolment import Enrolment, WalletKey

_YEAR = "365d"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compiled:
    """The policy, and what whoever compiles it should know without it being wrong."""

    policy: Policy
    notes: tuple[str, ...]


class _Compiler:
    """One compilation. Problems are gathered in `sections`, so that all are shown at once."""

    def __init__(
        self,
        description: dict[str, object],
        enrolments: Sequence[Enrolment],
        wallet_keys: Sequence[WalletKey],
        *,
        now: int,
    ) -> None:
        self.sections = Sections(description)
        self.now = now
        self.enrolments = tuple(enrolments)
        self.wallet_keys = list(wallet_keys)
        self.top = self.sections.top()
        self.chain = self.top.text("chain")
        self.names = Names(assets={}, wallets={}, addresses={}, contracts={})
        self.recovery_threshold = self.witness_threshold = self.attester_threshold = 0

    def consent(self, row: Row) -> ConsentOrigin:
        models = row.texts("models")
        listed = []
        for model in models:
            try:
                listed.append(DEMO_AAGUID if model == "demo" else bytes.fromhex(model.replace("-", "")))
            except ValueError:
                raise row.fail("models", f"{model}: 'demo' or an AAGUID in hex expected") from None
        return ConsentOrigin(
            origin=row.text("origin"),
            rp_id=row.text("rp_id"),
            aaguids=tuple(listed),
            attestation_roots=tuple(self.root(row, text) for text in row.texts("roots")),
        )

    def root(self, row: Row, text: str) -> bytes:
        try:
            return certificate_read(text)
        except RowValueError as error:
            raise row.fail("roots", str(error)) from error

    def person(self, row: Row) -> Person:
        name = row.text("id")
        roles = row.texts("roles")
        unknown = [role for role in roles if role not in list(Role)]
        if unknown:
            raise row.fail("roles", f"{', '.join(unknown)}: none of {', '.join(Role)}")
        keys = tuple(enrolment.key for enrolment in self.enrolments if enrolment.person == name)
        return Person(
            id=name,
            name=row.text("name"),
            roles=tuple(Role(role) for role in roles),
            desk=row.text("desk"),
            site=row.text("site"),
            keys=keys,
        )

    def client(self, row: Row) -> ApiClient:
        key = row.hexed("public_key")
        if key is None:
            raise row.fail("public_key", "32 bytes of an Ed25519 key expected, 0x hex")
        return ApiClient(
            id=row.text("id"),
            name=row.text("name"),
            public_key=key,
            desk=row.text("desk"),
            responsible=row.texts("responsible"),
        )

    def signer(self, row: Row) -> SignerEntry:
        role = row.text("role", SignerRole.HSM.value)
        if role not in list(SignerRole):
            raise row.fail("role", f"none of {', '.join(SignerRole)}")
        if role == SignerRole.LOG and row.raw("public_key") is None:
            raise row.fail("public_key", "a log's signer is known by its Ed25519 key: 32 bytes, 0x hex")
        return SignerEntry(
            id=row.text("id"),
            role=SignerRole(role),
            public_key=row.hexed("public_key"),
            host=row.text("host"),
            site=row.text("site"),
            administrator=row.text("administrator"),
            vendor=row.text("vendor"),
        )

    def wallet(self, row: Row) -> Wallet:
        label = row.text("label")
        kind = row.text("kind", WalletKind.HSM.value)
        if kind not in list(WalletKind):
            raise row.fail("kind", f"none of {', '.join(WalletKind)}")
        # A key file that names this wallet, else the next one that names none.
        key = next((k for k in self.wallet_keys if k.label == label), None)
        key = key or next((k for k in self.wallet_keys if k.label is None), None)
        if key is None:
            raise RowError(f"{row.name}: no wallet key is left for it; add --wallet-key FILE")
        self.wallet_keys.remove(key)
        return Wallet(
            id=account(self.chain, key.address),
            label=label,
            kind=WalletKind(kind),
            public_key=key.public_key,
            signers=row.texts("signers"),
            threshold=row.integer("threshold", 1),
        )

    def asset(self, row: Row) -> AssetEntry:
        token = row.raw("token") is not None
        return AssetEntry(
            id=token_asset(self.chain, row.address("token")) if token else native_asset(self.chain),
            symbol=row.text("symbol"),
            name=row.text("name"),
            decimals=row.integer("decimals"),
        )

    def address(self, row: Row) -> AddressEntry:
        usable_from = self.now + row.seconds("cool_down", "24h")
        return AddressEntry(
            id=row.text("id"),
            chain=self.chain,
            address=row.address("address"),
            label=row.text("label"),
            reason=row.text("reason"),
            usable_from=usable_from,
            expires=self.now + row.seconds("valid", _YEAR),
            beneficiary=row.text("beneficiary", "") or None,
        )

    def contract(self, row: Row) -> ContractEntry:
        functions = []
        for signature in row.texts("functions"):
            if argument_types(signature) is None:
                raise row.fail("functions", f"{signature[:80]!r}: expected for instance multicall(uint256,bytes[])")
            functions.append(AbiFunction(selector=selector_of(signature), signature=signature))
        return ContractEntry(
            chain=self.chain,
            address=row.address("address"),
            label=row.text("label"),
            code_hash=row.hexed("code_hash"),
            functions=tuple(functions),
            protocol=row.text("protocol", "") or None,
        )

    def named_key(self, row: Row) -> NamedKey:
        key = row.hexed("public_key")
        if key is None:
            raise row.fail("public_key", "32 bytes of an Ed25519 key expected, 0x hex")
        return NamedKey(id=row.text("id"), public_key=key, host=row.text("host"))

    def zones(self, conditions: Sequence[Condition], end: int) -> tuple[Zone, ...]:
        """Write the zones of all time windows out until the policy ends: no host needs a database of zones."""
        zones = []
        for name in sorted(set(zones_named(conditions))):
            try:
                rows = zone_offsets(name, start=self.now, end=end)
            except RowValueError as error:
                self.sections.problems.append(f"zone {name[:64]}: {error}")
                continue
            offsets = tuple(ZoneOffset(since=row["since"], minutes=row["minutes"]) for row in rows)
            zones.append(Zone(name=name, offsets=offsets))
        return tuple(zones)

    def price(self, row: Row) -> ReferencePrice:
        symbol = row.text("asset")
        if symbol not in self.names.assets:
            raise row.fail("asset", f"unknown asset {symbol}")
        return ReferencePrice(
            asset=self.names.assets[symbol].id,
            usd_e8=units_read(row.quantity("usd"), decimals=USD_DECIMALS),
            expires=self.now + row.seconds("valid", "30d"),
        )

    def controls(self, row: Row) -> ControlQuorums:
        self.recovery_threshold = row.integer("recovery_threshold", 0)
        self.witness_threshold = row.integer("witness_threshold", 0)
        self.attester_threshold = row.integer("attester_threshold", 0)
        return ControlQuorums(
            succession=quorum_read(row, "succession", row.raw("succession")),
            cancel=quorum_read(row, "cancel", row.raw("cancel")),
            resume=quorum_read(row, "resume", row.raw("resume")),
            ceremony=quorum_read(row, "ceremony", row.raw("ceremony")),
            succession_delay=row.seconds("succession_delay", "24h"),
            recovery_delay=row.seconds("recovery_delay", "7d"),
        )

    def rules(self, section: str) -> tuple[Rule, ...]:
        place = itertools.count(1)
        return self.sections.many(section, lambda row: rule_read(row, self.names, next(place)))

    def limits(self) -> tuple[Limit, ...]:
        place = itertools.count(1)
        return self.sections.many("limits", lambda row: limit_read(row, self.names, next(place)))

    def leftovers(self, people: tuple[Person, ...]) -> list[str]:
        """Return what was handed in and used by nobody."""
        known = {person.id for person in people}
        problems = [
            f"enrolment of {e.person}: the description names no such person"
            for e in self.enrolments
            if e.person not in known
        ]
        problems += [f"wallet key {key.address}: no wallet uses it" for key in self.wallet_keys]
        return problems


def _names(
    assets: tuple[AssetEntry, ...],
    wallets: tuple[Wallet, ...],
    addresses: tuple[AddressEntry, ...],
    contracts: tuple[ContractEntry, ...],
) -> Names:
    return Names(
        assets={asset.symbol: asset for asset in assets},
        wallets={wallet.label: wallet.id for wallet in wallets},
        addresses={entry.id: entry.address for entry in addresses},
        contracts={entry.label: entry.address for entry in contracts},
    )


def _notes(policy: Policy, enrolments: Sequence[Enrolment]) -> tuple[str, ...]:
    notes = [f"{person.id} has no consent key and cannot consent" for person in policy.people if not person.keys]
    names = {person.id: person.name for person in policy.people}
    notes += [
        f"{e.person} enrolled as '{e.name}', the description says '{names[e.person]}'"
        for e in enrolments
        if e.name is not None and e.name != names[e.person]
    ]
    return (*notes, *warnings(policy))


def _check(policy: Policy) -> None:
    try:
        problems = validate(Policy.from_bytes(policy.to_bytes()))
    except CoreError as error:
        problems = [str(error)]
    if problems:
        raise DescriptionError(problems)


def genesis_compile(
    *,
    description: dict[str, object],
    enrolments: Sequence[Enrolment],
    wallet_keys: Sequence[WalletKey],
    document_id: str,
    now: int,
) -> Compiled:
    """Compile the first policy.

    Args:
        description: What `description_parse` read.
        enrolments: The consent keys that people made.
        wallet_keys: The public halves of the wallets' keys.
        document_id: 128 bits of randomness, hex.
        now: Unix seconds.

    Raises:
        DescriptionError: With every problem, each row named.
    """
    try:
        run = _Compiler(description, enrolments, wallet_keys, now=now)
        institution, profile = run.top.text("institution"), run.top.text("profile")
        lifetime = run.top.seconds("valid", _YEAR)
        run.top.finish()
    except RowError as error:
        raise DescriptionError([str(error)]) from error
    sections = run.sections
    if profile not in list(Profile):
        sections.problems.append(f"description.profile: none of {', '.join(Profile)}")
    consent, controls = sections.one("consent", run.consent), sections.one("controls", run.controls)
    people, clients = sections.many("people", run.person), sections.many("clients", run.client)
    signers, wallets = sections.many("signers", run.signer), sections.many("wallets", run.wallet)
    assets, addresses = sections.many("assets", run.asset), sections.many("addresses", run.address)
    contracts = sections.many("contracts", run.contract)
    keys = (sections.many(name, run.named_key) for name in ("recovery", "witnesses", "attesters"))
    recovery, witnesses, attesters = keys
    run.names = _names(assets, wallets, addresses, contracts)
    prices, limits = sections.many("prices", run.price), run.limits()
    guards, grants, escalations = (run.rules(name) for name in ("guards", "grants", "escalations"))
    properties = sections.many("properties", lambda row: property_read(row, run.names))
    conditions = [row.when for row in (*guards, *grants, *escalations)]
    conditions += [limit.when for limit in limits if limit.when is not None] + [row.when for row in properties]
    zones = run.zones(conditions, now + lifetime)
    sections.finish()
    sections.problems.extend(run.leftovers(people))
    if sections.problems or consent is None or controls is None:
        raise DescriptionError(sections.problems)
    header = Header(
        type=Policy.TYPE,
        version=VERSION,
        deployment=GENESIS_DEPLOYMENT,
        id=document_id,
        created=now,
        expires=now + lifetime,
    )
    policy = Policy(
        header=header, number=1, previous=None, profile=Profile(profile), institution=institution, consent=consent,
        people=people, clients=clients, signers=signers, wallets=wallets, assets=assets, contracts=contracts,
        addresses=addresses, prices=prices, guards=guards, grants=grants, escalations=escalations, limits=limits,
        controls=controls, witnesses=witnesses, witness_threshold=run.witness_threshold,
        attesters=attesters, attester_threshold=run.attester_threshold,
        recovery=recovery, recovery_threshold=run.recovery_threshold,
        zones=zones, properties=properties, evidence=(),
    )  # fmt: skip
    _check(policy)
    return Compiled(policy=policy, notes=_notes(policy, enrolments))
