"""A start with settings that cannot hold stops, and says which one."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from config.env import SettingError
from config.secret_key import secret_key

ROOT = Path(__file__).resolve().parents[2]


def start(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
    return subprocess.run(
        [sys.executable, "-c", "from config import settings; print(settings.DATABASES['default']['ENGINE'])"],
        env={**inherited, "COUNTERSIGN_STATE_DIR": str(tmp_path), **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    file = tmp_path / "key"
    file.write_text("k" * 64)
    return str(file)


def test_embedded_needs_nothing(tmp_path: Path) -> None:
    started = start(tmp_path)
    assert started.stdout == "django.db.backends.sqlite3\n", started.stderr


def test_full_runs_on_servers(tmp_path: Path, key_file: str) -> None:
    started = start(
        tmp_path,
        COUNTERSIGN_MODE="full",
        COUNTERSIGN_SECRET_KEY_FILE=key_file,
        COUNTERSIGN_AUDIT_KEY_FILE=key_file,
        COUNTERSIGN_DATABASE_URL="postgresql://web@/countersign?host=/run/pg",
        COUNTERSIGN_BROKER_URL="redis+socket:///run/redis.sock",
    )
    assert started.stdout == "django.db.backends.postgresql\n", started.stderr


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"COUNTERSIGN_MODE": "half"}, "COUNTERSIGN_MODE"),
        ({"COUNTERSIGN_MODE": "full"}, "COUNTERSIGN_SECRET_KEY_FILE"),
        ({"COUNTERSIGN_DEBUG": "perhaps"}, "COUNTERSIGN_DEBUG"),
        ({"COUNTERSIGN_WEB_ORIGIN": "localhost"}, "COUNTERSIGN_WEB_ORIGIN"),
        ({"COUNTERSIGN_CONSENT_ORIGIN": "http://localhost:8000"}, "COUNTERSIGN_CONSENT_ORIGIN"),
        ({"COUNTERSIGN_DATABASE_URL": "sqlite:///x"}, "COUNTERSIGN_DATABASE_URL"),
        ({"COUNTERSIGN_STATE_DIR": "var"}, "COUNTERSIGN_STATE_DIR"),
    ],
)
def test_a_bad_value_stops_the_start(tmp_path: Path, environment: dict[str, str], named: str) -> None:
    started = start(tmp_path, **environment)
    assert started.returncode != 0
    assert f"SettingError: {named}: " in started.stderr


@pytest.mark.parametrize("absent", ["COUNTERSIGN_DATABASE_URL", "COUNTERSIGN_BROKER_URL"])
def test_full_invents_no_server(tmp_path: Path, key_file: str, absent: str) -> None:
    environment = {
        "COUNTERSIGN_MODE": "full",
        "COUNTERSIGN_SECRET_KEY_FILE": key_file,
        "COUNTERSIGN_AUDIT_KEY_FILE": key_file,
        "COUNTERSIGN_DATABASE_URL": "postgresql://web@/countersign?host=/run/pg",
        "COUNTERSIGN_BROKER_URL": "redis+socket:///run/redis.sock",
    }
    del environment[absent]
    assert f"SettingError: {absent}: is not set" in start(tmp_path, **environment).stderr


def test_a_generated_key_is_kept_and_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COUNTERSIGN_SECRET_KEY_FILE", raising=False)
    state = tmp_path / "state"
    first = secret_key("COUNTERSIGN_SECRET_KEY", state_dir=state, may_generate=True)
    assert secret_key("COUNTERSIGN_SECRET_KEY", state_dir=state, may_generate=True) == first
    assert [file.name for file in state.iterdir()] == ["secret-key"]
    assert stat.S_IMODE((state / "secret-key").stat().st_mode) == 0o600


def test_a_short_key_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    file.write_text("short")
    monkeypatch.setenv("COUNTERSIGN_SECRET_KEY_FILE", str(file))
    with pytest.raises(SettingError, match="fewer than 50"):
        secret_key("COUNTERSIGN_SECRET_KEY", state_dir=tmp_path, may_generate=True)
