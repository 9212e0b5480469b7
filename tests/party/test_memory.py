"""At no step of making a key or of signing does any process hold the whole key, or another party's share.

The test can put the key together because it may open every token; no code of the product can. Processes are looked at
while they wait between steps, the relay among them, and every file that is left behind.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from coincurve import PrivateKey

from core.canonical import canonical
from core.documents.base import GENESIS_DEPLOYMENT
from core.schema import write_struct
from signer.config import load_config
from signer.console import open_hsm
from signer.party.shares import ShareName, ShareStore
from tests.party.rig import Founded, Group, plan_of, serving
from tests.party.scan import SECRET, files, holds, memory, whole_key
from tests.signer.rig import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from core.founding import FoundingPlan
    from tests.party.rig import Process

NAMES = ("party-1", "party-2", "party-3")
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into a party's memory")


def stepping(*arguments: str) -> Iterator[str | int]:
    """Run a relay that stops after every step; yield its process id first, then each step, then its last line."""
    command = [sys.executable, "-m", "tests.party.stepping", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as relay:
        assert relay.stdin is not None
        assert relay.stdout is not None
        assert relay.stderr is not None
        yield relay.pid
        for line in relay.stdout:
            yield line.strip()
            if line.startswith("step "):
                relay.stdin.write("\n")
                relay.stdin.flush()
        assert relay.wait(60) == 0, relay.stderr.read()


def opened(state: Path, deployment: str, wallet: str, party: str) -> bytes:
    """Open a party's share as only its own process may, and return its secret's 32 bytes within the whole."""
    hsm = open_hsm(load_config(state))
    try:
        share = ShareStore(state, hsm).open(ShareName(deployment=deployment, wallet=wallet, party=party, epoch=0))
        blob = bytes(share.serialise())
        share.wipe()
        return blob
    finally:
        hsm.close()


class Dumps:
    """What processes had in memory at each step, kept until the test knows what to look for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.taken: list[tuple[str, Path]] = []

    def take(self, who: str, pid: int) -> None:
        path = self._folder / f"{len(self.taken)}.dump"
        with path.open("wb") as out:
            for region in memory(pid):
                out.write(region)
        self.taken.append((who, path))


def made_under_watch(base: Path, plan: FoundingPlan, dumps: Dumps) -> dict[str, str]:
    """Make a key as `tests.party.rig.make_key` does, and look at everybody after every step."""
    file = base / "plan.json"
    file.write_bytes(canonical(write_struct(plan, "plan")))
    with ExitStack() as stack:
        parties = {
            party.id: stack.enter_context(serving(base / party.id, "found", str(file), "--expect", plan.digest))
            for party in plan.parties
        }
        steps = stepping("found", str(file), *(f"--party={name}={one.path}" for name, one in parties.items()))
        relay, last = next(steps), ""
        for said in steps:
            last = str(said)
            if last in {"step begin", "step turn"}:
                for name, party in parties.items():
                    dumps.take(name, party.process.pid)
                dumps.take("relay", int(relay))
        made: dict[str, str] = json.loads(last)
        return made


@AS_ROOT
def test_no_process_ever_holds_the_key_and_no_file_a_share(base: Path, tmp_path: Path) -> None:
    dumps = Dumps(tmp_path)
    plan = plan_of(base / "made", 2, NAMES)
    founded = Founded(base / "made", plan, made_under_watch(base / "made", plan, dumps))
    wallet = f"{plan.chain}:{founded.made['address']}"
    blobs = {name: opened(founded.state(name), GENESIS_DEPLOYMENT, wallet, name) for name in NAMES}
    key = whole_key({1: blobs["party-1"], 2: blobs["party-2"]})
    assert key == whole_key({2: blobs["party-2"], 3: blobs["party-3"]})
    assert PrivateKey(key).public_key.format(compressed=False).hex() == founded.made["public_key"][2:]
    secrets = {name: blob[SECRET] for name, blob in blobs.items()}
    assert len(dumps.taken) >= 5 * 4
    for who, path in dumps.taken:
        others = [secret for name, secret in secrets.items() if name != who]
        assert not holds([path.read_bytes()], [key, *others]), f"{who} at {path.name}"
    # The search finds what is there: while the key was made, each party had its own share.
    seen = {who for who, path in dumps.taken if who in secrets and holds([path.read_bytes()], [secrets[who]])}
    assert seen == set(NAMES)
    group = Group(founded, base / "group")
    with group.up() as parties:
        signed_under_watch(group, parties, key, secrets)
        logs = b"".join(party.log.read_bytes() for party in parties.values())
    pins = [(group.state(name) / "hsm-pin").read_bytes().strip() for name in NAMES]
    assert not any(pin in logs for pin in pins)
    assert not holds([logs], [key, *secrets.values()])
    for path, content in files(base):
        assert not holds([content], [key, *secrets.values()]), path
        assert path.name == "hsm-pin" or not any(pin in content for pin in pins), path
    for _, path in dumps.taken:
        path.unlink()


def signed_under_watch(group: Group, parties: dict[str, Process], key: bytes, secrets: dict[str, bytes]) -> None:
    """Have a case signed, and look at everybody after every step."""
    case = {
        "sockets": {name: party.path for name, party in parties.items()},
        "bundle": group.bundle().to_json(),
        "wallet": write_struct(group.wallet, "wallet"),
    }
    file = group.base / "case.json"
    file.write_text(json.dumps(case))
    steps = stepping("sign", str(file))
    relay, last, seen = int(next(steps)), "", 0
    for said in steps:
        last = str(said)
        if last not in {"step begin", "step turn"}:
            continue
        assert not holds(memory(relay), [key, *secrets.values()])
        for name, party in parties.items():
            others = [secret for other, secret in secrets.items() if other != name]
            assert not holds(memory(party.process.pid), [key, *others]), f"{name} after {last}"
            seen += holds(memory(party.process.pid), [secrets[name]])
    # Two of them had their own share while they signed; nobody has one when it is over.
    assert seen >= 2
    assert json.loads(last)["raw"].startswith("0x02")
    for name, party in parties.items():
        assert not holds(memory(party.process.pid), [secrets[name]]), f"{name} keeps its share in the clear"
