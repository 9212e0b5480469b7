"""A second token takes the place of the first: witnesses lease to one of them; what does not hold enters nothing."""

from __future__ import annotations

import dataclasses
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from core.canonical import canonical
from core.documents.control import CeremonyKind
from core.errors import RefusedError, WitnessError
from core.schema import write_struct
from demo.forgeries.keepers import WITNESSES, logged
from signer.clones.service import OLD_LEASES, Entering, enter_service
from signer.config import load_config
from signer.console import start_service
from signer.errors import ConfigError, SignerError
from signer.files import exclusive
from tests.factories.world import DAY
from tests.witness.desks import folder_named
from witness.desk import Desk
from witness.service import STORE_FILE
from witness.service import load_config as load_witness
from witness.store import WitnessStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from core.documents.control import SignedCeremony
    from core.documents.policy import SignedPolicy
    from signer.service import Service
    from tests.signer.clone_rig import Made


class Succession:
    """A clone that was taken, the policy that moves its signer there, and two witnesses."""

    def __init__(self, made: Made, stack: ExitStack) -> None:
        made.house.take(made.clone, made.given)
        self.made, self.house = made, made.house
        self.wallet = self.house.wallet(made.clone)
        self.policy = self.moved()
        self.desks: dict[str, Desk] = {}
        world = self.house.world
        for name in WITNESSES[:2]:
            state = folder_named(self.house.folder / name, name)
            store = WitnessStore(state / STORE_FILE)
            stack.callback(store.close)
            self.desks[name] = Desk(load_witness(state, watching=False), store)
            self.desks[name].pin(world.signed_policy, world.deployment, now=world.now)
        self.into = self.house.folder / "entered"

    def moved(self, **changes: Any) -> SignedPolicy:  # noqa: ANN401 - fields of the signer's entry
        """Return the successor that has the signer where its clone is, with that key alone."""
        (key,) = self.made.given.document.recovery
        place = {name: getattr(key, name) for name in ("host", "site", "administrator", "vendor")} | changes
        signers = tuple(
            dataclasses.replace(one, **place) if one.id == "hsm-1" else one for one in self.house.world.policy.signers
        )
        draft = dataclasses.replace(self.house.named(self.wallet).policy, signers=signers, wallets=(self.wallet,))
        return self.house.world.sign_policy(draft, "adam", "anna")

    def start(self, policy: SignedPolicy | None = None, *names: str, **changes: Any) -> SignedCeremony:  # noqa: ANN401
        digest = (policy or self.policy).policy.digest
        fields = {"policy": digest, "threshold": 0} | changes
        return self.house.order(CeremonyKind.JOURNAL_START, *names, **fields)

    def entering(self, start: SignedCeremony, policy: SignedPolicy | None = None) -> Entering:
        return Entering(
            into=self.into,
            genesis=self.house.rig.genesis,
            start=self.house.file(start, policy or self.policy).read_bytes(),
            socket_path=None,
            allowed_uids=(),
            group=None,
        )

    def enter(self, start: SignedCeremony, policy: SignedPolicy | None = None) -> str:
        second = self.house.second
        given = self.entering(start, policy)
        with exclusive(second.state):
            return enter_service(second.state, second.both, given, lambda digest: digest, now=int(time.time()))

    @contextmanager
    def running(self, state: Path) -> Iterator[Service]:
        with exclusive(state):
            service, hsm = start_service(load_config(state))
            try:
                yield service
            finally:
                service.close()
                hsm.close()

    def lease(self, service: Service, seen: dict[str, int], now: int) -> None:
        """Carry leases as a courier does."""
        known = [{"witness": name, "size": seen.get(name, 0)} for name in self.desks]
        asked: Any = service.handle({"v": 1, "op": "challenge", "known": known}, now=now)
        leases = []
        for row in asked["continues"]:
            fields = {name: asked[name] for name in ("deployment", "signer", "challenge", "size", "root", "start")}
            request = fields | {"old": row["old"], "proof": row["proof"]}
            leases.append(write_struct(self.desks[row["witness"]].lease(canonical(request), now=now), "lease"))
            seen[row["witness"]] = asked["size"]
        service.handle({"v": 1, "op": "lease", "leases": leases}, now=now)

    def sign(self, service: Service, now: int) -> str | None:
        """Return the refusal's code for a payment of the wallet, made now; None where it was signed."""
        world = self.house.world
        world.now, world.wallet, world.policy = now, self.wallet.id, self.policy.policy
        bundle = logged(self.house.rig.bundle(), deployment=world.deployment, now=now)
        try:
            service.handle({"v": 1, "op": "sign", "bundle": bundle.to_json()}, now=now)
        except RefusedError as error:
            return str(error.code)
        return None

    def hand_in(self, start: SignedCeremony, now: int) -> None:
        whole = write_struct(start, "ceremony")
        handed = {"ceremony": whole["document"], "consents": whole["consents"]}
        for desk in self.desks.values():
            desk.hand_in(canonical(handed), now=now)


@pytest.fixture
def succession(made: Made) -> Iterator[Succession]:
    with ExitStack() as stack:
        yield Succession(made, stack)


def test_the_second_token_serves_and_the_first_gets_no_lease_any_more(succession: Succession) -> None:
    first, now = succession.house.rig.state, int(time.time())
    old_seen: dict[str, int] = {}
    for desk in succession.desks.values():
        desk.hand_in(canonical(write_struct(succession.policy, "signed_policy")), now=now)
    with succession.running(first) as service:
        service.succeed(succession.policy, now=now)
        succession.lease(service, old_seen, now)
        assert succession.sign(service, now) is None
        succession.lease(service, old_seen, now)
    start = succession.start()
    assert "can serve" in succession.enter(start)
    now, seen = int(time.time()), dict[str, int]()
    with succession.running(succession.into) as service:
        # Until people hand the ceremony to the witnesses, it is a journal of nobody's.
        with pytest.raises(WitnessError):
            succession.lease(service, seen, now)
        succession.hand_in(start, now)
        succession.lease(service, seen, now)
        assert succession.sign(service, now) == "before_journal", "what the first may still sign is not signed here"
        succession.house.rig.nonce = 0
        later = now + OLD_LEASES + 60
        succession.lease(service, seen, later)
        assert succession.sign(service, later) == "denied", "every window counts as full until it has passed"
        succession.house.rig.nonce = 0
        later += DAY
        succession.lease(service, seen, later)
        assert succession.sign(service, later) is None
    with succession.running(first) as service:
        with pytest.raises(WitnessError) as caught:
            succession.lease(service, dict(old_seen), later)
        assert caught.value.status in (409, 422)
        assert succession.sign(service, later) == "lease"


def test_asked_again_it_goes_on_and_another_start_takes_another_ceremony(succession: Succession) -> None:
    start = succession.start()
    succession.enter(start)
    journal = (succession.into / "journal").read_bytes()
    succession.enter(start)
    assert (succession.into / "journal").read_bytes() == journal
    again = succession.start()
    succession.enter(again)
    assert (succession.into / "journal").read_bytes() != journal


def test_what_does_not_hold_enters_nothing(succession: Succession) -> None:
    house = succession.house
    here = house.named(succession.wallet)
    lost = house.world.sign_policy(
        dataclasses.replace(succession.policy.policy, wallets=(*house.world.policy.wallets, succession.wallet)),
        "adam",
        "anna",
    )
    unnamed = dataclasses.replace(
        succession.policy.policy, wallets=(dataclasses.replace(succession.wallet, clone=None),)
    )
    tries = [
        (succession.start(None, "adam"), succession.policy),
        (succession.start(signers=("log-1",)), succession.policy),
        (succession.start(here), here),
        (succession.start(lost), lost),
        (succession.start(here), succession.policy),
    ]
    plain = house.world.sign_policy(unnamed, "adam", "anna")
    tries.append((succession.start(plain), plain))
    for field in ("host", "site", "administrator", "vendor"):
        elsewhere = succession.moved(**{field: "elsewhere"})
        tries.append((succession.start(elsewhere), elsewhere))
    for start, policy in tries:
        with pytest.raises((SignerError, RefusedError)):
            succession.enter(start, policy)
    assert not (succession.into / "journal").exists()
    assert not (succession.into / "pins.json").exists()
    assert not (succession.into / "hsm-pin").exists()


def test_the_command_makes_a_signer_that_starts(succession: Succession) -> None:
    house, given = succession.house, succession.entering(succession.start())
    genesis, start = house.folder / "genesis.json", house.folder / "start.json"
    genesis.write_bytes(given.genesis)
    start.write_bytes(given.start)
    arguments = ("--into", succession.into, "--genesis", genesis, "--start", start)
    done = house.second.command("enter", *arguments, "--expect", house.world.deployment)
    assert done.returncode == 0, done.stderr
    with succession.running(succession.into):
        pass


def test_a_folder_of_somebody_else_is_left_alone(succession: Succession) -> None:
    succession.into = succession.house.second.state
    with pytest.raises(ConfigError):
        succession.enter(succession.start())
    succession.into = succession.house.rig.state
    with pytest.raises(ConfigError):
        succession.enter(succession.start())
