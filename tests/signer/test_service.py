"""The order of a signature, repetition, one-shot tokens, control orders and succession."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from core.documents.bundle import Attempt
from core.documents.consent import Decision, SubjectType
from core.documents.control import Halt, HaltOrder, Resume, ResumeOrder, VetoOrder
from core.documents.policy import SignedPolicy
from core.errors import Refusal, RefusedError, SpentTokenError
from core.evm import decode_signed, sender_of
from core.schema import write_struct
from core.verify import verify
from signer.backends import HsmBackend
from signer.config import load_config
from signer.errors import HsmUnavailableError
from signer.hsm import Hsm
from tests.factories.documents import DAY, header
from tests.factories.succession import HOLDERS, holders, recover, without
from tests.forgery.institutions import adapt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.documents.policy import Policy
    from signer.service import Service
    from tests.signer.rig import Rig


@pytest.fixture
def service(rig: Rig) -> Iterator[Service]:
    with rig.service() as running:
        yield running


def test_it_signs_what_people_consented_to(rig: Rig, service: Service) -> None:
    bundle = rig.bundle()
    answer = service.sign(bundle, now=rig.world.now)
    transaction, _ = decode_signed(answer.raw)
    assert (transaction.to, transaction.value, transaction.nonce) == (bundle.intent.to, bundle.intent.value, 0)
    assert sender_of(answer.raw) == rig.world.wallet.rpartition(":")[2]
    assert not answer.repeated


def test_a_repetition_gets_the_same_bytes_after_full_verification(rig: Rig, service: Service) -> None:
    bundle = rig.bundle()
    first = service.sign(bundle, now=rig.world.now)
    again = service.sign(bundle, now=rig.world.now + 5)
    assert (again.raw, again.repeated) == (first.raw, True)
    with pytest.raises(RefusedError) as caught:
        service.sign(bundle, now=bundle.header.expires)
    assert caught.value.code is Refusal.EXPIRED


def test_the_stored_signature_survives_a_restart(rig: Rig) -> None:
    bundle = rig.bundle()
    with rig.service() as service:
        first = service.sign(bundle, now=rig.world.now)
    with rig.service() as service:
        assert service.sign(bundle, now=rig.world.now).raw == first.raw


def test_nothing_is_signed_before_the_journal_says_so(
    rig: Rig, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []
    real = Hsm.sign

    def watched(self: Hsm, public_key: bytes, digest: bytes, *, cloned: bool) -> bytes:
        seen.append((rig.state / "journal").read_bytes())
        return real(self, public_key, digest, cloned=cloned)

    monkeypatch.setattr(Hsm, "sign", watched)
    service.sign(rig.bundle(), now=rig.world.now)
    (at_signing,) = seen
    assert at_signing.endswith(b"\n")
    assert b'"kind":"reserve"' in at_signing


def test_a_refused_case_leaves_no_trace(rig: Rig, service: Service) -> None:
    before = (rig.state / "journal").read_bytes()
    with pytest.raises(RefusedError):
        service.sign(rig.bundle(approvers=("rita",)), now=rig.world.now)
    assert (rig.state / "journal").read_bytes() == before


def test_a_token_that_is_away_uses_up_no_nonce(rig: Rig, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise HsmUnavailableError("away")

    bundle = rig.bundle()
    with monkeypatch.context() as patched:
        patched.setattr(Hsm, "check_key", away)
        with pytest.raises(HsmUnavailableError):
            service.sign(bundle, now=rig.world.now)
    assert service.journal.next_nonce(rig.world.wallet) == 0
    assert service.sign(bundle, now=rig.world.now).repeated is False


def test_a_token_that_fails_while_signing_signs_the_same_bytes_later(
    rig: Rig, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise HsmUnavailableError("away")

    bundle = rig.bundle()
    with monkeypatch.context() as patched:
        patched.setattr(Hsm, "sign", away)
        with pytest.raises(HsmUnavailableError):
            service.sign(bundle, now=rig.world.now)
    assert service.journal.next_nonce(rig.world.wallet) == 1
    answer = service.sign(bundle, now=rig.world.now)
    assert not answer.repeated
    assert decode_signed(answer.raw)[0].nonce == 0


def test_backends_take_nothing_but_a_journalled_unspent_token(rig: Rig, service: Service) -> None:
    verified = verify(rig.bundle(), service.pins, service.journal, rig.world.now)
    backend = service._backend  # noqa: SLF001 - the only way to a backend with a key
    with pytest.raises(SpentTokenError, match="not journalled"):
        backend.sign(verified)

    class Lookalike:
        wallet = verified.wallet
        transaction = verified.transaction

        def spend(self) -> bytes:
            return bytes(32)

        def finish(self, signature: bytes) -> tuple[bytes, bytes]:
            return signature, signature

    fake: Any = Lookalike()
    with pytest.raises(SpentTokenError, match="nothing else"):
        backend.sign(fake)
    verified.journalled()
    backend.sign(verified)
    with pytest.raises(SpentTokenError):
        backend.sign(verified)


def test_software_wallets_have_no_key_here(rig: Rig) -> None:
    wallet = rig.world.policy.wallets[0]
    software = dataclasses.replace(wallet, kind=type(wallet.kind).SOFTWARE)
    with rig.hsm() as hsm, pytest.raises(RefusedError) as caught:
        HsmBackend(hsm).ready(software)
    assert caught.value.code is Refusal.UNSUPPORTED


def halt(rig: Rig) -> HaltOrder:
    world = rig.world
    document = Halt(
        header=header("halt", world.deployment, now=world.now),
        policy=world.policy.digest,
        signers=(),
        reason="drill",
    )
    consent = world.consent(document.digest, "olga", subject_type=SubjectType.HALT)
    return HaltOrder(kind="halt", document=document, consents=(consent,))


def test_a_halt_stops_at_once_and_a_resume_lifts_it(rig: Rig, service: Service) -> None:
    order, world = halt(rig), rig.world
    assert service.control(order, now=world.now) == {"records": 1, "halts": [order.document.digest]}
    assert service.control(order, now=world.now)["records"] == 0
    bundle = rig.bundle()
    with pytest.raises(RefusedError) as caught:
        service.sign(bundle, now=world.now)
    assert caught.value.code is Refusal.HALTED
    document = Resume(
        header=header("resume", world.deployment, now=world.now),
        policy=world.policy.digest,
        halt=order.document.digest,
        signers=(),
        reason="over",
    )
    consents = tuple(
        world.consent(document.digest, name, subject_type=SubjectType.RESUME) for name in ("adam", "anna")
    )
    resume = ResumeOrder(kind="resume", document=document, consents=consents)
    assert service.control(resume, now=world.now) == {"records": 1, "halts": []}
    assert service.sign(bundle, now=world.now).repeated is False


def test_a_halt_survives_a_restart(rig: Rig) -> None:
    with rig.service() as service:
        service.control(halt(rig), now=rig.world.now)
    with rig.service() as service:
        assert service.status(now=rig.world.now)["halted"] is True


def test_a_veto_that_is_handed_over_stops_the_case(rig: Rig, service: Service) -> None:
    bundle = rig.bundle()
    consent = rig.world.consent(bundle.mandate.digest, "ravi", Decision.REJECT)
    order = VetoOrder(kind="veto", consents=(consent,))
    assert service.handle({"op": "control", "order": write_struct(order, "order")}, now=rig.world.now)["records"] == 1
    with pytest.raises(RefusedError) as caught:
        service.sign(bundle, now=rig.world.now)
    assert caught.value.code is Refusal.REJECTED


def test_a_clock_that_went_back_refuses(rig: Rig, service: Service) -> None:
    service.sign(rig.bundle(), now=rig.world.now + 10)
    with pytest.raises(RefusedError) as caught:
        service.sign(rig.bundle(), now=rig.world.now + 9)
    assert caught.value.code is Refusal.CLOCK


def successor(rig: Rig, **changes: Any) -> Policy:  # noqa: ANN401 - fields of Policy
    world = rig.world
    return dataclasses.replace(
        world.policy,
        header=header("policy", world.deployment, now=world.now, lifetime=300 * DAY),
        number=2,
        previous=world.policy.digest,
        **changes,
    )


def test_a_successor_waits_and_then_is_the_only_policy(rig: Rig) -> None:
    world, policy = rig.world, successor(rig, institution="Renamed Bank")
    signed = world.sign_policy(policy, "adam", "anna")
    with rig.service() as service:
        told = service.succeed(signed, now=world.now)
        assert told["policy"] == world.deployment
        waits = {"kind": "loosening", "effective": world.now + DAY}
        assert told["accepted"] == waits
        assert told["pending"] == {"policy": policy.digest, "number": 2} | waits
        # Handing it over again does not start the delay again.
        assert service.succeed(signed, now=world.now + 100) == told
        service.sign(rig.bundle(), now=world.now + 200)
    with rig.service() as service:
        later = service.status(now=world.now + DAY)
        assert (later["policy"], later["number"], later["pending"]) == (policy.digest, 2, None)
        with pytest.raises(RefusedError) as caught:
            service.sign(rig.bundle(), now=world.now + DAY)
        assert caught.value.code in (Refusal.WRONG_POLICY, Refusal.EXPIRED)


def test_a_replaced_successor_cannot_be_played_again(rig: Rig, service: Service) -> None:
    world = rig.world
    first = world.sign_policy(successor(rig, institution="First"), "adam", "anna")
    later = header("policy", world.deployment, now=world.now + 1, lifetime=300 * DAY)
    second = world.sign_policy(
        dataclasses.replace(successor(rig, institution="Second"), header=later), "adam", "anna"
    )
    service.succeed(first, now=world.now)
    service.succeed(second, now=world.now + 1)
    with pytest.raises(RefusedError) as caught:
        service.succeed(first, now=world.now + 2)
    assert caught.value.code is Refusal.SUCCESSION


def test_a_successor_needs_its_predecessors_quorum(rig: Rig, service: Service) -> None:
    signed = rig.world.sign_policy(successor(rig), "adam")
    with pytest.raises(RefusedError) as caught:
        service.succeed(signed, now=rig.world.now)
    assert caught.value.code is Refusal.SUCCESSION
    assert len(list((rig.state / "policies").iterdir())) == 1


def test_a_successor_with_a_key_that_is_not_here_is_refused(rig: Rig, service: Service) -> None:
    world = rig.world
    stranger = world.wallet_key.public_key.format(compressed=False)
    from core.evm import address_of  # noqa: PLC0415 - next to its only use

    wallet = dataclasses.replace(
        world.policy.wallets[0], id=f"eip155:31337:{address_of(stranger)}", public_key=stranger, label="Elsewhere"
    )
    signed = world.sign_policy(successor(rig, wallets=(*world.policy.wallets, wallet)), "adam", "anna")
    with pytest.raises(RefusedError) as caught:
        service.succeed(signed, now=world.now)
    assert caught.value.code is Refusal.POLICY_INVALID


def test_a_changed_policy_file_does_not_start(rig: Rig) -> None:
    (path,) = (rig.state / "policies").iterdir()
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"Example Bank", b"Another Bank"))
    path.chmod(0o400)
    with pytest.raises(Exception, match="another policy"), rig.service():
        pass


def test_a_fee_raise_and_the_status_of_its_lane(rig: Rig, service: Service) -> None:
    world, bundle = rig.world, rig.bundle()
    low = dataclasses.replace(bundle, attempt=Attempt(nonce=0, max_fee_per_gas=10**9, max_priority_fee_per_gas=10**8))
    service.sign(low, now=world.now)
    raised = service.sign(bundle, now=world.now)
    assert decode_signed(raised.raw)[0].nonce == 0
    status = service.status(now=world.now)
    assert status["lanes"] == {world.wallet: {"next": 1, "held": {"0": bundle.intent.digest}}}
    assert (status["deployment"], status["signer"], status["role"]) == (world.deployment, "hsm-1", "hsm")


def test_a_status_says_what_the_token_says_of_itself(rig: Rig, service: Service) -> None:
    status = service.status(now=rig.world.now)
    settings = load_config(rig.state).token
    token: Any = status["token"]
    assert (token["manufacturer"], token["model"], token["firmware"]) == ("SoftHSM project", "SoftHSM v2", "2.6")
    listed = subprocess.run(
        ["softhsm2-util", "--show-slots"],
        env={"SOFTHSM2_CONF": str(settings.softhsm_conf), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    own = next(part for part in listed.split("Slot ") if re.search(rf"Label:\s+{settings.label}\b", part))
    assert re.search(rf"Serial number:\s+{token['serial']}\b", own)
    assert token["serial"]
    assert (set(token), status["epochs"]) == ({"manufacturer", "model", "serial", "hardware", "firmware"}, {})


def test_the_highest_clock_counts_even_where_nothing_was_journalled(rig: Rig, service: Service) -> None:
    now = rig.world.now
    request = {"v": 1, "op": "sign", "bundle": rig.bundle().to_json()}
    with pytest.raises(RefusedError, match="expired"):
        service.handle(request, now=now + DAY)
    with pytest.raises(RefusedError) as caught:
        service.handle(request, now=now)
    assert caught.value.code is Refusal.CLOCK


def test_a_recovery_waits_survives_a_restart_and_takes_force(unpinned: Rig) -> None:
    rig = unpinned
    adapt(rig.world, **holders())
    rig.pin()
    world = rig.world
    lost = recover(world, HOLDERS[:2], people=without(world, "tom"))
    week = world.now + 7 * DAY
    with rig.service() as service:
        told = service.succeed(lost, now=world.now)
        assert told["accepted"] == {"kind": "recovery", "effective": week}
    with rig.service() as service:
        assert service.status(now=week - 1)["pending"] == {
            "policy": lost.policy.digest,
            "number": 2,
            "effective": week,
            "kind": "recovery",
        }
        service.sign(rig.bundle(), now=world.now)
        status = service.status(now=week)
        assert (status["policy"], status["pending"]) == (lost.policy.digest, None)


def test_a_veto_of_what_waits_survives_a_restart(rig: Rig) -> None:
    world = rig.world
    signed = world.sign_policy(successor(rig, institution="Renamed Bank"), "adam", "anna")
    no = world.consent(signed.policy.digest, "olga", Decision.REJECT, subject_type=SubjectType.POLICY)
    with rig.service() as service:
        service.succeed(signed, now=world.now)
        assert service.control(VetoOrder(kind="veto", consents=(no,)), now=world.now)["records"] == 1
    with rig.service() as service:
        assert service.status(now=world.now + 2 * DAY)["policy"] == world.deployment
        with pytest.raises(RefusedError):
            service.succeed(signed, now=world.now + 1)


def test_a_tightening_is_in_force_at_once_and_a_case_in_flight_needs_both(rig: Rig, service: Service) -> None:
    world = rig.world
    tight = successor(rig, people=tuple(p for p in world.policy.people if p.id != "tom"))
    told = service.succeed(world.sign_policy(tight, "adam", "anna"), now=world.now)
    assert (told["policy"], told["pending"]) == (tight.digest, None)
    assert told["accepted"] == {"kind": "tightening", "effective": world.now}
    assert service.sign(rig.bundle(), now=world.now).repeated is False
    harder = dataclasses.replace(
        tight,
        header=dataclasses.replace(tight.header, id="ab" * 16),
        number=3,
        previous=tight.digest,
        grants=(),
    )
    consents = tuple(
        world.consent(harder.digest, name, subject_type=SubjectType.POLICY, policy=tight.digest)
        for name in ("adam", "anna")
    )
    service.succeed(SignedPolicy(policy=harder, consents=consents), now=world.now)
    with pytest.raises(RefusedError) as caught:
        service.sign(rig.bundle(), now=world.now)
    assert caught.value.code is Refusal.DENIED
