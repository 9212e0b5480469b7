from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def exported(tmp_path: Path) -> Callable[[], Path]:
    """Export the log into a file that does not exist yet."""
    made: list[Path] = []

    def export() -> Path:
        file = tmp_path / f"log-{len(made)}.jsonl"
        call_command("audit_export", out=str(file), stderr=sys.stdout)
        made.append(file)
        return file

    return export
