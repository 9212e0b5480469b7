"""The database that the environment asks for: one SQLite file, or PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from config.env import SettingError

if TYPE_CHECKING:
    from pathlib import Path

URL = "COUNTERSIGN_DATABASE_URL"
_SHAPE = "must look like postgresql://user@host:5432/name or postgresql://user@/name?host=/folder/of/socket"

# WAL lets pages read while the sweeper writes; FULL, because a commit that a power cut takes back would take
# an audit entry with it.
_SQLITE_PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
_SQLITE_WAIT_S = 20


def sqlite(file: Path) -> dict[str, Any]:
    """Describe the embedded database.

    Transactions begin IMMEDIATE: one that starts as a reader and then writes cannot wait for the lock, it fails.
    """
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": file,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": _SQLITE_WAIT_S,
            "init_command": _SQLITE_PRAGMAS,
        },
        # A file, not memory: browser tests read and write from several threads, as production does.
        "TEST": {"NAME": file.with_name("test.sqlite3")},
    }


def postgresql(url: str, *, password: str | None) -> dict[str, Any]:
    """Describe the PostgreSQL database that a URL names.

    Args:
        url: User, host (or the folder of a unix socket, as `?host=`) and database name. Never a password:
            addresses end up in logs.
        password: From its own file, if the server asks for one.

    Raises:
        SettingError: The URL is not of that shape.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        query = parse_qs(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        raise SettingError(URL, _SHAPE) from None
    if parts.password is not None:
        raise SettingError(URL, "holds a password: put it into COUNTERSIGN_DATABASE_PASSWORD_FILE")
    hosts = [*([parts.hostname] if parts.hostname else []), *query.pop("host", [])]
    name = unquote(parts.path.removeprefix("/"))
    if parts.scheme != "postgresql" or parts.fragment or query or len(hosts) != 1 or not name or "/" in name:
        raise SettingError(URL, _SHAPE)
    if not parts.username:
        raise SettingError(URL, f"names no user; it {_SHAPE}")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username),
        "PASSWORD": password or "",
        "HOST": hosts[0],
        "PORT": str(port or ""),
        # A worker that lost its server must find out before it takes work, not in the middle of it.
        "CONN_HEALTH_CHECKS": True,
        "CONN_MAX_AGE": 60,
        "OPTIONS": {"connect_timeout": 5},
    }
