"""Two implementations of ECDSA that had no part in the signature: libsecp256k1 and noble-curves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coincurve import PublicKey, ecdsa

if TYPE_CHECKING:
    from collections.abc import Sequence

HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
PROGRAM = Path(__file__).with_name("noble.mjs")
TRANSACTIONS = Path(__file__).with_name("noble_transaction.mjs")


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
    answers: list[bool] = _noble(PROGRAM, [[part.hex() for part in case] for case in cases])
    return answers


def noble_transactions(raw: Sequence[bytes]) -> list[dict[str, Any]]:
    """Have noble-curves and noble-hashes say who signed each EIP-1559 transaction, and what it does."""
    answers: list[dict[str, Any]] = _noble(TRANSACTIONS, [one.hex() for one in raw])
    return answers


def _noble(program: Path, asked: object) -> Any:  # noqa: ANN401 - JSON of the program's own
    # Where the system has no Node, bin/setup puts one beside this interpreter.
    path = f"{os.environ['PATH']}:{Path(sys.executable).parent}"
    command, environment = ["node", str(program)], os.environ | {"PATH": path}
    done = subprocess.run(
        command, input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=60, env=environment
    )
    return json.loads(done.stdout)
