"""Parties of a threshold wallet against an adversary who relays everything: seeded, in memory, over core's own code.

The adversary holds up to t - 1 parties' keys and signs anything with them. It shows any honest party any case in any
order, keeps every word it was ever given, puts certificates together as it likes, withholds what it likes, and ends
honest parties' processes between any two steps. Keys, cases and consents are made once; a seed decides all the rest.

A signature exists, by the protocol, wherever all honest parties of one session's quorum joined it.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import TYPE_CHECKING

from core.certificate import reservation_of
from core.documents.bundle import Attempt
from core.documents.control import LaneStart
from core.documents.party import Certificate
from core.documents.policy import Dimension, Measure
from core.errors import RefusedError
from core.journal import Journal
from core.limits import amount_of
from tests.factories.parties import Parties, Party
from tests.factories.world import DAY, ETHER, NATIVE, limit

if TYPE_CHECKING:
    from random import Random

    from core.documents.bundle import Bundle
    from core.documents.party import SessionTerms, SignedReservation
    from core.records import Record

LIMIT = 8 * ETHER
VALUE = 29 * ETHER // 10
"""Two of these are within the limit with their fees, three are not."""
STEPS, LAST_TRIES, LARGE = 20, 3, 3
LIVE = (0, 4, 7, 5)
"""Cases that are all within the limit: a large one, two small ones of other wallets, and a raise of the first."""
WEIGHTS = (5, 5, 5, 1, 1, 1, 2, 1, 1)
"""How often the adversary turns to each case: mostly to those that are too much together."""


class Disk(Journal):
    """A journal that keeps its lines, as a file would."""

    def __init__(self) -> None:
        """Start empty."""
        super().__init__()
        self.lines: list[bytes] = []

    def apply(self, line: bytes) -> Record:
        """Take a line into account, and keep it."""
        record = super().apply(line)
        self.lines.append(line)
        return record


@dataclasses.dataclass(frozen=True)
class Stage:
    """What is the same for all seeds: parties, their policy, cases that compete, and what a liar says of each."""

    group: Parties
    cases: tuple[Bundle, ...]
    said: tuple[SignedReservation, ...]


@cache
def stage(threshold: int = 3, parties: int = 5) -> Stage:
    """Make a stage: three wallets, at each two cases for nonce 0; then a next nonce, a raise, one mandate twice."""
    day = dataclasses.replace(
        limit("day", Measure.ASSET, LIMIT, order=1, asset=NATIVE, window=DAY), per=(Dimension.INITIATOR,)
    )
    group = Parties(threshold, parties, limits=(day,))
    large = [group.case(value=VALUE, wallet=wallet) for wallet in range(3)]
    small = [group.case(value=1 + wallet, wallet=wallet) for wallet in range(3)]
    later = group.case(1, value=VALUE)
    raised = dataclasses.replace(
        large[0], attempt=Attempt(nonce=0, max_fee_per_gas=60 * 10**9, max_priority_fee_per_gas=2 * 10**9)
    )
    twice = dataclasses.replace(large[0], attempt=dataclasses.replace(large[0].attempt, nonce=1))
    cases = (*large, *small, later, raised, twice)
    return Stage(group=group, cases=cases, said=tuple(_said(group, case) for case in cases))


def _said(group: Parties, case: Bundle) -> SignedReservation:
    """Have somebody who remembers nothing reserve a case: a liar knows what an honest word of it would be."""
    start = (LaneStart(wallet=case.intent.wallet, next_nonce=case.attempt.nonce),)
    liar = dataclasses.replace(group[1], journal=group.world.make_journal(signer="party-1", lanes=start))
    verified = liar.verify(case, group.world.now)
    number = "ab" * 16
    return liar.sign(reservation_of(case, verified, liar.pins, liar.journal, now=group.world.now, number=number))


class Adversary:
    """One seed's run."""

    def __init__(self, on: Stage, chance: Random, *, corrupt: int) -> None:
        """Choose who is corrupt; everybody else begins with an empty journal."""
        self._stage, self._group, self._chance = on, on.group, chance
        names = list(self._group.all)
        chance.shuffle(names)
        self.corrupt = tuple(sorted(names[:corrupt]))
        self.honest = {name: self._fresh(name) for name in sorted(names[corrupt:])}
        self.now = self._group.world.now
        self._words: dict[int, list[SignedReservation]] = {}
        self.signed: set[int] = set()

    def _fresh(self, name: str) -> Party:
        start = self._group.world.make_journal(signer=name).start
        if start is None:
            raise TypeError
        disk = Disk()
        disk.apply(disk.encode(start))
        return dataclasses.replace(self._group.all[name], journal=disk)

    def play(self, steps: int = STEPS) -> None:
        """Do this and that; then have whatever can be joined joined."""
        doing = (self._reserve, self._campaign, self._campaign, self._learn, self._join, self.restart, self._wait)
        if self._chance.random() > 0.5:
            self._race()
            steps //= 4
        for _ in range(steps):
            self._chance.choice(doing)()
        for number in list(self._words) * LAST_TRIES:
            if number not in self.signed:
                self._join(number)

    def _race(self) -> None:
        """Hand every honest party the cases that are too much together, each in an order of its own."""
        asked = [(number, name) for name in self.honest for number in range(LARGE)]
        self._chance.shuffle(asked)
        for number, name in asked:
            self._asked(number, name)

    def _any_case(self) -> int:
        return self._chance.choices(range(len(self._stage.cases)), WEIGHTS)[0]

    def _reserve(self) -> None:
        self._asked(self._any_case(), self._chance.choice(list(self.honest)))

    def _asked(self, number: int, name: str) -> None:
        """Have a party reserve a case, and keep its word."""
        try:
            word = self.honest[name].reserve(self._stage.cases[number], self.now)
        except RefusedError:
            return
        # A word that was journalled and never arrived is one, too.
        if self._chance.random() > 0.1:
            self._words.setdefault(number, []).append(word)

    def _campaign(self) -> None:
        """Have as many parties reserve a case as the corrupt ones make a certificate with, and a session join it."""
        number = self._any_case()
        names = list(self.honest)
        self._chance.shuffle(names)
        for name in names[: self._group.size - len(self.corrupt) + self._chance.choice((0, 0, 1))]:
            self._asked(number, name)
        self._join(number)

    def _certificate(self, number: int, *, alike: bool) -> Certificate:
        """Put together what could pass for a certificate: honest words of any age, and lies that look like them."""
        words = list(self._words.get(number, ()))
        self._chance.shuffle(words)
        like = words[0] if words else self._stage.said[number]
        if alike:
            words = [word for word in words if word.document.lanes == like.document.lanes]
        honest = list({word.document.party: word for word in words}.values())
        size = self._group.size - (self._chance.random() < 0.1)
        lies = [self._lie(name, number, like) for name in self.corrupt]
        both = (*lies, *honest)[:size]
        return Certificate(reservations=both or (self._stage.said[number],))

    def _lie(self, name: str, number: int, like: SignedReservation) -> SignedReservation:
        said = self._stage.said[number].document
        return self._group.all[name].sign(dataclasses.replace(said, party=name, lanes=like.document.lanes))

    def _learn(self) -> None:
        known = self._chance.choice(list(self._words)) if self._words else self._any_case()
        certificate = self._certificate(known, alike=self._chance.random() > 0.5)
        try:
            self.honest[self._chance.choice(list(self.honest))].learn(certificate, self.now)
        except RefusedError:
            return

    def _join(self, number: int | None = None) -> None:
        """Ask every honest party of a quorum to join one session, each with whatever certificate there is."""
        if number is None:
            number = self._any_case()
        case = self._stage.cases[number]
        others = list(self.honest)
        self._chance.shuffle(others)
        threshold = self._group.wallet.threshold
        quorum = sorted((*self.corrupt, *others)[:threshold], key=self._group.wallet.signers.index)
        places = [self._group.wallet.signers.index(name) + 1 for name in quorum]
        asked = [name for name in quorum if name in self.honest]
        for alike in (False, True):
            terms = self._group.terms(case, places, nonce=self._chance.randbytes(32))
            if all(self._joins(name, number, terms, alike=alike) for name in asked):
                self.signed.add(number)
                return

    def _joins(self, name: str, number: int, terms: SessionTerms, *, alike: bool) -> bool:
        certificate = self._certificate(number, alike=alike)
        try:
            self.honest[name].join(self._stage.cases[number], certificate, terms, self.now)
        except RefusedError:
            return False
        return True

    def case(self, number: int) -> Bundle:
        """Return a case of the stage."""
        return self._stage.cases[number]

    def restart(self) -> None:
        """End a process: what is on disk is all that it knows afterwards, and it is the same."""
        name = self._chance.choice(list(self.honest))
        before = self.honest[name]
        if not isinstance(before.journal, Disk):
            raise TypeError
        disk = Disk()
        for line in before.journal.lines:
            disk.apply(bytes(bytearray(line)))
        assert disk.head == before.journal.head
        self.honest[name] = dataclasses.replace(before, journal=disk)

    def _wait(self) -> None:
        self.now += self._chance.randint(0, 60)

    def broken(self) -> list[str]:
        """Say which promises the signatures that exist have broken; they never may."""
        nonces: dict[tuple[str, int], set[str]] = {}
        places: dict[str, set[tuple[str, int]]] = {}
        drawn: dict[str, int] = {}
        for number in self.signed:
            case = self._stage.cases[number]
            place = case.intent.wallet, case.attempt.nonce
            nonces.setdefault(place, set()).add(case.intent.digest)
            places.setdefault(case.mandate.digest, set()).add(place)
            draw = self._stage.said[number].document.draw
            drawn[case.intent.digest] = amount_of(Measure.ASSET, NATIVE, draw)
        found = [f"two transactions at {place}" for place, intents in nonces.items() if len(intents) > 1]
        found += [f"mandate {mandate} signed at {where}" for mandate, where in places.items() if len(where) > 1]
        if sum(drawn.values()) > LIMIT:
            found.append(f"{sum(drawn.values())} drawn where {LIMIT} may be")
        return found


def live(threshold: int, parties: int, chance: Random) -> int:
    """Have an honest relay carry cases while parties come and go; return how many were signed, which is all of them.

    As many parties as a certificate can miss are down at each case, others each time, and each restarts now and then.
    """
    group, now = stage(threshold, parties).group, stage(threshold, parties).group.world.now
    run = Adversary(stage(threshold, parties), chance, corrupt=0)
    kept: list[Certificate] = []
    for number in LIVE:
        case = run.case(number)
        up = chance.sample(sorted(run.honest), group.size)
        for name in up:
            for certificate in kept:
                run.honest[name].learn(certificate, now)
        kept.append(Certificate(reservations=tuple(run.honest[name].reserve(case, now) for name in up)))
        quorum = sorted(chance.sample(up, threshold), key=group.wallet.signers.index)
        terms = group.terms(case, [group.wallet.signers.index(name) + 1 for name in quorum])
        for name in quorum:
            run.honest[name].join(case, kept[-1], terms, now)
        run.restart()
    return len(kept)
