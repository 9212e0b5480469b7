"""What is known of who holds a wallet's key: kind, signers and when each was last seen, modules, drills, key life.

Everything is read: from the policy in force, from what signers said of themselves when they were last asked, and from
what people wrote down. What nobody said or wrote down is shown as unknown.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

from core.ceremony_lifecycle import CeremonyState
from core.documents.control import CeremonyKind
from core.documents.roster import WalletKind
from core.key_lifecycle import KeyEvent, KeyState, Period, key_events, period_of
from custody.models import KeyCeremony
from custody.models_keys import CertificateStatus
from custody.selectors import key_find, module_find
from oms.dashboards import signer_healths
from oms.signer_watch import moment_read, number_read
from oms.wallet_losses import Domain, Loss, Size, domains_of, losses_of
from policies.selectors import policy_active

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.documents.policy import Policy
    from core.documents.roster import SignerEntry
    from core.documents.roster import Wallet as RosterWallet
    from custody.models import HsmModule, Wallet, WalletKey
    from oms.dashboards import SignerHealth

_SOFT = "softhsm"
_DAY = 86_400
_EVENT_WORDS: dict[KeyEvent, str] = {
    KeyEvent.ACTIVATE: "Activate",
    KeyEvent.SUSPEND: "Suspend",
    KeyEvent.RESUME: "Resume",
    KeyEvent.RETIRE: "Retire",
    KeyEvent.COMPROMISE: "Say that it is in other hands",
    KeyEvent.DESTROY: "Write its destruction down",
}
_TONES = {KeyState.ACTIVE: "good", KeyState.SUSPENDED: "warn", KeyState.RETIRED: "warn", KeyState.DESTROYED: "bad"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModuleFacts:
    """What holds a signer's keys, as its token says, and what people looked up about such a module."""

    words: str
    certificate: str
    tone: str
    source: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Holder:
    """One signer or party of a wallet. `epoch_since`: when its share's epoch was first seen here."""

    id: str
    entry: SignerEntry | None
    health: SignerHealth | None
    module: ModuleFacts
    epoch: int | None
    epoch_since: dt.datetime | None

    @property
    def is_up(self) -> bool:
        """Whether it answered lately and is not halted."""
        return self.health is not None and self.health.tone in ("good", "warn")


@dataclasses.dataclass(frozen=True, kw_only=True)
class KeyFacts:
    """Where the key stands in its life, and what can be done about it."""

    row: WalletKey | None
    state: str
    tone: str
    ends: dt.datetime | None
    period: str
    period_tone: str
    actions: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ceremonies:
    """When something was last done about copies of a key; None: never, as far as anybody wrote it down here.

    `clone` is the digest of the ceremony that made the key together with a clone, as the policy in force names it.
    """

    drill: KeyCeremony | None
    backup: KeyCeremony | None
    clone: str | None
    refresh: KeyCeremony | None

    @property
    def copies(self) -> str:
        """What is known of copies from which a key could come back."""
        if self.clone is not None:
            return "The policy names a clone of this key in a second token: people may bring that into service."
        if self.backup is None:
            return "No backup or clone is written down here."
        when = f"{self.backup.ended_at or self.backup.drafted_at:%Y-%m-%d}"
        return f"The last backup written down here is of {when}: people may bring it back from that."


@dataclasses.dataclass(frozen=True, kw_only=True)
class WalletFacts:
    """All of it."""

    kind_words: str
    named: bool
    disagrees: bool
    policy: Policy | None
    size: Size
    holders: tuple[Holder, ...]
    domains: tuple[Domain, ...]
    key: KeyFacts
    ceremonies: Ceremonies
    losses: tuple[Loss, ...]

    @property
    def up(self) -> int:
        """How many of its signers answered lately."""
        return sum(holder.is_up for holder in self.holders)

    @property
    def up_tone(self) -> str:
        """How well its signers do."""
        if self.up >= self.size.held:
            return "good"
        return "warn" if self.up >= self.size.certify else "bad"

    @property
    def epochs(self) -> tuple[int, ...]:
        """The epochs that its parties say they hold; more than one while a refresh is not through."""
        return tuple(sorted({holder.epoch for holder in self.holders if holder.epoch is not None}))

    @property
    def advice(self) -> str:
        """What to do where parties do not answer; empty where all do."""
        missing = self.size.held - self.up
        if self.size.held == 1 or missing == 0:
            return ""
        if self.up < self.size.sign:
            return (
                f"{missing} of {self.size.held} parties do not answer, and {self.size.sign} sign: nothing can be"
                " signed before some are back, or were restored from their backups."
            )
        goes_on = self.up >= self.size.certify
        cases = "Cases go on." if goes_on else f"Cases wait: each takes the word of {self.size.certify}."
        return (
            f"{missing} of {self.size.held} parties do not answer. {cases} What is lost for good is restored from its"
            f" backup; or empty this wallet into another one while {self.size.sign} can still sign."
        )


def kind_words(*, wallet: Wallet) -> str:
    """Say where a wallet's key lives."""
    if wallet.kind == WalletKind.MPC:
        return f"MPC {wallet.threshold}-of-{len(wallet.signers)}"
    return {WalletKind.HSM.value: "HSM", WalletKind.SOFTWARE.value: "Software: for the demo profile only"}[
        wallet.kind
    ]


def module_facts(*, told: object, today: dt.date) -> ModuleFacts:
    """Say what a module is by what its token says, and what people looked up about such a one.

    Args:
        told: `SignerSighting.token`: a claim like all that a signer says of itself.
        today: The day on which a certificate is looked at.
    """
    said = told if isinstance(told, dict) else {}
    maker, model, firmware = (str(said.get(name, "")) for name in ("manufacturer", "model", "firmware"))
    if not maker and not model:
        return ModuleFacts(words="unknown: its signer has not said", certificate="unknown", tone="")
    words = f"{maker} {model}, firmware {firmware or 'unknown'}, serial {said.get('serial') or 'unknown'}"
    if _SOFT in f"{maker} {model}".lower():
        return ModuleFacts(words=words, certificate="no certificate: SoftHSM is a program, and no module", tone="bad")
    row = module_find(manufacturer=maker, model=model, firmware=firmware)
    if row is None:
        return ModuleFacts(
            words=words, certificate="unknown: nobody has looked this module and firmware up", tone="warn"
        )
    return _looked_up(row, words, today)


def _looked_up(row: HsmModule, words: str, today: dt.date) -> ModuleFacts:
    source = f"{row.source}, looked up {row.looked_up}" if row.looked_up else row.source
    if row.status == CertificateStatus.NONE:
        return ModuleFacts(words=words, certificate="no certificate", tone="bad", source=source)
    over = row.is_over(today)
    until = f", until {row.sunset}" if row.sunset else ", its end unknown"
    said = (
        f"FIPS 140 certificate {row.certificate}, {row.level or 'level unknown'}: {row.get_status_display()}{until}"
    )
    good = row.status == CertificateStatus.ACTIVE and not over
    words_over = "; that day is over, so look it up again" if over else ""
    return ModuleFacts(words=words, certificate=said + words_over, tone="good" if good else "bad", source=source)


def _epoch(health: SignerHealth | None, wallet: str) -> tuple[int | None, dt.datetime | None]:
    said = {} if health is None or health.sighting is None else health.sighting.epochs
    known = said.get(wallet) if isinstance(said, dict) else None
    if not isinstance(known, dict):
        return None, None
    epoch = number_read(known.get("epoch"))
    return epoch, None if epoch is None else moment_read(known.get("since"))


def _holders(
    wallet: Wallet, policy: Policy | None, healths: Mapping[str, SignerHealth], now: dt.datetime
) -> tuple[Holder, ...]:
    entries = {} if policy is None else {one.id: one for one in policy.signers}
    found = []
    for name in wallet.signers:
        health = healths.get(name)
        epoch, since = _epoch(health, wallet.caip10)
        told = None if health is None or health.sighting is None else health.sighting.token
        module = module_facts(told=told, today=now.date())
        entry = entries.get(name)
        found.append(Holder(id=name, entry=entry, health=health, module=module, epoch=epoch, epoch_since=since))
    return tuple(found)


def key_facts(*, wallet: Wallet, now: dt.datetime) -> KeyFacts:
    """Say where a wallet's key stands in its life.

    Args:
        wallet: The wallet.
        now: The current time.
    """
    row = key_find(wallet=wallet.caip10)
    if row is None:
        return KeyFacts(
            row=None, state="unknown", tone="bad", ends=None, period="unknown", period_tone="bad", actions=()
        )
    state = KeyState(row.state)
    end, at = row.period_ends, int(now.timestamp())
    words, tone = "does not run", ""
    if end is not None:
        where = period_of(end=end, now=at)
        days = abs(end - at) // _DAY
        words = f"ended {days} days ago" if where is Period.OVER else f"{days} days left"
        tone = {Period.RUNS: "good", Period.ENDS_SOON: "warn", Period.OVER: "bad"}[where]
    actions = tuple(
        (event.value, _EVENT_WORDS[event]) for event in key_events(state) if event is not KeyEvent.ACTIVATE
    )
    ends = None if end is None else dt.datetime.fromtimestamp(end, tz=dt.UTC)
    return KeyFacts(
        row=row,
        state=state.value,
        tone=_TONES.get(state, ""),
        ends=ends,
        period=words,
        period_tone=tone,
        actions=actions,
    )


def _ceremonies(wallet: Wallet, entry: RosterWallet | None) -> Ceremonies:
    done = KeyCeremony.objects.filter(wallet=wallet.caip10, state=CeremonyState.DONE.value)
    last = {one.kind: one for one in done.order_by("ended_at")}
    return Ceremonies(
        drill=last.get(CeremonyKind.DRILL.value),
        backup=last.get(CeremonyKind.BACKUP.value),
        clone=None if entry is None else entry.clone,
        refresh=last.get(CeremonyKind.REFRESH.value),
    )


def healths_now(*, now: dt.datetime) -> dict[str, SignerHealth]:
    """Return the policy's signers as they were last heard of, by their ids."""
    return {one.signer: one for one in signer_healths(now=now)}


def wallet_facts(
    *, wallet: Wallet, now: dt.datetime, healths: Mapping[str, SignerHealth] | None = None
) -> WalletFacts:
    """Gather what is known of who holds a wallet's key.

    Args:
        wallet: The wallet.
        now: The current time.
        healths: From `healths_now`, where many wallets are looked at.
    """
    policy = policy_active()
    entry: RosterWallet | None = None
    if policy is not None:
        entry = next((one for one in policy.wallets if one.id == wallet.caip10), None)
    known = healths_now(now=now) if healths is None else healths
    holders, ceremonies = _holders(wallet, policy, known, now), _ceremonies(wallet, entry)
    counted = wallet.roster
    domains = domains_of([one.entry for one in holders if one.entry is not None], counted.threshold)
    losses: tuple[Loss, ...] = ()
    if policy is not None and entry is not None:
        losses = losses_of(wallet=entry, policy=policy, domains=domains, copies=ceremonies.copies)
    return WalletFacts(
        kind_words=kind_words(wallet=wallet),
        named=entry is not None,
        disagrees=entry is not None and dataclasses.replace(entry, label=wallet.label) != counted,
        policy=policy,
        size=Size.of(counted),
        holders=holders,
        domains=domains,
        key=key_facts(wallet=wallet, now=now),
        ceremonies=ceremonies,
        losses=losses,
    )
