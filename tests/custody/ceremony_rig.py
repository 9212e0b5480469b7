"""Parties that take ceremonies: real documents, real consents, a journal each, behind custody's way to signers."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

from approvals.models import User
from core.ceremonies import check_ceremony
from core.control import check_veto
from core.documents.consent import Decision, SubjectType
from core.documents.control import CONTROL_ORDER, Ceremony, CeremonyKind, SignedCeremony
from core.errors import RefusedError
from core.records import CeremonyStep, CeremonyStepRecord
from core.schema import read_struct
from custody.ceremony_services import ceremony_consent, ceremony_draft
from custody.ceremony_sweep import sweep_once
from custody.errors import SignerWaitsError
from policies.services import genesis_store
from signer import wire
from tests.factories.ceremonies import QUORUM, ceremony
from tests.factories.parties import Parties
from tests.factories.world import PEOPLE
from tests.oms.conftest import as_json

if TYPE_CHECKING:
    from custody.models import KeyCeremony
    from tests.factories.parties import Party

PORT = "tests.custody.ceremony_rig.Port"
REFRESHED = (CeremonyStep.STAGED, CeremonyStep.ACTIVATED, CeremonyStep.DESTROYED)


class Rig:
    """Five parties of which three sign, people who can consent, and a clock that only the test moves."""

    def __init__(self, *, now: int, **overrides: Any) -> None:  # noqa: ANN401 - fields of Policy
        self.parties = Parties(now=now, **overrides)
        self.world, self.wallet = self.parties.world, self.parties.wallet
        self.away: set[str] = set()
        self.asked: Counter[tuple[str, str]] = Counter()
        self.lie: dict[str, Any] = {}
        genesis_store(signed=self.world.signed_policy, digest=self.world.deployment, actor="system:test", now=now)
        self.users = {
            name: User.objects.create_user(name, display_name=name.title(), desk=desk, site=site)
            for name, (_, desk, site) in PEOPLE.items()
        }
        Port.rig = self

    @property
    def now(self) -> dt.datetime:
        """The clock of everybody."""
        return dt.datetime.fromtimestamp(self.world.now, tz=dt.UTC)

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.world.now += seconds

    def document(self, kind: CeremonyKind, **changes: Any) -> Ceremony:  # noqa: ANN401 - fields of Ceremony
        """Return a ceremony about the wallet."""
        if kind is CeremonyKind.REFRESH:
            changes = {"epoch": 1} | changes
        return ceremony(self.world, kind, self.wallet, **changes)

    def draft(self, kind: CeremonyKind, **changes: Any) -> KeyCeremony:  # noqa: ANN401 - as above
        """Have olga draft one."""
        return ceremony_draft(document=self.document(kind, **changes), person="olga", now=self.now)

    def word(self, digest: str, person: str, decision: Decision = Decision.APPROVE, reason: str = "") -> bytes:
        """Have a person sign at the consent origin."""
        signed = self.world.consent(digest, person, decision, subject_type=SubjectType.CEREMONY, reason=reason or "")
        return as_json(signed)

    def consent(
        self, made: KeyCeremony, person: str, decision: Decision = Decision.APPROVE, reason: str = ""
    ) -> KeyCeremony:
        """Have a person consent and hand it in."""
        return ceremony_consent(
            user=self.users[person],
            digest=made.digest,
            consent_raw=self.word(made.digest, person, decision, reason),
            policy=self.world.policy,
            now=self.now,
        )

    def order(self, kind: CeremonyKind, **changes: Any) -> KeyCeremony:  # noqa: ANN401 - as above
        """Draft one, and have its quorum order it."""
        made = self.draft(kind, **changes)
        for person in QUORUM:
            made = self.consent(made, person)
        return made

    def sweep(self, *, waits: int = 0) -> None:
        """Let time pass, and the sweep run."""
        self.wait(waits)
        sweep_once(now=self.now)

    def request(self, signer_id: str, frame: dict[str, Any]) -> dict[str, Any]:
        """Answer as a party does."""
        self.asked[signer_id, frame["op"]] += 1
        if signer_id in self.away:
            raise SignerWaitsError("unreachable", f"signer {signer_id}: no answer")
        if signer_id in self.lie:
            return wire.success(self.lie[signer_id])
        if frame["op"] not in ("ceremony", "control"):
            return wire.failure("unsupported", "these parties have no shares", retry=False)
        party = self.parties.all[signer_id]
        try:
            result = self._ordain(party, frame) if frame["op"] == "ceremony" else self._control(party, frame)
        except RefusedError as error:
            return wire.failure(error.code, error.message, retry=error.code in wire.RETRIED)
        return wire.success(result)

    def _ordain(self, party: Party, frame: dict[str, Any]) -> dict[str, Any]:
        signed = read_struct(SignedCeremony, frame["ceremony"], "ceremony")
        record = check_ceremony(signed, party.pins, party.journal, now=self.world.now, held=None)
        if record is not None:
            party.journal.apply(party.journal.encode(record))
        digest = signed.document.digest
        steps = [str(step) for step in party.journal.ceremonies.done(digest)]
        return {"ceremony": digest, "records": 0 if record is None else 1, "steps": steps}

    def _control(self, party: Party, frame: dict[str, Any]) -> dict[str, Any]:
        order: Any = CONTROL_ORDER.read(frame["order"], "order")
        records = check_veto(order, party.pins, party.journal, now=self.world.now)
        for record in (one for one in records if one is not None):
            party.journal.apply(party.journal.encode(record))
        return {"records": len(records), "halts": []}

    def console(self, digest: str, step: CeremonyStep, *names: str) -> None:
        """Do a step at parties' consoles."""
        for name in names or tuple(self.parties.all):
            journal = self.parties.all[name].journal
            record = CeremonyStepRecord(
                kind="ceremony_step", time=self.world.now, ceremony=digest, step=step, evidence=None, consents=()
            )
            journal.apply(journal.encode(record))


class Port:
    """Custody's way to the parties of the newest rig."""

    rig: ClassVar[Rig]

    def request(self, signer_id: str, frame: dict[str, Any]) -> dict[str, Any]:
        """Ask."""
        return self.rig.request(signer_id, frame)
