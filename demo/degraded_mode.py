"""Too few parties for a certificate: two people order a degraded mode, and the others go on with divided limits.

While it lasts, a mandate names the one nonce at which it may be signed, and every limit is divided by n - t + 1. It
ends with its time, or as soon as one person rejects it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from core.documents.consent import Decision
from core.errors import Refusal
from demo.layout import PARTIES
from demo.refusals import drill_case
from demo.services.processes import ServiceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.documents.roster import Wallet
    from demo.institution import Institution
    from demo.people import Browser
    from demo.site import Site
    from demo.telling import Teller

GOING_ON = PARTIES[:3]
_SECONDS = 60
_ETHER = 10**18


class DegradedMode:
    """Plays its opening, what it lets through and what not, and its end."""

    def __init__(self, institution: Institution, site: Site, tell: Teller, *, label: str) -> None:
        """Take the wallet that it is about."""
        self._institution, self._site, self._tell = institution, site, tell
        self._wallet: Wallet = next(one for one in institution.policy.wallets if one.label == label)
        self._committee: tuple[Browser, ...] = ()
        self._digest = ""

    def open(self, committee: tuple[Browser, Browser]) -> None:
        """Have two people order it, and see that the three parties that are left go by it.

        Raises:
            ServiceError: If one person's word was enough, or a party does not take it.
        """
        first, second = self._committee = committee
        self._digest = first.order(
            kind="degraded",
            wallet=self._wallet.id,
            signers=list(GOING_ON),
            reason="Two parties are away; margin calls cannot wait",
            hours=1,
        )
        first.say(self._digest)
        if any(self._goes_by_it(name) for name in GOING_ON):
            raise ServiceError("one person's word opened a degraded mode")
        second.say(self._digest)
        self._await(GOING_ON, holds=True)
        names = f"{first.person} and {second.person}"
        self._tell.step(
            f"{names} consent to a degraded mode: {', '.join(GOING_ON)} go by it, each checking it itself"
        )

    def close(self) -> None:
        """Have one person reject it once those who were away know of it, and see that every party ends it.

        Raises:
            ServiceError: If a party does not hear of it, or goes on by it.
        """
        self._await(PARTIES, holds=True)
        last = self._committee[-1]
        last.say(self._digest, Decision.REJECT, "All parties are back")
        self._await(PARTIES, holds=False)
        self._tell.step(f"{last.person} rejects it: every party counts over whole limits again")

    def try_large(self, amount: int) -> int:
        """Hand a payment above the divided limit to each party, with everybody's consent; how many refused it.

        Args:
            amount: Ether; within the limits that people signed, and above a third of them.

        Raises:
            ServiceError: If a party does not refuse it.
        """
        place = self._institution.layout.party_socket(GOING_ON[0])
        case = drill_case(self._institution, self._site, label=self._wallet.label, place=place)
        mandate = case.mandate(case.intent(value=amount * _ETHER), nonce=case.nonce)
        request = {"v": 1, "op": "reserve", "bundle": case.bundle(mandate).to_json()}
        for name in GOING_ON:
            answer = self._site.carry(self._institution.layout.party_socket(name), request)
            if answer.get("ok") is not False or answer["error"]["code"] != Refusal.DENIED:
                raise ServiceError(f"{name} does not refuse {amount} ETH in degraded mode: {str(answer)[:400]}")
        self._tell.step(f"{amount} ETH, with all consents, past the web tier: all three refuse (denied)")
        return len(GOING_ON)

    def _goes_by_it(self, name: str) -> bool:
        status = self._site.carry(self._institution.layout.party_socket(name), {"v": 1, "op": "status"})
        return self._digest in status["result"]["degraded"]

    def _await(self, names: Sequence[str], *, holds: bool) -> None:
        deadline = time.monotonic() + _SECONDS
        for name in names:
            while self._goes_by_it(name) is not holds:
                if time.monotonic() > deadline:
                    raise ServiceError(f"{name} does {'not ' if holds else ''}go by the degraded mode")
                time.sleep(0.2)
