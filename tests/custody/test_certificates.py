"""Which kept certificates a party is handed: bounded, whatever it says; nothing of rows that were edited."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditAlarm
from chains.services import chain_create
from core.canonical import canonical
from core.documents.party import Certificate
from core.schema import read_struct, write_struct
from custody.models import PartyCertificate
from custody.nonces import LaneStatus
from custody.parties.certificates import BATCH_MOST, certificates_missing
from tests.factories.custody_wallets import wallet_row
from tests.factories.parties import Parties
from tests.factories.world import CHAIN

if TYPE_CHECKING:
    from core.documents.party import Binding

MANY = 300


class Shelf:
    """Certificates of one wallet, as custody keeps them: readable, though nobody signed most of them."""

    def __init__(self) -> None:
        parties = Parties(threshold=2, parties=3)
        wallet = parties.wallet
        self.wallet = wallet.id
        self._sample = parties.certificate(parties.case(), 1, 2, 3)
        chain_create(actor="system:test", caip2=CHAIN, name="Dev", native_symbol="ETH", confirmation_depth=2)
        wallet_row(wallet)

    def row(self, nonce: int, *, cancels: bool = False) -> PartyCertificate:
        """Return a row that is not saved."""
        name = hashlib.sha256(f"{nonce} {cancels}".encode())
        binding = dataclasses.replace(
            self._sample.reservations[0].document.binding,
            nonce=nonce,
            cancel=name.hexdigest() if cancels else None,
            signing_hash=name.digest(),
        )
        return PartyCertificate(
            wallet_id=self.wallet,
            nonce=nonce,
            intent=binding.intent,
            cancels=cancels,
            signing_hash=name.hexdigest(),
            certificate=self._text(binding),
            made_at=timezone.now(),
        )

    def _text(self, binding: Binding) -> str:
        words = tuple(
            dataclasses.replace(one, document=dataclasses.replace(one.document, binding=binding))
            for one in self._sample.reservations
        )
        return canonical(write_struct(Certificate(reservations=words), "certificate")).decode()

    def keep(self, *rows: PartyCertificate) -> None:
        """Save rows."""
        PartyCertificate.objects.bulk_create(rows)

    def lane(self, next_nonce: int, cancels: int = 0, **held: str) -> dict[str, LaneStatus]:
        """Return where a party says that it stands."""
        named = {int(nonce): digest for nonce, digest in held.items()}
        return {self.wallet: LaneStatus(next_nonce=next_nonce, held=named, cancels=cancels)}


@pytest.fixture
def shelf(db: None) -> Shelf:  # noqa: ARG001 - asks for the database
    return Shelf()


def nonces(handed: list[dict[str, Any]]) -> list[tuple[int, bool]]:
    """Return the nonces of what is handed over, and whether each is a cancel's."""
    read = [read_struct(Certificate, one, "certificate").reservations[0].document.binding for one in handed]
    return [(one.nonce, one.cancel is not None) for one in read]


def test_a_party_is_handed_what_it_lacks_in_order(shelf: Shelf) -> None:
    shelf.keep(*(shelf.row(nonce) for nonce in (3, 1, 0, 2)), shelf.row(1, cancels=True))
    assert nonces(certificates_missing(lanes=shelf.lane(2))) == [(1, True), (2, False), (3, False)]
    assert nonces(certificates_missing(lanes=shelf.lane(2, cancels=1))) == [(2, False), (3, False)]
    assert certificates_missing(lanes=shelf.lane(4, cancels=1)) == []
    other = shelf.lane(4, 1, **{"3": "ff" * 32})
    assert nonces(certificates_missing(lanes=other)) == [(3, False)]


@pytest.mark.parametrize(("next_nonce", "cancels"), [(0, 0), (2**53 - 1, 0), (MANY, 2**53 - 1)])
def test_whatever_a_party_says_it_is_handed_little_and_costs_little(
    shelf: Shelf, next_nonce: int, cancels: int
) -> None:
    shelf.keep(*(shelf.row(nonce) for nonce in range(MANY)))
    shelf.keep(*(shelf.row(nonce, cancels=True) for nonce in range(MANY)))
    with CaptureQueriesContext(connection) as queries:
        handed = certificates_missing(lanes=shelf.lane(next_nonce, cancels))
    assert len(handed) <= BATCH_MOST
    assert len(queries) <= 8


def test_payments_are_handed_over_though_there_were_more_cancels_than_fit(shelf: Shelf) -> None:
    shelf.keep(*(shelf.row(nonce, cancels=True) for nonce in range(MANY)))
    shelf.keep(*(shelf.row(nonce) for nonce in (MANY, MANY + 1)))
    # It was away for the last cancel, and for what came then.
    handed = nonces(certificates_missing(lanes=shelf.lane(MANY, MANY - 1)))
    assert handed[-2:] == [(MANY, False), (MANY + 1, False)]
    assert (MANY - 1, True) in handed


def test_a_party_that_was_away_for_many_cancels_gets_to_the_last(shelf: Shelf) -> None:
    shelf.keep(*(shelf.row(nonce, cancels=True) for nonce in range(100)))
    known = set(range(40))
    for _ in range(500):
        handed = certificates_missing(lanes=shelf.lane(100, len(known)))
        known |= {nonce for nonce, _ in nonces(handed)}
        if not handed:
            break
    assert known == set(range(100))


@pytest.mark.parametrize(
    "change",
    ["certificate = 'rubbish'", "certificate = '[1]'", "certificate = '{}'", "nonce = 7", "cancels = NOT cancels"],
)
def test_an_edited_row_is_left_out_and_named(shelf: Shelf, change: str) -> None:
    shelf.keep(shelf.row(0), shelf.row(1))
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE custody_partycertificate SET {change} WHERE nonce = 1")  # noqa: S608 - ours
    assert nonces(certificates_missing(lanes=shelf.lane(0))) == [(0, False)]
    assert AuditAlarm.objects.filter(
        tag="audit:row:damaged", subject__startswith=f"certificate {shelf.wallet}"
    ).exists()
