"""The signer's socket: frames of 4 bytes length (big-endian) and one strict JSON object, at most 1 MiB.

Requests have exactly these fields:

    {"v": 1, "op": "sign",    "bundle": Bundle}
    {"v": 1, "op": "control", "order": HaltOrder | ResumeOrder | VetoOrder}
    {"v": 1, "op": "ceremony", "ceremony": SignedCeremony}
    {"v": 1, "op": "policy",  "signed_policy": SignedPolicy}
    {"v": 1, "op": "challenge", "known": [{"witness", "size"}]}
    {"v": 1, "op": "lease",   "leases": [SignedLease]}
    {"v": 1, "op": "checkpoint", "checkpoint": {"size", "root", "old", "proof"}}   (role `log` only)
    {"v": 1, "op": "prepare", "bundle": Bundle}                                     (role `party` only, as all below)
    {"v": 1, "op": "reserve", "bundle": Bundle}
    {"v": 1, "op": "learn",   "certificates": [Certificate]}
    {"v": 1, "op": "certificates", "since": {"wallet", "nonce", "cancels", "most"}}
    {"v": 1, "op": "join",    "joining": {"bundle", "certificate", "terms"}}
    {"v": 1, "op": "greet",   "terms": SessionTerms}                       (of a session that makes or tests shares)
    {"v": 1, "op": "begin",   "beginning": {"session", "hellos"}}
    {"v": 1, "op": "turn",    "turn": {"session", "envelopes"}}
    {"v": 1, "op": "refresh", "proof": Proof}
    {"v": 1, "op": "generate", "generation": {"ceremony", "plan", "words"}}
    {"v": 1, "op": "backup",  "ceremony": digest}
    {"v": 1, "op": "drilled", "attestation": Attestation}
    {"v": 1, "op": "destroy", "ceremony": digest}                                   (every role but `log`)
    {"v": 1, "op": "status"}

Answers: ``{"v": 1, "ok": true, "result": {…}}``, or ``{"v": 1, "ok": false, "error": {"code", "message", "retry"}}``
with a `core.errors.Refusal` (the case does not convince) or a `signer.errors.Fault` (nothing is said about the case).
`retry`: the same request may succeed later, unchanged. The result of `sign` is `core.documents.bundle.Signature`.
"""

from __future__ import annotations

import json
import struct

from core.canonical import Json, parse
from core.errors import EncodingError, Refusal
from signer.errors import Fault, RequestError

VERSION = 1
HEADER = struct.Struct(">I")
OPERATIONS: dict[str, str | None] = {
    "sign": "bundle",
    "control": "order",
    "ceremony": "ceremony",
    "policy": "signed_policy",
    "challenge": "known",
    "lease": "leases",
    "checkpoint": "checkpoint",
    "prepare": "bundle",
    "reserve": "bundle",
    "learn": "certificates",
    "certificates": "since",
    "join": "joining",
    "greet": "terms",
    "begin": "beginning",
    "turn": "turn",
    "refresh": "proof",
    "generate": "generation",
    "backup": "ceremony",
    "drilled": "attestation",
    "destroy": "ceremony",
    "status": None,
}
"""Each operation with the one field that it takes."""
RETRIED = frozenset(
    {
        *(Refusal.HALTED, Refusal.CLOCK, Refusal.NOT_YET_VALID, Refusal.LEASE, Refusal.INCLUSION),
        *(Refusal.BEHIND, Refusal.SESSION),
    }
)
"""Refusals that say nothing about the case itself: a halt may be lifted, a clock may be set right, witnesses come."""


def read_request(raw: bytes, *, message_bytes: int) -> Json:
    """Read a request's outer shape.

    Args:
        raw: One frame without its length.
        message_bytes: The most that is looked at.

    Raises:
        RequestError: `malformed` or `unsupported`; the connection is closed after it.
    """
    try:
        value = parse(raw, max_bytes=message_bytes)
    except EncodingError as error:
        raise RequestError(Refusal.MALFORMED, str(error)) from error
    if not isinstance(value, dict) or "v" not in value:
        raise RequestError(Refusal.MALFORMED, "a request is an object with a version 'v'")
    version = value["v"]
    if type(version) is not int or version != VERSION:
        raise RequestError(Refusal.UNSUPPORTED, f"version {VERSION} is spoken here")
    op = value.get("op")
    if not isinstance(op, str) or op not in OPERATIONS:
        raise RequestError(Refusal.UNSUPPORTED, f"operations: {', '.join(OPERATIONS)}")
    field = OPERATIONS[op]
    if set(value) != {"v", "op", field} - {None}:
        raise RequestError(Refusal.MALFORMED, f"{op} takes exactly: v, op" + (f", {field}" if field else ""))
    return value


def frame(message: Json) -> bytes:
    """Return a message with its length in front."""
    raw = json.dumps(message, separators=(",", ":"), allow_nan=False).encode("ascii")
    return HEADER.pack(len(raw)) + raw


def success(result: Json) -> Json:
    """Return a good answer."""
    return {"v": VERSION, "ok": True, "result": result}


def failure(code: str, message: str, *, retry: bool) -> Json:
    """Return a typed error."""
    return {"v": VERSION, "ok": False, "error": {"code": str(code), "message": message, "retry": retry}}


def too_large(message_bytes: int) -> RequestError:
    """Return the error for a frame that announces more than is read, or nothing."""
    return RequestError(Fault.TOO_LARGE, f"a message has 1 to {message_bytes} bytes")
