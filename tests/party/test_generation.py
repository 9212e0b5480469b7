"""A further key, made by running parties under a ceremony: all say one address before anybody keeps it."""

from __future__ import annotations

import dataclasses
import json
import secrets
from typing import TYPE_CHECKING, Any, cast

import pytest

from core.canonical import canonical
from core.documents.roster import Wallet, WalletKind
from core.generation_script import Generation, generate_script
from core.schema import write_struct
from courier.ceremony import main
from courier.relay import RelayError
from signer.party.shares import FOLDER
from tests.factories.world import CHAIN, DAY, header
from tests.party.renewing import carry, generate, order, planned, signs, up
from tests.party.rig import relay_to
from tests.signer.rig import START_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from core.documents.control import SignedCeremony
    from core.founding import FoundingPlan
    from courier.relay import Relay
    from tests.party.rig import Group, Process

Answer = dict[str, Any]


def with_wallet(group: Group, made: Answer) -> Answer:
    """Return a signed successor of the policy that has the new wallet."""
    world = group.world
    wallet = Wallet(
        id=made["wallet"],
        label="Second",
        kind=WalletKind.MPC,
        public_key=bytes.fromhex(made["public_key"][2:]),
        signers=group.names,
        threshold=group.plan.threshold,
    )
    policy = dataclasses.replace(
        world.policy,
        header=header("policy", world.deployment, now=world.now, lifetime=300 * DAY),
        number=2,
        previous=world.policy.digest,
        wallets=(*world.policy.wallets, wallet),
    )
    return write_struct(world.sign_policy(policy, "adam", "anna"), "signed_policy")


def files(group: Group, name: str) -> list[str]:
    return sorted(path.name.rpartition(".")[2] for path in (group.state(name) / FOLDER).iterdir())


def test_parties_make_a_key_say_its_address_and_take_its_wallet_into_the_policy(
    small: Group, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ordered, plan = planned(small)
    (tmp_path / "order.json").write_bytes(canonical(write_struct(ordered, "ceremony")))
    (tmp_path / "plan.json").write_bytes(canonical(write_struct(plan, "plan")))
    with small.up() as parties, relay_to(parties) as relay:
        sockets = [f"--party={name}={one.path}" for name, one in parties.items()]
        assert main([str(tmp_path / "order.json"), f"--plan={tmp_path / 'plan.json'}", *sockets]) == 0
        *said, last = capsys.readouterr().out.splitlines()
        made = json.loads(last)
        address = made["wallet"].rpartition(":")[2]
        assert made["wallet"].startswith(CHAIN)
        assert said == [f"{name} says {address}" for name in small.names]
        assert address != small.wallet.address
        # Asked again, they say the same and make nothing.
        assert set(map(str, generate(relay, ordered, plan).values())) == {str(made)}
        for name in small.names:
            assert files(small, name) == ["share", "share"]
        stranger = {**made, "wallet": f"{CHAIN}:{small.world.policy.wallets[0].address}"}
        assert parties["party-1"].ask("policy", signed_policy=with_wallet(small, stranger))["ok"] is False
        policy = with_wallet(small, made)
        for party in parties.values():
            assert party.ask("policy", signed_policy=policy)["ok"]
        signs(small, relay)
        assert main([str(tmp_path / "order.json"), *sockets]) == 2
        assert main([str(tmp_path / "order.json"), f"--plan={tmp_path / 'order.json'}", *sockets]) == 2
        assert main([str(tmp_path / "order.json"), f"--plan={tmp_path / 'plan.json'}", sockets[0]]) == 2
    capsys.readouterr()
    assert main([str(tmp_path / "order.json"), f"--plan={tmp_path / 'plan.json'}", *sockets]) == 1
    assert "party-1: unreachable" in capsys.readouterr().err
    # The new share is there after a new start, and the old wallet still signs.
    with small.up() as parties, relay_to(parties) as relay:
        signs(small, relay)


@pytest.mark.parametrize("point", ["kept", "staged", "adopted", "activated"])
def test_killed_while_a_key_is_made(small: Group, point: str) -> None:
    ordered, plan = planned(small)
    with up(small, {"party-1": f"signer.generation_{point}"}) as parties, relay_to(parties) as relay:
        with pytest.raises(RelayError):
            generate(relay, ordered, plan)
        assert parties["party-1"].process.wait(START_SECONDS) == -9
    with small.up() as parties, relay_to(parties) as relay:
        made = generate(relay, ordered, plan)
        assert len({str(one) for one in made.values()}) == 1
        assert parties["party-1"].ask("policy", signed_policy=with_wallet(small, made["party-1"]))["ok"]
        signs(small, relay)
    for name in small.names:
        assert "staged" not in files(small, name)


def test_no_other_plan_and_no_other_words_make_a_key(small: Group) -> None:
    ordered, plan = planned(small)
    with small.up() as parties, relay_to(parties) as relay:
        party = parties["party-1"]
        terms = Generation(signed=ordered, plan=plan, chance=bytes(32)).terms
        assert asked(party, ordered, plan)["error"]["code"] == "ceremony"
        assert party.ask("ceremony", ceremony=write_struct(ordered, "ceremony"))["ok"]
        greeting = write_struct(terms, "terms")
        # Nobody has shown the plan yet.
        assert party.ask("greet", terms=greeting)["error"]["code"] == "ceremony"
        for changes in ({"label": "Third"}, {"nonce": b"x" * 32}, {"parties": tuple(reversed(plan.parties))}):
            wrong = dataclasses.replace(plan, **changes)
            assert asked(party, ordered, wrong)["error"]["code"] == "ceremony"
        moved = dataclasses.replace(plan.parties[0], site="elsewhere")
        elsewhere, other = planned(small, parties=(moved, *plan.parties[1:]))
        assert party.ask("ceremony", ceremony=write_struct(elsewhere, "ceremony"))["ok"]
        assert "failure domains" in asked(party, elsewhere, other)["error"]["message"]
        for name in small.names[1:]:
            assert parties[name].ask("ceremony", ceremony=write_struct(ordered, "ceremony"))["ok"]
            assert asked(parties[name], ordered, plan)["ok"]
        assert asked(party, ordered, plan)["result"]["made"] is None
        changed: tuple[Answer, ...] = ({"threshold": 3}, {"quorum": ["party-1", "party-2"]}, {"epoch": 1})
        for change in (*changed, {"message_hash": "0x" + "01" * 32}):
            assert party.ask("greet", terms={**greeting, **change})["error"]["code"] == "session"
        settle = carry_to_words(small, relay, ordered, plan)
        for words in (
            settle[:2],
            [*settle[:2], settle[0]],
            [settle[1], settle[0], {**settle[2], "signature": "0x" + "00" * 64}],
        ):
            assert asked(party, ordered, plan, words)["error"]["code"] == "ceremony"
        assert asked(party, ordered, plan, settle)["result"]["made"]["plan"] == plan.digest
        assert party.ask("greet", terms={**greeting, "nonce": "0x" + "09" * 32})["error"]["code"] == "session"
        for bad in (None, {}, {"ceremony": "x", "plan": {}, "words": []}):
            assert party.ask("generate", generation=bad)["error"]["code"] == "malformed"


def asked(party: Process, ordered: SignedCeremony, plan: FoundingPlan, words: list[Answer] | None = None) -> Answer:
    shown = {"ceremony": ordered.document.digest, "plan": write_struct(plan, "plan"), "words": words or []}
    return party.ask("generate", generation=shown)


def carry_to_words(group: Group, relay: Relay, ordered: SignedCeremony, plan: FoundingPlan) -> list[Answer]:
    """Make the shares, and return everybody's word before anybody is shown them."""
    del group
    script = generate_script(Generation(signed=ordered, plan=plan, chance=secrets.token_bytes(32)))
    batch = next(script)
    while batch.step != "settle":
        batch = script.send(relay.ask(batch.frames))
    shown = cast("Answer", next(iter(batch.frames.values()))["generation"])
    words: list[Answer] = shown["words"]
    return words


def test_the_command_renews_shares_and_says_each_step(
    small: Group, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ordered = order(small)
    file, policy = tmp_path / "order.json", tmp_path / "policy.json"
    file.write_bytes(canonical(write_struct(ordered, "ceremony")))
    policy.write_bytes(canonical(write_struct(small.world.signed_policy, "signed_policy")))
    with small.up() as parties, relay_to(parties) as relay:
        sockets = [f"--party={name}={one.path}" for name, one in parties.items()]
        carry(small, relay, ordered, "stage")
        assert main([str(file), *sockets]) == 2
        assert main([str(file), f"--policy={policy}", *sockets]) == 0
        told = capsys.readouterr()
        assert json.loads(told.out.splitlines()[-1])["epoch"] == 1
        steps = [line.split(": ")[1] for line in told.err.splitlines() if line.count(": ") > 1]
        assert [step for step in steps if step in ("order", "ask", "stage", "activate", "destroy")] == [
            *("order", "ask", "stage", "activate", "destroy")
        ]
        signs(small, relay)
