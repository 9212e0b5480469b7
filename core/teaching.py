"""The order of steps in which parties are taught what others keep: certificates, from one party's shelf to another.

As `core.party_script`: whoever relays drives it; it does no I/O and believes nobody. What a party says of its lanes
only decides who is asked. Whoever is handed a certificate checks every word in it (`core.certificate.learn`), so a
party that hands out what is forged, foreign or out of order teaches nothing, and the next one is asked.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, cast

from core.documents.party import Certificate
from core.errors import CoreError
from core.names import COUNT
from core.party_script import Batch, Script
from core.schema import Integer, read_struct

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from core.canonical import Json
    from core.documents.party import Binding

STEPS_MOST = 16
"""How often parties are asked before the rest is left for the next case."""
PAGE_FIRST = 8
"""Certificates that a party is asked for at first: nobody knows yet what its word is worth."""
PAGE_MOST = 64
"""Certificates that it is asked for at once when what it gave before was of use."""
_PLACE = Integer()
_NONCE = re.compile(r"[0-9]{1,15}", re.ASCII)
_KNOWN_PAGES = 4
"""Pages of cancels that may all be known already: a party that misses one does not know which."""

Useless = tuple[str, str, str, bool]
"""Who asked whom in vain, about which wallet, and whether about its cancels."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reach:
    """How far a party says that its memory of a wallet reaches. It proves nothing."""

    next_nonce: int
    cancels: int
    held: Mapping[int, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Question:
    """From where on a party is asked for certificates."""

    wallet: str
    nonce: int
    cancels: bool = False

    def frame(self, most: int) -> Json:
        """Return the request."""
        since: Json = {"wallet": self.wallet, "nonce": self.nonce, "cancels": self.cancels, "most": most}
        return {"op": "certificates", "since": since}


def reaches(status: Json, wallets: Collection[str]) -> dict[str, Reach]:
    """Read what a party says of its lanes.

    Args:
        status: Its answer to `status`.
        wallets: Those that are looked at.

    Returns:
        A reach for each of these wallets of which the party says something that can be read.
    """
    lanes = status.get("lanes")
    found: dict[str, Reach] = {}
    for wallet in wallets if isinstance(lanes, dict) else ():
        lane = cast("Json", lanes).get(wallet)
        if not isinstance(lane, dict):
            continue
        held = lane.get("held")
        try:
            following, cancels = _PLACE.read(lane.get("next"), "next"), COUNT.read(lane.get("cancels"), "cancels")
        except CoreError:
            continue
        if isinstance(held, dict):
            named = {int(key): str(value) for key, value in held.items() if _NONCE.fullmatch(key)}
            found[wallet] = Reach(next_nonce=following, cancels=cancels, held=named)
    return found


def lacking(own: Mapping[str, Reach], others: Mapping[str, Reach]) -> Iterator[Question]:
    """Yield what one party seems to miss of what another one has.

    Args:
        own: Where the one stands, by wallet.
        others: Where the other one stands.
    """
    for wallet in sorted(own.keys() & others.keys()):
        mine, theirs = own[wallet], others[wallet]
        differing = [nonce for nonce, intent in mine.held.items() if theirs.held.get(nonce, intent) != intent]
        if theirs.next_nonce > mine.next_nonce:
            differing.append(mine.next_nonce)
        if differing:
            yield Question(wallet=wallet, nonce=min(differing))
        if theirs.cancels > mine.cancels:
            yield Question(wallet=wallet, nonce=0, cancels=True)


def read_page(answer: object, question: Question, most: int) -> list[tuple[Binding, Json]]:
    """Read a page of certificates; what is not what was asked for, and all that follows it, is left out.

    Args:
        answer: What the party answered.
        question: What it was asked.
        most: How many were asked for.

    Returns:
        Certificates in the order of their nonces, without a hole, from the place that was asked for; of cancels in
        the order of theirs. None, where there is no such certificate. Their words are not checked.
    """
    page = answer.get("certificates") if isinstance(answer, dict) else None
    found: list[tuple[Binding, Json]] = []
    if not isinstance(page, list) or len(page) > most:
        return found
    last = question.nonce if question.cancels else question.nonce - 1
    for value in page:
        try:
            binding = read_struct(Certificate, value, "certificate").reservations[0].document.binding
        except CoreError:
            break
        if question.cancels:
            fits = binding.cancel is not None and binding.nonce >= last
        else:
            fits = binding.nonce in ((last, last + 1) if found else (last + 1,))
        if binding.wallet != question.wallet or not fits:
            break
        last = binding.nonce
        found.append((binding, value))
    return found


class _Lessons:
    """Who stands where, who was asked in vain, and who is worth being asked for more."""

    def __init__(self, told: Mapping[str, Json], wallets: Collection[str], useless: Collection[Useless]) -> None:
        self.wallets = wallets
        self.reach = {name: reaches(status, wallets) for name, status in told.items()}
        self.before = frozenset(useless)
        self.spent: set[Useless] = set()
        self.cursors: dict[Useless, int] = {}
        self.known: dict[Useless, int] = {}
        self.good: set[str] = set()

    def most(self, source: str) -> int:
        return PAGE_MOST if source in self.good else PAGE_FIRST

    def questions(self) -> dict[str, tuple[str, Question]]:
        """Return whom each party that misses something is to ask, and for what: one question for each of both."""
        asked: dict[str, tuple[str, Question]] = {}
        put: dict[str, Question] = {}
        for learner, own in self.reach.items():
            for source, others in self.reach.items():
                question = self._question(learner, source, own, others)
                if question is not None and put.setdefault(source, question) == question:
                    asked[learner] = source, question
                    break
        return asked

    def _question(
        self, learner: str, source: str, own: Mapping[str, Reach], others: Mapping[str, Reach]
    ) -> Question | None:
        for question in lacking(own, others) if learner != source else ():
            key: Useless = (learner, source, question.wallet, question.cancels)
            if key not in self.spent and key not in self.before:
                return dataclasses.replace(question, nonce=self.cursors.get(key, question.nonce))
        return None

    def learned(
        self, learner: str, source: str, question: Question, page: list[tuple[Binding, Json]], status: Json | None
    ) -> None:
        """Hold where a party stands now against where it stood; a source that was of no use is not asked again."""
        key: Useless = (learner, source, question.wallet, question.cancels)
        before = self.reach[learner].get(question.wallet)
        self.reach[learner] = {} if status is None else reaches(status, self.wallets)
        after = self.reach[learner].get(question.wallet)
        if before is not None and after is not None and _moved(before, after, question):
            self.good.add(source)
        elif not question.cancels or self.known.get(key, 1) == _KNOWN_PAGES:
            self.spent.add(key)
        else:
            self.known[key] = self.known.get(key, 1) + 1
        if question.cancels:
            self.cursors[key] = page[-1][0].nonce + 1


def _moved(before: Reach, after: Reach, question: Question) -> bool:
    if question.cancels:
        return after.cancels > before.cancels
    further = after.next_nonce > before.next_nonce
    return further or after.held.get(question.nonce) != before.held.get(question.nonce)


def teach_script(
    told: Mapping[str, Json],
    wallets: Collection[str],
    useless: Collection[Useless] = (),
    steps: int = STEPS_MOST,
) -> Script[frozenset[Useless]]:
    """Have parties that missed something taught by those that keep it.

    A party that gives no answer is not asked for anything more, so each costs its time-out once at most.

    Args:
        told: What each party answered to `status`, by its roster id.
        wallets: The wallets that are looked at.
        useless: Who is not to ask whom, because it was in vain a short while ago.
        steps: How often parties are asked before the rest is left for later.

    Returns:
        Who asked whom in vain now.
    """
    lessons = _Lessons(told, wallets, useless)
    for _ in range(steps):
        asked = lessons.questions()
        if not asked:
            break
        frames = {source: question.frame(lessons.most(source)) for source, question in asked.values()}
        answers, silent = yield Batch(step="certificates", frames=frames)
        pages: dict[str, list[tuple[Binding, Json]]] = {}
        for learner, (source, question) in asked.items():
            page = read_page(answers.get(source), question, lessons.most(source))
            if page:
                pages[learner] = page
            else:
                lessons.spent.add((learner, source, question.wallet, question.cancels))
        for source in silent:
            lessons.reach[source] = {}
        if pages:
            yield from _hand_over(lessons, asked, pages)
    return frozenset(lessons.spent)


def _hand_over(
    lessons: _Lessons,
    asked: Mapping[str, tuple[str, Question]],
    pages: Mapping[str, list[tuple[Binding, Json]]],
) -> Script[None]:
    frames: dict[str, Json] = {
        learner: {"op": "learn", "certificates": [one for _, one in page]} for learner, page in pages.items()
    }
    yield Batch(step="learn", frames=frames)
    # A refusal in the middle of a page does not say how far it came: where each stands is asked.
    status: dict[str, Json] = {learner: {"op": "status"} for learner in pages}
    now, _ = yield Batch(step="status", frames=status)
    for learner, page in pages.items():
        source, question = asked[learner]
        lessons.learned(learner, source, question, page, now.get(learner))
