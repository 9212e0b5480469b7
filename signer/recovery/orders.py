"""Ceremonies as a console reads them where no journal is: held against the pinned genesis and what followed it.

A recovery site has no journal. It believes a ceremony as its party would whose journal began with the policy that the
ceremony names, and it writes down what it did: below the newest policy that it ever acted under, it does nothing.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.canonical import canonical_of_codecs, parse
from core.ceremonies import begun, check_ceremony
from core.documents.consent import SIGNED_CONSENTS
from core.documents.control import Ceremony, CeremonyKind, SignedCeremony
from core.documents.policy import SignedPolicy
from core.errors import CoreError
from core.journal import Journal
from core.names import ACCOUNT, COUNT, DIGEST, SLUG, TIME
from core.pins import Pins
from core.records import StartRecord
from core.recovery import wallet_named
from core.schema import Choice, Constant, Integer, Maybe, of, read_struct, write_struct
from core.succession import check_genesis
from signer.config import check_private
from signer.errors import ConfigError
from signer.files import append_line, write_new
from signer.pinned import POLICY_BYTES, POLICY_FOLDER, check_chain, read_signed_policy, store_policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from core.documents.policy import Policy
    from core.documents.roster import Profile, Wallet
    from core.records import CeremonyRecord

PINS_FILE, LEDGER_FILE = "pins.json", "ledger"
PINS_KIND, LINE_KIND = "countersign.recovery-pins.v1", "countersign.recovery-line.v1"
TYPED_DIGITS = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class SitePins:
    """Which deployment a recovery site serves: the genesis digest that two people compared."""

    kind: str = of(Constant(PINS_KIND))
    deployment: str = of(DIGEST)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """One thing that a recovery site did, under which policy and ceremony, and the digest of what shows it."""

    kind: str = of(Constant(LINE_KIND))
    time: int = of(TIME)
    number: int = of(Integer(least=1))
    ceremony: str = of(DIGEST)
    what: CeremonyKind = of(Choice(CeremonyKind))
    wallet: str | None = of(Maybe(ACCOUNT))
    party: str = of(SLUG)
    epoch: int = of(COUNT)
    evidence: str = of(DIGEST)


@dataclasses.dataclass(frozen=True)
class Order:
    """A ceremony that convinces, with what it is held against. `wallet` is None where the ceremony names none."""

    record: CeremonyRecord
    policy: Policy
    named: Wallet | None

    @property
    def wallet(self) -> Wallet:
        """The wallet that the ceremony is about.

        Raises:
            ConfigError: If it names none.
        """
        if self.named is None:
            raise ConfigError("the ceremony names no wallet")
        return self.named


@dataclasses.dataclass(frozen=True)
class OrderFile:
    """What people bring to a console: a ceremony with its consents, and policies after the genesis."""

    signed: SignedCeremony
    later: tuple[SignedPolicy, ...]


def read_order(raw: bytes) -> OrderFile:
    """Read ``{"ceremony", "consents", "policies"}``, or a `SignedCeremony` alone.

    `policies` are signed successors, the genesis left out.

    Raises:
        ConfigError: If it is something else.
    """
    try:
        value = parse(raw, max_bytes=POLICY_BYTES)
        if isinstance(value, dict) and set(value) == {"document", "consents"}:
            # As custody hands it out, where no policy came after the genesis or all are known here.
            return OrderFile(read_struct(SignedCeremony, value, "ceremony"), ())
        if not isinstance(value, dict) or set(value) != {"ceremony", "consents", "policies"}:
            raise ConfigError("ceremony, consents and policies are expected")
        policies = value["policies"]
        if not isinstance(policies, list):
            raise ConfigError("policies: a list is expected")
        ceremony = Ceremony.from_json(value["ceremony"])
        consents = SIGNED_CONSENTS.read(value["consents"], "consents")
        later = tuple(read_struct(SignedPolicy, one, "policies") for one in policies)
    except CoreError as error:
        raise ConfigError(f"this is no ceremony: {error}") from error
    return OrderFile(SignedCeremony(document=ceremony, consents=consents), later)


def pin_site(state: Path, raw: bytes, confirm: Callable[[str], str], *, now: int) -> str:
    """Install the genesis whose people this site obeys.

    Args:
        state: The site's folder.
        raw: The signed genesis as JSON.
        confirm: Shows the digest and returns what people compared: it whole, or its first eight digits.
        now: Unix seconds.

    Returns:
        The deployment.

    Raises:
        ConfigError: If another digest was compared, or another deployment is pinned here.
        CoreError: If the policy does not hold.
    """
    signed = read_signed_policy(raw)
    digest = signed.policy.digest
    if confirm(digest).replace(" ", "").lower() not in (digest, digest[:TYPED_DIGITS]):
        raise ConfigError("that is not this policy's digest: nothing was installed")
    check_genesis(signed, digest, now=now)
    path = state / PINS_FILE
    if path.exists():
        if _read_pins(state).deployment != digest:
            raise ConfigError("another deployment is pinned here; it takes a new folder and token")
        return digest
    store_policy(state, signed)
    pins = SitePins(kind=PINS_KIND, deployment=digest)
    write_new(path, canonical_of_codecs(write_struct(pins, "pins")), mode=0o400)
    return digest


def _read_pins(state: Path) -> SitePins:
    path = state / PINS_FILE
    check_private(path, most=0o400)
    try:
        return read_struct(SitePins, parse(path.read_bytes()), PINS_FILE)
    except CoreError as error:
        raise ConfigError(str(error)) from error


def pinned_profile(state: Path) -> Profile:
    """Return the profile of the genesis that is pinned here.

    Raises:
        ConfigError: If none is.
        CoreError: If it cannot be read.
    """
    path = state / POLICY_FOLDER / f"{_read_pins(state).deployment}.json"
    check_private(path, most=0o400)
    return read_signed_policy(path.read_bytes()).policy.profile


def _policies(state: Path, deployment: str, later: tuple[SignedPolicy, ...], now: int) -> dict[str, Policy]:
    stored = [read_signed_policy(path.read_bytes()) for path in (state / POLICY_FOLDER).glob("*.json")]
    every = {signed.policy.digest: signed for signed in (*stored, *later)}
    chain = sorted(every.values(), key=lambda signed: signed.policy.number)
    return check_chain(chain, deployment, waited_until=now)


def read_ledger(state: Path) -> list[Line]:
    """Return what this site did, oldest first.

    Raises:
        ConfigError: If the ledger was changed by somebody else.
    """
    path = state / LEDGER_FILE
    if not path.exists():
        return []
    check_private(path, most=0o600)
    try:
        whole = path.read_bytes().split(b"\n")[:-1]
        return [read_struct(Line, parse(line), LEDGER_FILE) for line in whole]
    except CoreError as error:
        raise ConfigError(f"the ledger cannot be read: {error}") from error


def check_order(state: Path, raw: bytes, kind: CeremonyKind, party: str, *, now: int) -> Order:
    """Hold a ceremony against this site's pins, as the party would that it is about.

    Args:
        state: The site's folder.
        raw: What `read_order` reads.
        kind: What it has to be.
        party: Whose backup it is about.
        now: Unix seconds.

    Raises:
        RefusedError: As `core.ceremonies.check_ceremony` and `begun`.
        ConfigError: If pins, policies or ledger do not fit.
    """
    file = read_order(raw)
    deployment = _read_pins(state).deployment
    policies = _policies(state, deployment, file.later, now)
    policy = policies.get(file.signed.document.policy)
    if policy is None:
        raise ConfigError("the ceremony names a policy that is neither pinned nor handed over")
    ledger = read_ledger(state)
    if any(line.number > policy.number for line in ledger):
        raise ConfigError(f"the ceremony names policy {policy.number}; this site has acted under a later one")
    entry = next((one for one in policy.signers if one.id == party), None)
    if entry is None:
        raise ConfigError(f"the policy names no {party}")
    pins = Pins(deployment=deployment, signer=party, role=entry.role, policies=policies)
    journal = _beginning(policy, pins, max((line.time for line in ledger), default=0))
    record = check_ceremony(file.signed, pins, journal, now=now, held=None)
    if record is None:
        raise ConfigError("a journal that has just begun knows no ceremony")
    journal.apply(journal.encode(record))
    named = None if record.wallet is None else wallet_named(record.wallet, policy, pins)
    order = Order(begun(record.ceremony, kind, pins, journal, now=now), policy, named)
    for signed in file.later:
        store_policy(state, signed)
    return order


def _beginning(policy: Policy, pins: Pins, time: int) -> Journal:
    """Return the journal of a party that has seen this policy and nothing else, no earlier than this."""
    journal = Journal()
    start = StartRecord(
        kind="start",
        time=time,
        deployment=pins.deployment,
        signer=pins.signer,
        policy=policy.digest,
        number=policy.number,
        full=True,
        not_before=0,
        ceremony=None,
        lanes=(),
        consents=(),
    )
    journal.apply(journal.encode(start))
    return journal


def note(state: Path, order: Order, party: str, evidence: str, *, now: int) -> None:
    """Write down, durably, what this site did."""
    record = order.record
    line = Line(
        kind=LINE_KIND,
        time=now,
        number=order.policy.number,
        ceremony=record.ceremony,
        what=record.what,
        wallet=record.wallet,
        party=party,
        epoch=record.epoch,
        evidence=evidence,
    )
    append_line(state / LEDGER_FILE, canonical_of_codecs(write_struct(line, "line")))
