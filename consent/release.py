"""What exactly is deployed: one hash over every file of the page.

Anyone with the same release gets the same hash: `python -m consent release`, or on any machine
`cd consent/static && find . -type f | LC_ALL=C sort | xargs sha256sum`, which gives the same lines.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

STATIC = Path(__file__).parent / "static"


def listing(folder: Path = STATIC) -> str:
    """Return one line for each file, sorted by name: its SHA-256 and its name, as `sha256sum` writes them."""
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return "".join(f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  ./{name}\n" for name in files)


def release_hash(folder: Path = STATIC) -> str:
    """Return the SHA-256 of the listing."""
    return hashlib.sha256(listing(folder).encode()).hexdigest()
