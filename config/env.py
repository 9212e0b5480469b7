"""Typed readers of environment variables.

A value that cannot be used stops the start with a message that names the variable and says what was expected:
a setting that is guessed is a control that nobody chose. Secrets come from files, because an environment is
inherited by every child and shown by every process list.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


class SettingError(ImproperlyConfigured):
    """An environment variable is missing or cannot be used."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name


def text(name: str, *, default: str | None = None) -> str:
    """Read a text, surrounding blanks removed.

    Args:
        name: The variable.
        default: What an absent or empty variable means; without one it stops the start.

    Raises:
        SettingError: The variable is not set and has no default.
    """
    value = os.environ.get(name, "").strip()
    if value:
        return value
    if default is None:
        raise SettingError(name, "is not set")
    return default


def optional(name: str) -> str | None:
    """Read a text that may be absent; empty counts as absent."""
    return text(name, default="") or None


def choice(name: str, *, options: tuple[str, ...], default: str) -> str:
    """Read one of a closed list of words."""
    value = text(name, default=default)
    if value not in options:
        raise SettingError(name, f"must be one of {', '.join(options)}, not {value!r}")
    return value


def flag(name: str, *, default: bool) -> bool:
    """Read a yes or no."""
    value = text(name, default="yes" if default else "no").lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise SettingError(name, f"must be yes or no, not {value!r}")


def integer(name: str, *, default: int, minimum: int, maximum: int) -> int:
    """Read a whole number within bounds, both included."""
    value = text(name, default=str(default))
    try:
        number = int(value)
    except ValueError:
        raise SettingError(name, f"must be a whole number, not {value!r}") from None
    if not minimum <= number <= maximum:
        raise SettingError(name, f"must be between {minimum} and {maximum}, not {number}")
    return number


def path(name: str, *, default: Path) -> Path:
    """Read a path; it must be absolute, since services start in different folders."""
    value = Path(text(name, default=str(default)))
    if not value.is_absolute():
        raise SettingError(name, f"must be an absolute path, not {str(value)!r}")
    return value


def mapping(name: str) -> dict[str, str]:
    """Read pairs such as ``hsm-1=/run/hsm-1.sock,hsm-2=/run/hsm-2.sock``; absent means none."""
    pairs: dict[str, str] = {}
    for part in filter(None, text(name, default="").split(",")):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not key or not value or key in pairs:
            raise SettingError(name, f"must look like name=value,name=value, not {part!r}")
        pairs[key] = value
    return pairs


def dotted(name: str, *, default: str) -> tuple[str, ...]:
    """Read dotted paths such as ``audit.alarm_ports.log_line,our.pager.page``; the word ``none`` means none."""
    value = text(name, default=default)
    if value == "none":
        return ()
    paths = tuple(part.strip() for part in value.split(","))
    for part in paths:
        if "." not in part or not all(piece.isidentifier() for piece in part.split(".")):
            raise SettingError(name, f"must look like package.module.function, not {part!r}")
    return paths


def words(name: str) -> tuple[str, ...]:
    """Read names between commas; absent means none."""
    return tuple(part.strip() for part in text(name, default="").split(",") if part.strip())


def urls(name: str) -> dict[str, str]:
    """Read pairs such as ``w-1=https://witness.example``: names and where they answer; absent means none."""
    pairs = mapping(name)
    for key, value in pairs.items():
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
            raise SettingError(name, f"{key}: must look like https://host or https://host:port, not {value!r}")
    return pairs


def origin(name: str, *, default: str) -> str:
    """Read a web origin: scheme and host, a port if it is not the scheme's own, and nothing else."""
    value = text(name, default=default)
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise SettingError(name, f"is not an origin: {value!r}") from None
    if parts.scheme not in {"http", "https"} or not host or value != f"{parts.scheme}://{parts.netloc}":
        raise SettingError(name, f"must look like https://host or https://host:port, not {value!r}")
    if "@" in parts.netloc or value != value.lower():
        raise SettingError(name, f"must be in lower case and without a user name, not {value!r}")
    return value


def secret(name: str) -> str | None:
    """Read a secret from the file that `<name>_FILE` names; None when that variable is not set.

    Raises:
        SettingError: The secret itself is in the environment, or its file cannot be read or is empty.
    """
    if os.environ.get(name):
        raise SettingError(name, f"secrets are read from files: set {name}_FILE to a path instead")
    file = optional(f"{name}_FILE")
    if file is None:
        return None
    try:
        value = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"{name}_FILE", f"{file} cannot be read: {error}") from error
    if not value:
        raise SettingError(f"{name}_FILE", f"{file} is empty")
    return value
