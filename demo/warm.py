"""The threshold wallet's part of the story: parties go away one after another, and come back.

With one of five away a transfer is signed as before. With two, too few are left to make sure that no limit, nonce or
mandate is counted twice: the request waits, and its page says for whom.
"""

from __future__ import annotations

import re
import time
from functools import partial
from typing import TYPE_CHECKING

from core.lifecycle import State
from core.names import native_asset
from demo.degraded_mode import DegradedMode
from demo.layout import PARTIES
from demo.lease_check import SIGNED, await_signed
from demo.parties import LABEL
from demo.services.processes import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.institution import Institution
    from demo.people import Browser
    from demo.site import Site
    from demo.telling import Teller

SMALL, LARGE = "0.45", 7
"""Ether: what two officers approve, and what is within the limit of 20 and above a third of it."""
NEEDED = 4
"""How many of five have to reserve a case of which three sign."""
_SECONDS = 60
_UNNAMED = "a mandate has to name its nonce"
_SILENT = re.compile(r"(\d) of 5 parties are silent \(([^)]*)\); (\d) agrees?, 4 have to")


def words_of_silence(page: str, silent: tuple[str, ...]) -> str:
    """Return the words in which a page says that it waits for these parties and no others; empty if it does not."""
    return next((found[0] for found in _SILENT.finditer(page) if found[2].split(", ") == [*silent]), "")


class Warm:
    """Plays what people and parties of the threshold wallet do."""

    def __init__(
        self, institution: Institution, site: Site, tell: Teller, *, people: tuple[Browser, ...], destination: str
    ) -> None:
        """Take whoever asks, the officers who approve, and where payments go."""
        self._institution, self._site, self._tell = institution, site, tell
        self._asker, *self._officers = people
        self._destination = destination
        self.refused = 0
        self._under_way: tuple[str, ...] = ()
        self._mode = DegradedMode(institution, site, tell, label=LABEL)
        self.wallet = next(one for one in institution.policy.wallets if one.label == LABEL)

    def _ask(self, amount: str, purpose: str) -> str:
        return self._asker.ask(
            wallet=self.wallet.id,
            asset=native_asset(self.wallet.chain),
            destination=self._destination,
            amount=amount,
            purpose=purpose,
        )

    def pay(self, amount: str, purpose: str) -> str:
        """Have a transfer asked and approved; return the request."""
        reference = self._ask(amount, purpose)
        for officer in self._officers:
            officer.decide(reference)
        return reference

    def play(self, committee: tuple[Browser, Browser]) -> dict[str, object]:
        """Stop one party after another; return what the last line says of it.

        Args:
            committee: The two who may order a degraded mode.

        Raises:
            ServiceError: If something is signed that must not be, or not signed that must.
        """
        self._tell.chapter("Parties of the warm wallet go away")
        self._site.stop("party-5")
        one = self.pay(SMALL, "Margin, with one party away")
        self._tell.step(f"party-5 is stopped; tessa asks for {SMALL} ETH from Warm, and both officers approve")
        await_signed(self._asker, one)
        self._tell.step("four parties vouch for it, three of them sign it: one party away changes nothing")
        self._site.stop("party-4")
        two = self.pay(SMALL, "Margin, with two parties away")
        self._waits(two, ("party-4", "party-5"))
        self._mode.open(committee)
        self._unnamed(two)
        three = self.pay(SMALL, "Margin, in degraded mode")
        await_signed(self._asker, three)
        self._refused(two)
        self._tell.step(
            f"{SMALL} ETH for one named nonce is signed by the three that are left; what waited has ended"
        )
        self._denied(LARGE)
        self.refused += self._mode.try_large(LARGE)
        self._site.stop("party-3")
        four = self.pay(SMALL, "Margin, with three parties away")
        self._waits(four, ("party-3", "party-4", "party-5"))
        self._site.start_all(*(partial(self._site.party_start, name) for name in PARTIES[2:]))
        self._tell.step("all five are back: what waited goes on by itself")
        self._under_way = (one, three, four)
        return {
            "one_down": "signed",
            "two_down": "waits",
            "degraded": "signed",
            "degraded_too_large": "denied",
            "three_down": "waits",
            "all_back": "confirmed",
        }

    def recover(self, confirmed: Callable[[str], None]) -> str:
        """End the degraded mode, and see that those who were away have learned all that was signed without them.

        Args:
            confirmed: Waits until a request's transaction is final.

        Returns:
            A last request, signed and not confirmed yet.

        Raises:
            ServiceError: If a party goes on by it, or does not know what the others signed.
        """
        self._tell.chapter("The degraded mode ends")
        for reference in self._under_way:
            confirmed(reference)
        self._mode.close()
        five = self.pay(SMALL, "Margin, as ever")
        await_signed(self._asker, five)
        self._caught_up()
        return five

    def _unnamed(self, reference: str) -> None:
        """See that what waited, which names no nonce, is not signed in degraded mode, and is told so."""
        deadline = time.monotonic() + _SECONDS
        while _UNNAMED not in (status := self._asker.status(reference))["waits"]:
            if status["state"] in SIGNED or time.monotonic() > deadline:
                raise ServiceError(f"in degraded mode the request without a nonce is {status}")
            time.sleep(0.2)
        self._tell.step(f"what waited is not for it. Its page says: {status['waits'].partition('. ')[0]}")

    def _refused(self, reference: str) -> None:
        """See that a request ends as refused."""
        deadline = time.monotonic() + _SECONDS
        while (status := self._asker.status(reference))["state"] != State.REFUSED:
            if status["state"] in SIGNED or time.monotonic() > deadline:
                raise ServiceError(f"the request whose nonce went to another is {status}")
            time.sleep(0.2)

    def _denied(self, ether: int) -> None:
        """See that a larger amount than a part of the limit is denied before anybody is asked."""
        reference = self._ask(str(ether), "More than a part of the limit")
        status = self._asker.status(reference)
        if status["state"] != State.DENIED:
            raise ServiceError(f"{ether} ETH in degraded mode is {status['state']}: {status['why']}")
        self._tell.step(f"tessa asks for {ether} ETH: {status['decision']}")

    def _waits(self, reference: str, silent: tuple[str, ...]) -> None:
        """See that a request's page says that it waits, and for whom."""
        deadline = time.monotonic() + _SECONDS
        while not (words := words_of_silence(self._asker.read(reference), silent)):
            status = self._asker.status(reference)
            if status["state"] in SIGNED or status["final"]:
                raise ServiceError(f"with {', '.join(silent)} away the request is {status['state']}")
            if time.monotonic() > deadline:
                raise ServiceError(f"the page does not say for whom it waits: {status}")
            time.sleep(0.3)
        self._tell.step(f"{', '.join(silent)} are stopped: the request waits. Its page says: {words}")

    def _caught_up(self) -> None:
        """See that each party's journal reaches as far as the others', also where it was away."""
        deadline = time.monotonic() + _SECONDS
        while len(reached := {self._next(name) for name in PARTIES}) > 1:
            if time.monotonic() > deadline:
                raise ServiceError(f"the parties' journals reach to different nonces: {sorted(reached)}")
            time.sleep(0.3)
        self._tell.step(
            f"party-4 and party-5 have learned what they missed: all five journals reach to nonce {reached.pop()}"
        )

    def _next(self, name: str) -> int:
        status = self._site.carry(self._institution.layout.party_socket(name), {"v": 1, "op": "status"})
        return int(status["result"]["lanes"][self.wallet.id]["next"])
