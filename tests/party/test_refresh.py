"""New shares for a wallet, at real parties: whoever stops where, the wallet signs before, between and after."""

from __future__ import annotations

import dataclasses
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from core.ceremony_script import Renewal, refresh_script
from core.documents.consent import Decision
from core.documents.party import SessionKind, SessionTerms
from core.documents.roster import Profile
from core.party_script import ScriptError
from core.schema import write_struct
from courier.relay import RelayError
from signer import failpoints
from signer.party.shares import FOLDER
from tests.factories.ceremonies import signed
from tests.party.cheat import Corrupt, Mixed, Steps
from tests.party.renewing import carry, clone, epochs, files, hand, order, refresh, signs, stands, up
from tests.party.rig import Group, relay_to, serving
from tests.signer.rig import START_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.documents.control import SignedCeremony
    from tests.party.rig import Founded

FIRST, SECOND, THIRD = "party-1", "party-2", "party-3"
Answer = dict[str, Any]
Kept = tuple[Group, "SignedCeremony"]


@pytest.fixture(scope="module")
def kept_once(two_of_three: Founded) -> Iterator[Kept]:
    """A group whose parties have made new shares and settled on nothing yet: making them takes longest."""
    base = Path(tempfile.mkdtemp(prefix="cs-kept-"))
    group = Group(two_of_three, base)
    ordered = order(group)
    with group.up() as parties, relay_to(parties) as relay:
        carry(group, relay, ordered, "stage")
    yield group, ordered
    shutil.rmtree(base)


@pytest.fixture
def kept(kept_once: Kept, base: Path) -> Kept:
    return clone(kept_once[0], base), kept_once[1]


def finished(group: Group, ordered: SignedCeremony) -> None:
    """See that a stopped refresh left a wallet that signs, and that it goes on to its end."""
    with group.up() as parties, relay_to(parties) as relay:
        signs(group, relay)
        assert refresh(group, relay, ordered).epoch == 1
        assert epochs(parties, group) == [1] * len(group.names)
        signs(group, relay)
    for name in group.names:
        assert files(group, name) == ["1.share"]


def test_three_of_five_renew_their_shares_and_sign_before_and_after(large: Group) -> None:
    ordered = order(large)
    with large.up() as parties, relay_to(parties) as relay:
        signs(large, relay)
        told = parties[FIRST].ask("status")["result"]["shares"][large.wallet.id]
        assert (told["epoch"], told["ceremony"], told["next"]) == (0, None, 1)
        made = refresh(large, relay, ordered)
        assert (made.epoch, set(made.words)) == (1, set(large.names))
        signs(large, relay)
        # Asked again, everybody says the same and does nothing.
        assert refresh(large, relay, ordered) == made
        told = parties[FIRST].ask("status")["result"]["shares"][large.wallet.id]
        assert (told["epoch"], told["ceremony"], told["next"]) == (1, ordered.document.digest, 2)
        assert told["since"] > 0
    for name in large.names:
        assert files(large, name) == ["1.share"]


@pytest.mark.parametrize("dying", [(FIRST,), (FIRST, SECOND)], ids=["one", "two"])
@pytest.mark.parametrize("point", ["joined", "kept"])
def test_killed_while_shares_are_made(small: Group, point: str, dying: tuple[str, ...]) -> None:
    ordered = order(small)
    with up(small, dict.fromkeys(dying, f"signer.renewal_{point}")) as parties, relay_to(parties) as relay:
        with pytest.raises(RelayError):
            refresh(small, relay, ordered)
        assert all(parties[name].process.wait(START_SECONDS) == -9 for name in dying)
    with small.up() as parties, relay_to(parties) as relay:
        assert epochs(parties, small) == [0, 0, 0]
        signs(small, relay)
        assert epochs(parties, small) == [0, 0, 0]
    finished(small, ordered)


ONE: tuple[str, ...] = (FIRST,)
TWO = (FIRST, SECOND)
LATER = [
    (point, ONE) for point in ("joined", "staged", "proven", "activated", "adopted", "listed", "wiped", "destroyed")
]
LATER += [(point, TWO) for point in ("joined", "staged", "proven", "activated", "wiped")]


@pytest.mark.parametrize(("point", "dying"), LATER, ids=[f"{point}-{len(dying)}" for point, dying in LATER])
def test_killed_after_shares_were_made(kept: Kept, point: str, dying: tuple[str, ...]) -> None:
    group, ordered = kept
    with up(group, dict.fromkeys(dying, f"signer.renewal_{point}")) as parties, relay_to(parties) as relay:
        with pytest.raises(RelayError):
            refresh(group, relay, ordered)
        assert all(parties[name].process.wait(START_SECONDS) == -9 for name in dying)
    if point in ("joined", "staged"):
        with group.up() as parties, relay_to(parties) as relay:
            assert epochs(parties, group) == [0, 0, 0]
            signs(group, relay)
            assert epochs(parties, group) == [0, 0, 0]
    finished(group, ordered)


def test_every_point_is_tried() -> None:
    named = {name for name in failpoints.CEREMONY_NAMES if name.startswith("signer.renewal_")}
    tried = {"joined", "kept", "staged", "proven", "activated", "adopted", "listed", "wiped", "destroyed"}
    assert named == {f"signer.renewal_{point}" for point in tried}
    # And none of them can be armed in production.
    failpoints.arm(Profile.PRODUCTION, "signer.renewal_staged")("signer.renewal_staged")


def test_a_relay_that_shows_parties_different_things_stops_a_refresh_and_no_more(kept: Kept) -> None:
    group, ordered = kept
    with group.up() as parties, relay_to(parties) as relay:
        staging = carry(group, relay, ordered, "stage")
        proof = cast("Answer", staging.frames[FIRST]["proof"])
        assert parties[FIRST].ask("refresh", proof=proof)["ok"]
        # Only one has settled: it makes no other shares, and nobody tests with it.
        terms = terms_of(group, ordered, parties[FIRST])
        assert parties[FIRST].ask("greet", terms=terms)["error"]["code"] == "session"
        assert parties[SECOND].ask("greet", terms=terms)["ok"]
        signs(group, relay)
        # Somebody's word is left out, or another's is put in its place.
        for words in (proof["kept"][:2], [*proof["kept"][:2], proof["kept"][0]]):
            refused = parties[SECOND].ask("refresh", proof={**proof, "kept": words})
            assert refused["error"]["code"] == "ceremony"
        activating = carry(group, relay, ordered, "activate")
        full = cast("Answer", activating.frames[FIRST]["proof"])
        assert parties[FIRST].ask("refresh", proof=full)["result"]["active"] == 1
        assert epochs(parties, group) == [1, 0, 0]
        steps = Steps(group, relay, group.bundle())
        steps.reserve(FIRST, SECOND, THIRD)
        for epoch, refusing in ((0, FIRST), (1, SECOND)):
            _, refused = steps.join(steps.terms(FIRST, SECOND, epoch=epoch, nonce=secrets.token_bytes(32)))
            assert set(refused) == {refusing}
            assert refused[refusing]["code"] == "session"
        hellos, refused = steps.join(steps.terms(SECOND, THIRD, nonce=secrets.token_bytes(32)))
        assert not refused
        steps.finish(steps.begin(hellos)[0])
        # The proof that one has brings the others along as soon as anybody carries it.
        signs(group, relay)
        assert epochs(parties, group) == [1, 1, 1]
        assert all("0.share" in files(group, name) for name in group.names)
        assert refresh(group, relay, ordered).epoch == 1
        signs(group, relay)


def terms_of(group: Group, ordered: SignedCeremony, party: Any, **changes: Any) -> dict[str, object]:  # noqa: ANN401
    """Return terms of a session that makes shares."""
    fields: dict[str, Any] = {
        "kind": SessionKind.REFRESH,
        "wallet": group.wallet.id,
        "public_key": group.wallet.public_key,
        "epoch": ordered.document.epoch,
        "threshold": group.wallet.threshold,
        "quorum": group.names,
        "message_hash": b"" if party is None else bytes.fromhex(stands(party, ordered)["result"]["source"][2:]),
        "subject": ordered.document.digest,
        "nonce": secrets.token_bytes(32),
    }
    return write_struct(SessionTerms(**(fields | changes)), "terms")


def test_an_old_share_that_comes_back_is_not_used_and_not_kept(kept: Kept) -> None:
    group, ordered = kept
    folder = group.state(FIRST) / FOLDER
    (old,) = folder.glob("*.0.share")
    saved = old.read_bytes()
    with group.up() as parties, relay_to(parties) as relay:
        refresh(group, relay, ordered)
    old.write_bytes(saved)
    old.chmod(0o400)
    with group.up() as parties, relay_to(parties) as relay:
        assert epochs(parties, group) == [1, 1, 1]
        signs(group, relay)
        refresh(group, relay, ordered)
        assert files(group, FIRST) == ["1.share"]
    (new,) = folder.glob("*.1.share")
    aside = new.rename(group.base / "aside")
    new.write_bytes(saved)
    new.chmod(0o400)
    with (
        pytest.raises(AssertionError, match="another share than its name says"),
        serving(group.state(FIRST), "serve"),
    ):
        pass
    # Without the share in use this party waits; it does not go back to the old one.
    new.rename(old)
    with pytest.raises(AssertionError, match=r"1\.share"), serving(group.state(FIRST), "serve"):
        pass
    aside.rename(new)
    with group.up() as parties, relay_to(parties) as relay:
        signs(group, relay)


def test_a_party_that_lost_its_new_share_stays_behind_and_the_others_sign(kept: Kept) -> None:
    group, ordered = kept
    with group.up() as parties, relay_to(parties) as relay:
        full = cast("Answer", carry(group, relay, ordered, "activate").frames[FIRST]["proof"])
        (staged,) = (group.state(FIRST) / FOLDER).glob("*.staged")
        staged.unlink()
        for name in group.names:
            answer = parties[name].ask("refresh", proof=full)
            if name == FIRST:
                assert answer["error"]["code"] == "hsm_unavailable"
            else:
                assert answer["result"]["active"] == 1
        assert epochs(parties, group) == [0, 1, 1]
        signs(group, relay)
        # Nobody destroys the old epoch while somebody needs it.
        with pytest.raises(RelayError):
            refresh(group, relay, ordered)
        assert all("0.share" in files(group, name) for name in group.names)


def changed(group: Group, ordered: SignedCeremony, **changes: Any) -> SignedCeremony:  # noqa: ANN401 - its fields
    """Return an order that people consented to as it is now."""
    return signed(group.world, dataclasses.replace(ordered.document, **changes))


def drive(mixed: Mixed, corrupt: Corrupt, group: Group, ordered: SignedCeremony) -> Answer:
    """Carry a refresh with a party that lies in every session that it begins; return what refused at the end."""
    script = refresh_script(Renewal(signed=ordered, wallet=group.wallet, chance=secrets.token_bytes(32)))
    batch = next(script)
    while True:
        frame = batch.frames.get(corrupt.name, {})
        if frame.get("op") == "begin":
            corrupt.lie(cast("Answer", frame["beginning"])["session"])
        try:
            batch = script.send(mixed.ask(batch.frames))
        except ScriptError as error:
            return error.refusals


def test_a_party_that_lies_in_the_test_is_caught_and_the_next_number_goes_through(kept: Kept) -> None:
    group, ordered = kept
    corrupt = Corrupt(group, THIRD)
    corrupt.change = lambda number, messages: [
        (to, bytes([body[0] ^ 1]) + body[1:]) if number == 2 else (to, body) for to, body in messages
    ]
    try:
        with group.up(FIRST, SECOND) as parties, relay_to(parties) as relay:
            refused = drive(Mixed(relay, corrupt), corrupt, group, ordered)
            assert refused[FIRST]["code"] == "session"
            assert THIRD in refused[FIRST]["message"]
            refused = drive(Mixed(relay, corrupt), corrupt, group, ordered)
            assert refused[FIRST]["code"] == "frozen"
    finally:
        corrupt.close()
    with group.up() as parties, relay_to(parties) as relay:
        assert epochs(parties, group) == [0, 0, 0]
        signs(group, relay)
        with pytest.raises(RelayError, match="refused"):
            refresh(group, relay, ordered)
        assert refresh(group, relay, order(group, 2)).epoch == 2
        assert epochs(parties, group) == [2, 2, 2]
        signs(group, relay)
    assert files(group, FIRST) == ["2.share"]


def test_ceremonies_that_are_no_refresh_of_this_wallet_begin_nothing(kept: Kept) -> None:
    group, _ = kept
    with group.up(FIRST) as parties:
        party = parties[FIRST]
        other = order(group, 2)
        terms = terms_of(group, other, None, message_hash=b"\x01" * 32)
        assert party.ask("greet", terms=terms)["error"]["code"] == "ceremony"
        assert stands(party, other)["error"]["code"] == "ceremony"
        no = signed(group.world, other.document, "adam", decision=Decision.REJECT).consents
        for refused in (
            order(group, 1),
            order(group, 2, threshold=3),
            order(group, 2, signers=group.names[:2]),
            changed(group, other, wallet="eip155:1:0x" + "0" * 40),
            dataclasses.replace(other, consents=other.consents[:1]),
            dataclasses.replace(other, consents=(*other.consents[1:], *no)),
        ):
            answer = hand(party, refused)
            assert answer["ok"] is False
            assert answer["error"]["code"] in {"ceremony", "quorum", "rejected", "unknown_wallet", "wrong_signer"}
        bad: list[object] = [{}, None, [], {"ceremony": "x"}, {**ask(other)["proof"], "kept": [{}]}]
        for proof in bad:
            assert party.ask("refresh", proof=proof)["error"]["code"] == "malformed"
        assert party.ask("greet", terms={**terms, "kind": "sign"})["error"]["code"] == "session"
        assert party.ask("status")["result"]["shares"][group.wallet.id]["next"] == 2


def ask(ordered: SignedCeremony) -> Answer:
    """Return the request that shows nothing and asks where a party stands."""
    empty = {"ceremony": ordered.document.digest, "kept": [], "tests": [], "activated": []}
    return {"op": "refresh", "proof": empty}
