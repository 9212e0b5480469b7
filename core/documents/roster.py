"""Who and what a policy knows: people, keys, clients, signers, wallets, assets, contracts, addresses."""

from __future__ import annotations

import dataclasses
from enum import StrEnum

from core.documents.base import HEADER, Header
from core.documents.consent import SIGNED_CONSENTS, SignedConsent
from core.names import (
    AAGUID,
    ACCOUNT,
    ADDRESS,
    AMOUNT,
    ASSET,
    BLOB,
    CHAIN,
    CREDENTIAL_ID,
    DIGEST,
    HASH32,
    KEY_BLOB,
    LABEL,
    PUBLIC_KEY,
    SELECTOR,
    SENTENCE,
    SLUG,
    TIME,
)
from core.schema import Choice, Integer, Items, Maybe, Struct, Text, added, of

DEMO_AAGUID = b"countersign-demo"
"""The AAGUID of the clearly marked software keys of the demo profile; production refuses it."""


ENROLMENT = "enrolment"
"""The type of the document that a new key's co-signers sign."""


class Profile(StrEnum):
    """The deployment profile; enforced by the signer."""

    DEMO = "demo"
    PRODUCTION = "production"


class Role(StrEnum):
    """Roster roles: what a person's consent may count for."""

    TRADER = "trader"
    PORTFOLIO_MANAGER = "portfolio_manager"
    RISK_OFFICER = "risk_officer"
    SENIOR_RISK_OFFICER = "senior_risk_officer"
    CRO = "cro"
    SECURITY_COMMITTEE = "security_committee"
    POLICY_ADMIN = "policy_admin"
    OPERATOR = "operator"
    AUDITOR = "auditor"


@dataclasses.dataclass(frozen=True, kw_only=True)
class KeyAttestation:
    """What the authenticator said about the key when it was made (WebAuthn attestation object)."""

    object: bytes = of(BLOB)
    client_data_hash: bytes = of(HASH32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class KeyEnrolment:
    """The co-signatures under which a key came into a policy, and what they need to be read again.

    The document that was co-signed is made from this, the person's id and the key itself (`core.enrolments`), so
    it cannot be about another key.
    """

    header: Header = of(HEADER)
    policy: str = of(DIGEST)
    consents: tuple[SignedConsent, ...] = of(SIGNED_CONSENTS)

    def __post_init__(self) -> None:
        """Refuse a header of another type."""
        if self.header.type != ENROLMENT:
            msg = f"header names type {self.header.type!r}, expected {ENROLMENT!r}"
            raise ValueError(msg)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConsentKey:
    """A security key registered at the consent origin. `public_key` is the COSE key (RFC 9052), canonical CBOR.

    `enrolment` is null for the keys of the first policy, which two people compare at the console.
    """

    credential_id: bytes = of(CREDENTIAL_ID)
    public_key: bytes = of(KEY_BLOB)
    aaguid: bytes = of(AAGUID)
    attestation: KeyAttestation | None = of(Maybe(Struct(lambda: KeyAttestation)))
    enrolment: KeyEnrolment | None = of(Maybe(Struct(lambda: KeyEnrolment)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Person:
    """A member of the roster."""

    id: str = of(SLUG)
    name: str = of(LABEL)
    roles: tuple[Role, ...] = of(Items(Choice(Role), most=16))
    desk: str = of(SLUG)
    site: str = of(SLUG)
    keys: tuple[ConsentKey, ...] = of(Items(Struct(lambda: ConsentKey), most=8))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ApiClient:
    """A program that may ask and never consent; its responsible persons count as initiators."""

    id: str = of(SLUG)
    name: str = of(LABEL)
    public_key: bytes = of(HASH32)
    desk: str = of(SLUG)
    responsible: tuple[str, ...] = of(Items(SLUG, least=1, most=16))


class SignerRole(StrEnum):
    """What a signer process is. One process, one role."""

    HSM = "hsm"
    PARTY = "party"
    LOG = "log"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignerEntry:
    """A signer and its failure domains. `public_key`: its own Ed25519 key, where its role has one."""

    id: str = of(SLUG)
    role: SignerRole = of(Choice(SignerRole))
    public_key: bytes | None = of(Maybe(HASH32))
    host: str = of(SLUG)
    site: str = of(SLUG)
    administrator: str = of(SLUG)
    vendor: str = of(SLUG)


class WalletKind(StrEnum):
    """Where a wallet's key lives. `software` is for the demo profile only."""

    HSM = "hsm"
    MPC = "mpc"
    SOFTWARE = "software"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wallet:
    """A wallet: CAIP-10 account, uncompressed secp256k1 public key, and the signers that hold it.

    `clone` is the digest of the ceremony in which an HSM's key was made together with its clone. Without it, a signer
    accepts only a key that could never leave its token; with it, only one that could, in that ceremony (ADR 26).
    """

    id: str = of(ACCOUNT)
    label: str = of(LABEL)
    kind: WalletKind = of(Choice(WalletKind))
    public_key: bytes = of(PUBLIC_KEY)
    signers: tuple[str, ...] = of(Items(SLUG, least=1, most=16))
    threshold: int = of(Integer(least=1, most=16))
    clone: str | None = added(DIGEST)

    @property
    def chain(self) -> str:
        """CAIP-2 chain."""
        return self.id.rpartition(":")[0]

    @property
    def address(self) -> str:
        """EIP-55 address."""
        return self.id.rpartition(":")[2]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AssetEntry:
    """An asset that the policy knows; amounts have `decimals` places."""

    id: str = of(ASSET)
    symbol: str = of(Text(most=16, pattern=r"[A-Za-z0-9.$_-]{1,16}"))
    name: str = of(LABEL)
    decimals: int = of(Integer(most=77))


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbiFunction:
    """One callable function of a contract, for instance ``transfer(address,uint256)``."""

    selector: bytes = of(SELECTOR)
    signature: str = of(Text(most=512, pattern=r"[A-Za-z_$][A-Za-z0-9_$]*\([A-Za-z0-9_,()\[\]]*\)"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContractEntry:
    """A reviewed contract with its functions and the code hash it had when it was reviewed.

    Contracts of one `protocol` count together where a limit says so.
    """

    chain: str = of(CHAIN)
    address: str = of(ADDRESS)
    label: str = of(LABEL)
    code_hash: bytes | None = of(Maybe(HASH32))
    functions: tuple[AbiFunction, ...] = of(Items(Struct(lambda: AbiFunction), most=256))
    protocol: str | None = of(Maybe(SLUG))


@dataclasses.dataclass(frozen=True, kw_only=True)
class AddressEntry:
    """A whitelisted destination; usable from the end of its cool-down until it expires.

    Addresses of one `beneficiary` count together where a limit says so.
    """

    id: str = of(SLUG)
    chain: str = of(CHAIN)
    address: str = of(ADDRESS)
    label: str = of(LABEL)
    reason: str = of(SENTENCE)
    usable_from: int = of(TIME)
    expires: int = of(TIME)
    beneficiary: str | None = of(Maybe(SLUG))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReferencePrice:
    """A price that people signed: 10⁻⁸ US dollars for one whole unit; expired counts as above every threshold."""

    asset: str = of(ASSET)
    usd_e8: int = of(AMOUNT)
    expires: int = of(TIME)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NamedKey:
    """An Ed25519 key of a witness, an attester or an offline recovery holder."""

    id: str = of(SLUG)
    public_key: bytes = of(HASH32)
    host: str = of(SLUG)
