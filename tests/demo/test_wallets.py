"""What the demonstration says of its wallets while the site is up."""

from __future__ import annotations

from demo.__main__ import held_by
from tests.factories.description import demo_text
from tests.policies.test_genesis_rules import compiled


def test_each_wallet_says_who_holds_its_key() -> None:
    said = {wallet.label: held_by(wallet) for wallet in compiled(demo_text()).wallets}
    assert said == {
        "Treasury": "in the token of hsm-1",
        "Drill": "in the token of hsm-1",
        "Anchor": "in the token of hsm-1",
        "Warm": "held by party-1, party-2, party-3, party-4, party-5: 3 of 5 sign",
    }
