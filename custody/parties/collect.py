"""Filling custody's store of certificates from what parties keep, after an older copy of the database was restored.

Custody names no party's key, so it cannot check a word by itself; the parties can. A page that one party hands out is
kept here only when as many parties as sign together have taken it: each has checked every word in it, as always, and
one of them is honest. Whoever was behind has caught up on the way.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.documents.party import Certificate
from core.documents.roster import WalletKind
from core.errors import CoreError
from core.schema import read_struct
from core.teaching import PAGE_MOST, Question, read_page
from custody.models import PartyCertificate, Wallet
from custody.parties.certificates import certificate_keep
from custody.parties.line import parties_ask

if TYPE_CHECKING:
    import datetime as dt

    from core.canonical import Json
    from core.documents.party import Binding

ROUNDS_MOST = 16
"""How often all parties are gone through: one fills the holes that another left."""
PAGES_MOST = 100_000


@dataclasses.dataclass
class Collected:
    """What came of it for one wallet.

    Attributes:
        wallet: CAIP-10 account.
        kept: Certificates that are kept here now and were not before.
        troubles: Why nothing more was taken from a party, by its roster id.
    """

    wallet: str
    kept: int = 0
    troubles: dict[str, str] = dataclasses.field(default_factory=dict)


def certificates_collect(*, now: dt.datetime) -> list[Collected]:
    """Ask all parties of all wallets for the certificates that they keep, and keep what is missing here.

    Asks parties, so not inside a transaction. It can be run again at any time, and then keeps nothing twice.

    Args:
        now: The current time.
    """
    made: list[Collected] = []
    for wallet in Wallet.objects.filter(kind=WalletKind.MPC.value).order_by("pk"):
        collected = Collected(wallet=wallet.pk)
        made.append(collected)
        for _ in range(ROUNDS_MOST):
            before = collected.kept
            collected.troubles = {}
            for source in wallet.asked:
                _from(source, wallet, collected, now)
            if collected.kept == before:
                break
    return made


def _from(source: str, wallet: Wallet, collected: Collected, now: dt.datetime) -> None:
    """Go through what one party keeps, until it has no more or what it hands out is not taken."""
    place = 0
    for _ in range(PAGES_MOST):
        good, bad = parties_ask({source: Question(wallet=wallet.pk, nonce=place).frame(PAGE_MOST)})
        if source not in good:
            collected.troubles[source] = f"{bad[source].code}: {bad[source].message}"
            return
        # A party has holes, where it was in no session: a page ends before one, the next begins behind it.
        question = Question(wallet=wallet.pk, nonce=_begins(good[source], place))
        page = read_page(good[source], question, PAGE_MOST)
        if not page:
            return
        if not _keep(page, wallet, now, collected):
            collected.troubles[source] = f"too few parties take what it hands out from nonce {question.nonce} on"
            return
        place = page[-1][0].nonce + 1


def _begins(answer: Json, place: int) -> int:
    """Return the nonce of a page's first certificate; the place that was asked for, where there is none."""
    page = answer.get("certificates")
    try:
        first = read_struct(Certificate, page[0] if isinstance(page, list) and page else None, "certificate")
    except CoreError:
        return place
    return max(place, first.reservations[0].document.binding.nonce)


def _keep(page: list[tuple[Binding, Json]], wallet: Wallet, now: dt.datetime, collected: Collected) -> bool:
    """Keep a page that enough parties took; whether they did. What is kept here already is asked of nobody."""
    hashes = {binding.signing_hash.hex() for binding, _ in page}
    rows = PartyCertificate.objects.filter(wallet=wallet, signing_hash__in=hashes)
    known = set(rows.values_list("signing_hash", flat=True))
    if hashes <= known:
        return True
    lesson: Json = {"op": "learn", "certificates": [certificate for _, certificate in page]}
    took, _ = parties_ask(dict.fromkeys(wallet.asked, lesson))
    if len(took) < wallet.threshold:
        return False
    for binding, certificate in page:
        if binding.signing_hash.hex() not in known:
            certificate_keep(certificate=certificate, now=now)
            collected.kept += 1
    return True
