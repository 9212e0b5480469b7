"""What a witness knows of one deployment: policies, halts, resumes and vetoes, each verified by `core` first.

It follows the same rules as a signer, from the same pinned genesis, over records of its own. So whatever a signer
would not take, a witness does not name; and what it names, a signer can be handed.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, cast

from core.consents import Subject, Voice, check_consents
from core.control import check_halt, check_journal_start, check_resume, check_veto
from core.documents.consent import SIGNED_CONSENT, SIGNED_CONSENTS, SignedConsent
from core.documents.control import CONTROL_ORDER, Ceremony, HaltOrder, ResumeOrder, VetoOrder
from core.documents.lease import HALTS_MOST, VETOES_MOST, NamedVeto
from core.documents.policy import SignedPolicy
from core.documents.roster import SignerRole
from core.errors import DocumentError, Refusal, WitnessError, require
from core.journal import Journal
from core.lease import was_in_force
from core.pins import Pins
from core.reception import receive_successor
from core.records import StartRecord
from core.schema import Struct, of, read_struct
from core.standing import still_listed
from core.succession import check_genesis

if TYPE_CHECKING:
    from core.documents.control import ControlOrder
    from core.documents.policy import Policy
    from core.records import Record

VETO_SECONDS = 30 * 86_400
"""For how long a veto is named after it was handed in: longer than anybody's mandate should live."""
VETOES_OF_ONE = 128
"""How many vetoes one person can have named at a time."""
FULL = 429


@dataclasses.dataclass(frozen=True, kw_only=True)
class Halting:
    """A halt with the signers that it names (none: all), and those for which it was lifted (`""`: all)."""

    signers: tuple[str, ...]
    lifted: set[str] = dataclasses.field(default_factory=set)

    def stops(self, signer: str) -> bool:
        """Whether it stops this signer."""
        named = not self.signers or signer in self.signers
        return named and "" not in self.lifted and signer not in self.lifted


@dataclasses.dataclass(frozen=True, kw_only=True)
class Handed:
    """One document that somebody handed in: what it is, the digest that names it, its value and its JSON."""

    kind: str
    digest: str
    value: SignedPolicy | HaltOrder | ResumeOrder | SignedConsent | JournalCeremony
    json: dict[str, object]


@dataclasses.dataclass(frozen=True, kw_only=True)
class JournalCeremony:
    """The ceremony that starts a signer's journal anew, with its consents."""

    ceremony: Ceremony = of(Struct(lambda: Ceremony))
    consents: tuple[SignedConsent, ...] = of(SIGNED_CONSENTS)


def read_handed(value: object) -> list[Handed]:
    """Read what somebody hands in: a signed policy, a halt, a resume, vetoes, a rejection, or a journal's ceremony.

    Returns:
        The documents in it; several vetoes are several documents.

    Raises:
        DocumentError: If it is none of them.
    """
    if not isinstance(value, dict):
        raise DocumentError("a signed policy, a halt, a resume, a veto, a rejection or a ceremony is expected")
    if "statement" in value:
        return [_veto(cast("SignedConsent", SIGNED_CONSENT.read(value, "consent")))]
    if "policy" in value:
        signed = read_struct(SignedPolicy, value, "signed_policy")
        return [Handed(kind="policy", digest=signed.policy.digest, value=signed, json=value)]
    if "ceremony" in value:
        anew = read_struct(JournalCeremony, value, "journal_start")
        return [Handed(kind="ceremony", digest=anew.ceremony.digest, value=anew, json=value)]
    order = cast("ControlOrder", CONTROL_ORDER.read(value, "order"))
    if isinstance(order, VetoOrder):
        return [_veto(signed) for signed in order.consents]
    return [Handed(kind=order.kind, digest=order.document.digest, value=order, json=value)]


def _veto(signed: SignedConsent) -> Handed:
    json = cast("dict[str, object]", SIGNED_CONSENT.write(signed, "consent"))
    return Handed(kind="veto", digest=signed.statement.digest, value=signed, json=json)


class Knowledge:
    """One deployment as a witness knows it. Times are Unix seconds by the witness's own clock."""

    def __init__(self, genesis: SignedPolicy, *, witness: str) -> None:
        """Begin with the pinned genesis; `start` or the kept records come next.

        Args:
            genesis: Whose digest people compared.
            witness: This witness's roster id.
        """
        policy = genesis.policy
        self.deployment = policy.digest
        self.journal = Journal()
        self.pins = Pins(
            deployment=policy.digest, signer=witness, role=SignerRole.LOG, policies={policy.digest: policy}
        )
        self.halts: dict[str, Halting] = {}
        self.ceremonies: dict[str, str] = {}
        self._vetoes: dict[tuple[str, str], tuple[Voice, int]] = {}

    def start(self, *, now: int) -> StartRecord:
        """Return the record with which this witness begins."""
        return StartRecord(
            kind="start",
            time=now,
            deployment=self.deployment,
            signer=self.pins.signer,
            policy=self.deployment,
            number=1,
            full=False,
            not_before=0,
            ceremony=None,
            lanes=(),
            consents=(),
        )

    def newest(self, *, now: int) -> Policy:
        """Return the newest policy that was handed in, also while it waits for its delay."""
        at = max(now, self.journal.clock)
        waiting = self.journal.waiting_at(at)
        return self.pins.policy(self.journal.policy_at(at) if waiting is None else waiting.policy)

    def _as(self, signer: str) -> Pins:
        """Return the pins of a signer: halts and resumes are judged by whom they name."""
        policy = self.pins.policy(self.journal.policy_at(self.journal.clock))
        role = next((one.role for one in policy.signers if one.id == signer), SignerRole.HSM)
        return dataclasses.replace(self.pins, signer=signer, role=role)

    def check(self, handed: Handed, *, now: int) -> Record | None:
        """Verify a document as a signer would. Nothing changes.

        Returns:
            The record that has to be kept with it, if any.

        Raises:
            RefusedError: If it does not convince.
            WitnessError: 429, if there is no room for more of its kind.
        """
        value = handed.value
        if isinstance(value, SignedPolicy):
            return receive_successor(value, self.pins, self.journal, now=now)
        if isinstance(value, HaltOrder):
            return self._check_halt(value, now)
        if isinstance(value, ResumeOrder):
            return self._check_resume(value, now)
        if isinstance(value, SignedConsent):
            return self._check_veto(value, now)
        ceremony = value.ceremony
        policy = self.pins.policy(ceremony.policy)
        check_journal_start(ceremony, value.consents, policy, ceremony.signers[0], now=now)
        return None

    def _check_halt(self, order: HaltOrder, now: int) -> Record | None:
        halt = order.document
        if sum(1 for one in self.halts.values() if "" not in one.lifted) >= HALTS_MOST:
            raise WitnessError(FULL, f"{HALTS_MOST} halts are in force: no room for another")
        named = halt.signers[0] if halt.signers else self.pins.signer
        return check_halt(order, self._as(named), self.journal, now=now)

    def _check_resume(self, order: ResumeOrder, now: int) -> Record | None:
        signers = order.document.signers
        policy = self.pins.policy(self.journal.policy_at(now))
        names = signers or tuple(one.id for one in policy.signers)
        record = check_resume(order, self._as(names[0]), self.journal, now=now)
        # One that names signers lifts the halt for those; for the others it stays.
        return None if signers else record

    def _check_veto(self, signed: SignedConsent, now: int) -> Record | None:
        live, actor = self.vetoes(now=now), signed.statement.actor
        if len(live) >= VETOES_MOST or sum(1 for veto in live if veto.actor == actor) >= VETOES_OF_ONE:
            raise WitnessError(FULL, "so many vetoes are named already: no room for another")
        records = check_veto(VetoOrder(kind="veto", consents=(signed,)), self.pins, self.journal, now=now)
        return records[0] if records else None

    def take(self, handed: Handed, *, at: int) -> None:
        """Take a verified document into account, once it is kept. Its record was applied to `journal` before.

        Args:
            handed: What `check` let through, now or before a restart.
            at: When it was handed in.
        """
        value = handed.value
        if isinstance(value, SignedPolicy):
            policies = {**self.pins.policies, value.policy.digest: value.policy}
            self.pins = dataclasses.replace(self.pins, policies=policies)
        elif isinstance(value, HaltOrder):
            self.halts.setdefault(handed.digest, Halting(signers=value.document.signers))
        elif isinstance(value, ResumeOrder):
            self.halts[value.document.halt].lifted.update(value.document.signers or ("",))
        elif isinstance(value, SignedConsent):
            self._vetoes[(value.statement.subject, value.statement.actor)] = (self._voice(value), at)
        else:
            self.ceremonies[handed.digest] = value.ceremony.signers[0]

    def _voice(self, signed: SignedConsent) -> Voice:
        statement = signed.statement
        about = Subject(
            type=statement.subject_type,
            digest=statement.subject,
            policy=statement.policy,
            deployment=self.deployment,
        )
        at = statement.header.created
        (voice,) = check_consents((signed,), about, self.pins.policy(statement.policy), now=at)
        return voice

    def vetoes(self, *, now: int) -> tuple[NamedVeto, ...]:
        """Return the vetoes that every signer has to know."""
        named = []
        for (subject, actor), (voice, at) in self._vetoes.items():
            counts = (
                now - at < VETO_SECONDS
                and still_listed((voice,), self.pins, self.journal, now=now)
                and not was_in_force(subject, self.pins, self.journal, now=now)
            )
            decision = self.journal.vetoes.get((subject, actor))
            if counts and decision is not None:
                named.append(NamedVeto(subject=subject, actor=actor, decision=decision))
        return tuple(sorted(named, key=lambda veto: (veto.subject, veto.actor)))

    def halts_of(self, signer: str) -> tuple[str, ...]:
        """Return the halts in force for a signer."""
        return tuple(sorted(digest for digest, halting in self.halts.items() if halting.stops(signer)))

    def is_signer(self, signer: str, *, now: int) -> bool:
        """Whether the newest policy, or the one in force, names this signer of wallets."""
        at = max(now, self.journal.clock)
        policies = (self.newest(now=at), self.pins.policy(self.journal.policy_at(at)))
        roles = {one.role for policy in policies for one in policy.signers if one.id == signer}
        return bool(roles & {SignerRole.HSM, SignerRole.PARTY})


def check_pinned(genesis: SignedPolicy, digest: str, *, witness: str, public_key: bytes, now: int) -> None:
    """Refuse a genesis that is not the one that people compared, or does not name this witness with its key.

    Raises:
        RefusedError: As `core.succession.check_genesis`, or `wrong_policy`.
    """
    check_genesis(genesis, digest, now=now)
    named = any((one.id, one.public_key) == (witness, public_key) for one in genesis.policy.witnesses)
    require(named, Refusal.WRONG_POLICY, f"the policy does not name witness {witness} with this key")
