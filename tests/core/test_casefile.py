"""A kept case is re-verified offline, for ever, from a root that the reader brings."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from coincurve import PrivateKey

from core.casefile import check_case, read_case
from core.documents.bundle import CaseFile
from core.documents.control import LaneStart
from core.errors import DocumentError
from core.evm import decode_signed, finish_signature
from core.schema import write_struct
from demo.forgeries.catalogue import policy, sign
from tests.factories.world import CHAIN, DAY, World, header
from tests.forgery.gate import CoreGate

if TYPE_CHECKING:
    from core.documents.bundle import Bundle


@pytest.fixture
def gate() -> CoreGate:
    return CoreGate(World())


def kept(gate: CoreGate, bundle: Bundle, *, later: int = 0, **changes: Any) -> CaseFile:  # noqa: ANN401 - CaseFile's
    assert gate.deliver(sign(bundle, later=later)) is None
    fields: dict[str, Any] = {
        "kind": "countersign.case.v1",
        "policies": (gate.world.signed_policy,),
        "bundle": bundle,
        "signed_at": gate.world.now + later,
        "raw": gate.signed[-1],
    }
    return CaseFile(**(fields | changes))


def failure(gate: CoreGate, case: CaseFile) -> str:
    found = check_case(case, gate.world.deployment).failure
    assert found is not None
    return found


def test_a_payment_holds(gate: CoreGate) -> None:
    report = check_case(kept(gate, gate.case().bundle()), gate.world.deployment)
    assert report.failure is None
    assert len(report.checks) >= 8


def test_a_cancel_holds(gate: CoreGate) -> None:
    case = gate.case()
    first = case.bundle()
    assert gate.deliver(sign(first)) is None
    assert check_case(kept(gate, case.cancel(first, by=("rita",))), gate.world.deployment).failure is None


def test_a_case_far_down_a_lane_holds(gate: CoreGate) -> None:

    gate.journal = gate.world.make_journal(lanes=(LaneStart(wallet=gate.world.wallet, next_nonce=3_000_000),))
    case = kept(gate, gate.case().bundle())
    assert case.bundle.attempt.nonce == 3_000_000
    assert check_case(case, gate.world.deployment).failure is None


def test_a_case_under_a_later_policy_needs_the_whole_chain(gate: CoreGate) -> None:
    case = gate.case()
    successor = case.successor()
    signed = case.sign_policy(successor, *case.cast.admins)

    assert gate.deliver(policy(signed)) is None
    bundle = dataclasses.replace(case.at(DAY), policy=successor).bundle()
    file = kept(gate, bundle, later=DAY, policies=(gate.world.signed_policy, signed))
    assert check_case(file, gate.world.deployment).failure is None
    assert "not in the chain" in failure(gate, dataclasses.replace(file, policies=(gate.world.signed_policy,)))
    assert failure(gate, dataclasses.replace(file, policies=(signed,)))
    assert failure(gate, dataclasses.replace(file, policies=(signed, gate.world.signed_policy)))
    once = dataclasses.replace(signed, consents=signed.consents[:1])
    assert "succession" in failure(gate, dataclasses.replace(file, policies=(gate.world.signed_policy, once)))


def test_another_root_refuses_it(gate: CoreGate) -> None:
    case = kept(gate, gate.case().bundle())
    assert check_case(case, "ab" * 32).failure is not None


def test_bytes_that_nobody_consented_to_are_found(gate: CoreGate) -> None:
    case = gate.case()
    first = kept(gate, case.bundle())
    second = kept(gate, case.bundle(attempt=case.attempt(case.nonce + 1)))
    assert "consented" in failure(gate, dataclasses.replace(first, raw=second.raw))
    assert failure(gate, dataclasses.replace(first, raw=b"\x02"))
    assert failure(gate, dataclasses.replace(first, raw=first.raw + b"\0"))


def test_a_signature_by_another_key_is_found(gate: CoreGate) -> None:
    case = gate.case()
    file = kept(gate, case.bundle())

    transaction, _ = decode_signed(file.raw)
    thief = PrivateKey()
    raw = thief.sign_recoverable(transaction.signing_hash, hasher=None)[:64]
    public = thief.public_key.format(compressed=False)
    stolen = transaction.signed(finish_signature(transaction.signing_hash, raw, public))
    assert "not by the wallet's key" in failure(gate, dataclasses.replace(file, raw=stolen))


def test_a_time_at_which_it_could_not_have_been_signed_is_found(gate: CoreGate) -> None:
    file = kept(gate, gate.case().bundle())
    assert "expired" in failure(gate, dataclasses.replace(file, signed_at=file.signed_at + 4000))
    assert "not_yet_valid" in failure(gate, dataclasses.replace(file, signed_at=file.signed_at - 4000))


def test_a_case_of_an_unknown_wallet_fails_and_does_not_crash(gate: CoreGate) -> None:
    file = kept(gate, gate.case().bundle())
    elsewhere = dataclasses.replace(
        file.bundle.intent,
        header=header("intent", gate.world.deployment),
        wallet=f"{CHAIN}:{file.bundle.intent.to}",
    )
    assert failure(gate, dataclasses.replace(file, bundle=dataclasses.replace(file.bundle, intent=elsewhere)))


def test_what_is_no_case_is_not_read(gate: CoreGate) -> None:
    value = write_struct(kept(gate, gate.case().bundle()), "case")
    assert read_case(value).signed_at == gate.world.now
    wrongs: list[object] = [
        None,
        [],
        value | {"kind": "countersign.case.v2"},
        value | {"policies": []},
        value | {"x": 1},
    ]
    for wrong in wrongs:
        with pytest.raises(DocumentError):
            read_case(wrong)
