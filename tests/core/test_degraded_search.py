"""A search for orders of events in which parties that lie, and a relay of theirs, get more than limits allow.

Each run makes up modes, cases, words, certificates and sessions in an order of chance, drawn from a seed. Parties
that lie repeat any honest word as their own; honest ones do what `core` says. What counts as signed is every session
that all its honest parties joined.
"""

from __future__ import annotations

import dataclasses
import random
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from core.control import check_veto
from core.documents.consent import Decision
from core.documents.control import VetoOrder
from core.documents.party import Certificate
from core.documents.policy import Dimension, Measure
from core.errors import RefusedError
from tests.factories.ceremonies import signed
from tests.factories.parties import Parties
from tests.factories.world import DAY, ETHER, NATIVE, header, limit
from tests.soak import SOAK

if TYPE_CHECKING:
    from core.documents.bundle import Bundle
    from core.documents.control import SignedCeremony
    from core.documents.party import SessionTerms, SignedReservation

UNIT = ETHER // 1000
MOST = 12 * UNIT
STEPS = 300
AGAIN, IN_ORDER, ALONE = 0.2, 0.7, 0.8
"""How often a case is brought again, how often the relay keeps to one order of cases, and asks only whom it must."""
INSTITUTIONS = [(3, 2, 0), (3, 2, 1), (5, 3, 0), (5, 3, 1), (5, 3, 2)]
"""Parties, threshold, and how many of them lie."""


class Search:
    """One run. The first parties lie, so the last ones are honest."""

    def __init__(self, parties: int, threshold: int, corrupt: int, seed: int) -> None:
        day = limit("day", Measure.ASSET, MOST, order=1, asset=NATIVE, window=DAY)
        self.group = Parties(threshold, parties, limits=(dataclasses.replace(day, per=(Dimension.INITIATOR,)),))
        self.threshold = threshold
        self.places = tuple(range(1, parties + 1))
        self.liars, self.honest = self.places[:corrupt], self.places[corrupt:]
        self.dice = random.Random(seed)  # noqa: S311 - a search, reproducible by its seed
        self.orders: list[SignedCeremony] = []
        self.cases: list[Bundle] = []
        self.certificates: list[Certificate] = []
        self.sessions: dict[tuple[int, tuple[int, ...]], SessionTerms] = {}
        self.joined: dict[tuple[int, tuple[int, ...]], dict[int, int]] = defaultdict(dict)

    def run(self) -> None:
        self.open()
        for _ in range(STEPS):
            chosen = self.dice.choices(
                (self.open, self.end, self.ask, self.learn, self.join, self.wait), (1, 1, 2, 6, 20, 1)
            )
            chosen[0]()

    def some(self, places: tuple[int, ...], least: int = 0) -> tuple[int, ...]:
        return tuple(sorted(self.dice.sample(places, self.dice.randint(least, len(places)))))

    def open(self) -> None:
        size = self.dice.randint(self.threshold, self.group.size - 1)
        world = self.group.world
        short = dataclasses.replace(header("ceremony", world.deployment, now=world.now), expires=world.now + DAY // 4)
        going = sorted((*self.liars, *self.dice.sample(self.honest, size - len(self.liars))))
        self.orders.append(self.group.degrade(*going, known=self.some(self.honest, 1), header=short))

    def end(self) -> None:
        """Hand a mode to somebody else, or its end."""
        order, place = self.dice.choice(self.orders), self.dice.choice(self.honest)
        party, now = self.group[place], self.group.world.now
        if self.dice.random() < 0.8:
            self.tried(lambda: party.take(order, now))
            return
        no = VetoOrder(
            kind="veto", consents=signed(self.group.world, order.document, "rita", decision=Decision.REJECT).consents
        )
        for record in check_veto(no, party.pins, party.journal, now=now):
            party.journal.apply(party.journal.encode(record))

    def wait(self) -> None:
        self.group.world.now += self.dice.randint(1, 900)

    def ask(self) -> None:
        """Bring a new case, or the same mandate at another nonce."""
        wallet = self.dice.choice((0, 0, 0, 1))
        nonce = self.group[self.dice.choice(self.honest)].journal.next_nonce(self.group.wallets[wallet].id)
        if self.cases and self.dice.random() < 0.2:
            case = self.dice.choice(self.cases)
            moved = dataclasses.replace(case, attempt=dataclasses.replace(case.attempt, nonce=nonce))
            self.cases.append(moved)
            return
        named = wallet == 0 and self.dice.random() < 0.8
        value = self.dice.randint(1, 4) * UNIT
        fees = {"max_fee_per_gas": 1, "max_priority_fee_per_gas": 1}
        self.cases.append(self.group.case(nonce, wallet=wallet, named=named, value=value, **fees))

    def tried(self, work: object) -> bool:
        try:
            work()  # type: ignore[operator]  # a function without arguments
        except RefusedError:
            return False
        return True

    def learn(self) -> None:
        if self.certificates:
            certificate, place = self.dice.choice(self.certificates), self.dice.choice(self.honest)
            self.tried(lambda: self.group[place].learn(certificate, self.group.world.now))

    def join(self) -> None:
        """Collect words on a case from some honest parties, make up the others', and have a quorum join."""
        target = self.dice.choice(self.honest)
        number = self.wanted(target)
        if number is None:
            return
        given = self.words(number, target)
        if not given:
            return
        lies = [
            self.group[place].sign(dataclasses.replace(given[0].document, party=f"party-{place}"))
            for place in self.liars
        ]
        few = len(given) + len(lies) < self.group.size or self.dice.random() < 0.6
        certificate = Certificate(reservations=(given[0], *lies, *given[1:])[: self.threshold if few else 16])
        going = {int(one.document.party.removeprefix("party-")) for one in certificate.reservations} - {target}
        if len(going) < self.threshold - 1:
            return
        others = self.dice.sample(sorted(going), self.threshold - 1)
        self.meet(number, certificate, tuple(sorted((target, *others))))

    def wanted(self, target: int) -> int | None:
        """Return a case at the target's next nonce, mostly the one that was asked first, or at the one before."""
        reach = self.group[target].journal.next_nonce
        back = int(self.dice.random() < AGAIN)
        near = [
            number for number, case in enumerate(self.cases) if case.attempt.nonce == reach(case.intent.wallet) - back
        ]
        if not near:
            return None
        return near[0] if self.dice.random() < IN_ORDER else self.dice.choice(near)

    def words(self, number: int, target: int) -> list[SignedReservation]:
        """Have the target, and some others, reserve a case; return the words that fit the target's."""
        case, given = self.cases[number], []
        rest = [place for place in self.honest if place != target]
        enough = self.threshold - len(self.liars) - 1 if self.dice.random() < ALONE else len(rest)
        for place in (target, *self.dice.sample(rest, enough)):
            self.tried(lambda place=place: given.append(self.group[place].reserve(case, self.group.world.now)))
        first = given[0].document if given else None
        if first is None or first.party != f"party-{target}":
            return []
        return [one for one in given if one.document.lanes == first.lanes]

    def meet(self, number: int, certificate: Certificate, quorum: tuple[int, ...]) -> None:
        """Have the honest parties of a quorum join, one after the other."""
        case, now = self.cases[number], self.group.world.now
        terms = self.sessions.setdefault((number, quorum), self.group.terms(case, quorum))
        for place in set(quorum) & set(self.honest):
            if self.tried(lambda place=place: self.group[place].join(case, certificate, terms, now)):
                self.joined[(number, quorum)][place] = len(certificate.reservations)
                self.certificates.append(certificate)

    def signed(self) -> dict[int, bool]:
        """Return the cases that were signed by their number: whether without any whole certificate."""
        made: dict[int, bool] = {}
        for (number, quorum), sizes in self.joined.items():
            if set(quorum) - set(self.liars) <= set(sizes):
                below = min(sizes.values()) < self.group.size
                made[number] = made.get(number, True) and below
        return made

    def totals(self) -> tuple[int, int]:
        """Return what was signed below whole certificates, and by whole ones, each transaction once."""
        sums = {True: 0, False: 0}
        seen: set[tuple[str, int]] = set()
        for number, below in sorted(self.signed().items(), key=lambda one: one[1]):
            case = self.cases[number]
            name = (case.intent.digest, case.attempt.nonce)
            if name not in seen:
                seen.add(name)
                sums[below] += case.intent.value
        return sums[True], sums[False]


def found(parties: int, threshold: int, corrupt: int, seed: int) -> Search:
    search = Search(parties, threshold, corrupt, seed)
    search.run()
    return search


@pytest.mark.parametrize("seed", range(40 if SOAK else 1))
@pytest.mark.parametrize(("parties", "threshold", "corrupt"), INSTITUTIONS)
def test_no_order_of_events_multiplies_a_limit_a_nonce_or_a_mandate(
    parties: int, threshold: int, corrupt: int, seed: int
) -> None:
    search = found(parties, threshold, corrupt, seed)
    # A run in which nobody signs shows nothing.
    assert search.signed()
    below, whole = search.totals()
    assert below <= MOST
    assert whole <= MOST
    nonces: dict[str, set[int]] = defaultdict(set)
    certified: dict[tuple[str, int], set[str]] = defaultdict(set)
    for number, is_below in search.signed().items():
        case = search.cases[number]
        nonces[case.mandate.digest].add(case.attempt.nonce)
        if not is_below:
            certified[(case.intent.wallet, case.attempt.nonce)].add(case.intent.digest)
    assert all(len(held) == 1 for held in nonces.values())
    assert all(len(held) == 1 for held in certified.values())
