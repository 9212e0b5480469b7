"""The signer as a process: killed at every point, without a network, stopped politely, never with a wrong PIN."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from core.evm import decode_signed
from courier.client import CourierError
from signer.failpoints import ENVIRONMENT, NAMES
from tests.signer.rig import START_SECONDS, command

if TYPE_CHECKING:
    from core.documents.bundle import Bundle
    from tests.signer.rig import Rig, Served

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make an empty network namespace")


def ask_until_dead(served: Served, bundle: Bundle) -> None:
    with pytest.raises(CourierError):
        served.sign(bundle)
    assert served.process.wait(START_SECONDS) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("point", "nth"), [*((name, 2) for name in NAMES), ("signer.before_journal_fsync", 1), ("signer.after_head", 1)]
)
def test_killed_anywhere_nothing_is_lost_and_nothing_is_signed_twice(rig: Rig, point: str, nth: int) -> None:
    bundles = [rig.bundle() for _ in range(nth)]
    with rig.served(environment={ENVIRONMENT: f"{point}:{nth}"}) as served:
        for bundle in bundles[:-1]:
            assert served.sign(bundle)["ok"]
        ask_until_dead(served, bundles[-1])
    with rig.served() as served:
        answers = [served.sign(bundle) for bundle in bundles]
        assert all(answer["ok"] for answer in answers)
        for bundle, answer in zip(bundles, answers, strict=True):
            transaction, _ = decode_signed(bytes.fromhex(answer["result"]["raw"][2:]))
            assert transaction.nonce == bundle.attempt.nonce
            assert (transaction.to, transaction.value) == (bundle.intent.to, bundle.intent.value)
        # Whatever was written before the kill is repeated byte for byte.
        kept = point in ("signer.after_signature_record", "signer.before_answer")
        assert answers[-1]["result"]["repeated"] is kept
        assert [served.sign(bundle)["result"]["raw"] for bundle in bundles] == [a["result"]["raw"] for a in answers]
        lane = served.status()["lanes"][rig.world.wallet]
        assert lane["next"] == nth
        assert lane["held"] == {str(b.attempt.nonce): b.intent.digest for b in bundles}


def test_an_unknown_failpoint_does_not_start(rig: Rig) -> None:
    done = command(rig.state, "serve", **{ENVIRONMENT: "signer.nowhere"})
    assert (done.returncode, "unknown point" in done.stderr) == (78, True)


def test_other_processes_failpoints_are_none_of_ours(rig: Rig) -> None:
    with rig.served(environment={ENVIRONMENT: "custody.pin.before_commit"}) as served:
        assert served.sign(rig.bundle())["ok"]


def test_killed_again_and_again(rig: Rig) -> None:
    bundles = [rig.bundle() for _ in range(6)]
    raws = []
    for bundle in bundles:
        with rig.served() as served:
            answer = served.sign(bundle)
            raws.append(answer["result"]["raw"])
            served.process.kill()
            served.process.wait()
    with rig.served() as served:
        assert [served.sign(bundle)["result"]["raw"] for bundle in bundles] == raws


def test_sigterm_answers_what_it_has_and_exits_cleanly(rig: Rig) -> None:
    with rig.served() as served:
        assert served.sign(rig.bundle())["ok"]
        began = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(START_SECONDS) == 0
        assert time.monotonic() - began < 3
        assert not Path(served.path).exists()


@AS_ROOT
def test_it_signs_in_an_empty_network_namespace(rig: Rig) -> None:
    unshare = shutil.which("unshare")
    assert unshare is not None
    with rig.served(unshare, "-n", "--") as served:
        assert served.sign(rig.bundle())["ok"]
        here, there = (str(Path(f"/proc/{pid}/ns/net").readlink()) for pid in ("self", served.process.pid))
        assert here != there
        devices = Path(f"/proc/{served.process.pid}/net/dev").read_text().splitlines()[2:]
        assert [line.split(":")[0].strip() for line in devices] == ["lo"]


@AS_ROOT
def test_it_has_no_internet_socket_and_cannot_make_one(rig: Rig) -> None:
    with rig.served() as served:
        assert served.sign(rig.bundle())["ok"]
        process = Path(f"/proc/{served.process.pid}")
        held = set()
        for link in (process / "fd").iterdir():
            # The connection that was just answered may be closed while we look.
            with contextlib.suppress(FileNotFoundError):
                held.add(str(link.readlink()))
        sockets = {name[8:-1] for name in held if name.startswith("socket:[")}
        assert sockets
        for table in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet"):
            path = process / "net" / table
            if path.exists():
                assert not sockets & {word for line in path.read_text().splitlines() for word in line.split()}
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line)
        assert status["Seccomp"].strip() == "2"
        assert status["NoNewPrivs"].strip() == "1"
        limits = (process / "limits").read_text().splitlines()
        (core,) = (line.split() for line in limits if line.startswith("Max core file size"))
        assert core[4:6] == ["0", "0"]


def test_a_hardened_process_cannot_make_an_internet_socket() -> None:
    code = (
        "import socket, os\n"
        "from signer.hardening import harden\n"
        "harden(network=False)\n"
        "socket.socketpair()\n"
        "for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET):\n"
        "    try:\n"
        "        socket.socket(family, socket.SOCK_DGRAM)\n"
        "    except OSError as error:\n"
        "        print(error.errno)\n"
        "print(socket.socket(socket.AF_UNIX).family.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.split() == ["97"] * 4 + ["AF_UNIX"]


def test_a_wrong_pin_stops_the_start_with_a_code_of_its_own(rig: Rig) -> None:
    (rig.state / "hsm-pin").chmod(0o600)
    (rig.state / "hsm-pin").write_text("not-the-pin")
    done = command(rig.state, "serve")
    assert done.returncode == 77
    assert "not-the-pin" not in done.stderr + done.stdout


def test_a_missing_journal_stops_the_start_with_a_code_of_its_own(rig: Rig) -> None:
    (rig.state / "journal").unlink()
    assert command(rig.state, "serve").returncode == 65


def test_a_second_process_does_not_serve_the_same_folder(rig: Rig) -> None:
    with rig.served() as served:
        done = command(rig.state, "serve")
        assert (done.returncode, "another signer process" in done.stderr) == (78, True)
        assert served.status()["signer"] == "hsm-1"
        done = command(rig.state, "status")
        assert json.loads(done.stdout)["signer"] == "hsm-1"


@pytest.mark.parametrize("module", ["signer.__main__", "courier.client"])
def test_neither_signer_nor_courier_loads_django(module: str) -> None:
    code = (
        f"import sys, {module}\n"
        "heavy = {'django', 'celery', 'redis', 'rest_framework', 'web3', 'psycopg', 'sqlite3', 'requests'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "ours = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(ours & {'oms', 'policies', 'custody', 'chains', 'approvals', 'audit', 'config'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["[]", "[]"]
