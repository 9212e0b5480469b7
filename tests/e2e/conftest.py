"""The demonstration as a whole. Its ports are fixed, because the signed policy names the consent origin."""

from __future__ import annotations

import fcntl
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.fixtures import (
    browser_context_args,
    browser_type_launch_args,
    chromium_args,
    console_guard,
    virtual_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["browser_context_args", "browser_type_launch_args", "chromium_args", "console_guard", "virtual_key"]


@pytest.fixture
def ports() -> Iterator[None]:
    """Wait until no other test process runs a demonstration."""
    with (Path(tempfile.gettempdir()) / "countersign-demo-ports.lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def state() -> Iterator[Path]:
    """A folder that other users can pass through, as pytest's own temporary folders are not."""
    with tempfile.TemporaryDirectory(prefix="countersign-e2e-") as folder:
        base = Path(folder)
        base.chmod(0o755)
        yield base / "demo"
