"""Which parties are asked to sign together, over whose words, and who is asked next when some refuse."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING

from core.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from core.canonical import Json
    from core.party_script import Case, Words

JOINS_MOST = 24
"""How often parties are asked to join before the case is left for later."""
_ABOUT_WORDS = frozenset({Refusal.CERTIFICATE, Refusal.BEHIND})
_ABOUT_OTHERS = frozenset({Refusal.FROZEN, Refusal.SESSION}) | _ABOUT_WORDS


def newest_epoch(epochs: Mapping[str, int], threshold: int) -> int:
    """Return the newest epoch that enough parties have: one alone may say what it likes."""
    counted = Counter(epochs.values())
    return max((epoch for epoch, count in counted.items() if count >= threshold), default=max(counted))


def ways(
    case: Case, words: Words, able: list[str], refused: Mapping[str, Json]
) -> Iterator[tuple[tuple[str, ...], Json]]:
    """Go through quorums and certificates, looking at what was refused in between.

    A certificate that half of a quorum or more cannot follow is left for another one: one word in it is wrong, or
    says that its party knows more than there is. Whoever refuses for reasons of its own is not asked to join again.
    """
    tries = 0
    for quorum in _quorums(able, case):
        for chosen in combinations(words.words, words.needed):
            if tries == JOINS_MOST or any(_is_out(refused.get(name)) for name in quorum):
                break
            tries += 1
            before = dict(refused)
            certificate: Json = {"reservations": [words.words[name] for name in chosen]}
            yield tuple(sorted(quorum, key=case.wallet.signers.index)), certificate
            against = [name for name in quorum if refused.get(name) is not before.get(name)]
            lost = [name for name in against if refused[name].get("code") in _ABOUT_WORDS]
            if 2 * len(lost) < len(quorum):
                break


def _quorums(able: list[str], case: Case) -> list[tuple[str, ...]]:
    """Return the preferred quorum, then all others in an order of chance: no party is in every first few of them."""
    first, *others = combinations(able, case.wallet.threshold)
    return [first, *sorted(others, key=lambda one: hashlib.sha256(case.chance + repr(one).encode()).digest())]


def _is_out(refusal: Json | None) -> bool:
    return refusal is not None and refusal.get("code") not in _ABOUT_OTHERS
