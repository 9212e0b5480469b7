"""What the demonstration holds its log against comes from the policy that its people signed."""

from __future__ import annotations

from demo.keepers import LOG_SIGNER_ID, WITNESS_ID, Roots
from tests.factories.description import LOG_KEY, WITNESS_KEY, demo_text
from tests.policies.test_genesis_rules import compiled
from witness.fsck import named_key


def test_the_roots_are_the_policys() -> None:
    policy = compiled(demo_text())
    roots = Roots.of(policy)
    assert roots == Roots(f"countersign/{policy.digest}/log", LOG_KEY, WITNESS_KEY)
    flag, log, other, witness = roots.words
    assert (flag, named_key(log)) == ("--log", (roots.origin, LOG_KEY))
    assert (other, named_key(witness)) == ("--witness", (WITNESS_ID, WITNESS_KEY))
    assert [witness.id for witness in policy.witnesses] == [WITNESS_ID]
    assert [signer.id for signer in policy.signers if signer.public_key == roots.log_key] == [LOG_SIGNER_ID]
