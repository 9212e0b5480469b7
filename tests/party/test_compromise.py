"""Two of five parties fully compromised, and the relay with them: no signature without the case that policy demands.

And what a relay alone can do with honest parties' time: sessions that end are counted, late ones never go on.
"""

from __future__ import annotations

import dataclasses
import secrets
from typing import TYPE_CHECKING, Any, cast

import pytest

from core.certificate import ABORTS_MOST
from core.documents.party import Certificate, SessionTerms, SignedHello
from core.errors import RefusedError
from core.schema import read_struct, write_struct
from mpc import MpcError, Share, SignSession
from signer.party.envelopes import ENVELOPE
from signer.party.service import PartyService
from signer.party.session import SESSION_SECONDS, SESSIONS_MOST, AbortedError, Session
from tests.factories.world import ETHER
from tests.mpc.oracles import noble_transactions
from tests.party.inside import Inside, SoftKey

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from core.documents.bundle import Bundle
    from signer.party.envelopes import Envelope
    from signer.party.party_key import PartyKey

Answer = dict[str, Any]
BAD, HONEST = ("party-1", "party-2"), ("party-3", "party-4", "party-5")
EVIL = b"\xee" * 32


@pytest.fixture
def inside(blobs: dict[int, bytes], tmp_path: Path) -> Inside:
    return Inside(blobs, 3, tmp_path)


class Puppet:
    """What is left of a party whose keys, share and code an attacker has: it signs `message` where it may."""

    def __init__(self, inside: Inside, name: str, terms: SessionTerms, message: bytes) -> None:
        party = inside.group.all[name]
        signers = inside.group.wallet.signers
        self.name, self._message, self._terms = name, message, terms
        self._indices = {one: place for place, one in enumerate(signers, start=1)}
        self._share = Share.load(bytearray(inside.blobs[self._indices[name]]))
        key = cast("PartyKey", SoftKey(party.key))
        self.session = Session(terms, party.pins, key, self._indices, now=inside.now)
        self.protocol: SignSession | None = None

    def begin(self, hellos: Iterable[SignedHello], keys: dict[str, bytes], now: int) -> list[Envelope]:
        others = [self._indices[one] for one in self._terms.quorum if one != self.name]

        def protocol() -> SignSession:
            self.protocol = SignSession(
                self._share, session=self.session.name, counterparties=others, message_hash=self._message
            )
            return self.protocol

        return self.session.begin(hellos, keys, protocol, now=now)


def words(inside: Inside, case: Bundle, *names: str) -> Certificate:
    good, bad = inside.ask({name: {"op": "reserve", "bundle": case.to_json()} for name in names})
    assert not bad, bad
    return read_struct(Certificate, {"reservations": list(good.values())}, "certificate")


def asked_to_join(case: Bundle, certificate: Certificate, terms: SessionTerms) -> Answer:
    joining = {
        "bundle": case.to_json(),
        "certificate": write_struct(certificate, "certificate"),
        "terms": write_struct(terms, "terms"),
    }
    return {"op": "join", "joining": joining}


def code(answers: tuple[dict[str, Answer], dict[str, Answer]]) -> set[str]:
    good, bad = answers
    assert not good
    return {error["code"] for error in bad.values()}


def signed(inside: Inside, case: Bundle, *names: str) -> None:
    """Honest parties sign this case all the same."""
    raw = str(inside.sign(case, *names).signature["raw"])
    assert raw.startswith("0x02")


def consistent(inside: Inside) -> None:
    """Every journal is read back to the same state."""
    for name in inside.services:
        before = inside.services[name].journal.head
        inside.restart(name)
        assert inside.services[name].journal.head == before


@pytest.mark.parametrize("honest_hash", [(), ("party-2",)])
def test_two_puppets_that_sign_something_else_get_no_signature(inside: Inside, honest_hash: tuple[str, ...]) -> None:
    case = inside.group.case()
    terms = inside.group.terms(case, (1, 2, 3))
    certificate = words(inside, case, *BAD, "party-3", "party-4")
    good, bad = inside.ask({"party-3": asked_to_join(case, certificate, terms)})
    assert not bad, bad
    puppets = [Puppet(inside, name, terms, terms.message_hash if name in honest_hash else EVIL) for name in BAD]
    hellos = [puppet.session.hello for puppet in puppets]
    told = [*(write_struct(hello, "hello") for hello in hellos), good["party-3"]]
    session = "0x" + puppets[0].session.name.hex()
    good, bad = inside.ask({"party-3": {"op": "begin", "beginning": {"session": session, "hellos": told}}})
    assert not bad, bad
    keys = {name: inside.group.all[name].key.public_key().public_bytes_raw() for name in terms.quorum}
    everybody = [read_struct(SignedHello, one, "hello") for one in told]
    theirs = {puppet.name: puppet.begin(everybody, keys, inside.now) for puppet in puppets}
    refused = False
    for _ in range(4):
        mine = [
            cast("Envelope", ENVELOPE.read(one, "envelope")) for one in good.get("party-3", {}).get("envelopes", [])
        ]
        delivered = [one for sent in theirs.values() for one in sent if one.receiver in (None, "party-3")]
        every = [*mine, *(one for sent in theirs.values() for one in sent)]
        turn = {"session": session, "envelopes": [ENVELOPE.write(one, "envelope") for one in delivered]}
        good, bad = inside.ask({"party-3": {"op": "turn", "turn": turn}})
        refused = refused or bool(bad)
        assert "signature" not in good.get("party-3", {})
        for puppet in puppets:
            sent = [one for one in every if one.sender != puppet.name and one.receiver in (None, puppet.name)]
            try:
                theirs[puppet.name] = puppet.session.advance(sent)
            except (AbortedError, RefusedError, MpcError):
                theirs[puppet.name] = []
    assert refused
    for puppet in puppets:
        assert puppet.protocol is not None
        with pytest.raises(MpcError):
            puppet.protocol.result()
    # The case itself is signed by honest parties; the compromised one's word still helps, or another's would.
    signed(inside, case, *HONEST, "party-1")
    consistent(inside)


def test_whole_transactions_hold_for_an_implementation_that_had_no_part_in_them(inside: Inside) -> None:
    group = inside.group
    cases = [group.case(nonce, value=ETHER + nonce) for nonce in range(3)]
    raw = [bytes.fromhex(str(inside.sign(case).signature["raw"])[2:]) for case in cases]
    for case, told in zip(cases, noble_transactions(raw), strict=True):
        intent = case.intent
        assert told["from"] == group.wallet.address.lower()
        assert (told["chain"], told["nonce"]) == (intent.chain_id, case.attempt.nonce)
        assert (told["to"], told["value"]) == (intent.to.lower(), str(intent.value))


def test_without_the_case_nobody_honest_gives_a_word_or_joins(inside: Inside) -> None:
    group = inside.group
    case, other = group.case(), group.case(value=2 * ETHER)
    bare = dataclasses.replace(case, consents=case.consents[:2])
    large = dataclasses.replace(other, consents=case.consents)
    for forged in (bare, large):
        for op in ("prepare", "reserve"):
            refused = code(inside.ask({name: {"op": op, "bundle": forged.to_json()} for name in HONEST}))
            assert refused <= {"quorum", "consent_mismatch"}
    honest = words(inside, case, *HONEST).reservations
    lies = tuple(group.all[name].sign(dataclasses.replace(honest[0].document, party=name)) for name in BAD)
    terms = group.terms(other, (1, 2, 3))
    about_other = tuple(
        group.all[name].sign(
            dataclasses.replace(
                one.document,
                party=name,
                binding=dataclasses.replace(
                    one.document.binding, intent=other.intent.digest, signing_hash=terms.message_hash
                ),
            )
        )
        for name, one in zip(BAD, honest, strict=False)
    )
    for case_asked, made in (
        (case, Certificate(reservations=lies)),
        (case, Certificate(reservations=(*lies, honest[0]))),
        (case, Certificate(reservations=(*lies, lies[0], lies[1]))),
        (case, Certificate(reservations=(*about_other, *honest[:2]))),
    ):
        right = group.terms(case_asked, (1, 2, 3))
        assert code(inside.ask({"party-3": asked_to_join(case_asked, made, right)})) == {"certificate"}
    # With a whole certificate, terms about something else are refused all the same.
    whole = Certificate(reservations=(*lies, *honest[:2]))
    assert code(inside.ask({"party-3": asked_to_join(case, whole, terms)})) == {"session"}
    assert code(inside.ask({"party-3": asked_to_join(other, whole, terms)})) <= {"nonce", "certificate"}
    session = "0x" + secrets.token_bytes(32).hex()
    for request in (
        {"op": "begin", "beginning": {"session": session, "hellos": []}},
        {"op": "turn", "turn": {"session": session, "envelopes": []}},
    ):
        assert code(inside.ask(dict.fromkeys(HONEST, request))) <= {"session", "malformed"}
    assert all(inside.services[name].journal.sessions.unfinished(group.wallet.id, 0) == 0 for name in HONEST)
    signed(inside, case, *HONEST, "party-1")
    consistent(inside)


def test_sessions_that_end_are_counted_and_capped_also_across_a_restart(inside: Inside) -> None:
    case = inside.group.case()
    certificate = words(inside, case, *inside.group.all)
    certificate = Certificate(reservations=certificate.reservations[:4])
    for number in range(ABORTS_MOST):
        terms = inside.group.terms(case, (1, 2, 3))
        good, bad = inside.ask({"party-3": asked_to_join(case, certificate, terms)})
        assert good, bad
        if number % 20 == 0:
            inside.restart("party-3")
    for _ in range(2):
        assert code(
            inside.ask({"party-3": asked_to_join(case, certificate, inside.group.terms(case, (1, 2, 3)))})
        ) == {"frozen"}
        inside.restart("party-3")
    # The others have lost nothing.
    signed(inside, case, "party-1", "party-2", "party-4", "party-5")


def test_a_session_that_was_spent_is_never_joined_again_whoever_restarts(inside: Inside) -> None:
    case = inside.group.case()
    certificate = words(inside, case, "party-1", "party-2", "party-3", "party-4")
    request = asked_to_join(case, certificate, inside.group.terms(case, (1, 2, 3)))
    assert inside.ask({"party-3": request})[0]
    for _ in range(2):
        assert code(inside.ask({"party-3": request})) == {"session"}
        inside.restart("party-3")


def test_a_relay_that_is_late_or_opens_too_many_sessions_ends_them_and_no_more(inside: Inside) -> None:
    case = inside.group.case()
    certificate = words(inside, case, "party-1", "party-2", "party-3", "party-4")
    greeted = []
    for _ in range(SESSIONS_MOST + 1):
        terms = inside.group.terms(case, (1, 2, 3))
        good, bad = inside.ask({"party-3": asked_to_join(case, certificate, terms)})
        assert not bad, bad
        greeted.append((Puppet(inside, "party-1", terms, EVIL).session.name, good["party-3"]))
    for name, hello in (greeted[0], greeted[-1]):
        begun = {"op": "begin", "beginning": {"session": "0x" + name.hex(), "hellos": [hello]}}
        inside.now += SESSION_SECONDS + 1 if name == greeted[-1][0] else 0
        assert code(inside.ask({"party-3": begun})) == {"session"}
    many = {"session": "0x" + greeted[-1][0].hex(), "envelopes": [{}] * 65}
    assert code(inside.ask({"party-3": {"op": "turn", "turn": many}})) <= {"session", "malformed"}
    signed(inside, case)
    consistent(inside)


@pytest.mark.parametrize(("off", "refused"), [(-600, {"not_yet_valid"}), (2 * 3600, {"expired"})])
def test_a_party_whose_clock_is_wrong_says_so_and_the_others_sign(
    inside: Inside, off: int, refused: set[str]
) -> None:
    inside.clocks["party-1"] = off
    case = inside.group.case()
    for op in ("prepare", "reserve"):
        assert code(inside.ask({"party-1": {"op": op, "bundle": case.to_json()}})) == refused
    assert inside.services["party-1"].journal.next_nonce(inside.group.wallet.id) == 0
    signed(inside, case)
    consistent(inside)


def test_a_clock_that_goes_back_while_a_session_goes_on_ends_it(inside: Inside) -> None:
    case = inside.group.case()
    certificate = words(inside, case, "party-1", "party-2", "party-3", "party-4")
    terms = inside.group.terms(case, (1, 2, 3))
    good, _ = inside.ask({name: asked_to_join(case, certificate, terms) for name in terms.quorum})
    session = "0x" + Puppet(inside, "party-1", terms, EVIL).session.name.hex()
    inside.clocks["party-3"] = -90
    begin = {"op": "begin", "beginning": {"session": session, "hellos": list(good.values())}}
    good, bad = inside.ask(dict.fromkeys(terms.quorum, begin))
    assert {name: error["code"] for name, error in bad.items()} == {"party-3": "session"}
    assert code(inside.ask({"party-3": {"op": "reserve", "bundle": case.to_json()}})) == {"clock"}
    inside.clocks["party-3"] = 0
    signed(inside, case)
    consistent(inside)


def test_parties_that_nobody_knows_and_shares_of_another_epoch_are_in_no_session(inside: Inside) -> None:
    case = inside.group.case()
    certificate = words(inside, case, "party-1", "party-2", "party-3", "party-4")
    for change in (
        {"quorum": ("party-1", "party-3", "party-9")},
        {"quorum": ("party-3", "party-3", "party-4")},
        {"quorum": ("party-3",)},
        {"epoch": 1},
        {"threshold": 2},
        {"threshold": 1, "quorum": ("party-3",)},
    ):
        terms = dataclasses.replace(inside.group.terms(case, (1, 2, 3)), **cast("dict[str, Any]", change))
        assert code(inside.ask({"party-3": asked_to_join(case, certificate, terms)})) == {"session"}
    assert isinstance(inside.services["party-3"], PartyService)
    signed(inside, case)
