"""The demo's software sign-in keys, which live in the page. They protect nothing, and say so.

They exist only where two independent switches agree: the settings of this host, and the profile of the signed policy.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from typing import TYPE_CHECKING, cast

from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.utils.module_loading import import_string
from fido2 import cbor

from approvals.webauthn import NewKey
from core.documents.roster import DEMO_AAGUID, Profile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_CREDENTIAL_BYTES = 32
_COORDINATE_BYTES = 32


def software_keys_allowed() -> bool:
    """Whether this host is a demo and the active policy is one of the demo profile (or there is none yet)."""
    if not getattr(settings, "COUNTERSIGN_DEMO", False):
        return False
    # Policies stand above this app, so the settings name who knows the active profile.
    path = getattr(settings, "COUNTERSIGN_PROFILE_SELECTOR", None)
    if path is None:
        return False
    profile = cast("Callable[[], Profile | None]", import_string(path))()
    return profile in (Profile.DEMO, None)


def demo_file() -> Path:
    """Return where the demo's private keys lie."""
    state_dir: Path = settings.COUNTERSIGN_STATE_DIR
    return state_dir / "demo-sign-in-keys.json"


def demo_keys_read() -> dict[str, dict[str, object]]:
    """Return the demo's keys by person; nothing outside the demo."""
    file = demo_file()
    if not software_keys_allowed() or not file.is_file():
        return {}
    return cast("dict[str, dict[str, object]]", json.loads(file.read_text(encoding="utf-8")))


def demo_keys_write(keys: dict[str, dict[str, object]]) -> None:
    """Replace the demo's key file at once, readable by its owner only."""
    file = demo_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(keys), encoding="utf-8")
    draft.replace(file)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def software_key_generate() -> tuple[NewKey, dict[str, object]]:
    """Make a key pair, and return its public half as enrolled and its private half as the page needs it."""
    private = ec.generate_private_key(ec.SECP256R1()).private_numbers()
    public = private.public_numbers
    x, y = (n.to_bytes(_COORDINATE_BYTES, "big") for n in (public.x, public.y))
    cose = cbor.encode({1: 2, 3: -7, -1: 1, -2: x, -3: y})
    credential = secrets.token_bytes(_CREDENTIAL_BYTES)
    data = DEMO_AAGUID + len(credential).to_bytes(2, "big") + credential + cose
    key = NewKey(
        credential_id=_encode(credential), credential_data=_encode(data), aaguid=DEMO_AAGUID.hex(), sign_count=0
    )
    d = private.private_value.to_bytes(_COORDINATE_BYTES, "big")
    jwk: dict[str, object] = {"kty": "EC", "crv": "P-256", "x": _encode(x), "y": _encode(y), "d": _encode(d)}
    return key, {"credential_id": key.credential_id, "jwk": jwk}
