"""A courier's worker on a private Redis: web tier → queue → courier → signer's socket and back."""

from __future__ import annotations

import os
import shutil
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery

from demo.services.processes import running
from demo.services.redis import redis
from tests.signer.rig import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server (bin/setup full)")
ANSWER = b'{"v":1,"ok":true,"result":{"signer":"hsm-1"}}'


class Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        (length,) = struct.unpack(">I", self.request.recv(4))
        self.request.recv(length)
        self.request.sendall(struct.pack(">I", len(ANSWER)) + ANSWER)


@pytest.fixture
def web() -> Iterator[Celery]:
    """What the web tier has: a broker, and the courier's queue."""
    folder = Path(tempfile.mkdtemp(prefix="cs-worker-"))
    # Redis runs under a user without rights and has to reach its own folder.
    folder.chmod(0o755)
    with redis(folder / "broker") as broker, socketserver.UnixStreamServer(str(folder / "s.sock"), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        log = folder / "courier.log"
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "COUNTERSIGN_BROKER_URL": broker.url,
            "COUNTERSIGN_SIGNER_SOCKETS": f"hsm-1={folder / 's.sock'}",
            # It must not matter to a courier that somebody set this.
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        courier = [sys.executable, "-m", "courier", "--signer", "hsm-1"]
        with running(courier, ready=lambda: "ready." in log.read_text(), log=log, env=environment):
            app = Celery("web", broker=broker.url, backend=broker.url, set_as_current=False)
            yield app
            app.close()
        server.shutdown()
        thread.join()
    shutil.rmtree(folder)


def ask(web: Celery, *arguments: Any, queue: str = "courier.hsm-1") -> Any:  # noqa: ANN401 - JSON
    pending = web.send_task("courier.exchange", args=list(arguments), queue=queue, expires=10, retry=False)
    try:
        return pending.get(timeout=10)
    finally:
        pending.forget()


def test_an_answer_comes_back_over_the_queue(web: Celery) -> None:
    answer = ask(web, "hsm-1", {"v": 1, "op": "status"})
    assert answer == {"v": 1, "ok": True, "result": {"signer": "hsm-1"}}
    assert ask(web, "hsm-2", {"v": 1, "op": "status"})["error"]["code"] == "unknown_signer"


def test_a_bad_setting_stops_the_start() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "courier", "--signer", "hsm-1"],
        env={"PATH": os.environ["PATH"], "COUNTERSIGN_SIGNER_SOCKETS": "hsm-2=/run/b.sock"},
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
    )
    assert (done.returncode, "hsm-1" in done.stderr) == (78, True)


def test_a_courier_loads_neither_django_nor_a_database() -> None:
    code = (
        "import os, sys\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings'\n"
        "os.environ['COUNTERSIGN_BROKER_URL'] = 'redis://localhost:1/0'\n"
        "os.environ['COUNTERSIGN_SIGNER_SOCKETS'] = 'hsm-1=/run/a.sock'\n"
        "from courier.__main__ import prepare\n"
        "app, _ = prepare('hsm-1')\n"
        "app.finalize()\n"
        "app.backend\n"
        "barred = {'django', 'psycopg', 'rest_framework', 'web3', 'signer', 'pkcs11'}\n"
        "print(sorted(name for name, module in sys.modules.items() if module and name.partition('.')[0] in barred))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["[]"]
