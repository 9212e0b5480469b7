"""Mutants that no test can notice, each with the reason: they mean the same, or differ only in time and memory."""

from __future__ import annotations

_QUORUM = "core/quorum.py"
_CHECK = "core/policy_check.py"
_CONDITIONS = "core/policy_conditions.py"
_SAME_LENGTH = "both sides are made from the same rows, so they are of one length"
_LAST_STAGE = "an end for the last stage, or beyond, bounds what nothing follows; the latest end is tried as well"
_MORE = "self.stages) - 1"


EXPLAINED: dict[tuple[str, str, str, str], str] = {
    ("core/policy.py", "_Run.skip", "return False", "return None"): "the caller only asks whether it is true",
    (_QUORUM, "_matching.place", "return False", "return None"): "the caller only asks whether it is true",
    (_QUORUM, "_Seating._eligible", "True", "False"): _SAME_LENGTH,
    (_QUORUM, "open_seats", "True", "False"): _SAME_LENGTH,
    (
        _QUORUM,
        "_Seating.earliest",
        "len(ends) < len(self.stages) - 1",
        "len(ends) <= len(self.stages) - 1",
    ): _LAST_STAGE,
    (_QUORUM, "_Seating.earliest", "len(self.stages) - 1", "len(self.stages) + 1"): _LAST_STAGE,
    (_QUORUM, "_Seating.most_sites", "len(self.stages) - 1", "len(self.stages) + 1"): _LAST_STAGE,
    (_QUORUM, "_Seating.most_sites", "1", "2"): (
        "where too few ends are found no seating fills every stage, so the search finds none either; the other two"
        " places of this name are noticed by tests"
    ),
    (_QUORUM, "_Seating.most_sites", "best >= enough", "best > enough"): "only looks on after the best was found",
    (_QUORUM, "_Seating.most_sites", "break", "pass"): "only looks on after the best was found",
    (_CHECK, "_fills", "0", "1"): "every approval is of one moment, whichever",
    (_CHECK, "_property", "0", "1"): "one site is what any seat has",
    (_CHECK, "_scarcity", "len(able) <= _MOST_LOOKED_AT", "len(able) < _MOST_LOOKED_AT"): (
        "a warning about 64 people is worked out or left out; the bound is only for time"
    ),
    (_CONDITIONS, "_tree", "scope.depth < MOST_DEPTH", "scope.depth <= MOST_DEPTH"): (
        "what is pinned at the deepest level is for parts that are refused as too deep"
    ),
    (
        _CONDITIONS,
        "Known.__init__",
        "0",
        "1",
    ): "a native coin's reference is no address: its form is refused first",
}
"""By module, function, the code as it is and as the mutant has it."""
