"""Further keys: whose plan it is, what a session of it is about, and whose word a party needs to settle."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from core.ceremonies import check_ceremony
from core.documents.control import CeremonyKind
from core.documents.renewal import KIND as WORD
from core.documents.renewal import Made, Said, SignedWord, Word
from core.documents.roster import Profile
from core.epochs import made_of
from core.errors import Refusal, RefusedError
from core.evm import address_of
from core.founding import KIND, FoundingParty, FoundingPlan
from core.generation import check_planned, join_generation, settle
from core.lease import NOTHING_HELD
from core.records import CeremonyStep, HaltRecord
from core.refresh import ATTEMPTS_MOST
from tests.factories.ceremonies import ceremony, signed
from tests.factories.parties import Parties
from tests.factories.renewals import OTHER, SESSION, write
from tests.factories.world import CHAIN, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.documents.party import SessionTerms
    from core.records import CeremonyRecord
    from tests.factories.parties import Party

DOMAINS = ("host", "site", "administrator", "vendor")


class Ordered:
    """A key that the quorum ordered of five parties in memory."""

    def __init__(self) -> None:
        self.group = Parties()
        self.names = self.group.wallet.signers
        self.plan = FoundingPlan(
            kind=KIND,
            profile=self.group.policy.profile,
            label="Second",
            chain=CHAIN,
            threshold=3,
            parties=tuple(
                FoundingParty(
                    id=entry.id,
                    public_key=entry.public_key or b"",
                    **{domain: getattr(entry, domain) for domain in DOMAINS},
                )
                for entry in self.group.policy.signers
                if entry.id in self.names
            ),
            nonce=b"p" * 32,
        )
        self.record = self.hand(self.plan)
        self.key = World().wallet_public_key

    def hand(self, plan: FoundingPlan) -> CeremonyRecord:
        """Order a plan at every party."""
        world = self.group.world
        document = ceremony(
            world, CeremonyKind.KEY_GENERATION, None, signers=self.names, threshold=3, plan=plan.digest
        )
        records = []
        for party in self.group.all.values():
            record = check_ceremony(
                signed(world, document), party.pins, party.journal, now=world.now, held=NOTHING_HELD
            )
            assert record is not None
            write(party, record)
            records.append(record)
        return dataclasses.replace(records[0], consents=())

    @property
    def terms(self) -> SessionTerms:
        return dataclasses.replace(self.plan.terms, nonce=b"n" * 32, subject=self.record.ceremony)

    def made(self, session: bytes = SESSION, **changes: Any) -> Made:  # noqa: ANN401 - fields of Made
        made = made_of(self.record, f"{CHAIN}:{address_of(self.key)}", self.key, session, self.group.world.deployment)
        return dataclasses.replace(made, **changes)

    def words(self, made: Made | None = None, said: Said = Said.KEPT) -> tuple[SignedWord, ...]:
        words = [
            Word(kind=WORD, party=name, said=said, made=made or self.made(), evidence=None) for name in self.names
        ]
        return tuple(
            SignedWord(word=word, signature=self.group.all[word.party].key.sign(bytes.fromhex(word.digest)))
            for word in words
        )

    def ask(self, party: Party) -> dict[str, Any]:
        return {"pins": party.pins, "journal": party.journal, "now": self.group.world.now}


@pytest.fixture
def ordered() -> Ordered:
    return Ordered()


def code_of(work: Callable[[], object]) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        work()
    return caught.value.code


def test_a_party_follows_the_ordered_plan_and_the_policys_own_entries(ordered: Ordered) -> None:
    party = ordered.group[1]
    check_planned(ordered.plan, ordered.record, **ordered.ask(party))
    first, *others = ordered.plan.parties
    for changes in (
        {"label": "Third"},
        {"nonce": b"q" * 32},
        {"threshold": 2},
        {"chain": "eip155:1"},
        {"parties": (*others, first)},
    ):
        other = dataclasses.replace(ordered.plan, **changes)
        assert code_of(lambda p=other: check_planned(p, ordered.record, **ordered.ask(party))) is Refusal.CEREMONY  # type: ignore[misc]
    # What people signed for is not enough where the policy has it otherwise.
    for moved in (*({domain: "elsewhere"} for domain in DOMAINS), {"public_key": others[0].public_key}):
        parties = (dataclasses.replace(first, **moved), *others)  # type: ignore[arg-type]
        plan = dataclasses.replace(ordered.plan, parties=parties)
        record = ordered.hand(plan)
        assert code_of(lambda p=plan, r=record: check_planned(p, r, **ordered.ask(party))) is Refusal.CEREMONY  # type: ignore[misc]
    looser = dataclasses.replace(
        ordered.plan, profile=next(one for one in Profile if one is not ordered.plan.profile)
    )
    record = ordered.hand(looser)
    assert code_of(lambda: check_planned(looser, record, **ordered.ask(party))) is Refusal.CEREMONY


def test_a_session_is_the_plans_and_about_the_ceremony(ordered: Ordered) -> None:
    party = ordered.group[1]

    def join(**changes: Any) -> None:  # noqa: ANN401 - fields of SessionTerms
        terms = dataclasses.replace(ordered.terms, **changes)
        write(party, join_generation(terms, ordered.plan, ordered.record, **ordered.ask(party)))

    for changes in (
        {"subject": ordered.plan.digest},
        {"threshold": 2},
        {"quorum": ordered.names[:4]},
        {"epoch": 1},
        {"message_hash": b"\x01" * 32},
        {"wallet": ordered.group.wallet.id},
        {"public_key": ordered.key},
    ):
        assert code_of(lambda c=changes: join(**c)) is Refusal.SESSION  # type: ignore[misc]
    join()
    assert code_of(join) is Refusal.SESSION
    for number in range(1, ATTEMPTS_MOST):
        join(nonce=bytes([number]) * 32)
    assert code_of(lambda: join(nonce=b"z" * 32)) is Refusal.CEREMONY


def test_all_parties_say_one_key_before_anybody_settles(ordered: Ordered) -> None:
    party = ordered.group[1]
    made = ordered.made()

    def take(words: tuple[SignedWord, ...], *kept: Made) -> tuple[Made, tuple[object, ...]]:
        return settle(words, ordered.plan, ordered.record, kept=kept, **ordered.ask(party))

    good = ordered.words()
    other = ordered.words(ordered.made(OTHER))
    stranger = ordered.made(wallet=ordered.group.wallet.id)
    for words, kept in (
        (good[:4], made),
        ((*good[:4], other[4]), made),
        ((*good[:4], good[0]), made),
        ((*good[:4], dataclasses.replace(good[4], signature=bytes(64))), made),
        (ordered.words(said=Said.ACTIVATED), made),
        (ordered.words(stranger), stranger),
        (ordered.words(ordered.made(epoch=1)), made),
        (good, ordered.made(OTHER)),
    ):
        assert code_of(lambda w=words, k=kept: take(w, k)) is Refusal.CEREMONY  # type: ignore[misc]
    settled, steps = take(good, made)
    assert settled == made
    for step in steps:
        write(party, step)  # type: ignore[arg-type]
    assert list(party.journal.ceremonies.done(ordered.record.ceremony)) == [
        CeremonyStep.STAGED, CeremonyStep.ACTIVATED,
    ]  # fmt: skip
    assert take(good, made) == (made, ())
    assert code_of(lambda: take(other, ordered.made(OTHER))) is Refusal.CEREMONY
    terms = dataclasses.replace(ordered.terms, nonce=b"l" * 32)
    late = lambda: join_generation(terms, ordered.plan, ordered.record, **ordered.ask(party))  # noqa: E731
    assert code_of(late) is Refusal.SESSION


def test_nothing_is_made_when_it_is_too_late_or_while_halted(ordered: Ordered) -> None:
    party = ordered.group[1]
    late = ordered.ask(party) | {"now": ordered.record.expires}
    assert code_of(lambda: join_generation(ordered.terms, ordered.plan, ordered.record, **late)) is Refusal.EXPIRED
    words, made = ordered.words(), ordered.made()
    assert code_of(lambda: settle(words, ordered.plan, ordered.record, kept=[made], **late)) is Refusal.EXPIRED
    now = ordered.group.world.now
    write(party, HaltRecord(kind="halt", time=now, halt="ab" * 32, actor="riley", consents=()))
    ask = ordered.ask(party)
    assert code_of(lambda: join_generation(ordered.terms, ordered.plan, ordered.record, **ask)) is Refusal.HALTED
