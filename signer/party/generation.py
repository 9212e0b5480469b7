"""A party's part in making a further key, in its own process, under a ceremony of the policy's quorum.

The same protocol and the same plan as for the first key (`signer.party.founding`); people ordered it with their
security keys instead of comparing it at this console.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.documents.control import CeremonyKind
from core.documents.renewal import KIND, WORDS, Said, Word
from core.epochs import made_of
from core.errors import Refusal, RefusedError
from core.evm import address_of
from core.founding import FoundingPlan
from core.generation import check_planned, join_generation, settle
from core.names import DIGEST
from core.records import CeremonyStep
from core.schema import read_struct, write_struct
from mpc import DkgSession
from signer.party.candidates import Candidates
from signer.party.envelopes import members
from signer.party.making import Work

if TYPE_CHECKING:
    from core.canonical import Json
    from core.documents.party import SessionTerms
    from core.documents.renewal import Made
    from core.records import CeremonyRecord
    from signer.party.making import Host, Making
    from signer.party.session import Session


class Generations:
    """The keys that one party helps to make."""

    def __init__(self, host: Host, making: Making) -> None:
        """Take what the party's parts share.

        Args:
            host: Journal, shares, key and pins.
            making: The live sessions.
        """
        self._host, self._making = host, making
        self._candidates = Candidates(host.backend.shares)
        self._plans: dict[str, FoundingPlan] = {}

    def join(self, terms: SessionTerms, *, now: int) -> Json:
        """Join a session that makes a key, by a plan that was shown before (`advance`).

        Raises:
            RefusedError: As `core.generation.join_generation`; `ceremony` where no plan was shown.
        """
        record = self._known(terms.subject)
        plan = self._plans.get(record.ceremony)
        if plan is None:
            raise RefusedError(Refusal.CEREMONY, "show this party the plan first")
        joined = join_generation(terms, plan, record, pins=self._host.pins(), journal=self._host.journal, now=now)
        names = record.signers

        def start() -> DkgSession:
            return DkgSession(
                index=names.index(self._host.pins().signer) + 1,
                threshold=plan.threshold,
                parties=len(names),
                session=joined.session,
            )

        def finish(session: Session, _: int) -> Json:
            return self._keep(record, plan, session)

        return self._making.join(terms, joined, names, Work(start, finish, freezes=False), now=now)

    def _keep(self, record: CeremonyRecord, plan: FoundingPlan, session: Session) -> Json:
        share = session.share()
        try:
            public_key = bytes(share.public_key)
            wallet = f"{plan.chain}:{address_of(public_key)}"
            self._candidates.keep(self._host.backend.name(wallet, 0), share)
        finally:
            share.wipe()
        self._host.store.failpoint("signer.generation_kept")
        made = made_of(record, wallet, public_key, session.name, self._host.pins().deployment)
        return {"kept": self._speak(made)}

    def _known(self, ceremony: str) -> CeremonyRecord:
        record = self._host.journal.ceremonies.find(ceremony)
        if record is None or record.what is not CeremonyKind.KEY_GENERATION:
            raise RefusedError(Refusal.CEREMONY, "no such making of a key was handed to this party")
        return record

    def advance(self, value: object, *, now: int) -> Json:
        """Take a plan, settle on a key if every party's word on it is shown, and say where this party stands.

        Args:
            value: `{"ceremony", "plan", "words"}`.
            now: Unix seconds.

        Returns:
            This party's word on each key that it keeps a share of; and the key that it settled on, for people to
            compare.

        Raises:
            RefusedError: As `core.generation.check_planned` and `core.generation.settle`.
            SignerError: If token, shares or disk do not let the party do its part; asked again, it goes on.
        """
        request = members(value, {"ceremony", "plan", "words"}, "generation")
        record = self._known(DIGEST.read(request["ceremony"], "ceremony"))
        plan = read_struct(FoundingPlan, request["plan"], "plan")
        words = WORDS.read(request["words"], "words")
        check_planned(plan, record, pins=self._host.pins(), journal=self._host.journal, now=now)
        self._plans[record.ceremony] = plan
        kept = self._kept(record)
        if words:
            made, steps = settle(
                words, plan, record, kept=kept, pins=self._host.pins(), journal=self._host.journal, now=now
            )
            name = self._host.backend.name(made.wallet, 0)
            for step in steps:
                if step.step is CeremonyStep.ACTIVATED and not self._host.backend.shares.has(name):
                    self._candidates.adopt(name, made.session)
                    self._host.store.failpoint("signer.generation_adopted")
                self._host.store.append(step)
                self._host.store.failpoint(f"signer.generation_{step.step}")
            for other in kept:
                if other != made:
                    self._candidates.drop(self._host.backend.name(other.wallet, 0))
            return self._state(record, [made], made)
        return self._state(record, kept, None)

    def _kept(self, record: CeremonyRecord) -> list[Made]:
        """Return what this party's shares of this ceremony are of; the one that it settled on alone, if it did."""
        joined = self._host.journal.sessions.about(bytes.fromhex(record.ceremony))
        pins, shares = self._host.pins(), self._host.backend.shares
        step = self._host.journal.ceremonies.done(record.ceremony).get(CeremonyStep.STAGED)
        found = set()
        for name in set(self._candidates.wallets(0, pins.signer)):
            if name.deployment != pins.deployment:
                continue
            opened = [self._candidates.open(name, session) for session in self._candidates.sessions(name)]
            opened += [shares.open(name)] if shares.has(name) else []
            for share in opened:
                session, public_key = bytes(share.session), bytes(share.public_key)
                share.wipe()
                if session in joined:
                    found.add(made_of(record, name.wallet, public_key, session, pins.deployment))
        return [made for made in found if step is None or made.digest == step.evidence]

    def _state(self, record: CeremonyRecord, kept: list[Made], settled: Made | None) -> Json:
        done = self._host.journal.ceremonies.done(record.ceremony)
        made: Json | None = None
        if settled is not None:
            made = {"public_key": "0x" + settled.public_key.hex(), "wallet": settled.wallet, "plan": record.plan}
        return {
            "ceremony": record.ceremony,
            "steps": {str(step): one.evidence for step, one in done.items()},
            "kept": [self._speak(one) for one in kept],
            "made": made,
        }

    def _speak(self, made: Made) -> Json:
        word = Word(kind=KIND, party=self._host.pins().signer, said=Said.KEPT, made=made, evidence=None)
        return write_struct(self._host.key.speak(word), "word")
