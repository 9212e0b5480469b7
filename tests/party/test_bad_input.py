"""What no honest host or relay does to a party: a typed answer, nothing half done, and the journal as it was."""

from __future__ import annotations

import dataclasses
import json
import secrets
import shutil
import socket
import struct
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from core.canonical import canonical
from core.documents.base import GENESIS_DEPLOYMENT
from core.schema import write_struct
from core.sessions import session_id
from courier.relay import RelayError
from tests.party.rig import Group, relay_to, serving
from tests.signer.rig import point_softhsm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.party.rig import Founded, Process

NAMES = ("party-1", "party-2", "party-3")
Answer = dict[str, Any]


def frame(path: str, length: int, sent: bytes) -> Answer:
    """Send a frame that announces `length` bytes, and read the answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(30)
        connection.connect(path)
        connection.sendall(struct.pack(">I", length) + sent)
        (size,) = struct.unpack(">I", connection.recv(4, socket.MSG_WAITALL))
        answer: Answer = json.loads(connection.recv(size, socket.MSG_WAITALL))
        return answer


def test_messages_too_large_and_a_token_that_goes_away(small: Group) -> None:
    case = small.bundle().to_json()
    tokens, aside = small.state("party-3") / "tokens", small.base / "aside"
    with small.up() as parties, relay_to(parties) as relay:
        last = parties["party-3"]
        head = last.ask("status")["result"]["head"]
        for length, sent in ((1024 * 1024 + 1, b"{"), (2**32 - 1, b""), (0, b"")):
            assert frame(last.path, length, sent)["error"]["code"] == "too_large"
        tokens.rename(aside)
        with pytest.raises(RelayError, match="3 have to") as caught:
            relay.sign(case, small.wallet)
        assert caught.value.refusals["party-3"]["code"] == "hsm_unavailable"
        assert caught.value.refusals["party-3"]["retry"] is True
        aside.rename(tokens)
    tokens.rename(aside)
    with pytest.raises(AssertionError, match="token"), serving(small.state("party-3"), "serve"):
        pass
    aside.rename(tokens)
    # What was asked for meanwhile has left every journal in step with its token: all start, and sign this very case.
    with small.up() as parties, relay_to(parties) as relay:
        signature, _ = relay.sign(case, small.wallet)
        assert signature["raw"].startswith("0x02")
        assert parties["party-3"].ask("status")["result"]["head"] != head


@pytest.fixture
def founding(two_of_three: Founded, base: Path) -> Iterator[tuple[Founded, dict[str, Process]]]:
    """Three parties that are about to make a key."""
    shutil.copytree(two_of_three.base, base, dirs_exist_ok=True)
    file = Path(tempfile.mkdtemp(prefix="cs-plan-")) / "plan.json"
    file.write_bytes(canonical(write_struct(two_of_three.plan, "plan")))
    with ExitStack() as stack:
        parties = {}
        for name in NAMES:
            point_softhsm(base / name)
            arguments = ("found", str(file), "--expect", two_of_three.plan.digest)
            parties[name] = stack.enter_context(serving(base / name, *arguments))
        yield two_of_three, parties
    shutil.rmtree(file.parent)


def greeted(made: Founded, parties: dict[str, Process]) -> tuple[str, dict[str, Answer]]:
    own = dataclasses.replace(made.plan.terms, nonce=secrets.token_bytes(32))
    with relay_to(parties) as relay:
        hellos, bad = relay.ask({name: {"op": "greet", "terms": write_struct(own, "terms")} for name in NAMES})
    assert not bad, bad
    return "0x" + session_id(own, GENESIS_DEPLOYMENT).hex(), hellos


def test_a_relay_between_parties_that_make_a_key_gets_none_made(
    founding: tuple[Founded, dict[str, Process]],
) -> None:
    made, parties = founding
    with relay_to(parties) as relay:
        for field in ("exchange_key", "envelope_key"):
            session, hellos = greeted(made, parties)
            hellos["party-2"]["document"][field] = "0x" + "05" * 32
            begin = {"op": "begin", "beginning": {"session": session, "hellos": list(hellos.values())}}
            good, bad = relay.ask(dict.fromkeys(NAMES, begin))
            assert not good
            assert {error["code"] for error in bad.values()} == {"session"}
        session, hellos = greeted(made, parties)
        begin = {"op": "begin", "beginning": {"session": session, "hellos": list(hellos.values())}}
        good, bad = relay.ask(dict.fromkeys(NAMES, begin))
        assert not bad, bad
        sent = [one for answer in good.values() for one in answer["envelopes"]]
        for name in NAMES:
            mine = [one for one in sent if one["sender"] != name and one["receiver"] in (None, name)]
            mine[0] = {**mine[0], "body": ("B" if mine[0]["body"][0] == "A" else "A") + mine[0]["body"][1:]}
            turn = {"op": "turn", "turn": {"session": session, "envelopes": mine}}
            _, bad = relay.ask({name: turn})
            assert bad[name]["code"] == "session"
            assert "did not sign" in bad[name]["message"]
            assert parties[name].ask("status")["result"]["made"] is None


def test_a_party_whose_journal_was_put_back_does_not_start_and_the_right_one_does(small: Group) -> None:
    journal, older = small.state("party-3") / "journal", small.base / "older"
    shutil.copy(journal, older)
    with small.up() as parties, relay_to(parties) as relay:
        assert relay.sign(small.bundle().to_json(), small.wallet)[1] is not None
    newer = journal.read_bytes()
    for wrong in (older.read_bytes(), newer[: newer.rindex(b"\n", 0, -1) + 1][:-1], b""):
        journal.write_bytes(wrong)
        with pytest.raises(AssertionError, match="journal"), serving(small.state("party-3"), "serve"):
            pass
    journal.write_bytes(newer)
    with small.up() as parties, relay_to(parties) as relay:
        assert relay.sign(small.bundle().to_json(), small.wallet)[1] is not None
