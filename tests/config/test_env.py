"""A setting is typed, or the start stops with a message that names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from config import env

if TYPE_CHECKING:
    from pathlib import Path

NAME = "COUNTERSIGN_TESTED"


@pytest.fixture
def value(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setenv(NAME, request.param)


def test_absent_without_default_stops() -> None:
    with pytest.raises(env.SettingError, match=rf"{NAME}: is not set"):
        env.text(NAME)


@pytest.mark.parametrize("value", ["", "  "], indirect=True)
@pytest.mark.usefixtures("value")
def test_empty_counts_as_absent() -> None:
    assert env.text(NAME, default="here") == "here"
    assert env.optional(NAME) is None


@pytest.mark.parametrize(
    ("word", "meant"), [("1", True), ("Yes", True), ("on", True), ("0", False), ("FALSE", False)]
)
def test_flags(monkeypatch: pytest.MonkeyPatch, word: str, meant: bool) -> None:  # noqa: FBT001 - a parameter
    monkeypatch.setenv(NAME, word)
    assert env.flag(NAME, default=not meant) is meant


@pytest.mark.parametrize("value", ["maybe"], indirect=True)
@pytest.mark.usefixtures("value")
def test_a_word_that_is_neither_stops() -> None:
    with pytest.raises(env.SettingError, match="yes or no"):
        env.flag(NAME, default=False)
    with pytest.raises(env.SettingError, match="one of a, b"):
        env.choice(NAME, options=("a", "b"), default="a")


@pytest.mark.parametrize("number", ["x", "1.5", "0", "11"])
def test_numbers_have_bounds(monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    monkeypatch.setenv(NAME, number)
    with pytest.raises(env.SettingError, match=NAME):
        env.integer(NAME, default=5, minimum=1, maximum=10)


@pytest.mark.parametrize("origin", ["http://localhost:8000", "https://oms.example.org"])
def test_origins(monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    monkeypatch.setenv(NAME, origin)
    assert env.origin(NAME, default="http://localhost") == origin


@pytest.mark.parametrize(
    "origin",
    [
        "localhost:8000",
        "ftp://localhost",
        "http://localhost/",
        "http://localhost:port",
        "http://a@localhost",
        "https://OMS.example.org",
        "https://",
        "http://[",
    ],
)
def test_what_is_not_an_origin_stops(monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    monkeypatch.setenv(NAME, origin)
    with pytest.raises(env.SettingError, match=NAME):
        env.origin(NAME, default="http://localhost")


def test_paths_are_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert env.path(NAME, default=tmp_path) == tmp_path
    monkeypatch.setenv(NAME, "var")
    with pytest.raises(env.SettingError, match="absolute"):
        env.path(NAME, default=tmp_path)


def test_secrets_come_from_files_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert env.secret(NAME) is None
    file = tmp_path / "secret"
    file.write_text("  s3cret\n")
    monkeypatch.setenv(f"{NAME}_FILE", str(file))
    assert env.secret(NAME) == "s3cret"
    file.write_text("\n")
    with pytest.raises(env.SettingError, match="is empty"):
        env.secret(NAME)
    file.unlink()
    with pytest.raises(env.SettingError, match="cannot be read"):
        env.secret(NAME)
    monkeypatch.setenv(NAME, "s3cret")
    with pytest.raises(env.SettingError, match=f"set {NAME}_FILE") as refused:
        env.secret(NAME)
    assert "s3cret" not in str(refused.value)


def test_dotted_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    assert env.dotted(NAME, default="a.b") == ("a.b",)
    monkeypatch.setenv(NAME, "a.b_1.c, d.e")
    assert env.dotted(NAME, default="a.b") == ("a.b_1.c", "d.e")
    monkeypatch.setenv(NAME, "none")
    assert env.dotted(NAME, default="a.b") == ()
    for odd in ("a", "a..b", "a.b,", "a.b()", "a-b.c", "a.b;c.d"):
        monkeypatch.setenv(NAME, odd)
        with pytest.raises(env.SettingError, match=NAME):
            env.dotted(NAME, default="a.b")
