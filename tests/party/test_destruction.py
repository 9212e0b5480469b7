"""Shares are destroyed by a ceremony, with their backups here and at the recovery site, once nothing needs them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from core.documents.control import CeremonyKind
from core.schema import write_struct
from tests.factories.succession import next_policy
from tests.party.recovery_rig import backed_up, hand, key_at, order, order_file, write

if TYPE_CHECKING:
    from pathlib import Path

    from core.documents.control import SignedCeremony
    from tests.party.recovery_rig import Site
    from tests.party.rig import Group, Process

FIRST = "party-1"


def destroyed(party: Process, given: SignedCeremony) -> dict[str, Any]:
    assert hand(party, given)["ok"]
    return party.ask("destroy", ceremony=given.document.digest)


def test_shares_and_their_backups_go_when_no_policy_names_the_wallet(small: Group, site: Site, base: Path) -> None:
    site.pin(small)
    backup = order(small, CeremonyKind.BACKUP, signers=(FIRST,), recovery=(key_at(site, FIRST),))
    small.world.now = int(time.time())
    successor = small.world.sign_policy(next_policy(small.world, wallets=()), "adam", "anna")
    with small.up(FIRST) as parties:
        party = parties[FIRST]
        made = backed_up(party, backup)["backup"]
        refused = destroyed(party, order(small, CeremonyKind.DESTROY))
        assert refused["error"]["code"] == "ceremony"
        assert list((small.state(FIRST) / "shares").glob("*.share"))
        handed = party.ask("policy", signed_policy=write_struct(successor, "signed_policy"))
        assert handed["ok"], handed
        given = order(small, CeremonyKind.DESTROY, policy=successor.policy.digest)
        answer = destroyed(party, given)
        assert answer["ok"], answer
        assert set(answer["result"]["evidence"]["items"]) == {"share of epoch 0", f"{backup.document.digest}.backup"}
        assert destroyed(party, given) == answer
    for folder, suffix in (("shares", "share"), ("backups", "backup"), ("shares", "staged")):
        assert not list((small.state(FIRST) / folder).glob(f"*.{suffix}"))
    with small.up(FIRST) as parties:
        assert destroyed(parties[FIRST], given) == answer
    # At the recovery site: the carried copy, and the key, so that no other copy opens.
    carried = write(base / "carried.backup", made)
    drill = order(small, CeremonyKind.DRILL, signers=(FIRST,))
    files = ("--backup", carried, "--ceremony", order_file(base / "drill.json", drill))
    assert site.run("destroy", *files).returncode == 78
    assert carried.exists()
    files = ("--backup", carried, "--ceremony", order_file(base / "destroy.json", given, [successor]))
    done = site.run("destroy", *files, "--key")
    assert done.returncode == 0, done.stderr
    evidence = json.loads(done.stdout)
    assert (evidence["ceremony"], evidence["by"]) == (given.document.digest, "vault")
    assert not carried.exists()
    assert site.run("key").returncode == 78
    # Below the policy that it acted under, the site does nothing more.
    again = write(base / "again.backup", made)
    files = ("--backup", again, "--ceremony", order_file(base / "drill.json", drill))
    late = site.run("drill", *files, "--out", base / "said.json")
    assert (late.returncode, "acted under a later one" in late.stderr) == (78, True), late.stderr
