"""What a check came to, as data: the same bytes for the same question, so that people can compare digests."""

from __future__ import annotations

import dataclasses
from enum import StrEnum

from core.canonical import canonical, tagged_digest


class CheckState(StrEnum):
    """What a check came to. `failed` and `unknown` bar the draft from being proposed."""

    PROVEN = "proven"
    INFORMATION = "information"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"


BARRING = frozenset({CheckState.FAILED, CheckState.UNKNOWN})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One concrete case that the real engine has decided as it says here.

    `facts` are what a signer would have derived (missing: unknown), spelt for people; `spent` what windows already
    held; `outcomes` each version's decision in words.
    """

    sentence: str
    asker: str
    facts: tuple[tuple[str, str], ...]
    spent: tuple[tuple[str, str], ...]
    outcomes: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, object]:
        """Return it for the report."""
        return {
            "sentence": self.sentence,
            "asker": self.asker,
            "facts": [{"field": name, "value": value} for name, value in self.facts],
            "spent": [{"limit": name, "used": used} for name, used in self.spent],
            "outcomes": [{"version": name, "outcome": words} for name, words in self.outcomes],
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a check found; `rules` are the ids that it names."""

    sentence: str
    rules: tuple[str, ...] = ()
    case: Case | None = None

    def to_json(self) -> dict[str, object]:
        """Return it for the report."""
        case = None if self.case is None else self.case.to_json()
        return {"sentence": self.sentence, "rules": list(self.rules), "case": case}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Check:
    """One question about the policy. `id` is stable; `title` asks it, `answer` says what it came to."""

    id: str
    title: str
    state: CheckState
    answer: str
    findings: tuple[Finding, ...] = ()

    @property
    def barring(self) -> bool:
        """Whether the draft cannot be proposed for it."""
        return self.state in BARRING

    def to_json(self) -> dict[str, object]:
        """Return it for the report."""
        return {
            "id": self.id,
            "title": self.title,
            "state": self.state.value,
            "answer": self.answer,
            "findings": [finding.to_json() for finding in self.findings],
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProofReport:
    """All checks of one policy. `content` is its digest without evidence, `previous` what it was held against."""

    content: str
    previous: str | None
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing bars the policy from being proposed. A report without checks has shown nothing."""
        return bool(self.checks) and not any(check.barring for check in self.checks)

    def to_json(self) -> dict[str, object]:
        """Return the whole report."""
        return {
            "kind": "proof",
            "content": self.content,
            "previous": self.previous,
            "passed": self.passed,
            "checks": [check.to_json() for check in self.checks],
        }

    def to_bytes(self) -> bytes:
        """Return the canonical bytes that the digest names. No times: asked again, they are the same."""
        return canonical(self.to_json())

    @property
    def digest(self) -> str:
        """The digest that goes into the policy's evidence."""
        return tagged_digest("report", self.to_bytes())
