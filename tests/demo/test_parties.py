"""The threshold wallet's plan, as people compare it at the parties' consoles, and its policy say the same."""

from __future__ import annotations

import re

import pytest

from core.documents.roster import SignerRole, WalletKind
from core.errors import PolicyError
from core.founding import DOMAINS
from demo.layout import PARTIES
from demo.parties import LABEL, THRESHOLD, at_each, plan_make
from demo.services.processes import ServiceError
from tests.factories.description import PARTY_KEYS, demo_text
from tests.policies.test_genesis_rules import compiled

KEYS = {name: "0x" + key.hex() for name, key in zip(PARTIES, PARTY_KEYS, strict=True)}


def test_plan_and_policy_name_the_same_parties() -> None:
    policy = compiled(demo_text())
    plan = plan_make(KEYS, demo_text())
    (wallet,) = (one for one in policy.wallets if one.kind is WalletKind.MPC)
    assert (wallet.label, wallet.signers, wallet.threshold) == (LABEL, PARTIES, THRESHOLD)
    assert (plan.label, plan.threshold, plan.chain) == (LABEL, THRESHOLD, wallet.chain)
    named = {one.id: one for one in policy.signers if one.role is SignerRole.PARTY}
    for party in plan.parties:
        entry = named.pop(party.id)
        assert entry.public_key == party.public_key
        assert [getattr(entry, domain) for domain in DOMAINS[policy.profile]] == [
            getattr(party, domain) for domain in DOMAINS[policy.profile]
        ]
    assert not named


def test_nothing_that_fails_as_one_holds_more_than_one_share() -> None:
    policy = compiled(demo_text())
    parties = [one for one in policy.signers if one.role is SignerRole.PARTY]
    others = [one for one in policy.signers if one.role is not SignerRole.PARTY]
    for domain in ("host", "administrator"):
        assert len({getattr(one, domain) for one in parties}) == len(PARTIES)
        assert {getattr(one, domain) for one in parties}.isdisjoint(getattr(one, domain) for one in others)
    assert len({one.site for one in parties}) == len(PARTIES)


def test_a_domain_that_holds_a_signature_is_no_plan() -> None:
    crowded = re.sub(r'host = "host-[567]"', 'host = "host-5"', demo_text())
    with pytest.raises(PolicyError, match="host-5"):
        plan_make(KEYS, crowded)


def test_a_step_that_fails_at_one_console_fails() -> None:
    def step(name: str) -> str:
        if name == PARTIES[3]:
            raise ServiceError(f"{name} has no token")
        return name.upper()

    with pytest.raises(ServiceError, match="party-4 has no token"):
        at_each(step)
    assert at_each(str.upper) == {name: name.upper() for name in PARTIES}
