"""What a decision's limits were divided by, read back from its own figures: so it stays true after the mode ended.

Pure: nothing is read. Signers divide by what their own journals say, and read none of this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.decision import Section
from core.degraded import parts_of
from core.documents.roster import WalletKind
from core.registry import known_fact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.decision import RuleResult
    from core.documents.policy import Policy
    from core.registry import FactMap


def bounds_of(results: Iterable[RuleResult]) -> dict[str, str]:
    """Return the bound that each limit was held to, in digits as it was recorded; none for what was not touched."""
    lines = {one.rule: one.details[0] for one in results if one.section is Section.LIMIT and one.details}
    return {rule: line.partition(" of ")[2] for rule, line in lines.items()}


def parts_counted(*, policy: Policy, facts: FactMap, results: Iterable[RuleResult]) -> int:
    """Return what the limits of a decision were divided by: 1 unless its wallet was in degraded mode then.

    Args:
        policy: The policy that decided.
        facts: What it was decided from; they name the wallet.
        results: Every limit's result, with its figure and its bound. Bounds that are neither the policy's nor its
            parts count as whole; whoever explains them shows them as disputed.
    """
    paying = known_fact("wallet", facts)
    wallet = next((one for one in policy.wallets if one.id == paying), None)
    if wallet is None or wallet.kind is not WalletKind.MPC:
        return 1
    parts, most = parts_of(wallet), {limit.id: limit.most for limit in policy.limits}
    kept = [(most[rule], bound) for rule, bound in bounds_of(results).items() if rule in most]
    divided = all(bound == str(whole // parts) for whole, bound in kept)
    return parts if divided and any(bound != str(whole) for whole, bound in kept) else 1
