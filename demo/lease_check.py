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
SIGNED = frozenset({State.LIVE, State.CONFIRMING, State.CONFIRMED})


def lease_play(
    institution: Institution,
    site: Site,
    tell: Teller,
    *,
    people: tuple[Browser, Browser, Browser],
    destination: str,
) -> str:
    """Stop the witness, have a payment approved, see that nobody signs it, and start the witness again.

    Args:
        institution: Whose signer needs leases.
        site: Its processes.
        tell: Where progress is told.
        people: Who asks, and the two who approve.
        destination: Where the payment goes.

    Returns:
        The request, which is signed once the witness is back.

    Raises:
        ServiceError: If it is signed without.
    """
    tell.chapter("The witness goes away")
    site.stop("witness")
    asker, *officers = people
    wallet = next(w for w in institution.policy.wallets if w.label == "Treasury")
    asset = native_asset(wallet.chain)
    reference = asker.ask(wallet=wallet.id, asset=asset, destination=destination, amount="0.6", purpose="Margin")
    for officer in officers:
        officer.decide(reference)
    tell.step(f"the witness is stopped; {asker.person} asks for 0.6 ETH, and both officers approve")
    deadline = time.monotonic() + _END_SECONDS
    while _leases(institution, site):
        if time.monotonic() > deadline:
            raise ServiceError("the signer's lease does not end")
        time.sleep(0.3)
    status = asker.status(reference)
    if status["state"] in SIGNED:
        raise ServiceError(f"without a witness the request is {status['state']}")
    tell.step(f"its lease has ended: the signer signs nothing. The request is {status['state']}: {status['waits']}")
    site.witness_start()
    tell.step("the witness is back: it leases again, and cosigns what the log has written since")
    return reference


def _leases(institution: Institution, site: Site) -> dict[str, int]:
    status = site.carry(institution.socket, {"v": 1, "op": "status"})["result"]
    live: dict[str, int] = status["leases"]["live"]
    return live
