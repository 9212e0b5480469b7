"""What the demonstration's policy lets the anchors' client do: notes of one wallet to itself, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from core.documents.mandate import Asker, AskerKind, Intent, Mandate, SingleOrder
from core.facts import derive_facts, resolve_asker
from core.policy import decide
from demo.anchoring import CLIENT_ID, LABEL
from tests.factories.description import demo_text
from tests.factories.documents import header
from tests.policies.test_genesis_rules import NOW, compiled

if TYPE_CHECKING:
    from core.documents.policy import Limit, Policy
    from core.limits import ScopeKey

NOTE = bytes(40)
EXCHANGE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


class Nothing:
    """Nobody has drawn anything yet."""

    def used(self, limit: Limit, key: ScopeKey, *, now: int) -> int:  # noqa: ARG002 - the protocol's
        return 0


@pytest.fixture(scope="module")
def policy() -> Policy:
    return compiled(demo_text())


def granted(policy: Policy, *, wallet: str = LABEL, client: str = CLIENT_ID, **changes: Any) -> bool:  # noqa: ANN401 - Intent's fields
    """Whether a signer lets a request through, of which an attester says that it would succeed."""
    (entry,) = (one for one in policy.wallets if one.label == wallet)
    fields: dict[str, Any] = {
        "header": header("intent", policy.digest, now=NOW),
        "wallet": entry.id,
        "chain": entry.chain,
        "to": entry.address,
        "value": 0,
        "data": NOTE,
        "gas": 30_000,
        "max_fee_per_gas": 100 * 10**9,
        "max_priority_fee_per_gas": 10**9,
        "movements": (),
    }
    intent = Intent(**(fields | changes))
    kind = AskerKind.CLIENT if client == CLIENT_ID else AskerKind.PERSON
    mandate = Mandate(
        header=header("mandate", policy.digest, now=NOW),
        policy=policy.digest,
        asker=Asker(kind=kind, id=client),
        purpose="An anchor",
        order=SingleOrder(kind="intent", intent=intent),
    )
    attested = {"simulation.success": True}
    facts, draw = derive_facts(
        intent, policy, resolve_asker(mandate, policy), order="aa" * 32, now=NOW, attested=attested
    )
    return decide(policy, facts, draw, Nothing(), now=NOW, enforce=True).allowed


def test_the_client_may_ask_for_notes_of_its_wallet(policy: Policy) -> None:
    assert granted(policy)


@pytest.mark.parametrize(
    "changes",
    [
        {"wallet": "Treasury"},
        {"wallet": "Warm"},
        {"client": "tessa"},
        {"value": 1},
        {"to": EXCHANGE},
        {"to": EXCHANGE, "data": b"", "value": 10**15},
        {"data": b""},
        {"data": bytes(65)},
    ],
)
def test_and_for_nothing_else(policy: Policy, changes: dict[str, Any]) -> None:
    assert not granted(policy, **changes)
