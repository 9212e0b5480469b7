"""The attester as a process: its console, its settings, its face on HTTP, and what it does not bring with it."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import requests

from attester.config import config_load, deployment_load, deployment_pin, key_load
from attester.errors import ConfigError
from core.documents.bundle import SignedAttestation
from core.schema import read_struct
from demo.services.processes import running
from tests.attester.conftest import NAMES, Desk, attester_make, serving, settings_of
from tests.factories.world import CHAIN

if TYPE_CHECKING:
    from pathlib import Path

SMALL = f'name = "one"\n[[chains]]\nchain = "{CHAIN}"\n[[chains.nodes]]\nlabel = "own"\nurl = "http://127.0.0.1:1"\n'
PRICE = '[[prices]]\nasset = "eip155:31337/slip44:60"\ndecimals = 18\nusd_e8 = 1\nexpires = 1\n'
CODE = (
    f'[[code]]\nchain = "{CHAIN}"\naddress = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"\nhash = "0x{"11" * 32}"\n'
)


def test_it_brings_nothing_of_the_web_tier_with_it() -> None:
    program = (
        "import sys, attester.__main__\n"
        "bad = {'django', 'rest_framework', 'celery', 'psycopg', 'approvals', 'oms', 'policies', 'custody'}\n"
        "found = sorted(bad & {name.partition('.')[0] for name in sys.modules})\n"
        "print(found); sys.exit(bool(found))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name = 1",
        'name = "one"',
        SMALL + "surprise = 1",
        SMALL.replace('name = "one"', 'name = "Not A Slug"'),
        SMALL.replace("http://", "ftp://"),
        SMALL.replace(CHAIN, "bitcoin"),
        SMALL + "fingerprint = 'ab'",
        SMALL + "certificate_file = 'c'",
        SMALL.replace('label = "own"', 'label = "own"\ntimeout_ms = 0'),
        SMALL.replace("[[chains.nodes]]", "least = 2\n[[chains.nodes]]"),
        SMALL + SMALL[SMALL.index("[[chains]]") :],
        "lifetime = 601\n" + SMALL,
        "lifetime = true\n" + SMALL,
        SMALL + PRICE + PRICE,
        SMALL + PRICE.replace("usd_e8 = 1", "usd_e8 = 0"),
        SMALL + PRICE.replace("usd_e8 = 1", "usd_e8 = 1.5"),
        SMALL + PRICE.replace("decimals = 18", "decimals = 255"),
        SMALL + PRICE.replace("eip155:31337/slip44:60", "ether"),
        SMALL + CODE + CODE,
        SMALL + CODE.replace("11" * 32, "11"),
        SMALL + CODE.replace("0x7099", "0x7098"),
        "\xff = 1",
    ],
)
def test_settings_that_are_wrong_stop_the_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "attester.toml").write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match=r".+"):
        config_load(tmp_path)


def test_settings_that_are_right_are_read(tmp_path: Path) -> None:
    (tmp_path / "attester.toml").write_text("lifetime = 60\n" + SMALL + PRICE + CODE, encoding="utf-8")
    config = config_load(tmp_path)
    assert (config.name, config.lifetime, list(config.chains)) == ("one", 60, [CHAIN])
    assert "127.0.0.1" not in repr(config)


def console(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [sys.executable, "-m", "attester", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    state = tmp_path / "state"
    made = console("keygen", "--state", state)
    assert key_load(state).public_key().public_bytes_raw().hex() == made.stdout.strip()
    assert stat.S_IMODE((state / "key").stat().st_mode) == 0o600
    assert console("keygen", "--state", state).returncode == 2
    (state / "key").chmod(0o640)
    with pytest.raises(ConfigError, match="mode 600"):
        key_load(state)


def test_one_deployment_is_pinned_and_no_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no deployment"):
        deployment_load(tmp_path)
    assert console("pin", "--state", tmp_path, "--deployment", "ab" * 32).returncode == 0
    assert deployment_load(tmp_path) == "ab" * 32
    assert console("pin", "--state", tmp_path, "--deployment", "cd" * 32).returncode == 2
    with pytest.raises(ConfigError, match=r".+"):
        deployment_pin(tmp_path, "short")


def test_without_key_or_deployment_it_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "attester.toml").write_text(SMALL, encoding="utf-8")
    refused = console("serve", "--state", tmp_path, "--port", "0")
    assert (refused.returncode, refused.stderr) == (2, "attester: the key cannot be read\n")


@pytest.mark.anvil
def test_over_http_it_attests_and_refuses(tmp_path: Path, desk: Desk) -> None:
    text = settings_of(NAMES[0], desk.market.node.url, desk.market)
    attester, _ = attester_make(tmp_path / "a", text, desk.world.deployment)
    intent = desk.swap(1)
    with serving(attester) as url:
        good = requests.post(
            f"{url}/attest", data=json.dumps({"v": 1, "intent": intent.to_json(), "block": None}), timeout=9
        )
        signed = read_struct(SignedAttestation, good.json()["attestation"], "attestation")
        assert (good.status_code, signed.document.intent) == (200, intent.digest)
        for body, status in ((b"{}", 400), (b"[", 400), (b"x" * 600_000, 400)):
            answer = requests.post(f"{url}/attest", data=body, timeout=9)
            assert (answer.status_code, set(answer.json())) == (status, {"error"})
        assert requests.post(f"{url}/other", data=b"{}", timeout=9).status_code == 404
        assert requests.get(f"{url}/status", timeout=9).json() == {"name": NAMES[0]}
        assert requests.get(f"{url}/attest", timeout=9).status_code == 404
        chunked = requests.post(f"{url}/attest", data=iter([b"{}"]), timeout=9)
        assert chunked.status_code == 400


@pytest.mark.anvil
def test_the_process_serves_and_ends_when_told(tmp_path: Path, desk: Desk) -> None:
    state = tmp_path / "state"
    attester_make(state, settings_of(NAMES[0], desk.market.node.url, desk.market), desk.world.deployment)
    log = tmp_path / "log"
    command: list[str | Path] = [sys.executable, "-m", "attester", "serve", "--state", state, "--port", "0"]
    with running(command, ready=lambda: log.exists() and " listens on " in log.read_text(), log=log) as process:
        url = "http://" + log.read_text().rpartition(" listens on ")[2].split()[0]
        body = json.dumps({"v": 1, "intent": desk.swap(1).to_json(), "block": None})
        late = requests.post(f"{url}/attest", data=body, timeout=9)
        # The test's intents are made for another day than this process's own clock shows.
        assert late.status_code == 400
        assert late.json()["error"].startswith("the intent ")
    assert process.poll() is not None
