"""As root: what a process under the web server's user cannot do to a signer under its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.signer.rig import ROOT, Rig, command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.signer.rig import Template

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes under other users")
SIGNER, COURIER, WEB = 61_001, 61_002, 61_003


@pytest.fixture
def rig(template: Template) -> Iterator[Rig]:
    base = Path(tempfile.mkdtemp(prefix="cs-users-"))
    base.chmod(0o755)
    made = Rig(template, base / "hsm-1")
    made.pin()
    run = base / "run"
    run.mkdir(mode=0o755)
    made.set('path = "signer.sock"', f'path = "{run}/signer.sock"')
    made.set('mode = "0600"', 'mode = "0660"')
    made.set("allowed_uids = [0]", f"allowed_uids = [{COURIER}]")
    for path in [run, made.state, *made.state.rglob("*")]:
        os.chown(path, SIGNER, SIGNER)
    yield made
    shutil.rmtree(base)


def as_user(uid: int, code: str, *groups: int) -> subprocess.CompletedProcess[str]:
    """Run some Python under another user."""
    return subprocess.run(
        [sys.executable, "-c", code],
        user=uid,
        group=uid,
        extra_groups=list(groups),
        cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
    )


READ = "import sys\ntry:\n    open({path!r}, 'rb').read()\nexcept PermissionError:\n    sys.exit(13)\n"
WRITE = "import sys\ntry:\n    open({path!r}, 'ab')\nexcept PermissionError:\n    sys.exit(13)\n"


@pytest.mark.parametrize("uid", [WEB, COURIER])
def test_others_read_neither_pin_nor_token_nor_journal_and_write_no_pins(rig: Rig, uid: int) -> None:
    token = [str(path) for path in (rig.state / "tokens").rglob("*.object")]
    assert token
    secret = ["hsm-pin", "journal", "pins.json", "signer.toml", *token]
    for name in secret:
        path = str(rig.state / name)
        assert as_user(uid, READ.format(path=path)).returncode == 13, name
        assert as_user(uid, WRITE.format(path=path)).returncode == 13, name
    new = str(rig.state / "policies" / "0.json")
    assert as_user(uid, WRITE.format(path=new)).returncode == 13
    # The control: the signer's own user reads them.
    assert as_user(SIGNER, READ.format(path=str(rig.state / "hsm-pin"))).returncode == 0


@pytest.mark.parametrize("uid", [WEB, COURIER])
def test_others_cannot_look_into_the_running_process(rig: Rig, uid: int) -> None:
    with rig.served(user=SIGNER) as served:
        for name in ("mem", "environ", "maps"):
            path = f"/proc/{served.process.pid}/{name}"
            assert as_user(uid, READ.format(path=path)).returncode == 13, name
            # PR_SET_DUMPABLE: not even its own user.
            assert as_user(SIGNER, READ.format(path=path)).returncode == 13, name


ASK = (
    "from courier.client import exchange, CourierError\n"
    "try:\n"
    "    answer = exchange({path!r}, {{'v': 1, 'op': 'status'}}, 5)\n"
    "    print('ok' if answer['ok'] else answer['error']['code'])\n"
    "except CourierError as error:\n"
    "    print(error.code)\n"
)


def test_only_the_courier_gets_through(rig: Rig) -> None:
    with rig.served(user=SIGNER) as served:
        ask = ASK.format(path=served.path)
        assert as_user(COURIER, ask, SIGNER).stdout.strip() == "ok"
        # Without the socket's group nobody connects; with it, the user id still has to be on the list.
        assert as_user(COURIER, ask).stdout.strip() == "unreachable"
        assert as_user(WEB, ask).stdout.strip() == "unreachable"
        assert as_user(WEB, ask, SIGNER).stdout.strip() == "forbidden"


def test_another_user_does_not_start_the_signer(rig: Rig) -> None:
    done = command(rig.state, "serve")
    assert (done.returncode, "belongs to user" in done.stderr) == (78, True)
