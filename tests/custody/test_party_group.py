"""What the answers of several parties together mean, who is asked again when, and what a wallet may name."""

from __future__ import annotations

import datetime as dt
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from coincurve import PrivateKey
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.utils import timezone

from chains.services import chain_create
from core.certificate import certificate_size
from core.documents.roster import WalletKind
from core.errors import Refusal
from core.evm import address_of
from core.party_script import Batch, Signed
from custody.answers import Refused
from custody.errors import SignerWaitsError
from custody.leases import lease_forget, leases_sweep
from custody.models import Job, Wallet
from custody.nonces import LaneStatus, Reading, refusal_read
from custody.parties import carry, line
from custody.parties.group import No, Outcome, PartiesWaitError, group_lane, group_read
from custody.services import wallet_create
from custody.signing import lane_status
from tests.factories.world import CHAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from core.party_script import Script

FIVE = tuple(f"party-{number}" for number in range(1, 6))
A, B = "a" * 64, "b" * 64


def outcome(codes: dict[int, str]) -> Outcome:
    refusals = {f"party-{number}": No(code=code, message=f"because of {code}") for number, code in codes.items()}
    agreed = tuple(name for name in FIVE if name not in refusals)
    return Outcome(parties=FIVE, needed=certificate_size(5, 3), agreed=agreed, refusals=refusals)


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ({1: "denied", 2: "denied"}, "denied"),
        ({1: "expired", 2: "denied", 3: "denied"}, "denied"),
        ({1: "quorum", 2: "quorum", 3: "unreachable", 4: "timeout", 5: "halted"}, "quorum"),
        ({1: "nonce", 2: "nonce"}, "nonce"),
    ],
)
def test_so_many_that_the_others_can_never_be_enough_refuse_for_all(codes: dict[int, str], code: str) -> None:
    read = group_read(outcome(codes))
    assert isinstance(read, Refused)
    assert read.code == code
    assert f"because of {code}" in read.message


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ({1: "denied"}, "parties"),
        ({1: "denied", 2: "nonce"}, "parties"),
        ({1: "intent_used", 2: "expired"}, "parties"),
        ({1: "denied", 2: "unreachable", 3: "timeout", 4: "courier"}, "parties"),
        *(({1: str(one), 2: str(one), 3: str(one), 4: str(one), 5: str(one)}, "parties") for one in (
            Refusal.HALTED, Refusal.CLOCK, Refusal.NOT_YET_VALID, Refusal.CERTIFICATE, Refusal.BEHIND,
            Refusal.SESSION, Refusal.FROZEN,
        )),
        ({1: "hsm_unavailable", 2: "answer", 3: "no such code"}, "parties"),
        ({1: "lease", 2: "lease"}, "lease"),
        ({1: "inclusion", 2: "inclusion", 3: "inclusion", 4: "inclusion", 5: "inclusion"}, "inclusion"),
        ({1: "lease", 2: "unreachable", 3: "unreachable"}, "parties"),
    ],
)  # fmt: skip
def test_anything_else_waits(codes: dict[int, str], code: str) -> None:
    read = group_read(outcome(codes))
    assert isinstance(read, PartiesWaitError)
    assert read.code == code


def test_the_message_says_who_is_silent_who_agrees_and_who_says_no() -> None:
    read = group_read(outcome({1: "denied", 4: "unreachable", 5: "timeout"}))
    assert isinstance(read, PartiesWaitError)
    assert read.message == (
        "2 of 5 parties are silent (party-4, party-5); 2 agree, 4 have to. party-1: denied: because of denied"
    )


def test_what_any_party_holds_is_held_and_the_farthest_counts() -> None:
    lanes = [LaneStatus(next_nonce=1, held={0: B}), LaneStatus(next_nonce=2, held={0: A, 1: B})]
    for order in (lanes, lanes[::-1]):
        lane = group_lane(order, intent=A)
        assert (lane.next_nonce, lane.held) == (2, {0: A, 1: B})
        assert refusal_read("denied", lane=lane, nonce=0, intent=A) is Reading.HELD
        assert refusal_read("denied", lane=lane, nonce=1, intent=A) is Reading.MISMATCH
        assert refusal_read("denied", lane=lane, nonce=2, intent=A) is Reading.REPORTED


@pytest.mark.parametrize(
    ("kind", "signers", "threshold"),
    [
        (WalletKind.HSM, ["hsm-1", "hsm-2"], 1),
        (WalletKind.HSM, ["hsm-1"], 2),
        (WalletKind.HSM, [], 1),
        (WalletKind.SOFTWARE, "hsm-1", 1),
        (WalletKind.SOFTWARE, {"hsm-1": 1}, 1),
        (WalletKind.MPC, ["a"], 1),
        (WalletKind.MPC, ["a", "b", "c"], 1),
        (WalletKind.MPC, ["a", "b", "c"], 4),
        (WalletKind.MPC, ["a", "b", "a"], 2),
        (WalletKind.MPC, ["a", 7, None], 2),
        (WalletKind.MPC, ["a", "b/../c"], 2),
        (WalletKind.MPC, [f"p{number}" for number in range(17)], 3),
        (WalletKind.MPC, None, 2),
    ],
)
def test_signers_that_do_not_fit_the_kind_are_refused(kind: WalletKind, signers: object, threshold: int) -> None:
    with pytest.raises(ValidationError) as refused:
        Wallet(kind=kind.value, signers=signers, threshold=threshold).clean()
    assert set(refused.value.message_dict) == {"signers"}


class Port:
    """A way to signers of whom one takes a second to say nothing."""

    asked: list[str] = []  # noqa: RUF012 - the port is made anew for each question

    def request(self, signer_id: str, frame: dict[str, object]) -> dict[str, object]:
        """Answer any frame."""
        self.asked.append(f"{signer_id} {frame['op']}")
        if signer_id == "party-2":
            time.sleep(1)
            code = "timeout"
            raise SignerWaitsError(code, "no answer")
        return {"v": 1, "ok": True, "result": {"needed": 0}}


@pytest.fixture
def port(settings: Any) -> Iterator[type[Port]]:  # noqa: ANN401 - pytest-django's wrapper
    """The way to the signers."""
    settings.COUNTERSIGN_SIGNER_PORT = f"{__name__}.Port"
    Port.asked = []
    line._resting.clear()  # noqa: SLF001 - a new process would begin so
    line._paces.clear()  # noqa: SLF001 - as above
    yield Port
    line._resting.clear()  # noqa: SLF001 - as above


def test_who_lets_a_time_out_pass_is_spared_for_a_while_where_others_are_enough(port: type[Port]) -> None:
    good, bad = line.parties_ask({name: {"op": "status"} for name in FIVE})
    assert (set(good), set(bad)) == (set(FIVE) - {"party-2"}, {"party-2"})
    assert line.rested(FIVE, needed=4) == tuple(name for name in FIVE if name != "party-2")
    assert line.rested(FIVE, needed=5) == FIVE
    assert sorted(port.asked) == [f"{name} status" for name in FIVE]


class Late(Port):
    """A way to parties of whom one answers when it is told to, and another takes a second."""

    tell = threading.Event()

    def request(self, signer_id: str, frame: dict[str, object]) -> dict[str, object]:
        """Answer any frame."""
        self.asked.append(f"{signer_id} {frame['op']}")
        if signer_id == "party-3":
            self.tell.wait(60)
        if signer_id == "party-4":
            time.sleep(1)
        return {"v": 1, "ok": True, "result": {"needed": 0}}


@pytest.fixture
def late(settings: Any, port: type[Port], monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Late]]:  # noqa: ANN401, ARG001 - pytest-django's wrapper; begins anew
    """The way to the signers."""
    settings.COUNTERSIGN_SIGNER_PORT = f"{__name__}.Late"
    monkeypatch.setattr(line, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(line, "PATIENCE", 0)
    Late.asked = []
    Late.tell.clear()
    yield Late
    Late.tell.set()
    _until(lambda: not line._late)  # noqa: SLF001 - what a worker remembers
    carry._troubles.clear()  # noqa: SLF001 - a new process would begin so


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_who_answers_late_is_left_out_where_enough_others_have_answered(late: type[Late]) -> None:
    frames: dict[str, dict[str, object]] = {name: {"op": "status"} for name in FIVE}
    good, bad = line.parties_ask(frames, enough=4)
    assert list(good) == [name for name in FIVE if name != "party-3"]
    assert {name: no.code for name, no in bad.items()} == {"party-3": "timeout"}
    assert "party-3" not in line.rested(FIVE, needed=4)
    # As long as it is at that, it is asked nothing more, and nobody waits for it.
    good, bad = line.parties_ask(frames, enough=4)
    assert (set(bad), bad["party-3"].message) == ({"party-3"}, "still at what it was asked before")
    assert late.asked.count("party-3 status") == 1
    late.tell.set()
    _until(lambda: "party-3" not in line._late)  # noqa: SLF001 - what a worker remembers
    good, bad = line.parties_ask(frames)
    assert (list(good), bad) == (list(FIVE), {})
    assert line.rested(FIVE, needed=4) == FIVE, "it answered in time"


def test_who_is_late_is_waited_for_where_the_others_are_too_few(late: type[Late]) -> None:
    frames: dict[str, dict[str, object]] = {name: {"op": "status"} for name in FIVE}
    threading.Timer(0.1, late.tell.set).start()
    good, bad = line.parties_ask(frames, enough=5)
    assert (list(good), bad) == (list(FIVE), {})


def test_each_rest_is_twice_as_long_as_the_one_before_and_has_an_end(port: type[Port]) -> None:
    del port
    lengths = []
    for _ in range(4):
        line._rest("party-1")  # noqa: SLF001 - what a worker remembers
        lengths.append(line._resting["party-1"][1])  # noqa: SLF001 - as above
    assert lengths == [30.0, 60.0, 120.0, line.REST_MOST]


def test_who_keeps_a_session_waiting_is_asked_last(late: type[Late]) -> None:
    late.tell.set()

    def script() -> Script[Signed]:
        yield Batch(step="join", frames={name: {"op": "join"} for name in ("party-1", "party-4")})
        yield Batch(step="begin", frames={name: {"op": "begin"} for name in ("party-1", "party-4")})
        return Signed(signature={}, certificate=None)

    carry._drive(script(), timezone.now(), enough=4)  # noqa: SLF001 - one session of a case
    assert carry._troubles["party-4"] == 1  # noqa: SLF001 - what a worker remembers


@pytest.mark.django_db(transaction=True)
def test_leases_are_asked_for_at_once_by_every_party_of_every_wallet(port: type[Port], settings: Any) -> None:  # noqa: ANN401 - pytest-django's wrapper
    chain_create(actor="x", caip2=CHAIN, name="Dev chain", native_symbol="ETH", confirmation_depth=3)
    for names, kind, threshold in ((FIVE, WalletKind.MPC, 3), (("hsm-1",), WalletKind.HSM, 1)):
        key = PrivateKey().public_key.format(compressed=False)
        caip10 = f"{CHAIN}:{address_of(key)}"
        wallet_create(
            actor="x", caip10=caip10, label="w", kind=kind, public_key=key, signers=names, threshold=threshold
        )
    settings.COUNTERSIGN_WITNESSES = {"w1": "http://127.0.0.1:1"}
    for name in (*FIVE, "hsm-1"):
        lease_forget(signer=name)
    began = time.monotonic()
    leases_sweep(now=timezone.now())
    assert time.monotonic() - began < 2
    assert sorted(port.asked) == ["hsm-1 challenge", *(f"{name} challenge" for name in FIVE)]
    leases_sweep(now=timezone.now() + dt.timedelta(seconds=5))
    assert len(port.asked) == 6, "who says nothing is not asked with every sweep"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("signers", [None, "party-1", [], {}, 7, [["party-1"]], ["party-1"] * 5, ["../x", "b", "c"]])
def test_a_row_that_was_edited_asks_nobody_and_stops_no_other(
    port: type[Port],
    settings: Any,  # noqa: ANN401 - pytest-django's wrapper
    signers: object,
) -> None:
    chain_create(actor="x", caip2=CHAIN, name="Dev chain", native_symbol="ETH", confirmation_depth=3)
    for names, kind, threshold in ((FIVE, WalletKind.MPC, 3), (("hsm-1",), WalletKind.HSM, 1)):
        key = PrivateKey().public_key.format(compressed=False)
        caip10 = f"{CHAIN}:{address_of(key)}"
        wallet_create(
            actor="x", caip10=caip10, label="w", kind=kind, public_key=key, signers=names, threshold=threshold
        )
    with suppress(IntegrityError):
        Wallet.objects.filter(kind="mpc").update(signers=signers)
        shared = Wallet.objects.get(kind="mpc")
        assert (shared.asked, shared.roster.signers) == ((), ())
        with pytest.raises(SignerWaitsError, match="does not name its signers properly"):
            lane_status(job=Job(wallet=shared, intent_digest=A))
        settings.COUNTERSIGN_WITNESSES = {"w1": "http://127.0.0.1:1"}
        lease_forget(signer="hsm-1")
        leases_sweep(now=timezone.now())
        assert port.asked == ["hsm-1 challenge"]
