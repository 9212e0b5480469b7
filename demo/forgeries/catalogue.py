"""The registry of forgeries: each is named, says why it should fail, and brings its own control.

An attack is a list of deliveries to a signer: honest ones first, then the forged one, which has to be refused with a
typed answer, then the control, the same case unforged, which has to be accepted. A refusal without its control
proves nothing: a signer that is down refuses everything.
"""

from __future__ import annotations

import dataclasses
import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from core.schema import write_struct

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.canonical import Json
    from core.documents.bundle import Bundle
    from core.documents.control import ControlOrder
    from core.documents.lease import SignedLease
    from core.documents.policy import SignedPolicy
    from core.errors import Refusal
    from demo.forgeries.case import Case


class Op(StrEnum):
    """What a signer can be asked; the names are those of its socket."""

    SIGN = "sign"
    CONTROL = "control"
    POLICY = "policy"
    LEASE = "lease"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """One delivery. `body` is JSON text; `later` is how many seconds after the case's `now` it arrives.

    `leases`: what is carried to the signer just before, made from the challenge that it gave for it; it may refuse
    them. A step of `Op.LEASE` is only that, and has no other body.
    """

    op: Op
    body: bytes
    later: int = 0
    leases: Callable[[Json], Sequence[SignedLease]] | None = None

    def leases_body(self, challenge: Json) -> bytes:
        """Return the leases over a challenge, as JSON text."""
        made = () if self.leases is None else self.leases(challenge)
        return json.dumps([write_struct(one, "lease") for one in made]).encode("ascii")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attack:
    """Honest deliveries, the forged one, and its control. `apart`: the control needs a signer that saw none of it."""

    forged: Step
    control: Step
    before: tuple[Step, ...] = ()
    apart: bool = False

    @property
    def needs_clock(self) -> bool:
        """Whether the signer's clock has to be moved."""
        return any(step.later for step in (*self.before, self.forged, self.control))


class Setting(StrEnum):
    """The institution that a forgery needs. `STANDARD` is what the demo has; the others are small variations."""

    STANDARD = "standard"
    TWO_WALLETS = "two_wallets"
    TRADING_OFFICER = "trading_officer"
    OPEN_CALLS = "open_calls"
    PER_INITIATOR = "per_initiator"
    TWO_SITES = "two_sites"
    RECOVERABLE = "recoverable"
    ATTESTED = "attested"
    WITNESSED = "witnessed"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Forgery:
    """A named forgery. `expect`: the refusals that are right. `lasting`: it leaves a signer used up or halted."""

    name: str
    why: str
    expect: frozenset[Refusal]
    build: Callable[[Case], Attack]
    setting: Setting = Setting.STANDARD
    lasting: bool = False


CATALOGUE: dict[str, Forgery] = {}


def forgery(
    name: str, *expect: Refusal, why: str, setting: Setting = Setting.STANDARD, lasting: bool = False
) -> Callable[[Callable[[Case], Attack]], Callable[[Case], Attack]]:
    """Register a forgery under a name of its own."""

    def register(build: Callable[[Case], Attack]) -> Callable[[Case], Attack]:
        if name in CATALOGUE:
            msg = f"two forgeries are called {name}"
            raise ValueError(msg)
        CATALOGUE[name] = Forgery(
            name=name, why=why, expect=frozenset(expect), build=build, setting=setting, lasting=lasting
        )
        return build

    return register


def sign(bundle: Bundle, *, later: int = 0) -> Step:
    """Ask for a signature."""
    return Step(op=Op.SIGN, body=bundle.to_bytes(), later=later)


def raw(value: object) -> Step:
    """Ask for a signature with any JSON value in the place of a bundle."""
    return Step(op=Op.SIGN, body=json.dumps(value).encode("ascii"))


def control(order: ControlOrder, *, later: int = 0) -> Step:
    """Hand over a halt, a resume or a veto."""
    return Step(op=Op.CONTROL, body=json.dumps(write_struct(order, "order")).encode("ascii"), later=later)


def policy(signed: SignedPolicy, *, later: int = 0) -> Step:
    """Hand over a successor policy."""
    return Step(op=Op.POLICY, body=json.dumps(write_struct(signed, "signed_policy")).encode("ascii"), later=later)


def edited(bundle: Bundle, *path: str | int, to: object) -> dict[str, Any]:
    """Return a bundle's JSON value with one place set; the last step of the path may be new."""
    value: Any = bundle.to_json()
    place = value
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return dict(value)
