"""One party that stops in every session uses up what honest ones may try, and people who ban it give that back."""

from __future__ import annotations

import secrets

from core.certificate import ABORTS_MOST
from core.documents.control import CeremonyKind
from core.errors import Refusal
from core.records import SessionRecord
from tests.core.test_certificate import code_of
from tests.factories.ceremonies import ceremony, signed
from tests.factories.parties import Parties, Party


def end(group: Parties, party: Party, number: int, *places: int) -> None:
    """Have sessions of these parties come to nothing, as one party's journal remembers them."""
    quorum = tuple(f"party-{place}" for place in places)
    for _ in range(number):
        record = SessionRecord(
            kind="session",
            time=group.world.now,
            session=secrets.token_bytes(32),
            wallet=group.wallet.id,
            epoch=0,
            quorum=quorum,
            signing_hash=secrets.token_bytes(32),
            consents=(),
        )
        party.journal.apply(party.journal.encode(record))


def ban(group: Parties, name: str) -> None:
    order = signed(group.world, ceremony(group.world, CeremonyKind.BAN, group.wallet, signers=(name,)))
    for party in group.all.values():
        party.take(order, group.world.now)


def test_sessions_that_a_banned_party_spoiled_keep_nobody_from_emptying_the_wallet() -> None:
    group = Parties()
    case, now = group.case(), group.world.now
    certificate = group.certificate(case, 1, 3, 4, 5)
    for place in (1, 3, 4, 5):
        end(group, group[place], ABORTS_MOST, 1, 2, place if place > 1 else 3)
    terms = group.terms(case, (1, 3, 4))
    assert code_of(lambda: group[1].join(case, certificate, terms, now)) is Refusal.FROZEN
    ban(group, "party-2")
    for place in (1, 3, 4):
        group[place].join(case, certificate, terms, now)
    # Whoever was banned is in none of them, so what it learned grows no more.
    other = group.terms(case, (1, 2, 3))
    assert code_of(lambda: group[1].join(case, certificate, other, now)) is Refusal.FROZEN


def test_a_ban_forgives_nothing_that_the_banned_party_had_no_part_in() -> None:
    group = Parties()
    case, now = group.case(), group.world.now
    certificate = group.certificate(case, 1, 3, 4, 5)
    end(group, group[1], ABORTS_MOST - 1, 1, 3, 5)
    end(group, group[1], ABORTS_MOST, 1, 2, 5)
    ban(group, "party-2")
    group[1].join(case, certificate, group.terms(case, (1, 3, 4)), now)
    again = group.terms(case, (1, 3, 4))
    assert code_of(lambda: group[1].join(case, certificate, again, now)) is Refusal.FROZEN
