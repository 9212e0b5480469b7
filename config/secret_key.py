"""The keys of the web tier itself: one signs cookies, one marks what the application wrote into the log."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from config import env

if TYPE_CHECKING:
    from pathlib import Path

_LENGTH_MIN = 50


def secret_key(name: str, *, state_dir: Path, may_generate: bool) -> str:
    """Return a key from its file.

    Args:
        name: The variable; `<name>_FILE` names the file.
        state_dir: Where a generated key is kept.
        may_generate: Only the embedded mode may invent its keys; elsewhere several processes on several hosts
            must share one that somebody chose.

    Raises:
        SettingError: There is no key, or it is too short to resist guessing.
    """
    key = env.secret(name)
    if key is None:
        if not may_generate:
            raise env.SettingError(f"{name}_FILE", "is not set, and only the embedded mode makes its own key")
        key = _kept_key(state_dir / name.removeprefix("COUNTERSIGN_").lower().replace("_", "-"))
    if len(key) < _LENGTH_MIN:
        raise env.SettingError(f"{name}_FILE", f"holds fewer than {_LENGTH_MIN} characters")
    return key


def _kept_key(file: Path) -> str:
    """Read the generated key, making it first if this is the first start."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        # Written aside and linked into place: of two processes that start together both get one whole key.
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(64), encoding="ascii")
        try:
            os.link(draft, file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return file.read_text(encoding="ascii").strip()
