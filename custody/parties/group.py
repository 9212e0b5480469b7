"""What the answers of several parties together mean. Pure: who asks and who writes is elsewhere."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING

from core.errors import Refusal
from custody.answers import STILL_POSSIBLE, Refused
from custody.errors import SignerWaitsError
from custody.nonces import LANE_MISMATCH, LaneStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

PARTIES = "parties"
"""The code of a case that waits for parties."""
SILENT = frozenset({"unreachable", "timeout", "courier", "unknown_signer"})
"""Codes of the way there: nobody said anything."""
ABOUT_THE_MOMENT = STILL_POSSIBLE | {Refusal.CERTIFICATE, Refusal.BEHIND, Refusal.SESSION, Refusal.FROZEN}
"""Refusals that say nothing about the case: they end with a halt, a lease, or with what the party is told next."""
_WORDS_MOST = 110


@dataclasses.dataclass(frozen=True, kw_only=True)
class No:
    """Why one party did not agree."""

    code: str
    message: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """How far a case came among its parties.

    Attributes:
        parties: All who hold a share.
        needed: How many have to agree.
        agreed: Who did.
        refusals: Why the others did not.
    """

    parties: tuple[str, ...]
    needed: int
    agreed: tuple[str, ...]
    refusals: Mapping[str, No]

    @property
    def silent(self) -> tuple[str, ...]:
        """Who gave no answer at all."""
        return tuple(name for name in self.parties if name in self.refusals and self.refusals[name].code in SILENT)

    @property
    def final(self) -> dict[str, No]:
        """Who will never agree, as it looks now."""
        return {name: no for name, no in self.refusals.items() if is_final(no.code) and no.code not in LANE_MISMATCH}

    @property
    def elsewhere(self) -> dict[str, No]:
        """Whose nonces are not ours: a party that missed something catches up, a database that did cannot."""
        return {name: no for name, no in self.refusals.items() if no.code in LANE_MISMATCH}


class PartiesWaitError(SignerWaitsError):
    """Too few parties agreed now."""

    def __init__(self, code: str, outcome: Outcome) -> None:
        """Say in words what is missing, and keep who said what.

        Args:
            code: What is waited for.
            outcome: How far the case came.
        """
        super().__init__(code, outcome_words(outcome))
        self.outcome = outcome


def is_final(code: str) -> bool:
    """Say whether a refusal is about the case itself, and stays."""
    return code in set(Refusal) and code not in ABOUT_THE_MOMENT


def group_read(outcome: Outcome) -> Refused | PartiesWaitError:
    """Say what it means that a case was not signed.

    It is refused only where so many parties refuse for reasons that stay that those who are left can never be enough;
    the reason is then the one that most of them name. Anything else waits.
    """
    for final in (outcome.final, outcome.elsewhere):
        if len(final) > len(outcome.parties) - outcome.needed:
            code, _ = Counter(no.code for no in final.values()).most_common(1)[0]
            why = next(no.message for no in final.values() if no.code == code)
            message = f"{len(final)} of {len(outcome.parties)} parties refuse: {why}"
            return Refused(code=Refusal(code), message=message)
    return PartiesWaitError(_wait_code(outcome), outcome)


def _wait_code(outcome: Outcome) -> str:
    """Name a lease or an inclusion as what is waited for where that alone is missing: it comes within a second."""
    for code in (Refusal.LEASE, Refusal.INCLUSION):
        lacking = sum(no.code == code for no in outcome.refusals.values())
        if lacking and len(outcome.agreed) + lacking >= outcome.needed:
            return code.value
    return PARTIES


def outcome_words(outcome: Outcome) -> str:
    """Say in one line how many are there, how many agree, how many have to, and who said no and why."""
    count, agreed = len(outcome.parties), len(outcome.agreed)
    silent = outcome.silent
    words = [f"{agreed} agree{'s' if agreed == 1 else ''}, {outcome.needed} have to"]
    if silent:
        words.insert(0, f"{len(silent)} of {count} parties are silent ({', '.join(silent)})")
    else:
        words.insert(0, f"{count} parties hold this key")
    said = [f"{name}: {no.code}: {no.message}"[:_WORDS_MOST] for name, no in _others(outcome)]
    return "; ".join(words) + ("." if not said else ". " + "; ".join(said))


def _others(outcome: Outcome) -> Iterable[tuple[str, No]]:
    return ((name, no) for name, no in sorted(outcome.refusals.items()) if no.code not in SILENT)


def group_lane(lanes: Collection[LaneStatus], *, intent: str) -> LaneStatus:
    """Put several parties' lanes together: what any of them holds is held, and the farthest next nonce counts.

    Args:
        lanes: At least one.
        intent: The case that is asked about: where parties hold different ones at a nonce, it is the one named.
    """
    held: dict[int, str] = {}
    for lane in lanes:
        for nonce, digest in lane.held.items():
            if digest == intent or nonce not in held:
                held[nonce] = digest
    return LaneStatus(next_nonce=max(lane.next_nonce for lane in lanes), held=held)
