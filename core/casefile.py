"""Re-verifies a signed case offline, from a root that the reader brings.

What a kept case cannot prove is said: it holds no journal, so windows beyond the transaction itself, the use of
nonces elsewhere and halts are the signer's own evidence; so is that no policy newer than the file's last one was in
force, or waited and had removed somebody.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.cancel import verify_cancel
from core.documents.bundle import CaseFile
from core.documents.control import LaneStart
from core.errors import CoreError, RefusedError
from core.evm import decode_signed, sender_of
from core.journal import Journal
from core.lease import OFFLINE
from core.pins import Pins
from core.records import ReserveRecord, StartRecord
from core.schema import read_struct
from core.succession import AccessionKind, check_genesis, check_successor, signed_by
from core.verify import verify

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from core.documents.roster import SignerRole


_FOLLOWS = {
    AccessionKind.TIGHTENING: "follows by its predecessor's quorum, and only tightens it",
    AccessionKind.LOOSENING: "follows by its predecessor's quorum, after the delay that it names",
    AccessionKind.RECOVERY: "follows by the offline recovery keys, and changes people only",
}


@dataclasses.dataclass(frozen=True)
class CaseReport:
    """What was checked, in order; `failure` is the first thing that does not hold."""

    checks: tuple[str, ...]
    failure: str | None


def read_case(value: object) -> CaseFile:
    """Read a case file.

    Raises:
        DocumentError: Naming the first wrong field.
    """
    return read_struct(CaseFile, value, "case")


def _policies(case: CaseFile, genesis: str, checks: list[str]) -> dict[str, Policy]:
    first, *rest = case.policies
    check_genesis(first, genesis, now=signed_by(first))
    checks.append(f"genesis {genesis[:16]}… signed by the quorum that it names itself")
    chain = {first.policy.digest: first.policy}
    current = first.policy
    for signed in rest:
        accession = check_successor(signed, current, now=signed_by(signed))
        current = signed.policy
        chain[current.digest] = current
        checks.append(f"policy {current.number} {_FOLLOWS[accession.kind]}")
    return chain


def _offline_journal(case: CaseFile, policy: Policy, deployment: str, signer: str) -> Journal:
    journal = Journal()
    start = StartRecord(
        kind="start",
        time=0,
        deployment=deployment,
        signer=signer,
        policy=policy.digest,
        number=policy.number,
        full=False,
        not_before=0,
        ceremony=None,
        lanes=(LaneStart(wallet=case.bundle.intent.wallet, next_nonce=case.bundle.attempt.nonce),),
        consents=(),
    )
    journal.apply(journal.encode(start))
    if case.bundle.cancel is not None:
        journal.apply(journal.encode(_cancelled(case, policy)))
    return journal


def _cancelled(case: CaseFile, policy: Policy) -> ReserveRecord:
    """Stand in for the reservation that a cancel needs: that it existed is the signer's own evidence."""
    return ReserveRecord(
        kind="reserve",
        time=0,
        intent=case.bundle.intent.digest,
        mandate=case.bundle.mandate.digest,
        policy=policy.digest,
        newest=policy.digest,
        wallet=case.bundle.intent.wallet,
        nonce=case.bundle.attempt.nonce,
        max_fee_per_gas=0,
        max_priority_fee_per_gas=0,
        cancel=None,
        signing_hash=bytes(32),
        draw=None,
        consents=(),
    )


def check_case(case: CaseFile, genesis: str) -> CaseReport:
    """Verify a case against a genesis digest that the reader got from elsewhere.

    Args:
        case: The kept case.
        genesis: The deployment's genesis digest, 64 hex digits.
    """
    checks: list[str] = []
    try:
        chain = _policies(case, genesis, checks)
        if case.bundle.policy not in chain:
            return CaseReport(tuple(checks), "the bundle's policy is not in the chain")
        # The chain ends with the newest policy when it was signed: it had to allow the case as well.
        policy = case.policies[-1].policy
        signer, role = _signer(policy, case.bundle.intent.wallet)
        pins = Pins(deployment=genesis, signer=signer, role=role, policies=chain)
        journal = _offline_journal(case, policy, genesis, signer)
        if case.bundle.cancel is None:
            verified = verify(case.bundle, pins, journal, case.signed_at, OFFLINE)
        else:
            verified = verify_cancel(case.bundle, pins, journal, case.signed_at, OFFLINE)
        checks.extend(verified.checks)
        transaction, _ = decode_signed(case.raw)
        if transaction != verified.transaction:
            return CaseReport(tuple(checks), "the raw transaction is not the one that people consented to")
        checks.append("the raw transaction is, byte for byte, the one that people consented to")
        if sender_of(case.raw) != verified.wallet.address:
            return CaseReport(tuple(checks), "the signature is not by the wallet's key")
        checks.append(f"signed by the key of {verified.wallet.label} ({verified.wallet.address})")
    except RefusedError as error:
        return CaseReport(tuple(checks), f"{error.code}: {error.message}")
    except CoreError as error:
        return CaseReport(tuple(checks), str(error))
    return CaseReport(tuple(checks), None)


def _signer(policy: Policy, wallet_id: str) -> tuple[str, SignerRole]:
    """Return the name and role of the signer that holds the wallet."""
    wallet = next((w for w in policy.wallets if w.id == wallet_id), None)
    names = wallet.signers if wallet is not None else ()
    entry = next((s for s in policy.signers if s.id in names), policy.signers[0])
    return entry.id, entry.role
