"""Ceremonies: who orders them, what each kind must name, and what a journal keeps of them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from core.ceremonies import begun, check_ceremony
from core.control import check_veto
from core.degraded import DEGRADED_SECONDS_MOST
from core.documents.consent import Decision, SubjectType
from core.documents.control import CeremonyKind, LaneStart, SignedCeremony, VetoOrder
from core.errors import JournalError, Refusal, RefusedError
from core.lease import NOTHING_HELD
from core.records import AccessionKind, CeremonyStep, CeremonyStepRecord, HaltRecord, PolicyRecord
from core.recovery import still_named, wallet_named
from tests.factories.ceremonies import ceremony, recovery_key, signed, transport_key
from tests.factories.parties import Parties
from tests.factories.world import DAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.documents.control import RecoveryKey
    from core.records import CeremonyRecord
    from tests.factories.parties import Party

KINDS = tuple(kind for kind in CeremonyKind if kind is not CeremonyKind.JOURNAL_START)


@pytest.fixture
def group() -> Parties:
    return Parties()


def code_of(work: Callable[[], object]) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        work()
    return caught.value.code


def fields(group: Parties, kind: CeremonyKind) -> dict[str, Any]:
    """Return what a ceremony of each kind names, where it is all right."""
    parties = group.wallet.signers
    keys = tuple(recovery_key(name, place) for place, name in enumerate(parties, start=1))
    named: dict[CeremonyKind, dict[str, Any]] = {
        CeremonyKind.KEY_GENERATION: {"signers": parties, "threshold": 3, "wallet": None, "plan": "ab" * 32},
        CeremonyKind.REFRESH: {"epoch": 1},
        CeremonyKind.BACKUP: {"recovery": keys},
        CeremonyKind.RESTORE: {"signers": parties[4:], "recovery": (transport_key(group.world, parties[4]),)},
        CeremonyKind.BAN: {"signers": parties[3:]},
        CeremonyKind.DEGRADED: {"signers": parties[:3]},
    }
    return named.get(kind, {})


def order(group: Parties, kind: CeremonyKind, *names: str, **changes: Any) -> SignedCeremony:  # noqa: ANN401
    named = fields(group, kind) | changes
    wallet = named.pop("wallet", group.wallet)
    if wallet is None:
        named |= {"threshold": named.get("threshold", group.wallet.threshold)}
        named |= {"signers": named.get("signers", group.wallet.signers)}
    return signed(group.world, ceremony(group.world, kind, wallet, **named), *names)


def check(group: Parties, given: SignedCeremony, place: int = 1) -> CeremonyRecord | None:
    party = group[place]
    return check_ceremony(given, party.pins, party.journal, now=group.world.now, held=NOTHING_HELD)


def take(party: Party, record: object) -> None:
    party.journal.apply(party.journal.encode(record))  # type: ignore[arg-type]  # a record, said loosely


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not CeremonyKind.CLONE])
def test_a_quorum_orders_each_kind(group: Parties, kind: CeremonyKind) -> None:
    given = order(group, kind)
    record = check(group, given)
    assert record is not None
    assert (record.what, record.ceremony) == (kind, given.document.digest)
    take(group[1], record)
    assert given.document.digest in group[1].journal.ceremonies
    assert check(group, given) is None


@pytest.mark.parametrize("names", [("adam",), ("rita", "ravi"), ("adam", "rita"), ("adam", "adam")])
def test_less_than_the_quorum_orders_nothing(group: Parties, names: tuple[str, ...]) -> None:
    given = order(group, CeremonyKind.REFRESH, *names)
    assert code_of(lambda: check(group, given)) in (Refusal.QUORUM, Refusal.CONSENT_REPLAYED)


def test_one_rejection_ends_it_also_where_it_was_handed_to_the_signer_itself(group: Parties) -> None:
    given = order(group, CeremonyKind.REFRESH)
    no = signed(group.world, given.document, "rita", decision=Decision.REJECT).consents
    with_no = dataclasses.replace(given, consents=(*given.consents, *no))
    assert code_of(lambda: check(group, with_no)) is Refusal.REJECTED
    party = group[1]
    record = check(group, given)
    assert record is not None
    take(party, record)
    veto = VetoOrder(kind="veto", consents=no)
    for known in check_veto(veto, party.pins, party.journal, now=group.world.now):
        take(party, known)
    digest, now = given.document.digest, group.world.now
    assert (
        code_of(lambda: begun(digest, CeremonyKind.REFRESH, party.pins, party.journal, now=now)) is Refusal.REJECTED
    )
    assert code_of(lambda: check(group, order(group, CeremonyKind.JOURNAL_START))) is Refusal.CEREMONY


def test_consents_of_one_ceremony_order_no_other(group: Parties) -> None:
    given, other = order(group, CeremonyKind.REFRESH), order(group, CeremonyKind.REFRESH, epoch=2)
    moved = dataclasses.replace(other, consents=given.consents)
    assert code_of(lambda: check(group, moved)) is Refusal.CONSENT_MISMATCH
    mandate = group.world.consent(given.document.digest, "adam", subject_type=SubjectType.MANDATE)
    mixed = dataclasses.replace(given, consents=(mandate, *given.consents[1:]))
    assert code_of(lambda: check(group, mixed)) is Refusal.CONSENT_MISMATCH


KEYS = tuple(recovery_key(f"party-{place}", place) for place in range(1, 6))


def crowd(domain: str, name: str, *places: int) -> tuple[RecoveryKey, ...]:
    """Return good recovery keys with some of them in one place."""
    return tuple(
        recovery_key(f"party-{place}", place, **({domain: name} if place in places else {})) for place in range(1, 6)
    )


WRONG: list[tuple[CeremonyKind, dict[str, Any], Refusal]] = [
    (CeremonyKind.REFRESH, {"epoch": 0}, Refusal.CEREMONY),
    (CeremonyKind.REFRESH, {"signers": ("party-1", "party-2", "party-3")}, Refusal.CEREMONY),
    (CeremonyKind.REFRESH, {"threshold": 2}, Refusal.CEREMONY),
    (CeremonyKind.REFRESH, {"wallet": None}, Refusal.UNKNOWN_WALLET),
    (CeremonyKind.REFRESH, {"lanes": (LaneStart(wallet=Parties().wallet.id, next_nonce=1),)}, Refusal.CEREMONY),
    (CeremonyKind.REFRESH, {"not_before": 1}, Refusal.CEREMONY),
    (CeremonyKind.REFRESH, {"plan": "ab" * 32}, Refusal.CEREMONY),
    (CeremonyKind.REFRESH, {"recovery": (recovery_key("party-1", 1),)}, Refusal.CEREMONY),
    (CeremonyKind.BACKUP, {"recovery": ()}, Refusal.CEREMONY),
    (CeremonyKind.BACKUP, {"recovery": (recovery_key("party-1", 1),)}, Refusal.CEREMONY),
    (
        CeremonyKind.BACKUP,
        {"recovery": tuple(recovery_key(f"party-{n}", n, site="one" if n < 4 else "two") for n in range(1, 6))},
        Refusal.CEREMONY,
    ),
    (
        CeremonyKind.BACKUP,
        {"recovery": tuple(dataclasses.replace(recovery_key(f"party-{n}", n), public_key=b"k") for n in range(1, 6))},
        Refusal.CEREMONY,
    ),
    (CeremonyKind.BACKUP, {"recovery": tuple(reversed(KEYS))}, Refusal.CEREMONY),
    # A host that keeps one share alive and recovers two more has what signs.
    (CeremonyKind.BACKUP, {"recovery": crowd("host", "host-party-1", 1)}, Refusal.CEREMONY),
    (CeremonyKind.BACKUP, {"recovery": crowd("administrator", "person-party-1", 1)}, Refusal.CEREMONY),
    (CeremonyKind.BACKUP, {"recovery": crowd("host", "host-party-1", 2, 3)}, Refusal.CEREMONY),
    (CeremonyKind.BACKUP, {"recovery": crowd("administrator", "person-party-5", 1, 2)}, Refusal.CEREMONY),
    (CeremonyKind.RESTORE, {"signers": ("party-4", "party-5")}, Refusal.CEREMONY),
    (CeremonyKind.RESTORE, {"recovery": ()}, Refusal.CEREMONY),
    (CeremonyKind.RESTORE, {"recovery": (recovery_key("party-5", 5),)}, Refusal.CEREMONY),
    (CeremonyKind.RESTORE, {"recovery": (transport_key(Parties().world, "party-4"),)}, Refusal.CEREMONY),
    (CeremonyKind.DESTROY, {"recovery": (recovery_key("party-1", 1),)}, Refusal.CEREMONY),
    (CeremonyKind.DESTROY, {"wallet": None}, Refusal.UNKNOWN_WALLET),
    (CeremonyKind.BAN, {"signers": ("party-3", "party-4", "party-5")}, Refusal.CEREMONY),
    (CeremonyKind.BAN, {"signers": ("party-9",)}, Refusal.WRONG_SIGNER),
    (CeremonyKind.DEGRADED, {"signers": ("party-1", "party-2")}, Refusal.CEREMONY),
    (CeremonyKind.DEGRADED, {"signers": ("party-1", "party-2", "party-3", "party-4")}, Refusal.CEREMONY),
    (CeremonyKind.DEGRADED, {"signers": ("party-1", "party-1", "party-2")}, Refusal.CEREMONY),
    (CeremonyKind.KEY_GENERATION, {"plan": None}, Refusal.CEREMONY),
    (CeremonyKind.KEY_GENERATION, {"threshold": 1}, Refusal.CEREMONY),
    (CeremonyKind.KEY_GENERATION, {"threshold": 6}, Refusal.CEREMONY),
    (CeremonyKind.KEY_GENERATION, {"signers": ("party-1", "party-9"), "threshold": 2}, Refusal.WRONG_SIGNER),
    (CeremonyKind.CLONE, {"recovery": (recovery_key("party-1", 1),), "signers": ("party-1",)}, Refusal.CEREMONY),
]


@pytest.mark.parametrize(("kind", "changes", "code"), WRONG)
def test_a_ceremony_names_what_its_kind_must(
    group: Parties, kind: CeremonyKind, changes: dict[str, Any], code: Refusal
) -> None:
    given = order(group, kind, **changes)
    assert code_of(lambda: check(group, given)) is code


def test_a_degraded_mode_is_short(group: Parties) -> None:
    document = ceremony(group.world, CeremonyKind.DEGRADED, group.wallet, signers=group.wallet.signers[:3])
    created = group.world.now
    longer = dataclasses.replace(document.header, created=created, expires=created + DEGRADED_SECONDS_MOST + 1)
    given = signed(group.world, dataclasses.replace(document, header=longer))
    assert code_of(lambda: check(group, given)) is Refusal.CEREMONY


def test_who_is_banned_stays_so_and_bans_add_up(group: Parties) -> None:
    party = group[1]
    record = check(group, order(group, CeremonyKind.BAN, signers=("party-5",)))
    assert record is not None
    take(party, record)
    assert party.journal.ceremonies.banned(group.wallet.id) == {"party-5"}
    assert code_of(lambda: check(group, order(group, CeremonyKind.RESTORE))) is Refusal.FROZEN
    more = order(group, CeremonyKind.BAN, signers=("party-3", "party-4"))
    assert code_of(lambda: check(group, more)) is Refusal.CEREMONY
    case = group.case()
    certificate = group.certificate(case, 1, 2, 3, 5)
    terms = group.terms(case, (1, 2, 3))
    # The word of whoever is banned counts for nothing, and so does their share.
    assert code_of(lambda: party.join(case, certificate, terms, group.world.now)) is Refusal.FROZEN
    certificate = group.certificate(case, 1, 2, 3, 4)
    outcast = group.terms(case, (1, 2, 5))
    assert code_of(lambda: party.join(case, certificate, outcast, group.world.now)) is Refusal.FROZEN
    assert party.join(case, certificate, terms, group.world.now).wallet == group.wallet.id


def test_under_a_halt_only_a_ban_is_taken(group: Parties) -> None:
    halt = HaltRecord(kind="halt", time=group.world.now, halt="ab" * 32, actor="adam", consents=())
    take(group[1], halt)
    assert code_of(lambda: check(group, order(group, CeremonyKind.REFRESH))) is Refusal.HALTED
    assert check(group, order(group, CeremonyKind.BAN)) is not None


def test_steps_are_done_once_and_nothing_begins_late(group: Parties) -> None:
    party, now = group[1], group.world.now
    given = order(group, CeremonyKind.REFRESH)
    digest = given.document.digest

    def begin(kind: CeremonyKind = CeremonyKind.REFRESH, at: int = now) -> CeremonyRecord:
        return begun(digest, kind, party.pins, party.journal, now=at)

    assert code_of(begin) is Refusal.CEREMONY
    record = check(group, given)
    assert record is not None
    take(party, record)
    assert begin() == record
    assert code_of(lambda: begin(CeremonyKind.DRILL)) is Refusal.CEREMONY
    assert code_of(lambda: begin(at=record.expires)) is Refusal.EXPIRED
    step = CeremonyStepRecord(
        kind="ceremony_step", time=now, ceremony=digest, step=CeremonyStep.STAGED, evidence=None, consents=()
    )
    take(party, step)
    assert list(party.journal.ceremonies.done(digest)) == [CeremonyStep.STAGED]
    for twice in (step, record, dataclasses.replace(step, ceremony="cd" * 32)):
        line = party.journal.encode(twice)
        with pytest.raises(JournalError):
            party.journal.apply(line)


def test_what_waits_too_long_or_is_of_another_deployment_is_refused(group: Parties) -> None:
    given = order(group, CeremonyKind.REFRESH)
    group.world.now += 30 * DAY
    assert code_of(lambda: check(group, given)) is Refusal.EXPIRED
    strange = order(Parties(), CeremonyKind.REFRESH)
    assert code_of(lambda: check(group, strange)) is Refusal.WRONG_DEPLOYMENT


def test_a_domain_that_could_recover_what_signs_is_found_over_several_ceremonies(group: Parties) -> None:
    party = group[1]
    first = tuple(recovery_key(f"party-{place}", place, site="vault") for place in (1, 2))
    record = check(group, order(group, CeremonyKind.BACKUP, signers=("party-1", "party-2"), recovery=first))
    assert record is not None
    take(party, record)
    third = {"signers": ("party-3",), "recovery": (recovery_key("party-3", 3, site="vault"),)}
    assert code_of(lambda: check(group, order(group, CeremonyKind.BACKUP, **third))) is Refusal.CEREMONY
    # A backup of the next epoch fits no share of this one.
    assert check(group, order(group, CeremonyKind.BACKUP, **third, epoch=1)) is not None
    elsewhere = third | {"recovery": (recovery_key("party-3", 3),)}
    assert check(group, order(group, CeremonyKind.BACKUP, **elsewhere)) is not None


def test_a_wallet_that_no_policy_names_any_more_may_be_destroyed_and_nothing_else(group: Parties) -> None:
    party, world = group[1], group.world
    given = order(group, CeremonyKind.DESTROY)
    assert still_named(group.wallet.id, party.pins, party.journal, now=world.now)
    left = tuple(wallet for wallet in world.policy.wallets if wallet.id != group.wallet.id)
    header = dataclasses.replace(world.policy.header, deployment=world.deployment)
    newer = dataclasses.replace(world.policy, header=header, wallets=left, number=2, previous=world.policy.digest)
    pins = dataclasses.replace(party.pins, policies={**party.pins.policies, newer.digest: newer})
    record = PolicyRecord(
        kind="policy", time=world.now, policy=newer.digest, number=2, effective=world.now,
        how=AccessionKind.TIGHTENING, consents=(),
    )  # fmt: skip
    take(party, record)
    assert not still_named(group.wallet.id, pins, party.journal, now=world.now)
    assert wallet_named(group.wallet.id, newer, pins) == group.wallet
    assert code_of(lambda: check_ceremony(given, pins, party.journal, now=world.now, held=NOTHING_HELD)) is (
        Refusal.WRONG_POLICY
    )
    with pytest.raises(RefusedError):
        wallet_named("eip155:1:0x" + "0" * 40, newer, pins)
