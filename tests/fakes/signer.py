"""A signer that behaves: a unix socket, `core.verify` on the whole case, a journal, a software key.

What the real one adds (fsync, PKCS#11, its own process and user) is the signer's own suite. It speaks `signer.wire`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import socketserver
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from core.cancel import verify_cancel
from core.control import check_halt, check_resume, check_veto
from core.documents.bundle import Bundle, Signature
from core.documents.control import CONTROL_ORDER
from core.documents.policy import SignedPolicy
from core.errors import RefusedError
from core.reception import receive_successor
from core.schema import read_struct, write_struct
from core.verify import verify
from signer import wire
from signer.leases import Leases

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from tests.factories.world import World


class FakeSigner:
    """A signer over a unix socket, in a thread of the test."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.directory = Path(tempfile.mkdtemp(prefix="cs-signer-"))
        self.path = str(self.directory / "signer.sock")
        self.leases = Leases()
        self.asked: Counter[str] = Counter()
        self.down = False
        self.distort: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]] | None = None
        self._lock = threading.Lock()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                header = self.rfile.read(wire.HEADER.size)
                if outer.down or len(header) < wire.HEADER.size:
                    return
                raw = self.rfile.read(wire.HEADER.unpack(header)[0])
                request = wire.read_request(raw, message_bytes=1024 * 1024)
                with outer._lock:
                    answer = outer.answer(request)
                if outer.distort is not None:
                    answer = outer.distort(request, answer)
                # The asker may have been killed meanwhile: that is what the test is about.
                with contextlib.suppress(BrokenPipeError):
                    self.wfile.write(wire.frame(answer))

        self._server = socketserver.ThreadingUnixStreamServer(self.path, Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        shutil.rmtree(self.directory, ignore_errors=True)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer as the real one does."""
        self.asked[request["op"]] += 1
        if request["op"] == "status":
            return wire.success({"lanes": self._lanes()})
        try:
            if request["op"] in ("challenge", "lease"):
                return wire.success(self._lease(request))
            if request["op"] == "control":
                return wire.success(self._control(request["order"]))
            if request["op"] == "policy":
                return wire.success(
                    self._succeed(read_struct(SignedPolicy, request["signed_policy"], "signed_policy"))
                )
            signature = self._sign(Bundle.from_json(request["bundle"]))
        except RefusedError as error:
            return wire.failure(error.code, error.message, retry=error.code in wire.RETRIED)
        return wire.success(write_struct(signature, "signature"))

    def _lease(self, request: dict[str, Any]) -> dict[str, Any]:
        world, now = self.world, int(time.time())
        if request["op"] == "challenge":
            return self.leases.challenge(request["known"], world.pins, world.journal, now=now)
        self.leases.take(request["leases"], world.pins, world.journal, now=now)
        live = {one.witness: one.expires for one in self.leases.held.live(world.policy, now=now)}
        return {"needed": world.policy.witness_threshold, "live": live}

    def _control(self, value: object) -> dict[str, Any]:
        world, now = self.world, int(time.time())
        order: Any = CONTROL_ORDER.read(value, "order")
        records: tuple[Any, ...]
        if order.kind == "veto":
            records = check_veto(order, world.pins, world.journal, now=now)
        else:
            check = check_halt if order.kind == "halt" else check_resume
            records = (check(order, world.pins, world.journal, now=now),)
        for record in (one for one in records if one is not None):
            world.journal.apply(world.journal.encode(record))
        return {"records": len(records)}

    def _succeed(self, signed: SignedPolicy) -> dict[str, Any]:
        world, now, digest = self.world, int(time.time()), signed.policy.digest
        record = receive_successor(signed, world.pins, world.journal, now=now)
        if record is not None:
            world.pins = dataclasses.replace(world.pins, policies={**world.pins.policies, digest: signed.policy})
            world.journal.apply(world.journal.encode(record))
        taken, waiting = world.journal.accepted.get(digest), world.journal.waiting_at(now)
        pending = None if waiting is None else {"policy": waiting.policy}
        known = None if taken is None else {"kind": str(taken.how), "effective": taken.effective}
        return {"policy": world.journal.policy_at(now), "pending": pending, "accepted": known}

    def _lanes(self) -> dict[str, Any]:
        journal = self.world.journal
        return {
            wallet: {
                "next": next_nonce,
                "held": {str(nonce): slot.intent for (of, nonce), slot in journal.slots.items() if of == wallet},
            }
            for wallet, next_nonce in journal.lanes.items()
        }

    def _sign(self, bundle: Bundle) -> Signature:
        world = self.world
        check = verify if bundle.cancel is None else verify_cancel
        verified = check(bundle, world.pins, world.journal, int(time.time()), self.leases.held)
        repeated = verified.record is None
        if verified.record is not None:
            world.journal.apply(world.journal.encode(verified.record))
            verified.journalled()
        digest = verified.spend()
        device = world.wallet_key.sign_recoverable(digest, hasher=None)[:64]
        raw, transaction_hash = verified.finish(device)
        return Signature(signer=world.signer, raw=raw, transaction_hash=transaction_hash, repeated=repeated)
