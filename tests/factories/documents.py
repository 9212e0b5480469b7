"""Constants and small builders of documents that the factories and tests share."""

from __future__ import annotations

import secrets

from core.documents.base import Header
from core.documents.policy import Condition, ConditionOp, Dimension, Limit, Measure, Quorum, Seat
from core.documents.roster import Role
from core.names import address_from_bytes, native_asset, token_asset

NOW = 1_800_000_000
DAY = 86_400
CHAIN = "eip155:31337"
ETHER = 10**18
ORIGIN = "http://localhost:8001"
RP_ID = "localhost"
NATIVE = native_asset(CHAIN)
TOKEN_CONTRACT = address_from_bytes(bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3"))
TOKEN = token_asset(CHAIN, TOKEN_CONTRACT)
LISTED = address_from_bytes(bytes.fromhex("70997970c51812dc3a010c7d01b50e0d17dc79c8"))
COOLING = address_from_bytes(bytes.fromhex("90f79bf6eb2c4f870365e785982e1f101e93b906"))
STRANGER = address_from_bytes(bytes.fromhex("3c44cdddb6a900fa2b585dd299e03d12fa4293bc"))


def header(kind: str, deployment: str, *, now: int = NOW, lifetime: int = 3600) -> Header:
    """Make a header with a fresh id."""
    return Header(
        type=kind,
        version=1,
        deployment=deployment,
        id=secrets.token_hex(16),
        created=now,
        expires=now + lifetime,
    )


def compare(field: str, op: ConditionOp, *values: str) -> Condition:
    """Make a comparison."""
    return Condition(op=op, field=field, values=values, parts=())


def every(*parts: Condition) -> Condition:
    """Join conditions by *all*."""
    return Condition(op=ConditionOp.ALL, field=None, values=(), parts=parts)


def seats(*wanted: tuple[Role, int], sites: int = 0) -> Quorum:
    """Make a quorum."""
    return Quorum(seats=tuple(Seat(role=role, count=n, stage=0) for role, n in wanted), sites=sites)


PEOPLE: dict[str, tuple[tuple[Role, ...], str, str]] = {
    "tessa": ((Role.TRADER,), "desk-a", "zurich"),
    "tom": ((Role.TRADER,), "desk-b", "zurich"),
    "rita": ((Role.RISK_OFFICER, Role.SENIOR_RISK_OFFICER), "risk", "zurich"),
    "ravi": ((Role.RISK_OFFICER,), "risk", "london"),
    "clara": ((Role.CRO,), "risk", "london"),
    "adam": ((Role.POLICY_ADMIN, Role.SECURITY_COMMITTEE), "admin", "zurich"),
    "anna": ((Role.POLICY_ADMIN, Role.SECURITY_COMMITTEE), "admin", "london"),
    "olga": ((Role.OPERATOR,), "ops", "zurich"),
}


def limit(
    name: str, measure: Measure, most: int, *, window: int | None, order: int, asset: str | None = None
) -> Limit:
    """Make a limit for each wallet that denies."""
    return Limit(
        id=name,
        label=name,
        order=order,
        when=None,
        per=(Dimension.WALLET,),
        measure=measure,
        asset=asset,
        window=window,
        most=most,
        quorum=None,
    )
