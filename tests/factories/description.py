"""The demonstration's description, with what the demonstration would set for its placeholders."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.factories.world import TOKEN_CONTRACT

DEMO = Path(__file__).parents[2] / "demo" / "policy.toml"
LOG_KEY, WITNESS_KEY, ATTESTER_KEY, ANCHOR_KEY, *PARTY_KEYS = (
    Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32).public_key().public_bytes_raw()
    for seed in (0x51, 0x52, 0x53, 0x54, 0x61, 0x62, 0x63, 0x64, 0x65)
)
SETS = {
    "token": TOKEN_CONTRACT,
    "log_key": "0x" + LOG_KEY.hex(),
    "witness_key": "0x" + WITNESS_KEY.hex(),
    "attester_key": "0x" + ATTESTER_KEY.hex(),
    "anchor_key": "0x" + ANCHOR_KEY.hex(),
    **{f"party_{place}_key": "0x" + key.hex() for place, key in enumerate(PARTY_KEYS, start=1)},
}


def demo_text() -> str:
    """Return the description with nothing left open."""
    text = DEMO.read_text(encoding="utf-8")
    for name, value in SETS.items():
        text = text.replace(f"${{{name}}}", value)
    return text
