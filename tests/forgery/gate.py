"""Who is asked to sign: `core` itself, with a journal in memory. A real signer's socket has the same face."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol, cast

from core.cancel import verify_cancel
from core.canonical import parse
from core.control import check_halt, check_resume, check_veto
from core.documents.bundle import Bundle
from core.documents.control import CONTROL_ORDER, HaltOrder, ResumeOrder, VetoOrder
from core.documents.policy import SignedPolicy
from core.errors import DocumentError, EncodingError, Refusal, RefusedError
from core.reception import receive_successor
from core.records import SignatureRecord
from core.schema import read_struct
from core.verify import verify
from demo.forgeries import Case, Op
from signer.leases import Leases

if TYPE_CHECKING:
    from core.records import Record
    from core.verified import Verified
    from demo.forgeries import Step
    from tests.factories.world import World

_READ_SIZE = 1024 * 1024


class Gate(Protocol):
    """Takes deliveries and answers with a refusal's wire code, or None when it did what was asked."""

    def case(self) -> Case:
        """Return the institution as it stands before this gate."""

    def deliver(self, step: Step) -> Refusal | None:
        """Deliver one step."""


def case_of(world: World, *, nonce: int) -> Case:
    """Return a world as its attacker sees it."""
    from tests.factories.world import COOLING, LISTED, STRANGER, TOKEN_CONTRACT  # noqa: PLC0415 - names of this place

    return Case(
        policy=world.policy,
        wallet=world.wallet,
        keys=world.keys,
        client_key=world.client_key,
        now=world.now,
        nonce=nonce,
        listed=LISTED,
        cooling=COOLING,
        stranger=STRANGER,
        token=TOKEN_CONTRACT,
    )


class CoreGate:
    """`core.verify` over a journal in memory, with a software key: a signer without its process."""

    def __init__(self, world: World) -> None:
        """Stand before a world whose journal has just begun."""
        self.world = world
        self.pins = world.pins
        self.journal = world.journal
        self.leases = Leases()
        self.signed: list[bytes] = []

    def case(self) -> Case:
        return case_of(self.world, nonce=self.journal.next_nonce(self.world.wallet))

    def deliver(self, step: Step) -> Refusal | None:
        now = self.world.now + step.later
        if step.op is Op.LEASE:
            return self._lease(step, now)
        if step.leases is not None:
            self._lease(step, now)
        try:
            value = parse(step.body, max_bytes=_READ_SIZE)
            {Op.SIGN: self._sign, Op.CONTROL: self._control, Op.POLICY: self._policy}[step.op](value, now)
        except (DocumentError, EncodingError):
            return Refusal.MALFORMED
        except RefusedError as error:
            return error.code
        return None

    def _lease(self, step: Step, now: int) -> Refusal | None:
        try:
            challenge = self.leases.challenge([], self.pins, self.journal, now=now)
            carried = parse(step.leases_body(challenge))
            self.leases.take(carried, self.pins, self.journal, now=now)
        except DocumentError:
            return Refusal.MALFORMED
        except RefusedError as error:
            return error.code
        return None

    def _append(self, record: Record) -> None:
        self.journal.apply(self.journal.encode(record))

    def _sign(self, value: object, now: int) -> None:
        bundle = Bundle.from_json(value)
        check = verify if bundle.cancel is None else verify_cancel
        verified = check(bundle, self.pins, self.journal, now, self.leases.held)
        if verified.record is not None:
            self._append(verified.record)
            verified.journalled()
        self._finish(verified, now)

    def _finish(self, verified: Verified, now: int) -> None:
        digest = verified.spend()
        key = self.world.wallet_key
        raw, _ = verified.finish(key.sign_recoverable(digest, hasher=None)[:64])
        self._append(SignatureRecord(kind="signature", time=now, signing_hash=digest, raw=raw))
        self.signed.append(raw)

    def _control(self, value: object, now: int) -> None:
        order = cast("HaltOrder | ResumeOrder | VetoOrder", CONTROL_ORDER.read(value, "order"))
        if isinstance(order, VetoOrder):
            for veto in check_veto(order, self.pins, self.journal, now=now):
                self._append(veto)
            return
        record = (
            check_halt(order, self.pins, self.journal, now=now)
            if isinstance(order, HaltOrder)
            else check_resume(order, self.pins, self.journal, now=now)
        )
        if record is not None:
            self._append(record)

    def _policy(self, value: object, now: int) -> None:
        signed = read_struct(SignedPolicy, value, "signed_policy")
        record = receive_successor(signed, self.pins, self.journal, now=now)
        if record is not None:
            accepted = dict(self.pins.policies) | {signed.policy.digest: signed.policy}
            self.pins = dataclasses.replace(self.pins, policies=accepted)
            self._append(record)
