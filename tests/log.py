"""The audit log under test, given its places and verified from its stored records as an outsider would."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from audit.export import export_lines
from audit.sequencer import tree_advance
from witness.log_verify import Roots, log_verify

if TYPE_CHECKING:
    from witness.log_verify import Verified


def log_state(roots: Roots | None = None) -> Verified:
    """Give every waiting entry its place, export the log, and verify the export."""
    while tree_advance():
        pass
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "log.jsonl"
        file.write_text("".join(export_lines()), encoding="utf-8")
        return log_verify(f"export:{file}", roots or Roots())
