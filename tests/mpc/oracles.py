"""Two implementations of ECDSA that had no part in the signature: libsecp256k1 and noble-curves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from coincurve import PublicKey, ecdsa

if TYPE_CHECKING:
    from collections.abc import Sequence

HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
PROGRAM = Path(__file__).with_name("noble.mjs")


def holds(public_key: bytes, message_hash: bytes, signature: bytes) -> bool:
    """Whether libsecp256k1 accepts the signature, its recovery id and its low s."""
    if len(signature) != 65 or int.from_bytes(signature[32:64]) > HALF_ORDER:
        return False
    der = ecdsa.cdata_to_der(ecdsa.deserialize_compact(signature[:64]))
    recovered = PublicKey.from_signature_and_message(signature, message_hash, hasher=None)
    verified = PublicKey(public_key).verify(der, message_hash, hasher=None)
    return verified and recovered.format(compressed=False) == public_key


def noble_holds(cases: Sequence[tuple[bytes, bytes, bytes]]) -> list[bool]:
    """Ask noble-curves about (public key, hash, signature), all at once."""
    asked = json.dumps([[part.hex() for part in case] for case in cases])
    # Where the system has no Node, bin/setup puts one beside this interpreter.
    path = f"{os.environ['PATH']}:{Path(sys.executable).parent}"
    command = ["node", str(PROGRAM)]
    done = subprocess.run(
        command, input=asked, capture_output=True, text=True, check=True, timeout=60, env=os.environ | {"PATH": path}
    )
    answers: list[bool] = json.loads(done.stdout)
    return answers
