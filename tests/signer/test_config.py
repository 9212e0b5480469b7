"""Settings and the host's profile: a bad value stops the start, with a sentence that says what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.documents.roster import Profile
from signer.config import load_config, read_pin
from signer.errors import ConfigError
from signer.failpoints import ENVIRONMENT, NAMES, arm
from signer.host import host_problems

if TYPE_CHECKING:
    from tests.signer.rig import Rig


def test_what_init_writes_can_be_read(unpinned: Rig) -> None:
    config = load_config(unpinned.state)
    assert (config.signer, config.role, config.network) == ("hsm-1", "hsm", False)
    assert config.bounds.message_bytes == 1024 * 1024


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ('role = "hsm"', 'role = "king"', "role"),
        ('signer = "hsm-1"', 'signer = "HSM 1"', "roster id"),
        ('signer = "hsm-1"', 'signer = "hsm-1"\nsigns = true', "unknown setting"),
        ('label = "countersign-hsm-1"', "label = 7", "token.label"),
        ('mode = "0600"', 'mode = "0666"', "socket.mode"),
        ('mode = "0600"', 'mode = "rw"', "socket.mode"),
        ("allowed_uids = [0]", "allowed_uids = []", "allowed_uids"),
        ("allowed_uids = [0]", 'allowed_uids = ["root"]', "allowed_uids"),
        ('path = "signer.sock"', f'path = "{"x" * 120}"', "socket.path"),
        ("[socket]", "[bounds]\nmessage_seconds = 0\n\n[socket]", "bounds.message_seconds"),
        ("[socket]", "[socket", "signer.toml"),
    ],
)
def test_a_bad_setting_is_named(unpinned: Rig, before: str, after: str, named: str) -> None:
    unpinned.set(before, after)
    with pytest.raises(ConfigError, match=named):
        load_config(unpinned.state)


@pytest.mark.parametrize("name", ["", "signer.toml", "hsm-pin"])
def test_what_others_can_read_is_refused(unpinned: Rig, name: str) -> None:
    path = unpinned.state / name if name else unpinned.state
    path.chmod(path.stat().st_mode | 0o022 | 0o044)
    with pytest.raises(ConfigError, match="open to others"):
        read_pin(load_config(unpinned.state).token.pin_file)


@pytest.mark.parametrize("pin", ["", "1234", "12345678\n"])
def test_default_pins_are_refused(unpinned: Rig, pin: str) -> None:
    path = unpinned.state / "hsm-pin"
    path.chmod(0o600)
    path.write_text(pin)
    with pytest.raises(ConfigError, match="default PIN"):
        read_pin(path)


def test_systemd_credentials_win(unpinned: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = unpinned.state / "credentials"
    folder.mkdir()
    (folder / "hsm-pin").write_text("0a1b2c3d")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    assert load_config(unpinned.state).token.pin_file == folder / "hsm-pin"


def problems(
    rig: Rig,
    *,
    profile: Profile = Profile.PRODUCTION,
    maker: str = "Thales / Luna",
    uid: int = 5000,
    environment: dict[str, str] | None = None,
) -> list[str]:
    config = load_config(rig.state)
    return list(host_problems(profile, config, maker=maker, uid=uid, environment=environment or {}))


def test_a_production_host_that_fits_has_no_problems(unpinned: Rig) -> None:
    unpinned.set("allowed_uids = [0]", "allowed_uids = [5001]")
    assert problems(unpinned) == []


def test_production_refuses_a_demonstration(unpinned: Rig) -> None:
    unpinned.set("allowed_uids = [0]", "allowed_uids = [5001]")
    assert "hardware token" in problems(unpinned, maker="SoftHSM project / SoftHSM v2")[0]
    assert "another" in problems(unpinned, uid=5001)[0]
    assert "root" in problems(unpinned, uid=0)[0]
    assert ENVIRONMENT in problems(unpinned, environment={ENVIRONMENT: "signer.after_sign"})[0]
    assert problems(unpinned, profile=Profile.DEMO, maker="SoftHSM", uid=5001) == []


def test_root_is_no_production_courier(unpinned: Rig) -> None:
    assert "root is no courier" in problems(unpinned)[0]


def test_failpoints_are_inert_in_production() -> None:
    for name in NAMES:
        # Alive after this line: nothing was armed.
        arm(Profile.PRODUCTION, name)(name)
    arm(Profile.DEMO, "")(NAMES[0])
    with pytest.raises(ConfigError):
        arm(Profile.DEMO, "signer.somewhere")
