"""What the signer does with a request: receive, verify, journal, sign, check, answer; in this order.

1. The whole case is verified by `core`, also when it was signed before: under live leases of witnesses, where the
   policy names some.
2. Its reservation is fsynced into the journal and its hash written into the token. From here on it counts as signed.
3. The one-shot token is spent, the device signs, the signature is recovered to the pinned key.
4. The signature is written down, so that a repetition gets the same bytes, and answered.

Killed between any two steps, the same case comes again and gets the same nonce and the same transaction.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, cast

from core.cancel import verify_cancel
from core.ceremonies import check_ceremony
from core.control import check_halt, check_resume, check_veto
from core.degraded import in_force
from core.documents.bundle import Bundle, Signature
from core.documents.control import CONTROL_ORDER, HaltOrder, ResumeOrder, SignedCeremony
from core.documents.policy import SignedPolicy
from core.errors import Refusal, RefusedError
from core.keccak import keccak256
from core.reception import receive_successor
from core.records import SignatureRecord
from core.schema import read_struct, write_struct
from core.verify import verify
from signer.backends import check_keys, own_wallets
from signer.destruction import Destruction
from signer.errors import TokenKeyError
from signer.leases import Leases
from signer.pinned import store_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from core.canonical import Json
    from core.documents.control import ControlOrder
    from core.journal import Journal
    from core.pins import Pins
    from core.records import HaltRecord, ResumeRecord, VetoRecord
    from core.verified import Verified
    from signer.backends import Backend
    from signer.destruction import Holder
    from signer.store import JournalStore

HELD_MOST = 256
"""How many of a lane's latest nonces a status names, so that the answer stays small for ever."""


class Service:
    """One signer's state and its operations. One request at a time."""

    def __init__(self, *, state: Path, pins: Pins, store: JournalStore, backend: Backend) -> None:
        """Take over what start-up has checked.

        Args:
            state: The signer's folder; accepted successor policies are kept there.
            pins: Pins with every accepted policy.
            store: The journal, in step with the token.
            backend: The keys.
        """
        self._state = state
        self._store = store
        self._backend = backend
        self._leases = Leases()
        self.pins = pins
        self.failpoint: Callable[[str], None] = store.failpoint

    @property
    def journal(self) -> Journal:
        """The journal's state."""
        return self._store.journal

    def handle(self, request: Json, *, now: int) -> Json:
        """Carry out one request whose outer shape `signer.wire` accepted.

        Args:
            request: The request.
            now: This signer's clock, Unix seconds, read once for this request.

        Returns:
            The result.

        Raises:
            CoreError: If the request is malformed or does not convince.
            SignerError: If token or disk do not let the signer do its part.
        """
        op = request["op"]
        if now > self.journal.clock:
            self.journal.saw(now)
        if op == "sign":
            bundle = Bundle.from_json(request["bundle"])
            return write_struct(self.sign(bundle, now=now), "signature")
        if op in ("control", "ceremony", "policy", "destroy"):
            return self._told(request, now)
        if op == "challenge":
            return self._leases.challenge(request["known"], self.pins, self.journal, now=now)
        if op == "lease":
            self._store.catch_up()
            self._leases.take(request["leases"], self.pins, self.journal, now=now)
            return self._leased(now)
        if op == "checkpoint":
            raise RefusedError(Refusal.UNSUPPORTED, "this signer's key signs transactions, and nothing else")
        if op != "status":
            raise RefusedError(Refusal.UNSUPPORTED, "this signer signs alone, in no session")
        return self.status(now=now)

    def _told(self, request: Json, now: int) -> Json:
        """Take what people tell a signer beside a case."""
        if request["op"] == "control":
            return self.control(cast("ControlOrder", CONTROL_ORDER.read(request["order"], "order")), now=now)
        if request["op"] == "ceremony":
            return self.ordain(read_struct(SignedCeremony, request["ceremony"], "ceremony"), now=now)
        if request["op"] == "destroy":
            self._store.catch_up()
            return Destruction(self._state, self._store, self._holder()).run(request["ceremony"], self.pins, now=now)
        return self.succeed(read_struct(SignedPolicy, request["signed_policy"], "signed_policy"), now=now)

    def _holder(self) -> Holder:
        """Return what a destruction is done to."""
        return cast("Holder", self._backend)

    def sign(self, bundle: Bundle, *, now: int) -> Signature:
        """Sign one case, or answer it with the signature that it has.

        Raises:
            RefusedError: With the first reason against it.
            HsmUnavailableError: The token is away; whatever was journalled is signed when the case comes again.
            JournalWriteError: The disk refused.
        """
        self._store.catch_up()
        verified = self._verified(bundle, now)
        if verified.stored is None:
            self._backend.ready(verified.wallet)
        if verified.record is not None:
            self._store.append(verified.record)
            verified.journalled()
        if verified.stored is not None:
            return self._signature(verified.stored, keccak256(verified.stored), repeated=True)
        return self._sign_now(verified, now=now)

    def _verified(self, bundle: Bundle, now: int) -> Verified:
        """Verify the whole case, a cancel's or a mandate's, under the leases that are held."""
        check = verify if bundle.cancel is None else verify_cancel
        return check(bundle, self.pins, self.journal, now, self._leases.held)

    def _sign_now(self, verified: Verified, *, now: int) -> Signature:
        raw, transaction_hash = self._backend.sign(verified)
        self.failpoint("signer.after_sign")
        signing_hash = verified.transaction.signing_hash
        self._store.note(SignatureRecord(kind="signature", time=now, signing_hash=signing_hash, raw=raw))
        self.failpoint("signer.after_signature_record")
        return self._signature(raw, transaction_hash, repeated=False)

    def _signature(self, raw: bytes, transaction_hash: bytes, *, repeated: bool) -> Signature:
        return Signature(signer=self.pins.signer, raw=raw, transaction_hash=transaction_hash, repeated=repeated)

    def control(self, order: ControlOrder, *, now: int) -> Json:
        """Halt, resume, or take a veto that somebody hands to this signer itself.

        Returns:
            How many records it made (0: known before, or not for this signer), and the halts in force.

        Raises:
            RefusedError: If it does not convince.
        """
        self._store.catch_up()
        records: tuple[HaltRecord | ResumeRecord | VetoRecord | None, ...]
        if isinstance(order, HaltOrder):
            records = (check_halt(order, self.pins, self.journal, now=now),)
        elif isinstance(order, ResumeOrder):
            records = (check_resume(order, self.pins, self.journal, now=now),)
        else:
            records = check_veto(order, self.pins, self.journal, now=now)
        made = [record for record in records if record is not None]
        for record in made:
            self._store.append(record)
        return {"records": len(made), "halts": sorted(self.journal.halts)}

    def ordain(self, signed: SignedCeremony, *, now: int) -> Json:
        """Take note of a ceremony of the quorum. What it orders is done by steps of its own.

        Returns:
            Its digest, how many records were made (0: known before), and the steps that were done.

        Raises:
            RefusedError: If it does not convince.
        """
        self._store.catch_up()
        record = check_ceremony(signed, self.pins, self.journal, now=now, held=self._leases.held)
        if record is not None:
            self._store.append(record)
        digest = signed.document.digest
        steps = [str(step) for step in self.journal.ceremonies.done(digest)]
        return {"ceremony": digest, "records": 0 if record is None else 1, "steps": steps}

    def succeed(self, signed: SignedPolicy, *, now: int) -> Json:
        """Accept a successor policy: in force at once if it only tightens, else after its delay.

        Returns:
            The policy in force, the one that waits, and how and from when on this one was accepted (null: it was
            in force when the journal began).

        Raises:
            RefusedError: If it does not strictly follow, or neither quorum nor recovery keys signed it.
        """
        self._store.catch_up()
        policy = signed.policy
        record = receive_successor(signed, self.pins, self.journal, now=now)
        if record is not None:
            try:
                check_keys(policy, self.pins.signer, self._backend)
            except TokenKeyError as error:
                raise RefusedError(Refusal.POLICY_INVALID, str(error)) from error
            store_policy(self._state, signed)
            self.pins = dataclasses.replace(self.pins, policies={**self.pins.policies, policy.digest: policy})
            self._store.append(record)
        accepted = self.journal.accepted.get(policy.digest)
        known = {"kind": str(accepted.how), "effective": accepted.effective} if accepted is not None else None
        return {**self._policies(now), "accepted": known}

    def _policies(self, now: int) -> Json:
        """Say which policy is in force at `now`, and which one waits, how and until when."""
        digest, waiting = self.journal.policy_at(now), self.journal.waiting_at(now)
        waits: Json | None = None
        if waiting is not None:
            waits = {
                "policy": waiting.policy,
                "number": waiting.number,
                "effective": waiting.effective,
                "kind": str(waiting.how),
            }
        return {"policy": digest, "number": self.pins.policy(digest).number, "pending": waits}

    def _leased(self, now: int) -> Json:
        """Say how many witnesses have to lease, and who does until when."""
        policy = self.pins.policy(self.journal.policy_at(now))
        live = self._leases.held.live(policy, now=now)
        return {"needed": policy.witness_threshold, "live": {one.witness: one.expires for one in live}}

    def status(self, *, now: int) -> Json:
        """Say who this is and where it stands. Nothing in it is secret from a courier, and nothing is proof."""
        journal, pins = self.journal, self.pins
        wallets = {wallet.id for wallet in own_wallets(pins.policy(journal.policy_at(now)), pins.signer)}
        return {
            "deployment": pins.deployment,
            "signer": pins.signer,
            "role": str(pins.role),
            **self._policies(now),
            "halted": journal.halted,
            "halts": sorted(journal.halts),
            "leases": self._leased(now),
            "token": self._backend.token,
            "epochs": self._backend.epochs,
            "clock": journal.clock,
            "head": journal.head,
            "degraded": self._degraded(wallets, now),
            "lanes": {wallet: self._lane(wallet) for wallet in sorted(wallets | set(journal.lanes))},
        }

    def _degraded(self, wallets: Iterable[str], now: int) -> Json:
        """Say which wallets go on below their certificates here: by which ceremonies, with whom and until when."""
        modes = (mode for wallet in wallets for mode in in_force(wallet, self.journal, now=now))
        return {
            mode.ceremony: {"wallet": mode.wallet, "signers": list(mode.signers), "expires": mode.expires}
            for mode in modes
        }

    def _lane(self, wallet: str) -> Json:
        following = self.journal.next_nonce(wallet)
        slots = self.journal.slots
        held = range(max(0, following - HELD_MOST), following)
        names = {str(nonce): slots[(wallet, nonce)].intent for nonce in held if (wallet, nonce) in slots}
        return {"next": following, "held": names}

    def settle(self) -> None:
        """Make the last signature record durable; called when its answer is out."""
        self._store.sync()

    def close(self) -> None:
        """Make everything durable and let the journal go."""
        self._store.close()
