"""A receipt as the site would give it, signed by a log and two witnesses of the test's own."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.checkpoint import (
    Checkpoint,
    NoteSignature,
    SignedCheckpoint,
    cosignature_message,
    log_signature,
    witness_signature,
)
from core.merkle import Tree
from core.receipt import Receipt, Recorded

ORIGIN = "countersign/test/log"


def key(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


def public(seed: int) -> bytes:
    return key(seed).public_key().public_bytes_raw()


LOG_SEED = 1
WITNESSES = {"w-1": 11, "w-2": 12}
LOG = f"{ORIGIN}={public(LOG_SEED).hex()}"
ROOTS = (
    "--log",
    LOG,
    *(part for name, seed in WITNESSES.items() for part in ("--witness", f"{name}={public(seed).hex()}")),
)


def log_line(checkpoint: Checkpoint) -> NoteSignature:
    return log_signature(checkpoint, public(LOG_SEED), key(LOG_SEED).sign(checkpoint.note()))


def witness_line(checkpoint: Checkpoint, name: str, time: int) -> NoteSignature:
    signature = key(WITNESSES[name]).sign(cosignature_message(checkpoint, time))
    return witness_signature(checkpoint, name, public(WITNESSES[name]), time, signature)


def recorded(number: int) -> Recorded:
    return Recorded(
        at_us=1_795_000_000_000_000 + number,
        actor="rita",
        session="",
        tag="approvals:consent:recorded",
        subject=f"{number:064x}",
        severity="info",
        payload=f'{{"n":{number}}}',
    )


def receipt(index: int, size: int) -> Receipt:
    tree = Tree(recorded(number).leaf() for number in range(size))
    checkpoint = Checkpoint(origin=ORIGIN, size=size, root=tree.root())
    lines = (log_line(checkpoint), *(witness_line(checkpoint, name, 1_795_000_100) for name in WITNESSES))
    signed = SignedCheckpoint(checkpoint=checkpoint, signatures=lines)
    return Receipt(recorded=recorded(index), index=index, path=tuple(tree.inclusion(index)), signed=signed)
