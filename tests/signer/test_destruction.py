"""A wallet's key is destroyed by a ceremony, once no policy in force names the wallet, and with evidence."""

from __future__ import annotations

import dataclasses
import json
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from core.documents.control import CeremonyKind
from core.errors import Refusal, RefusedError
from core.schema import write_struct
from courier.client import CourierError
from signer.errors import TokenKeyError
from tests.factories.ceremonies import ceremony, signed
from tests.factories.succession import next_policy
from tests.signer.rig import START_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.documents.control import SignedCeremony
    from core.documents.policy import SignedPolicy
    from signer.service import Service
    from tests.signer.rig import Rig


def dropping(rig: Rig) -> SignedPolicy:
    """Return a successor that names no wallet any more."""
    return rig.world.sign_policy(next_policy(rig.world, wallets=()), "adam", "anna")


def order(rig: Rig, *names: str, **changes: Any) -> SignedCeremony:  # noqa: ANN401 - a ceremony's fields
    (wallet,) = rig.world.policy.wallets
    return signed(rig.world, ceremony(rig.world, CeremonyKind.DESTROY, wallet, **changes), *names)


def destroy(service: Service, given: SignedCeremony, now: int) -> Any:  # noqa: ANN401 - the answer's JSON
    service.ordain(given, now=now)
    return service.handle({"v": 1, "op": "destroy", "ceremony": given.document.digest}, now=now)


def code_of(work: Callable[[], object]) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        work()
    return caught.value.code


def test_a_key_that_no_policy_names_is_destroyed_and_stays_so(rig: Rig) -> None:
    world = rig.world
    (wallet,) = world.policy.wallets
    successor = dropping(rig)
    given = order(rig, policy=successor.policy.digest)
    with rig.service() as service:
        service.succeed(successor, now=world.now)
        answer = destroy(service, given, world.now)
        assert answer["evidence"]["items"] == {f"key of {wallet.address}": "0x" + wallet.public_key.hex()}
        assert destroy(service, given, world.now + 1) == answer
        assert service.ordain(given, now=world.now + 1)["steps"] == ["destroyed"]
        record = service.journal.ceremonies.done(given.document.digest)
        assert [step.evidence for step in record.values()] == [answer["digest"]]
    with rig.hsm() as hsm:
        assert not hsm.holds(wallet.public_key)
        with pytest.raises(TokenKeyError, match="0 public keys"):
            hsm.check_key(wallet.public_key)
    # It starts, and answers as before; what names the wallet again is refused, because its key is not there.
    with rig.service() as service:
        assert destroy(service, given, world.now + 2) == answer
        back = next_policy(world, after=successor.policy, wallets=world.policy.wallets)
        again = world.sign_policy(back, "adam", "anna")
        assert code_of(lambda: service.succeed(again, now=world.now + 2)) is Refusal.POLICY_INVALID


def test_the_key_of_a_wallet_that_may_still_pay_is_never_destroyed(rig: Rig) -> None:
    world = rig.world
    (wallet,) = world.policy.wallets
    with rig.service() as service:
        assert code_of(lambda: destroy(service, order(rig), world.now)) is Refusal.CEREMONY
        successor = dropping(rig)
        service.succeed(successor, now=world.now)
        # One that waits and names it again: it may pay again.
        back = next_policy(world, after=successor.policy, wallets=world.policy.wallets)
        assert service.succeed(world.sign_policy(back, "adam", "anna"), now=world.now)["pending"] is not None
        later = order(rig, policy=successor.policy.digest)
        assert code_of(lambda: destroy(service, later, world.now)) is Refusal.CEREMONY
    with rig.hsm() as hsm:
        hsm.check_key(wallet.public_key)


def test_it_takes_its_ceremony(rig: Rig) -> None:
    world = rig.world
    successor = dropping(rig)
    digest = successor.policy.digest
    with rig.service() as service:
        service.succeed(successor, now=world.now)
        assert code_of(lambda: destroy(service, order(rig, "adam", policy=digest), world.now)) is Refusal.QUORUM
        strange = dataclasses.replace(order(rig, policy=digest).document, wallet="eip155:1:0x" + "0" * 40)
        assert code_of(lambda: destroy(service, signed(world, strange), world.now)) is Refusal.UNKNOWN_WALLET
        others = order(rig, policy=digest, signers=("hsm-9",))
        assert code_of(lambda: destroy(service, others, world.now)) is Refusal.WRONG_SIGNER
        drill = signed(
            world, ceremony(world, CeremonyKind.DRILL, world.policy.wallets[0], policy=digest)
        )  # of a wallet that is gone
        assert code_of(lambda: destroy(service, drill, world.now)) is Refusal.UNKNOWN_WALLET
        given = order(rig, policy=digest)
        request = {"v": 1, "op": "destroy", "ceremony": given.document.digest}
        assert code_of(lambda: service.handle(request, now=world.now)) is Refusal.CEREMONY
        service.ordain(given, now=world.now)
        late = given.document.header.expires
        assert code_of(lambda: service.handle(request, now=late)) is Refusal.EXPIRED
    with rig.hsm() as hsm:
        assert hsm.holds(world.policy.wallets[0].public_key)


def test_evidence_that_was_edited_is_not_answered(rig: Rig) -> None:
    world = rig.world
    successor = dropping(rig)
    given = order(rig, policy=successor.policy.digest)
    with rig.service() as service:
        service.succeed(successor, now=world.now)
        answer = destroy(service, given, world.now)
        (path,) = (rig.state / "destroyed").glob("*.json")
        path.chmod(0o600)
        path.write_text(json.dumps(answer["evidence"] | {"items": {}}))
        path.chmod(0o400)
        assert code_of(lambda: destroy(service, given, world.now + 1)) is Refusal.CEREMONY
        path.unlink()
        assert code_of(lambda: destroy(service, given, world.now + 2)) is Refusal.CEREMONY


@pytest.mark.parametrize("point", ["signer.before_destruction", "signer.before_step"])
def test_killed_in_between_the_rest_is_done_with_the_same_evidence(rig: Rig, point: str) -> None:
    world = rig.world
    world.now = int(time.time())
    successor = dropping(rig)
    given = order(rig, policy=successor.policy.digest)
    request: dict[str, object] = {"v": 1, "op": "destroy", "ceremony": given.document.digest}
    with rig.served(environment={"COUNTERSIGN_FAILPOINT": point}) as served:
        handed = served.ask({"v": 1, "op": "policy", "signed_policy": write_struct(successor, "signed_policy")})
        assert handed["ok"], handed
        assert served.ask({"v": 1, "op": "ceremony", "ceremony": write_struct(given, "ceremony")})["ok"]
        with pytest.raises(CourierError):
            served.ask(request)
        assert served.process.wait(START_SECONDS) == -signal.SIGKILL
    (path,) = (rig.state / "destroyed").glob("*.json")
    written = json.loads(path.read_bytes())
    with rig.served() as served:
        answer = served.ask(request)
        assert answer["result"]["evidence"] == written
    with rig.hsm() as hsm:
        assert not hsm.holds(world.policy.wallets[0].public_key)
    assert dataclasses.asdict(successor.policy)["wallets"] == ()
