"""The same catalogue against a real signer: its own process, its unix socket, its journal on disk, SoftHSM.

Most forgeries are played against one signer, one after the other, with all that the earlier ones left behind. Those
that need another policy, or leave a signer halted or used up, get a signer of their own; those that need another
clock are played against the signer's service in this process, on a real token and journal, since no call at run time
moves a signer's clock.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from core.canonical import parse
from core.errors import CoreError, DocumentError, EncodingError, Refusal, RefusedError
from demo.forgeries import CATALOGUE, Op, Setting
from signer import wire
from signer.provision import make_key
from tests.forgery.gate import case_of
from tests.forgery.institutions import institution
from tests.forgery.play import play
from tests.signer.rig import Rig, Template, make_template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.forgeries import Case, Forgery, Step
    from signer.service import Service
    from tests.signer.rig import Served

CLOCKED = frozenset(
    {
        "at-the-edge-of-the-window",
        "cancel-without-a-lease",
        "lease-that-has-ended",
        "clock-set-back",
        "price-that-has-expired",
        "recovery-after-one-person-said-no",
        "recovery-used-before-its-week",
        "signed-again-after-its-expiry",
        "signed-under-an-expired-policy",
    }
)
"""Need a signer's clock to move; a test below keeps this list true."""


def request_of(step: Step) -> bytes:
    """Put a step's body, as it is, into a request."""
    field = (wire.OPERATIONS[step.op] or "").encode()
    return b'{"v":1,"op":"%s","%s":%s}' % (step.op.encode(), field, step.body)


CHALLENGE = b'{"v":1,"op":"challenge","known":[]}'


def lease_request(step: Step, challenge: dict[str, Any]) -> bytes:
    """Carry a step's leases over the challenge that the signer gave."""
    return b'{"v":1,"op":"lease","leases":%s}' % step.leases_body(challenge)


def exchange(path: str, raw: bytes) -> dict[str, Any]:
    """Send one frame of any bytes and read the answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(20)
        connection.connect(path)
        connection.sendall(wire.HEADER.pack(len(raw)) + raw)
        with connection.makefile("rb") as answers:
            (length,) = wire.HEADER.unpack(answers.read(wire.HEADER.size))
            answer = parse(answers.read(length))
    assert isinstance(answer, dict)
    return answer


class SocketGate:
    """A signer behind its socket. Only typed refusals count: silence or a fault fails the test."""

    def __init__(self, rig: Rig, served: Served) -> None:
        self.rig = rig
        self.served = served

    def case(self) -> Case:
        self.rig.world.now = int(time.time())
        lane = self.served.status()["lanes"].get(self.rig.world.wallet)
        return case_of(self.rig.world, nonce=lane["next"] if lane else 0)

    def deliver(self, step: Step) -> Refusal | None:
        assert not step.later, "a signer's clock is its own"
        answers = []
        if step.leases is not None:
            challenge = exchange(self.served.path, CHALLENGE)["result"]
            answers.append(exchange(self.served.path, lease_request(step, challenge)))
        if step.op is not Op.LEASE:
            answers.append(exchange(self.served.path, request_of(step)))
        return None if answers[-1]["ok"] else Refusal(answers[-1]["error"]["code"])


class ServiceGate:
    """A signer's service in this process: real token, real journal, and a clock that the test moves."""

    def __init__(self, rig: Rig, service: Service) -> None:
        self.rig = rig
        self.service = service

    def case(self) -> Case:
        world = self.rig.world
        return case_of(world, nonce=self.service.journal.next_nonce(world.wallet))

    def deliver(self, step: Step) -> Refusal | None:
        now = self.rig.world.now + step.later
        try:
            if step.leases is not None:
                challenge = self.service.handle(wire.read_request(CHALLENGE, message_bytes=1024), now=now)
                carried = wire.read_request(lease_request(step, challenge), message_bytes=256 * 1024)
                with suppress(RefusedError):
                    self.service.handle(carried, now=now)
            request = wire.read_request(request_of(step), message_bytes=256 * 1024)
            self.service.handle(request, now=now)
        except (EncodingError, DocumentError):
            return Refusal.MALFORMED
        except RefusedError as error:
            return error.code
        except CoreError as error:
            raise AssertionError(error) from error
        return None


@pytest.fixture(scope="module")
def template() -> Iterator[Template]:
    folder = Path(tempfile.mkdtemp(prefix="cs-forge-"))
    yield make_template(folder / "hsm-1")
    shutil.rmtree(folder)


def rig_of(template: Template, setting: Setting, stack: ExitStack) -> Rig:
    """Make a signer's folder whose pinned policy is the setting's."""
    folder = Path(tempfile.mkdtemp(prefix="cs-forge-"))
    stack.callback(shutil.rmtree, folder)
    rig = Rig(template, folder / "hsm-1")
    second = b""
    if setting is Setting.TWO_WALLETS:
        with rig.hsm() as hsm:
            second = make_key(hsm, "cold").public_key
    rig.world = institution(setting, now=int(time.time()), wallet_public_key=template.public_key, second=second)
    rig.pin()
    return rig


@pytest.fixture(scope="module")
def shared(template: Template) -> Iterator[SocketGate]:
    with ExitStack() as stack:
        rig = rig_of(template, Setting.STANDARD, stack)
        yield SocketGate(rig, stack.enter_context(rig.served()))


def stands_alone(forgery: Forgery) -> bool:
    return forgery.lasting or forgery.setting is not Setting.STANDARD


@pytest.mark.parametrize(
    "forgery", [f for f in CATALOGUE.values() if f.name not in CLOCKED], ids=lambda forgery: forgery.name
)
def test_forgery_is_refused_over_the_socket_and_its_control_signed(
    forgery: Forgery, template: Template, shared: SocketGate
) -> None:
    with ExitStack() as stack:

        def fresh() -> SocketGate:
            rig = rig_of(template, forgery.setting, stack)
            return SocketGate(rig, stack.enter_context(rig.served()))

        play(forgery, fresh, None if stands_alone(forgery) else shared)


@pytest.mark.parametrize("name", sorted(CLOCKED))
def test_forgery_in_time_is_refused_by_the_service_and_its_control_signed(name: str, template: Template) -> None:
    forgery = CATALOGUE[name]
    with ExitStack() as stack:

        def fresh() -> ServiceGate:
            # A process logs in to one token at a time.
            stack.close()
            rig = rig_of(template, forgery.setting, stack)
            return ServiceGate(rig, stack.enter_context(rig.service()))

        play(forgery, fresh)


def test_only_what_needs_a_clock_is_played_without_the_socket(template: Template) -> None:
    worlds = {setting: institution(setting, wallet_public_key=template.public_key) for setting in Setting}
    built = {name: f.build(case_of(worlds[f.setting], nonce=0)) for name, f in CATALOGUE.items()}
    assert {name for name, attack in built.items() if attack.needs_clock} == CLOCKED


def test_after_all_of_them_the_signer_still_signs_and_holds_no_gap(shared: SocketGate) -> None:
    case = shared.case()
    answer = exchange(shared.served.path, b'{"v":1,"op":"sign","bundle":' + case.bundle().to_bytes() + b"}")
    assert answer["ok"], answer
    lane = shared.served.status()["lanes"][case.wallet]
    assert lane["next"] == case.nonce + 1
