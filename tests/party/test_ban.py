"""A party that people ban never takes part again: its share is refused, the rest still signs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.documents.control import CeremonyKind
from courier.relay import RelayError
from tests.party.recovery_rig import hand, ordain, order, order_file
from tests.party.rig import relay_to

if TYPE_CHECKING:
    from pathlib import Path

    from tests.party.rig import Group


def test_a_banned_party_is_left_out_for_ever_and_the_rest_signs(large: Group, base: Path) -> None:
    ban = order(large, CeremonyKind.BAN, signers=("party-5",))
    with large.up() as parties:
        done = ordain(order_file(base / "ban.json", ban), parties)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [f"{name} knows it" for name in large.names]
        # Handed over twice, it is one ban.
        assert hand(parties["party-1"], ban)["result"]["records"] == 0
        case = large.bundle().to_json()
        fewer = {name: party for name, party in parties.items() if name != "party-1"}
        with relay_to(fewer) as relay, pytest.raises(RelayError, match="3 of 5") as caught:
            relay.sign(case, large.wallet)
        # Whoever is banned knows it as well, and says no; that its word and its share would count for nothing with
        # the others, whatever its own code says, is tests/core/test_ceremonies.py.
        assert caught.value.refusals["party-5"]["code"] == "frozen"
    with large.up("party-1", "party-2", "party-3", "party-4") as parties, relay_to(parties) as relay:
        # Known after a new start as well.
        made, certificate = relay.sign(case, large.wallet)
        assert made["raw"]
        assert certificate is not None
        assert "party-5" not in {one["document"]["party"] for one in certificate["reservations"]}


def test_a_ban_leaves_as_many_as_sign_and_takes_its_quorum(small: Group, base: Path) -> None:
    with small.up() as parties:
        too_many = order(small, CeremonyKind.BAN, signers=("party-2", "party-3"))
        done = ordain(order_file(base / "ban.json", too_many), parties)
        assert done.returncode == 1
        assert done.stderr.count("1 parties would be left, 2 sign") == 3
        lonely = order(small, CeremonyKind.BAN, "adam", signers=("party-3",))
        assert hand(parties["party-1"], lonely)["error"]["code"] == "quorum"
        one = order(small, CeremonyKind.BAN, signers=("party-3",))
        assert hand(parties["party-1"], one)["ok"]
        # Bans add up: a second one would leave fewer than sign.
        another = order(small, CeremonyKind.BAN, signers=("party-2",))
        assert hand(parties["party-1"], another)["error"]["code"] == "ceremony"


def test_a_courier_says_what_it_cannot_hand_over(small: Group, base: Path) -> None:
    ban = order(small, CeremonyKind.BAN, signers=("party-3",))
    file = order_file(base / "ban.json", ban)
    with small.up("party-1") as parties:
        away = ordain(file, parties, f"--signer=party-2={base / 'nobody.sock'}")
        assert (away.returncode, "party-2 says no: unreachable" in away.stderr) == (1, True)
        assert away.stdout == "party-1 knows it\n"
        assert ordain(file, parties, "--step", "backup", "--into", str(base)).returncode == 2
        assert ordain(file, parties, "--step", "backup").returncode == 2
        for raw in (b"", b"{}", b"[]", b"\xff"):
            (base / "broken.json").write_bytes(raw)
            broken = ordain(base / "broken.json", parties)
            assert (broken.returncode, "Traceback" in broken.stderr) == (2, False)
        assert ordain(base / "nowhere.json", parties).returncode == 2
