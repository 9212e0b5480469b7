"""The witness goes away, and nothing is signed; it comes back, and the case goes on by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from core.lifecycle import State
from core.names import native_asset
from demo.services.processes import ServiceError

if TYPE_CHECKING:
    from demo.institution import Institution
    from demo.people import Browser
    from demo.site import Site
    from demo.telling import Teller

_END_SECONDS = 30
_SIGNED_SECONDS = 60
SIGNED = frozenset({State.LIVE, State.CONFIRMING, State.CONFIRMED})


def await_signed(asker: Browser, reference: str) -> None:
    """Wait until a request is signed and sent.

    Raises:
        ServiceError: If it comes to another end, or to none.
    """
    deadline = time.monotonic() + _SIGNED_SECONDS
    while (status := asker.status(reference))["state"] not in SIGNED:
        if status["final"] or time.monotonic() > deadline:
            raise ServiceError(f"request {reference[:8]} is {status['state']}: {status['why']} {status['waits']}")
        time.sleep(0.2)


class Outage:
    """Stops the witness, and starts it again once the signer's lease has ended."""

    def __init__(
        self,
        institution: Institution,
        site: Site,
        tell: Teller,
        *,
        people: tuple[Browser, Browser, Browser],
        destination: str,
    ) -> None:
        """Take who asks, the two who approve, and where the payment goes."""
        self._institution, self._site, self._tell = institution, site, tell
        self._asker, *self._officers = people
        self._destination = destination

    def begin(self) -> str:
        """Stop the witness and have a payment approved; return the request, which nobody may sign now."""
        self._tell.chapter("The witness goes away")
        self._site.stop("witness")
        wallet = next(w for w in self._institution.policy.wallets if w.label == "Treasury")
        reference = self._asker.ask(
            wallet=wallet.id,
            asset=native_asset(wallet.chain),
            destination=self._destination,
            amount="0.6",
            purpose="Margin",
        )
        for officer in self._officers:
            officer.decide(reference)
        who = self._asker.person
        self._tell.step(f"the witness is stopped; {who} asks for 0.6 ETH, and both officers approve")
        return reference

    def end(self, reference: str) -> None:
        """Wait until the signer has no lease, see that it has not signed the request, and start the witness again.

        Args:
            reference: The request, which is signed once the witness is back.

        Raises:
            ServiceError: If it is signed without.
        """
        deadline = time.monotonic() + _END_SECONDS
        while self._leases():
            if time.monotonic() > deadline:
                raise ServiceError("the signer's lease does not end")
            time.sleep(0.2)
        status = self._asker.status(reference)
        if status["state"] in SIGNED:
            raise ServiceError(f"without a witness the request is {status['state']}")
        self._tell.step(
            f"its lease has ended: the signer signs nothing. The request is {status['state']}: {status['waits']}"
        )
        self._site.witness_start()
        self._tell.step("the witness is back: it leases again, and cosigns what the log has written since")

    def _leases(self) -> dict[str, int]:
        status = self._site.carry(self._institution.socket, {"v": 1, "op": "status"})["result"]
        live: dict[str, int] = status["leases"]["live"]
        return live
