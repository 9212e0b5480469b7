"""Anchors of the log: asked by a client, granted without a person, signed, mined, read back, and missed when late."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from approvals.models import User
from audit.alarms import alarms_open
from audit.models import AuditCheckpoint, AuditEntry, AuditLeaf
from audit.services import entry_append
from audit.tags import AuditTag
from chains.services import chain_create, node_create
from core.anchor import Anchor, anchor_read
from core.documents.policy import ConditionOp, Effect, Rule
from core.documents.roster import WalletKind
from core.lifecycle import State
from custody.services import wallet_create
from custody.sweep import sweep_once as custody_sweep
from demo.services.anvil import anvil
from oms.anchor_sweep import AGAIN, PACE, anchors_sweep
from oms.anchoring import AnchorError, anchor_ask
from oms.models import LogAnchor, TransactionRequest
from oms.sweep import sweep_once as oms_sweep
from policies.services import genesis_store
from tests.append_only import lifted
from tests.audit.signed_log import place
from tests.factories.documents import compare, every, seats
from tests.factories.rules import rules
from tests.factories.world import CHAIN, ETHER, World
from tests.fakes.signer import FakeSigner
from tests.sign_in import signed_in
from witness.anchors import main as anchors_main
from witness.fsck import main as fsck_main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from demo.services.anvil import Node

ACTOR = "system:test"
GRANT = Rule(
    id="anchor",
    label="Anchors of the log",
    order=1,
    when=every(compare("call.kind", ConditionOp.EQ, "note"), compare("initiator", ConditionOp.HAS, "bot-1")),
    effect=Effect.ALLOW,
    quorum=seats(),
)


@dataclasses.dataclass
class House:
    world: World
    node: Node

    def say(self) -> None:
        with transaction.atomic():
            entry_append(actor="tess", tag="oms:request:asked", subject="s", payload={})
        place()

    def work(self, *, after: dt.timedelta = dt.timedelta()) -> None:
        now = timezone.now() + after
        oms_sweep(now=now)
        custody_sweep(now=now)
        anchors_sweep(now=now)

    def until(self, done: Any, *, seconds: float = 20) -> None:  # noqa: ANN401 - a predicate
        deadline = time.monotonic() + seconds
        turn = 0
        while time.monotonic() < deadline:
            turn += 1
            # Rounds are paced by the clock that the sweep is given.
            self.work(after=PACE * turn)
            self.node.call("anvil_mine", "0x1")
            if done():
                return
        states = list(TransactionRequest.objects.values_list("state", "sub_status"))
        raise AssertionError(f"{states} {list(LogAnchor.objects.values())}")


def house_of(settings: Any, folder: Path, stack: ExitStack, *grants: Rule) -> House:  # noqa: ANN401 - pytest-django's
    world = World(now=int(time.time()), overrides={"grants": (*grants, *rules(0)["grants"])})
    node = stack.enter_context(anvil())
    signer = stack.enter_context(FakeSigner(world))
    settings.COUNTERSIGN_SIGNER_SOCKETS = {world.signer: signer.path}
    settings.COUNTERSIGN_SIGNER_TIMEOUT_SECONDS = 2.0
    settings.COUNTERSIGN_POLL_SECONDS = 0.01
    settings.COUNTERSIGN_LOG_SIGNER = ""
    key = folder / "anchor-key"
    key.write_text(world.client_key.private_bytes_raw().hex())
    settings.COUNTERSIGN_ANCHOR_KEY_FILE = key
    settings.COUNTERSIGN_ANCHOR_CLIENT = "bot-1"
    settings.COUNTERSIGN_ANCHOR_WALLET = world.wallet
    node.call("anvil_setBalance", world.wallet.rpartition(":")[2], hex(ETHER))
    genesis_store(signed=world.signed_policy, digest=world.deployment, actor=ACTOR, now=world.now)
    chain_create(actor=ACTOR, caip2=CHAIN, name="Dev chain", native_symbol="ETH", confirmation_depth=2)
    node_create(actor=ACTOR, chain=CHAIN, label="anvil", url=node.url)
    wallet_create(
        actor=ACTOR,
        caip10=world.wallet,
        label="Anchor",
        kind=WalletKind.HSM,
        public_key=world.wallet_public_key,
        signers=(world.signer,),
    )
    return House(world=world, node=node)


@pytest.fixture
def house(transactional_db: None, settings: Any, tmp_path: Path) -> Iterator[House]:  # noqa: ANN401, ARG001 - pytest-django's; asks for the database
    with ExitStack() as stack:
        yield house_of(settings, tmp_path, stack, GRANT)


def verified() -> bool:
    return LogAnchor.objects.filter(verified_at__isnull=False).exists()


def test_a_checkpoint_goes_on_chain_and_is_read_back(house: House) -> None:
    house.say()
    house.until(verified)
    anchor = LogAnchor.objects.get()
    mined = house.node.call("eth_getTransactionByHash", "0x" + anchor.transaction_hash)
    own = house.world.wallet.rpartition(":")[2].lower()
    assert (mined["from"], mined["to"], mined["value"]) == (own, own, "0x0")
    found = anchor_read(bytes.fromhex(mined["input"][2:]))
    checkpoint = AuditCheckpoint.objects.get(size=found.size)
    assert found == Anchor(size=anchor.size, root=bytes.fromhex(checkpoint.root))
    request = anchor.request
    assert (request.state, request.asker, request.amount) == (State.CONFIRMED, "bot-1", 0)
    tags = set(AuditEntry.objects.filter(subject=request.intent_digest).values_list("tag", flat=True))
    assert {AuditTag.ANCHOR_ASKED, AuditTag.DECISION_MADE, AuditTag.ANCHOR_VERIFIED} <= tags
    assert not alarms_open().exists()


def outside(house: House, claims: Path, out: Path, *more: str) -> int:
    wallet = house.world.wallet.rpartition(":")[2]
    command = ["--claims", str(claims), "--node", house.node.url, "--wallet", wallet, "--chain", "31337"]
    return anchors_main([*command, "--out", str(out), *more])


def test_an_outsider_reads_it_from_a_node_of_their_own(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house.say()
    house.until(verified)
    place()
    capsys.readouterr()
    call_command("anchors_export")
    claims, out, log = tmp_path / "claims", tmp_path / "anchors", tmp_path / "log.jsonl"
    claims.write_text(capsys.readouterr().out)
    assert outside(house, claims, out) == 0
    call_command("audit_export", out=str(log))
    capsys.readouterr()
    assert fsck_main(["--export", str(log), "--anchors", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "1 anchors on chain hold" in shown
    assert "UNROOTED" not in shown
    # What nobody named shows by the wallet's number of transactions.
    claims.write_text("")
    assert outside(house, claims, tmp_path / "none") == 1
    assert "INCOMPLETE: 1 transactions" in capsys.readouterr().out
    # A transaction that is no anchor, or not there at all.
    payment = house.node.call(
        "eth_sendTransaction", {"from": house.node.call("eth_accounts")[0], "to": "0x" + "33" * 20, "value": "0x1"}
    )
    for claimed, code in ((payment, 1), ("0x" + "ab" * 32, 1), ("0xzz", 2), ("", 2)):
        claims.write_text(json.dumps({"transaction": claimed}))
        assert outside(house, claims, tmp_path / "odd") == code
    assert outside(house, out, tmp_path / "again", "--node", "http://127.0.0.1:1/") == 2
    assert outside(house, out, out) == 2


def test_the_next_one_waits_for_its_time_or_for_enough_leaves(house: House, settings: Any) -> None:  # noqa: ANN401 - pytest-django's
    house.say()
    house.until(verified)
    place()
    hour = dt.timedelta(seconds=settings.COUNTERSIGN_ANCHOR_SECONDS)
    house.work(after=hour / 2)
    assert LogAnchor.objects.count() == 1
    settings.COUNTERSIGN_ANCHOR_LEAVES = 1
    house.work(after=hour / 2 + AGAIN)
    assert LogAnchor.objects.count() == 2
    # One at a time.
    house.work(after=hour * 3)
    assert LogAnchor.objects.count() == 2


def test_pages_show_an_anchor_like_any_other_request(house: House) -> None:
    house.say()
    house.until(verified)
    request = LogAnchor.objects.get().request
    officer = User.objects.create_user("rita", display_name="Rita")
    client = signed_in(officer)
    for address in (
        "/requests/",
        f"/requests/{request.reference}/",
        f"/requests/{request.reference}/log/",
        "/queue/",
    ):
        answer = client.get(address)
        assert answer.status_code == 200, address
    assert client.get(f"/queue/{request.reference}/").status_code == 200


def test_without_a_grant_it_is_denied_and_the_delay_is_an_alarm(
    transactional_db: None,  # noqa: ARG001 - asks for the database
    settings: Any,  # noqa: ANN401 - pytest-django's
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        house = house_of(settings, tmp_path, stack)
        house.say()
        house.work()
        house.work(after=PACE * 2)
        anchor = LogAnchor.objects.get()
        assert anchor.problem.startswith("its request ended as denied")
        assert not alarms_open().filter(tag=AuditTag.ANCHOR_LATE).exists()
        hour = dt.timedelta(seconds=settings.COUNTERSIGN_ANCHOR_SECONDS)
        house.work(after=hour * 3)
        assert alarms_open().filter(tag=AuditTag.ANCHOR_LATE).count() == 1
        assert LogAnchor.objects.count() == 2


def test_a_log_that_was_rewritten_under_its_anchor_is_an_alarm(house: House) -> None:
    house.say()
    house.work()
    with lifted():
        leaf = AuditLeaf.objects.get(index=0)
        AuditLeaf.objects.filter(index=0).update(leaf=bytes(32).hex())
    house.until(lambda: LogAnchor.objects.exclude(problem="").exists())
    assert not verified()
    (alarm,) = alarms_open().filter(tag=AuditTag.ANCHOR_WRONG)
    assert alarm.severity == "critical"
    assert "another root" in alarm.message
    assert leaf.leaf != bytes(32).hex()


@pytest.mark.parametrize("key", ["", "zz", "00", "11" * 32])
def test_a_key_that_is_none_or_anothers_asks_for_nothing(house: House, settings: Any, key: str) -> None:  # noqa: ANN401 - pytest-django's
    house.say()
    settings.COUNTERSIGN_ANCHOR_KEY_FILE.write_text(key)
    with pytest.raises(AnchorError, match="key"):
        anchor_ask(now=timezone.now())
    assert not LogAnchor.objects.exists()


def test_without_a_wallet_nothing_is_anchored(house: House, settings: Any) -> None:  # noqa: ANN401 - pytest-django's
    house.say()
    settings.COUNTERSIGN_ANCHOR_WALLET = ""
    assert anchors_sweep(now=timezone.now()) == 0
    settings.COUNTERSIGN_ANCHOR_WALLET = CHAIN + ":0x0000000000000000000000000000000000000001"
    with pytest.raises(AnchorError, match="does not name"):
        anchor_ask(now=timezone.now())
